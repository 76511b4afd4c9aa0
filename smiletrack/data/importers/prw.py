"""PRW (arXiv:1604.02531): `frames/c1s1_000151.jpg`, `annotations/c1s1_000151.jpg.mat`, `frame_train.mat`.

An annotation is an (N, 5) matrix of identity, left, top, width, height; identity -2 is somebody not named.
"""

import re
from pathlib import Path

import numpy as np

from smiletrack.boxes import xywh_to_xyxy
from smiletrack.data.importers.annotations import UNKNOWN, AnnotatedImage
from smiletrack.data.importers.matlab import as_published, load_matlab
from smiletrack.errors import InputError, shown

_NAME = re.compile(r"(?P<video>c\ds\d)_(?P<frame>\d{1,9})")
_MATRIX = ("box_new", "anno_file", "anno_previous")
"""The matrix is called by either of these names."""


def read_prw(source: Path, split: str) -> list[AnnotatedImage]:
    """Read `train` or `test`; visibility is not told, so 1. InputError names what is not as published."""
    file = source / f"frame_{split}.mat"
    listed = load_matlab(file, f"img_index_{split}")
    with as_published(file, "a list of PRW's frames"):
        names = [str(np.ravel(name)[0]).removesuffix(".jpg") for name in listed.ravel()]
    return [_read_frame(source, name) for name in names]


def _read_frame(source: Path, name: str) -> AnnotatedImage:
    """Return one frame with its boxes; identity -2 in the file is nobody's number."""
    file = source / "annotations" / f"{name}.jpg.mat"
    match = _NAME.fullmatch(name)
    if not match:
        raise InputError(f"{source}: the frame {shown(name)} is not called like PRW's (c1s1_000151)")
    with as_published(file, "a matrix of numbers"):
        rows = np.asarray(load_matlab(file, *_MATRIX), np.float64)
        identities = np.where(rows[:, :1] < 0, UNKNOWN, rows[:, :1]).astype(np.int64).ravel()
    if rows.ndim != 2 or rows.shape[1] != 5:
        raise InputError(f"{file}: a matrix of {'x'.join(map(str, rows.shape))}, not one of 5 columns")
    return AnnotatedImage(
        path=source / "frames" / f"{name}.jpg",
        boxes=xywh_to_xyxy(rows[:, 1:]),
        identities=identities,
        visibility=np.ones(len(rows)),
        ignored=np.zeros(len(rows), bool),
        sequence=match["video"],
        frame=int(match["frame"]),
        source=file,
    )
