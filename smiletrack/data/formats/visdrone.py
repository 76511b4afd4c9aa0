"""VisDrone-MOT (arXiv:1804.07437): `sequences/NAME/0000001.jpg` and `annotations/NAME.txt` beside it.

A line is frame (from 1), identity, left, top, width, height, score (0 = does not count), category, truncation and
occlusion.
"""

from pathlib import Path

import numpy as np

from smiletrack.data.class_names import VISDRONE
from smiletrack.data.formats.sequence_tracks import NOBODY, SequenceTracks, check_rows
from smiletrack.data.image_files import pair_frames
from smiletrack.data.mot import is_whole, read_columns, track_table
from smiletrack.data.truth import VISDRONE_SHARES
from smiletrack.errors import InputError
from smiletrack.types import TrackTable


def is_visdrone(folder: Path) -> bool:
    """Tell VisDrone's folder of a split."""
    return (folder / "annotations").is_dir() and (folder / "sequences").is_dir()


def read_visdrone(folder: Path) -> list[SequenceTracks]:
    """Read all sequences of a split; ignored regions are nobody's and do not count.

    InputError: no annotations, and file and line of what is no row of VisDrone's.
    """
    files = sorted((folder / "annotations").glob("[!.]*.txt"))
    if not files:
        raise InputError(f"{folder / 'annotations'}: no annotation files (NAME.txt) in it")
    return [_read(file, folder / "sequences" / file.stem) for file in files]


def _read(file: Path, images: Path) -> SequenceTracks:
    """Return one sequence; ignored regions and rows of score 0 do not count."""
    columns = read_columns(file, 10)
    table = track_table(file, columns, whole=True)
    for column, most in ((7, 11), (9, 2)):
        odd = ~is_whole(columns[column]) | (columns[column] < 0) | (columns[column] > most)
        if odd.any():
            row = int(odd.argmax())
            raise InputError(
                f"{file}:{row + 1}: column {column + 1} is {columns[column][row]:g}, not one of VisDrone's 0 .. {most}"
            )
    region = table.classes == VISDRONE.index("ignored regions")
    counts = table.counted & ~region
    # regions have numbers that are nobody's, and may be the same twice
    ids = np.where(counts, table.ids, NOBODY)
    visibility = VISDRONE_SHARES[columns[9].astype(np.int64)]
    table = TrackTable(table.frames, ids, table.boxes, counts.astype(np.float64), table.classes + 1, visibility)
    check_rows(file, table)
    return SequenceTracks(file.stem, table, VISDRONE, True, images=pair_frames(images).by_frame)
