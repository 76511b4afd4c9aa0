"""A few dozen broken files into every reader; `make fuzz` takes as many as there is time for."""

import random
from pathlib import Path

import pytest

from smiletrack.errors import InputError
from tests.fuzz.mutations import mutated
from tests.fuzz.readers import READERS, Reader
from tests.fuzz.run import Finding, complaint, fuzz

SLOW = ("weights-detector", "crops-index", "crops-about", "video", "onnx-detector", "coco", "motion-cache")
"""Readers whose files take tens of milliseconds."""


@pytest.mark.parametrize("name", READERS)
def test_broken_files_are_one_line(name: str, tmp_path: Path) -> None:
    found = [event for event in fuzz(name, range(3 if name in SLOW else 8), tmp_path) if isinstance(event, Finding)]
    assert not found


def test_what_a_finding_is(tmp_path: Path) -> None:
    def reads(error: BaseException | None) -> Reader:
        def read(folder: Path) -> None:
            if error is not None:
                raise error

        return Reader("a", lambda folder: None, read)

    assert complaint(reads(None), tmp_path) == complaint(reads(InputError("a: one line")), tmp_path) == ""
    assert complaint(reads(OSError(28, "No space left on device")), tmp_path) == ""
    assert "several lines" in complaint(reads(InputError("a\nb")), tmp_path)
    for error in (KeyError("x"), RecursionError(), MemoryError(), UnicodeDecodeError("utf-8", b"", 0, 1, "x")):
        assert type(error).__name__ in complaint(reads(error), tmp_path)


def test_the_same_seed_breaks_alike() -> None:
    whole = b'{"a": [1, 2, {"b": "c"}]}'
    broken = [mutated(whole, "a.json", random.Random(seed)) for seed in range(50)]
    assert broken == [mutated(whole, "a.json", random.Random(seed)) for seed in range(50)]
    assert len(set(broken)) > 35 and whole not in broken[:5]
