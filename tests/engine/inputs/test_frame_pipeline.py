"""The pipeline's stages work at once, its answers are those of one frame after another, and no frame is lost."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from smiletrack.engine.inputs.frame_pipeline import StageTimes, see_frames
from smiletrack.errors import InputError
from smiletrack.images import Frame
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import Detections

FRAMES = [np.full((4, 4, 3), i, np.uint8) for i in range(12)]


def detect(number: int, frame: Frame) -> Detections:
    """Two people who walk towards each other."""
    assert frame[0, 0, 0] == number - 1
    boxes = np.array([[10 + 8 * number, 10, 30 + 8 * number, 60], [200 - 8 * number, 12, 220 - 8 * number, 62.0]])
    return Detections(boxes, np.array([0.9, 0.8]))


def embed(frame: Frame, found: Detections) -> Detections:
    return Detections(found.boxes, found.scores, np.eye(2), found.classes)


def test_tracks_are_those_of_one_frame_after_another() -> None:
    ahead, plain = Tracker(), Tracker()
    seen = list(see_frames(FRAMES, detect, embed, StageTimes()))
    assert [frame[0, 0, 0] for frame, _ in seen] == list(range(12))
    for number, (frame, found) in enumerate(seen, 1):
        ours, theirs = ahead.update(found), plain.update(embed(frame, detect(number, frame)))
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        np.testing.assert_array_equal(ours.boxes, theirs.boxes)


def test_a_frame_is_detected_while_the_one_before_it_is_embedded() -> None:
    embedding, detected = threading.Event(), threading.Event()

    def second_waits(number: int, frame: Frame) -> Detections:
        if number == 2:
            assert embedding.wait(5)
            detected.set()
        return detect(number, frame)

    def first_waits(frame: Frame, found: Detections) -> Detections:
        embedding.set()
        assert detected.wait(5)
        return embed(frame, found)

    times = StageTimes()
    assert len(list(see_frames(FRAMES, second_waits, first_waits, times))) == 12
    assert set(times.shares()) == {"detect", "embed"} and sum(times.shares().values()) == pytest.approx(times.waited)


def stopped_after(number: int, error: BaseException) -> Iterator[Frame]:
    yield from FRAMES[:number]
    raise error


@pytest.mark.parametrize("stages", [embed, None])
@pytest.mark.parametrize("number", [0, 1, 2, 7])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), InputError("the disk is gone")])
def test_what_was_read_before_the_end_comes_first(stages, number, error) -> None:  # type: ignore[no-untyped-def]
    seen = []
    with pytest.raises(type(error)):
        for frame, _ in see_frames(stopped_after(number, error), detect, stages, StageTimes()):
            seen.append(int(frame[0, 0, 0]))
    assert seen == list(range(number))


def test_a_network_that_fails_does_so_in_its_turn() -> None:
    def failing(number: int, frame: Frame) -> Detections:
        if number == 5:
            raise InputError("GPU memory ran out")
        return detect(number, frame)

    seen = []
    with pytest.raises(InputError, match="GPU memory"):
        for frame, _ in see_frames(FRAMES, failing, embed, StageTimes()):
            seen.append(int(frame[0, 0, 0]))
    assert seen == [0, 1, 2, 3]
