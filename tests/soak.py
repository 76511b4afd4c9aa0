"""A long run through each preset: `python tests/soak.py [FRAMES=1000000] [PRESET=sort,bytetrack] [EVERY=100000]`.

A crowd walks about without end: about twenty people come, go, hide and are missed. Told are the time of a frame and
the memory of the process as it goes on; both must stay where they are after the first tenth. An identity that comes
back after its track had ended is a fault.
"""

import sys
import time
from pathlib import Path

import numpy as np

from smiletrack import Detections, load_tracker
from smiletrack.config import CONFIG_ROOT

WIDTH, HEIGHT = 1280, 720
PEOPLE = 20
GROWTH = 32 * 2**20
"""Bytes that a process may grow by after its first tenth."""

MEMORY = 1000
"""Frames after which an identity that was not seen is over, and identities that may be new out of their order."""


class Crowd:
    """People as detections with embeddings, frame after frame, from a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._place = self._rng.uniform((0, 0), (WIDTH, HEIGHT - 200), (PEOPLE, 2))
        self._speed = self._rng.normal(0, 3, (PEOPLE, 2))
        self._looks = self._new_looks(PEOPLE)

    def step(self) -> Detections:
        """Return what a detector sees in the next frame."""
        rng = self._rng
        self._place += self._speed
        gone = np.flatnonzero((np.abs(self._place - (WIDTH / 2, HEIGHT / 2)) > (WIDTH / 2 + 60, HEIGHT / 2)).any(1))
        self._place[gone] = rng.uniform((0, 0), (WIDTH, HEIGHT - 200), (len(gone), 2))
        self._speed[gone] = rng.normal(0, 3, (len(gone), 2))
        self._looks[gone] = self._new_looks(len(gone))
        seen = np.flatnonzero(rng.random(PEOPLE) > 0.1)
        corners = self._place[seen] + rng.normal(0, 1, (len(seen), 2))
        boxes = np.concatenate([corners, corners + np.array([60, 150])], 1)
        looks = self._looks[seen] + 0.1 * rng.normal(size=(len(seen), 16))
        scores = np.clip(rng.normal(0.75, 0.2, len(seen)), 0.05, 1)
        return Detections(boxes, scores, looks / np.linalg.norm(looks, axis=1, keepdims=True))

    def _new_looks(self, number: int) -> np.ndarray:
        return self._rng.normal(size=(number, 16))


def memory() -> int:
    """Return the bytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def soak(preset: str, frames: int, every: int) -> list[str]:
    """Track and print a line now and then; return what is wrong."""
    tracker, crowd = load_tracker(preset, frame_rate=30), Crowd(0)
    start, first, highest = time.process_time(), 0, 0
    recent: dict[int, int] = {}
    faults = []
    for number in range(1, frames + 1):
        for identity in (ids := tracker.update(crowd.step()).ids.tolist()):
            if identity not in recent and identity < highest - MEMORY:
                faults.append(f"{preset}: identity {identity} came back in frame {number}")
            recent[identity] = number
            highest = max(highest, identity)
        if len(set(ids)) < len(ids):
            faults.append(f"{preset}: an identity twice in frame {number}")
        if number % MEMORY == 0:
            recent = {identity: seen for identity, seen in recent.items() if seen > number - MEMORY}
        if number == max(frames // 10, 1):
            first = memory()
        if number % every == 0 or number == frames:
            spent = (time.process_time() - start) / number
            size = f"{memory() / 2**20:.0f} MiB"
            print(f"{preset}: {number} frames, {1e3 * spent:.3f} ms a frame, {size}, {highest} identities", flush=True)
    if memory() - first > GROWTH:
        faults.append(f"{preset}: grew by {(memory() - first) / 2**20:.0f} MiB after its first tenth")
    return faults


def main(words: list[str]) -> int:
    """Run as the words say; return 1 where something is wrong."""
    given = dict(word.split("=", 1) for word in words)
    frames = int(given.get("FRAMES") or 1_000_000)
    presets = sorted(path.stem for path in (CONFIG_ROOT / "tracker").glob("*.yaml"))
    asked = given["PRESET"].split(",") if given.get("PRESET") else presets
    faults = [
        fault for preset in asked for fault in soak(preset, frames, int(given.get("EVERY") or max(frames // 10, 1)))
    ]
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
