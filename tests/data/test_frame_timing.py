"""The frame rate of videos: what containers say, what their time stamps show, and which of them is taken."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from smiletrack.data.frame_timing import read_timing, timing_of


@pytest.mark.parametrize(
    ("said", "guessed", "intervals", "taken", "words"),
    [
        (25.0, 25.0, [0.04] * 9, 25.0, []),
        (1000.0, 1000.0, [0.033, 0.034, 0.033] * 3, 1 / 0.033, ["says 1000 frames a second", "33.0 ms apart: 30.3 is"]),
        (90000.0, 90000.0, [0.04] * 9, 25.0, ["says 90000"]),
        (0.0, 0.0, [0.1] * 9, 10.0, ["says 0 frames a second", "10 is taken"]),
        (-1.0, -1.0, [0.1] * 9, 10.0, ["says -1"]),
        (960.0, 960.0, [1 / 960] * 9, 960.0, []),  # slow motion, and its stamps agree
        (90000.0, 90000.0, [1 / 90000] * 9, 0.0, []),  # a tick of the clock for every frame: nothing tells
        (500.0, 25.0, [0.0] * 9, 25.0, ["its codec says another: 25 is taken"]),
        (1000.0, 1000.0, [], 0.0, []),
        (0.1, 0.1, [10.0] * 5, 0.1, []),  # a time lapse
        (
            20.0,
            30.0,
            [0.033] * 40 + [0.5] * 3,
            20.0,
            ["varies, frames are 33 to 500 ms apart", "as 20 a second"],
        ),
    ],
)
def test_what_is_taken_and_told(
    said: float, guessed: float, intervals: list[float], taken: float, words: list[str]
) -> None:
    timing = timing_of(said, guessed, np.array(intervals), "street")
    assert timing.frame_rate == pytest.approx(taken)
    assert bool(timing.notes) == bool(words)
    for word in words:
        assert word in " ".join(timing.notes)


def write_video(path: Path, rate: int, stamps_ms: list[int]) -> Path:
    """Frames at these milliseconds in a container that says `rate` frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, stamp in enumerate(stamps_ms):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * number % 250, np.uint8), format="bgr24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_time_stamps_are_read_without_decoding(tmp_path: Path) -> None:
    even = write_video(tmp_path / "even.mkv", 1000, list(range(0, 2000, 40)))
    with av.open(str(even)) as container:
        assert read_timing(container, "even").frame_rate == pytest.approx(25, rel=0.03)
    uneven = write_video(tmp_path / "uneven.mkv", 30, [0, 33, 66, 100, 600, 633, 666, 700, 1300, 1333, 1366, 1400])
    with av.open(str(uneven)) as container:
        notes = read_timing(container, "uneven").notes
    assert "uneven: its frame rate varies" in " ".join(notes)


def test_the_recordings_of_browsers(shared: Path) -> None:
    with av.open(str(shared / "cases" / "09-video-files" / "browser.webm")) as container:
        timing = read_timing(container, "browser")
    assert 28 < timing.frame_rate < 31 and len(timing.notes) == 1
