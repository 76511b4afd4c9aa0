"""Which folders are sequences, and what they are called: MOT17's copies of one sequence, names and patterns."""

import glob
from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path

from smiletrack.config import nearest
from smiletrack.data.mot import sequence_name
from smiletrack.errors import InputError

DETECTORS = ("DPM", "FRCNN", "SDP")
"""MOT17 has every sequence three times, once for each public detector."""


def is_sequence(folder: Path) -> bool:
    """Tell whether a folder is a sequence: one with seqinfo.ini, gt/, det/ or img1/."""
    return (folder / "seqinfo.ini").is_file() or any((folder / part).is_dir() for part in ("gt", "det", "img1"))


def find_sequence(root: Path, name: str) -> Path | None:
    """Return the sequence folder `name`: `root` itself, or at most four folders below it; None where it is not."""
    if sequence_name(root) == name:
        return root
    for depth in range(4):
        for folder in root.glob("*/" * depth + glob.escape(name)):
            if folder.is_dir() and is_sequence(folder):
                return folder
    return None


def without_detector(name: str) -> str:
    """MOT17-09-FRCNN -> MOT17-09; other names stay as they are."""
    stem, _, detector = name.rpartition("-")
    return stem if detector in DETECTORS else name


def sequence_folders(root: Path) -> list[Path]:
    """Return the sequence folders in `root`, sorted by name; `root` itself where it is one."""
    if is_sequence(root):
        return [root]
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    folders = sorted(folder for folder in root.iterdir() if folder.name[0] != "." and is_sequence(folder))
    if not folders:
        raise InputError(f"{root}: no sequence in it (a folder with seqinfo.ini, gt/, det/ or img1/)")
    return folders


def select_names(known: list[str], names: Collection[str], place: str) -> list[str]:
    """Return those of `known` that `names` asks for, in the order of `names`; all of them where it is empty.

    names: names, names without MOT17's detector, or patterns (`MOT17-0*`). place: where they were looked for, for the
    InputError about one that fits none.
    """
    chosen: dict[str, None] = {}
    for name in names:
        found = [name] if name in known else [k for k in known if fnmatchcase(k, name) or without_detector(k) == name]
        if not found:
            there = "" if len(known) > 40 else f"; there are {', '.join(known)}"
            raise InputError(f"sequences: no {name!r} in {place}{nearest(name, known) or there}")
        chosen |= dict.fromkeys(found)
    return list(chosen) if names else known
