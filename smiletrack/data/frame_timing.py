"""How fast the frames of a video follow each other: what its container says where that can be, else its time stamps.

Browsers write 1000 frames a second into what they record, stream writers 90000, broken headers 0 or -1: a tracker that
believed it would keep lost tracks for minutes.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from smiletrack.lazy import LazyModule
from smiletrack.types import Floats

av = LazyModule("av")

FASTEST = 240.0
"""Frames a second up to which a header, or a camera, is believed without time stamps that agree."""
FASTEST_STAMPED = 2000.0
"""The same with time stamps that agree: slow motion."""
_PACKETS = 500
"""Packets whose time stamps are read; nothing is decoded for it."""


@dataclass(frozen=True)
class FrameTiming:
    """frame_rate: frames a second, 0 where nothing tells it. notes: what does not agree, one line each."""

    frame_rate: float
    notes: tuple[str, ...] = ()


def read_timing(container: Any, name: str, live: bool = False) -> FrameTiming:
    """Return the timing of the video in an opened container, which is read from its start up to some packets.

    Of a live stream nothing is read: it would have to be waited for.
    """
    stream = container.streams.video[0]
    stamps = []
    with suppress(av.FFmpegError):  # damage is told of when frames are read
        for packet in () if live else container.demux(video=0):
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None:
                stamps.append(stamp)
            if len(stamps) == _PACKETS:
                break
    # frames that look ahead are stored after those they look at
    intervals = np.diff(np.sort(np.asarray(stamps, np.float64))) * float(stream.time_base or 0)
    return timing_of(_number(stream.average_rate), _number(stream.guessed_rate), intervals, name)


def _number(rate: Any) -> float:
    return float(rate) if rate else 0.0


def timing_of(said: float, guessed: float, intervals: Floats, name: str) -> FrameTiming:
    """Return the timing for a container that says `said` frames a second and has frames these seconds apart.

    guessed: the decoder's own rate, where neither can be true. A rate far off the time stamps is taken all the same
    where it is a possible one: it is the mean, which pauses lower.
    """
    median = float(np.median(intervals)) if len(intervals) else 0.0
    by_stamps = 1 / median if median > 0 else 0.0

    def possible(rate: float) -> bool:
        agrees = 0.9 * by_stamps < rate < 1.1 * by_stamps
        return 0 < rate <= (FASTEST_STAMPED if agrees else FASTEST)

    rate = next(filter(possible, (said, by_stamps, guessed)), 0.0)
    notes = []
    if rate and rate != said:
        source = f"its time stamps are {1000 * median:.1f} ms apart" if rate == by_stamps else "its codec says another"
        notes.append(f"{name}: says {said:g} frames a second, but {source}: {rate:.4g} is taken")
    if median > 0 and np.mean(np.abs(intervals / median - 1) > 0.5) > 0.02:
        shortest, longest = 1000 * intervals.min(), 1000 * intervals.max()
        notes.append(
            f"{name}: its frame rate varies, frames are {shortest:.0f} to {longest:.0f} ms apart; they are tracked as "
            f"{rate:.4g} a second, evenly"
        )
    return FrameTiming(rate, tuple(notes))
