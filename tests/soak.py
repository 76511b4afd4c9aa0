"""A long run through every preset at once: `python tests/soak.py [FRAMES=1000000] [PRESET=sort,bytetrack] [EVERY=N]`.

A crowd walks about without end: about twenty people come, go, hide and are missed. Told are each tracker's CPU time of
a frame and the memory of the process as it goes on, N frames after N frames; both must stay where they are after the
first tenth. An identity that comes back after its track had ended is a fault.
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


class Soaked:
    """A tracker on its long way: the time it took, and what was wrong."""

    def __init__(self, preset: str) -> None:
        self.preset, self.spent_s, self.highest = preset, 0.0, 0
        self.faults: list[str] = []
        self._tracker = load_tracker(preset, frame_rate=30)
        self._recent: dict[int, int] = {}

    def step(self, number: int, seen: Detections) -> None:
        """Track frame `number`, from 1."""
        start = time.process_time()
        tracks = self._tracker.update(seen)
        self.spent_s += time.process_time() - start
        for identity in (ids := tracks.ids.tolist()):
            if identity not in self._recent and identity < self.highest - MEMORY:
                self.faults.append(f"{self.preset}: identity {identity} came back in frame {number}")
            self._recent[identity] = number
            self.highest = max(self.highest, identity)
        if len(set(ids)) < len(ids):
            self.faults.append(f"{self.preset}: an identity twice in frame {number}")
        if number % MEMORY == 0:
            self._recent = {identity: last for identity, last in self._recent.items() if last > number - MEMORY}


def soak(presets: list[str], frames: int, every: int) -> list[str]:
    """Track one crowd with all presets and print lines now and then; return what is wrong."""
    crowd, runs, first = Crowd(0), [Soaked(preset) for preset in presets], 0
    for number in range(1, frames + 1):
        seen = crowd.step()
        for run in runs:
            run.step(number, seen)
        if number == max(frames // 10, 1):
            first = memory()
        if number % every == 0 or number == frames:
            print(f"{number} frames, {memory() / 2**20:.0f} MiB", flush=True)
            for run in runs:
                print(
                    f"  {run.preset}: {1e3 * run.spent_s / number:.4f} ms a frame, {run.highest} identities", flush=True
                )
    faults = [fault for run in runs for fault in run.faults]
    if memory() - first > GROWTH:
        faults.append(f"the process grew by {(memory() - first) / 2**20:.0f} MiB after the first tenth")
    return faults


def main(words: list[str]) -> int:
    """Run as the words say; return 1 where something is wrong."""
    given = dict(word.split("=", 1) for word in words)
    frames = int(given.get("FRAMES") or 1_000_000)
    presets = sorted(path.stem for path in (CONFIG_ROOT / "tracker").glob("*.yaml"))
    asked = given["PRESET"].split(",") if given.get("PRESET") else presets
    faults = soak(asked, frames, int(given.get("EVERY") or max(frames // 10, 1)))
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
