"""KITTI tracking (Geiger et al., CVPR 2012): `label_02/0000.txt`, one line an object, as the devkit's readme has it.

A line is frame (from 0), identity, type, truncation, occlusion, alpha, left, top, right, bottom, three sizes, three
places and a rotation; results have a score behind them. -1, -10 and -1000 stand for what is not known.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from smiletrack.data.class_names import KITTI, find_class, plain_name
from smiletrack.data.formats.sequence_tracks import NOBODY, SequenceTracks, table_of_rows
from smiletrack.data.image_files import pair_frames
from smiletrack.errors import InputError
from smiletrack.files import atomic_write

_COLUMNS = 17
_SPELT = ("Car", "Van", "Truck", "Pedestrian", "Person", "Cyclist", "Tram", "Misc", "DontCare")
"""How the label files spell the types; the devkit's readme has Person_sitting for Person."""
_KINDS = {plain_name(name): kind for names in (KITTI, _SPELT) for kind, name in enumerate(names)}
_VISIBLE = {0: 1.0, 1: 0.75, 2: 0.25, 3: 0.5}
"""Middle of the visible share that the devkit's occlusion stands for: fully, partly, largely occluded; 3 = unknown."""


def is_kitti(folder: Path) -> bool:
    """Tell KITTI's folder of a split (`training/`) or the one above it."""
    return (folder / "label_02").is_dir() or (folder / "training" / "label_02").is_dir()


def read_kitti(folder: Path) -> list[SequenceTracks]:
    """Read `label_02/*.txt` of `folder` or its `training/`, images from `image_02/NAME` beside it, ten a second.

    DontCare, and what has no identity, does not count. InputError: no labels, or what `read_kitti_file` raises.
    """
    root = folder if (folder / "label_02").is_dir() else folder / "training"
    files = sorted((root / "label_02").glob("[!.]*.txt"))
    if not files:
        raise InputError(f"{root / 'label_02'}: no label files (0000.txt) in it")
    return [read_kitti_file(file, root / "image_02" / file.stem) for file in files]


def read_kitti_file(file: Path, images: Path | None = None) -> SequenceTracks:
    """Read one label or result file; InputError names the line of what is none of KITTI's."""
    rows, truth = [], True
    for number, line in enumerate(file.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        cells = line.split()
        if not cells:
            continue
        try:
            frame, identity, kind = int(cells[0]), int(cells[1]), _KINDS[plain_name(cells[2])]
            numbers = [float(cell) for cell in cells[3:]]
            if len(cells) not in (_COLUMNS, _COLUMNS + 1) or not np.isfinite(numbers).all():
                raise ValueError
        except (ValueError, IndexError, KeyError):
            raise InputError(
                f"{file}:{number}: not a line of KITTI's tracking labels ({_COLUMNS} columns: frame id type truncated "
                "occluded alpha left top right bottom ...)"
            ) from None
        cared_for = kind != KITTI.index("dontcare") and identity >= 0
        truth &= len(cells) == _COLUMNS
        score = float(cared_for) if len(cells) == _COLUMNS else numbers[-1]
        visible = _VISIBLE.get(int(numbers[1]), 1.0)
        box = numbers[3:7]
        rows.append((frame + 1, identity if cared_for else NOBODY, *box, score, kind + 1, visible))
    table = table_of_rows(file, rows, corners=True)  # type: ignore[arg-type]
    found = pair_frames(images).by_frame if images is not None else {}
    return SequenceTracks(file.stem, table, KITTI, truth, frame_rate=10.0, images=found)


def write_kitti(folder: Path, sequences: Iterable[SequenceTracks]) -> list[Path]:
    """Write `NAME.txt` for each sequence, with scores for results. A class that KITTI has not is `Misc`."""
    made = []
    for sequence in sequences:
        table, counted, path = sequence.table, sequence.counted, folder / f"{sequence.name}.txt"
        kinds = [find_class(name, KITTI) for name in sequence.class_names]
        words = [_SPELT[KITTI.index("misc") if kind is None else kind] for kind in kinds]
        if sequence.truth:
            words = [*words, "DontCare"]
        with atomic_write(path) as stream:
            for row in np.argsort(table.frames, kind="stable").tolist():
                counts = bool(counted[row])
                word = words[table.classes[row] - 1] if counts else "DontCare"
                box = " ".join(f"{side:.6g}" if side % 1 == 0 else f"{side:.6f}" for side in table.boxes[row])
                unknown = "-1 -1 -1 -1000 -1000 -1000 -10"
                score = "" if sequence.truth else f" {table.scores[row]:.6g}"
                identity = table.ids[row] if counts else NOBODY
                stream.write(f"{table.frames[row] - 1} {identity} {word} -1 -1 -10 {box} {unknown}{score}\n")
        made.append(path)
    return made
