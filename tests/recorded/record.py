"""Write the recorded results beside this file: generated scenes, and what was computed on them once.

    python tests/recorded/record.py

metrics.npz: truth and results of three scenes with TrackEval's figures (PyPI `trackeval`, which must be installed).
tracks.npz: detections, embeddings and camera motion of one scene, and the tracks of every preset.
*-format-N.npz: trackers that were saved after half of that scene. Run it only with a
version whose presets equal the original programs (`SMILETRACK_FULL=1 pytest tests/tracking/test_parity.py`).
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from smiletrack.config import CONFIG_ROOT, load_config, preset_file
from smiletrack.data.mot import DetectionTable, write_results
from smiletrack.data.synthetic import CROWD, crowd_sequences
from smiletrack.engine.benchmarks.metrics import trackeval_scores
from smiletrack.engine.track import join_tracks
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.saved_state import FORMAT
from smiletrack.tracking.tracker import Tracker, load_tracker
from smiletrack.types import Detections, TrackTable

HERE = Path(__file__).parent
SCENE = replace(CROWD, length=40, people=12, moving_cameras=1.0)


def record_tracks() -> None:
    """Track one scene with every preset."""
    world = crowd_sequences(SCENE, seed=5, number=1)[0]
    table, embeddings = world.detections, world.embeddings.astype(np.float16)
    # two decimals, as detection files have them
    boxes, scores = np.round(table.boxes, 2), np.round(table.scores, 3)
    given = {"frames": table.frames, "boxes": boxes, "scores": scores, "embeddings": embeddings, "warps": world.warps}
    table = DetectionTable(table.frames, boxes, scores, table.classes)
    for file in sorted((CONFIG_ROOT / "tracker").glob("*.yaml")):
        tracker, tracks = Tracker(load_config(TrackerConfig, preset_file("tracker", file.stem)), 30.0), []
        for frame in range(1, SCENE.length + 1):
            rows = table.frame(frame)
            seen = Detections(boxes[rows], scores[rows], embeddings[rows].astype(np.float64))
            tracks.append(tracker.update(seen, world.warps[frame - 1]))
        found = join_tracks(tracks)
        given |= {f"{file.stem} frames": found.frames.astype(np.int16), f"{file.stem} ids": found.ids.astype(np.int16)}
        given[f"{file.stem} boxes"] = found.boxes.astype(np.float32)
    np.savez_compressed(HERE / "tracks.npz", **given)


def record_states() -> None:
    """Save two trackers after half of the recorded scene; a new format gets files of its own beside them."""
    with np.load(HERE / "tracks.npz") as stored:
        scene = dict(stored)
    rows = scene["frames"] <= SCENE.length // 2
    seen = Detections(*(scene[name][rows].astype(np.float64) for name in ("boxes", "scores", "embeddings")))
    for preset in ("smiletrack", "ocsort"):
        tracker = load_tracker(preset)
        tracker.run(seen, scene["frames"][rows], SCENE.length // 2, scene["warps"][: SCENE.length // 2])
        tracker.save(HERE / f"{preset}-format-{FORMAT}.npz")


def record_metrics() -> None:
    """Score three scenes that miss, jitter, swap and invent with TrackEval."""
    stored: dict[str, object] = {}
    for seed, world in enumerate(crowd_sequences(replace(SCENE, length=40), seed=7, number=3)):
        rng = np.random.default_rng(seed)
        truth = world.truth
        kept = rng.random(len(truth)) > 0.15
        ids = np.where(truth.frames > 20, (truth.ids * 7) % 11 + 1, truth.ids)[kept]
        boxes = np.round(truth.boxes[kept] + rng.normal(0, 4, (kept.sum(), 4)), 2)
        _, first = np.unique(np.stack([truth.frames[kept], ids]), axis=1, return_index=True)
        first = np.sort(first)
        found = TrackTable(truth.frames[kept][first], ids[first], boxes[first])
        for name, rows in (("truth", truth), ("results", found)):
            stored[f"{world.name} {name}"] = np.column_stack(
                [rows.frames, rows.ids, rows.boxes, rows.scores, rows.classes, rows.visibility]
            )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for key, rows in stored.items():
            sequence, kind = key.split()
            table = TrackTable(rows[:, 0].astype(int), rows[:, 1].astype(int), rows[:, 2:6])  # type: ignore[index]
            if kind == "results":
                write_results(root / "results" / f"{sequence}.txt", table, decimals=6)
                continue
            (root / "truth" / sequence / "gt").mkdir(parents=True)
            (root / "truth" / sequence / "seqinfo.ini").write_text(f"[Sequence]\nname={sequence}\nseqLength=40\n")
            lines = [
                f"{r[0]:.0f},{r[1]:.0f},{r[2]!r},{r[3]!r},{r[4] - r[2]!r},{r[5] - r[3]!r},{r[6]:.0f},{r[7]:.0f},{r[8]}"
                for r in rows.tolist()  # type: ignore[attr-defined]
            ]
            (root / "truth" / sequence / "gt" / "gt.txt").write_text("\n".join(lines) + "\n")
        scores = trackeval_scores(root / "truth", root / "results", "MOT17")
    plain = {
        sequence: {
            family: {name: np.asarray(value).tolist() for name, value in fields.items()}
            for family, fields in families.items()
        }
        for sequence, families in scores.items()
    }
    np.savez_compressed(HERE / "metrics.npz", figures=np.array(json.dumps(plain)), **stored)  # type: ignore[arg-type]


if __name__ == "__main__":
    record_tracks()
    record_states()
    record_metrics()
