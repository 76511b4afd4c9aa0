"""Every Nth frame: what is read, what the tracker is given, under which numbers results stand, and how they score."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from smiletrack.data.mot import read_results, write_results
from smiletrack.data.sources import open_source
from smiletrack.data.video import VideoWriter
from smiletrack.engine.eval_mot import EvalConfig, eval_mot
from smiletrack.engine.inputs.sequence_inputs import sequence_inputs
from smiletrack.engine.track import TrackConfig, track
from smiletrack.motion.camera_motion import skipping_warps
from smiletrack.tracking.interpolation import InterpolationConfig
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import TrackTable

FRAMES = 20


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three people who walk past each other in front of a moving camera, with truth."""
    folder = tmp_path / "train" / "SEQ-01"
    for name in ("det", "gt", "gmc", "img1"):
        (folder / name).mkdir(parents=True)
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname=SEQ-01\nimDir=img1\nframeRate=30\nseqLength={FRAMES}\nimWidth=640\nimHeight=480\nimExt=.png\n"
    )
    starts, speeds = np.array([100.0, 400, 200]), np.array([8.0, -7, 3])
    rows = [(f, i, starts[i] + speeds[i] * f, 100 + 90 * i) for f in range(1, FRAMES + 1) for i in range(3)]
    (folder / "det" / "det.txt").write_text("".join(f"{f},-1,{x},{y},40,80,0.9\n" for f, _, x, y in rows))
    (folder / "gt" / "gt.txt").write_text("".join(f"{f},{i + 1},{x},{y},40,80,1,1,1\n" for f, i, x, y in rows))
    (folder / "gmc" / "gmc.txt").write_text("".join(f"{i} 1 0 {i % 3} 0 1 0\n" for i in range(FRAMES)))
    return tmp_path / "train"


def test_results_carry_the_frames_own_numbers(data: Path, tmp_path: Path) -> None:
    config = TrackConfig(data=str(data), output=str(tmp_path / "run"), stride=3, camera_motion="file")
    table = read_results(track(config) / "tracks" / "SEQ-01.txt")
    assert np.unique(table.frames).tolist() == list(range(1, FRAMES + 1, 3))
    given = next(sequence_inputs(config))
    assert given.warps is not None and given.num_looks == 7 == len(given.warps) == len(list(given.frames()))
    assert given.warps[1:, 0, 2].tolist() == [1 + 2 + 0] * 6, "of the frames between, one after another"
    tracker = Tracker(config.tracker, 30)
    for look, seen in enumerate(given.frames()):
        tracks = tracker.update(seen, given.warps[look], elapsed=3)
        here = table.frames == 1 + 3 * look
        np.testing.assert_array_equal(tracks.ids, table.ids[here])
        np.testing.assert_allclose(tracks.boxes, table.boxes[here], atol=0.01)
    filled = track(replace(config, interpolation=InterpolationConfig("linear")))
    assert np.unique(read_results(filled / "tracks" / "SEQ-01.txt").frames).tolist() == list(range(1, 20))


def test_a_strided_run_is_scored_where_it_looked(data: Path, tmp_path: Path) -> None:
    run = str(track(TrackConfig(data=str(data), output=str(tmp_path / "run"), stride=3)))
    found = eval_mot(EvalConfig(results=run))["SEQ-01"]
    assert found["HOTA"]["HOTA"].mean() == pytest.approx(1) and found["Count"]["GT_Dets"] == 7 * 3
    whole = eval_mot(EvalConfig(results=run, stride=1))["SEQ-01"]
    assert whole["CLEAR"]["CLR_FN"] == 13 * 3
    # the same as if the frames that were left out did not exist
    table = read_results(tmp_path / "run" / "tracks" / "SEQ-01.txt")
    close = data.parent / "close" / "SEQ-01"
    (close / "gt").mkdir(parents=True)
    (close / "seqinfo.ini").write_text((data / "SEQ-01" / "seqinfo.ini").read_text().replace("=20", "=7"))
    lines = [line.split(",") for line in (data / "SEQ-01" / "gt" / "gt.txt").read_text().splitlines()]
    kept = [[str(int(line[0]) // 3 + 1), *line[1:]] for line in lines if int(line[0]) % 3 == 1]
    (close / "gt" / "gt.txt").write_text("\n".join(",".join(line) for line in kept) + "\n")
    swapped = TrackTable(table.frames, np.where(table.frames > 9, table.ids % 3 + 1, table.ids), table.boxes)
    for folder, frames in (("far", table.frames), ("near", table.frames // 3 + 1)):
        write_results(tmp_path / folder / "SEQ-01.txt", replace(swapped, frames=frames))
    far = eval_mot(EvalConfig(gt=str(data), results=str(tmp_path / "far"), stride=3))["SEQ-01"]
    near = eval_mot(EvalConfig(gt=str(close.parent), results=str(tmp_path / "near")))["SEQ-01"]
    assert far["CLEAR"] == near["CLEAR"] | {"CLR_Frames": FRAMES} and far["CLEAR"]["IDSW"] == 3
    assert far["Identity"] == near["Identity"]
    np.testing.assert_array_equal(far["HOTA"]["HOTA"], near["HOTA"]["HOTA"])


def test_frames_that_are_left_out_are_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    frames = [np.full((48, 64, 3), 12 * i, np.uint8) for i in range(10)]
    for number, frame in enumerate(frames, 1):
        (folder / f"{number}.png").write_bytes(
            cv2.imencode(".png", frame)[1].tobytes() if number % 4 == 1 else b"no picture"
        )
    with VideoWriter(tmp_path / "video.mp4", 25) as writer:
        for frame in frames:
            writer.write(frame)
    for place in (folder, tmp_path / "video.mp4"):
        source = open_source(place).every(4)
        assert source.num_frames == 3 and not source.problems
        assert [round(frame.mean() / 12) for frame in source] == [0, 4, 8]
        assert [(number, round(frame.mean() / 12)) for number, frame in source.pick([2, 3])] == [(2, 4), (3, 8)]


def test_warps_between_the_frames_that_are_looked_at() -> None:
    rng = np.random.default_rng(0)
    warps = np.eye(2, 3) + rng.normal(0, 0.1, (11, 2, 3))
    for stride in (1, 2, 3, 10, 11, 20):
        found = skipping_warps(warps, stride)
        looks = list(range(0, 11, stride))
        assert len(found) == len(looks)
        point = np.array([3.0, 4.0])
        for place in range(1, len(looks)):
            moved = point
            for frame in range(looks[place - 1] + 1, looks[place] + 1):
                moved = warps[frame] @ [*moved, 1]
            np.testing.assert_allclose(found[place] @ [*point, 1], moved)
