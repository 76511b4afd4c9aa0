"""Where crops of people come from: words of a command line -> one identity table, and its cached crops."""

import hashlib
from pathlib import Path

from smiletrack.data.reid.crop_cache import Crops, cached_crops
from smiletrack.data.reid.identities import IdentityTable, merge_identities, mot_identities, read_identities
from smiletrack.data.reid.sightings import SequenceSightings, folder_sightings, table_sightings
from smiletrack.data.splits import source_and_split
from smiletrack.engine.make_world import MakeWorldConfig, make_world
from smiletrack.errors import InputError

MARGIN = 0.15
"""Context kept around every training crop, as a share of the box's sides, so that boxes can jitter."""


def read_table(sources: tuple[str, ...], split: str, min_visibility: float = 0.3, step: int = 1) -> IdentityTable:
    """Read identity tables (FILE.csv) and MOTChallenge folders (FOLDER or FOLDER@SPLIT) and merge them.

    A folder is a sequence or holds sequences; `split` is that of folders that name none, `step` takes every which
    frame of folders. Rows below `min_visibility` are left out. InputError where nothing is left.
    """
    tables = []
    for source in sources:
        if source.endswith(".csv"):
            table = read_identities(Path(source))
            tables.append(table[table.visibility >= min_visibility])
            continue
        folder, of = _folder(source, split)
        tables.append(mot_identities(folder, of, min_visibility=min_visibility, step=step))
    merged = merge_identities(tables)
    if not len(merged):
        reason = f"; {merged.notes[-1]}" if merged.notes else ""
        raise InputError(
            f"{', '.join(sources)}: no box of a person with visibility of {min_visibility} or more{reason}"
        )
    return merged


def read_sightings(
    sources: tuple[str, ...], split: str, detections: tuple[str, ...], step: int, gaps: tuple[int, ...]
) -> list[SequenceSightings]:
    """Read identity tables and MOTChallenge folders as `read_table` does, every sequence with all boxes of its frames.

    detections, step, gaps: as `folder_sightings` takes them; they do not concern tables.
    """
    sequences: list[SequenceSightings] = []
    for source in sources:
        if source.endswith(".csv"):
            sequences += table_sightings(read_identities(Path(source)))
            continue
        folder, of = _folder(source, split)
        sequences += folder_sightings(folder, of, detections, step, gaps)
    return sequences


def _folder(source: str, split: str) -> tuple[Path, str]:
    """Split FOLDER or FOLDER@SPLIT as `source_and_split` does; InputError where there is no such folder."""
    folder, of = source_and_split(source, split)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; datasets/README.md tells where each data set comes from")
    return folder, of


def demo_world() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return training and validation sources of the demo world, which is made where it is not there."""
    root = make_world(MakeWorldConfig())
    return (f"{root / 'train'}@all",), (f"{root / 'val'}@all",)


def training_crops(table: IdentityTable, folder: Path, size: tuple[int, int]) -> Crops:
    """Return the table's crops with MARGIN around them, from a cache below `folder` that fits the table."""
    digest = hashlib.sha256("\n".join(map(str, table.images)).encode() + table.boxes.tobytes())
    return cached_crops(table, folder / f"{digest.hexdigest()[:12]}-{size[0]}x{size[1]}", size, MARGIN)
