"""A whole sequence at once gives what frame by frame gives; the compiled loop gives what Python gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from smiletrack.config import CONFIG_ROOT
from smiletrack.engine.track import join_tracks
from smiletrack.tracking.tracker import load_tracker
from smiletrack.types import Detections, TrackTable

RECORDED = Path(__file__).parents[1] / "recorded" / "tracks.npz"
PRESETS = sorted(file.stem for file in (CONFIG_ROOT / "tracker").glob("*.yaml"))


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    with np.load(RECORDED) as stored:
        return dict(stored)


def assert_equal(found: TrackTable, expected: TrackTable) -> None:
    for name in ("frames", "ids", "boxes", "scores", "classes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize(("preset", "copies"), [*((preset, 1) for preset in PRESETS), ("smiletrack", 6), ("ocsort", 6)])
def test_at_once_or_frame_by_frame(preset: str, copies: int, recorded: dict[str, np.ndarray]) -> None:
    """Also with more tracks than a new tracker has room for, and after frames that were tracked one by one."""
    frames, warps = recorded["frames"], recorded["warps"]
    detections = Detections(recorded["boxes"], recorded["scores"], recorded["embeddings"].astype(np.float64))
    if copies > 1:
        shift = np.repeat(np.arange(copies) * 3000.0, len(frames))[:, None] * [1, 0, 1, 0]
        tiled = (np.tile(a, (copies, *[1] * (a.ndim - 1))) for a in (detections.scores, detections.embeddings))
        order = np.argsort(np.tile(frames, copies), kind="stable")
        frames = np.tile(frames, copies)[order]
        detections = Detections(np.tile(detections.boxes, (copies, 1)) + shift, *tiled)[order]
    one_by_one, at_once = load_tracker(preset), load_tracker(preset)
    tracks = [one_by_one.update(detections[frames == n], warps[n - 1]) for n in range(1, 41)]
    for n in range(1, 6):
        at_once.update(detections[frames == n], warps[n - 1])
    later = frames > 5
    found = at_once.run(detections[later], frames[later] - 5, 35, warps[5:])
    assert_equal(found, join_tracks(tracks[5:]))
    assert at_once.frame == one_by_one.frame == 40
    assert at_once.skipped == one_by_one.skipped


def test_frames_must_be_ascending_and_inside() -> None:
    boxes = Detections(np.tile([0.0, 0, 9, 9], (3, 1)), np.full(3, 0.9))
    for frames in ([1, 2], [0, 1, 2], [1, 2, 4], [2, 1, 3]):
        with pytest.raises(ValueError, match="frames must be"):
            load_tracker().run(boxes, np.array(frames), 3)
    with pytest.raises(ValueError, match="warp must have shape"):
        load_tracker().run(boxes, np.array([1, 2, 3]), 3, np.zeros((2, 2, 3)))
    assert len(load_tracker().run(boxes[np.zeros(0, int)], np.zeros(0, int), 0)) == 0


def test_any_kind_of_array_is_taken() -> None:
    wide, read_only = np.zeros((2, 9)), np.full(2, 0.9)
    wide[:, 2:6] = [[0, 0, 40, 90], [100, 0, 140, 90]]
    read_only.flags.writeable = False
    for boxes in (wide[:, 2:6], np.asfortranarray(wide[:, 2:6])):
        tracks = load_tracker().update(Detections(boxes, read_only, np.eye(2, 7)[:, ::2]))
        np.testing.assert_allclose(tracks.boxes, wide[:, 2:6])


def test_python_gives_what_the_machine_code_gives(recorded: dict[str, np.ndarray]) -> None:
    """NUMBA_DISABLE_JIT=1 runs the same source as Python."""
    presets = ("smiletrack", "ocsort", "deepsort")
    code = f"""
import json, numpy as np
from smiletrack.tracking.tracker import load_tracker
from smiletrack.types import Detections
recorded = dict(np.load({str(RECORDED)!r}))
few = recorded["frames"] <= 12
seen = Detections(*(recorded[name][few].astype(float) for name in ("boxes", "scores", "embeddings")))
tables = [load_tracker(p).run(seen, recorded["frames"][few], 12, recorded["warps"][:12]) for p in {presets}]
print(json.dumps([[t.frames.tolist(), t.ids.tolist(), t.boxes.tolist()] for t in tables]))
"""
    answers = [
        json.loads(
            subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
        )
        for env in (os.environ, os.environ | {"NUMBA_DISABLE_JIT": "1"})
    ]
    for compiled, interpreted in zip(*answers, strict=True):
        assert compiled[:2] == interpreted[:2]
        np.testing.assert_allclose(compiled[2], interpreted[2], rtol=1e-12)
