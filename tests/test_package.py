"""The package root: what it offers, and what importing it costs."""

import subprocess
import sys

import numpy as np

import smiletrack
from smiletrack import Detections, Tracker, TrackerConfig, TrackTable, evaluate, load_tracker


def moving(frame: int) -> Detections:
    return Detections([[10.0 + frame, 10, 40 + frame, 90], [200 - frame, 20, 230 - frame, 100]], [0.9, 0.8])


def test_two_trackers_run_interleaved_without_touching_each_other() -> None:
    alone = [load_tracker("bytetrack").update(moving(0)).ids.tolist()]
    first, second = load_tracker("bytetrack"), Tracker(TrackerConfig(), frame_rate=10)
    got = []
    for frame in range(5):
        got.append(first.update(moving(frame)))
        second.update(Detections(np.zeros((0, 4)), []) if frame % 2 else moving(-frame))
    assert got[0].ids.tolist() == alone[0] == [1, 2] and got[-1].ids.tolist() == [1, 2]
    first.reset()
    assert first.update(moving(0)).ids.tolist() == [1, 2]


def test_evaluate_takes_tables() -> None:
    frames = np.repeat(np.arange(1, 6), 2)
    boxes = np.concatenate([moving(frame).boxes for frame in range(5)])
    truth = TrackTable(frames, np.tile([1, 2], 5), boxes)
    figures = evaluate(truth, TrackTable(frames, np.tile([7, 9], 5), boxes))["COMBINED"]
    assert figures["HOTA"]["HOTA"].tolist() == [1.0] * 19
    assert figures["CLEAR"]["MOTA"] == 1 == figures["Identity"]["IDF1"]


def test_every_name_is_there_and_documented() -> None:
    for name in smiletrack.__all__:
        assert getattr(smiletrack, name).__doc__, name


def test_tracking_and_metrics_load_no_torch() -> None:
    code = "import sys; from smiletrack import Tracker, evaluate; print(sorted({'torch', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
