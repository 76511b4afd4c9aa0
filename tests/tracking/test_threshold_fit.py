"""When a tracker's thresholds do not fit: on made-up people and clutter, and on real detectors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smiletrack.config import load_config, preset_file
from smiletrack.data.mot import read_detections
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.threshold_fit import confirmed_boxes, threshold_doubt
from smiletrack.types import Floats, Ints


def preset(name: str) -> TrackerConfig:
    return load_config(TrackerConfig, preset_file("tracker", name))


def people(score: float) -> tuple[Ints, Floats, Floats]:
    """Return eight people over 20 frames who score `score`, and clutter that jumps about, at .15."""
    rng = np.random.default_rng(0)
    frames = np.repeat(np.arange(1, 21), 16)
    lefts = np.where(np.arange(320) % 16 < 8, 100.0 * (np.arange(320) % 16), rng.uniform(1000, 9000, 320))
    boxes = np.stack((lefts, 0 * lefts, lefts + 40, 0 * lefts + 100), axis=1)
    return frames, boxes, np.where(np.arange(320) % 16 < 8, score, 0.15)


def test_people_are_confirmed_and_clutter_is_not() -> None:
    frames, boxes, scores = people(0.5)
    inner = (frames > 1) & (frames < 20)
    np.testing.assert_array_equal(confirmed_boxes(frames, boxes)[inner], (scores == 0.5)[inner])
    assert not confirmed_boxes(frames, boxes)[~inner].any()
    apart = frames != 10  # who is not seen in a frame confirms nobody beside it
    left = confirmed_boxes(frames[apart], boxes[apart])
    assert not left[(frames[apart] == 9) | (frames[apart] == 11)].any()
    assert not len(confirmed_boxes(frames[:0], boxes[:0]))


def test_low_scores_are_told_with_what_would_fit() -> None:
    doubt = threshold_doubt(preset("bytetrack"), *people(0.4995))
    assert doubt == (
        "0% of the boxes that the frames around them confirm score above tracker.split.high 0.6; clear people score "
        "0.50 here: tracker.split.rescale=true or tracker.split.high=0.32 tracker.life.new_score=0.37 would fit"
    )
    assert "life.new_score 0.7" in threshold_doubt(preset("smiletrack-paper"), *people(0.5))


@pytest.mark.parametrize(("name", "score"), [("bytetrack", 0.9), ("bytetrack", 0.7), ("smiletrack", 0.5)])
def test_what_fits_or_is_rescaled_is_no_doubt(name: str, score: float) -> None:
    assert threshold_doubt(preset(name), *people(score)) == ""
    frames, boxes, scores = people(score)
    assert threshold_doubt(preset(name), frames[:0], boxes[:0], scores[:0]) == ""
    assert threshold_doubt(preset(name), frames, boxes, np.full(len(scores), np.nan)) == ""


def test_the_thresholds_told_are_taken() -> None:
    tracker = preset("bytetrack")
    fitting = replace(tracker, split=replace(tracker.split, high=0.32), life=replace(tracker.life, new_score=0.37))
    assert threshold_doubt(fitting, *people(0.5)) == ""


@pytest.mark.parametrize(
    ("file", "doubtful"),
    [("extra/train/PETS09-S2L2/det/pd0203.txt", True), ("MOT17/train/MOT17-02-FRCNN/det/yolox_x.txt", False)],
)
def test_real_detectors(real_data: Path, file: str, doubtful: bool) -> None:
    table = read_detections(real_data / file)
    kept = table.frames < 200
    doubt = threshold_doubt(preset("bytetrack"), table.frames[kept], table.boxes[kept], table.scores[kept])
    assert bool(doubt) == doubtful
