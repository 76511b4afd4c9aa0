"""Sequence folders as people have them, written small."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

SIZE = (96, 64)
"""Width and height of the images."""


def write_images(folder: Path, names: Sequence[str], size: tuple[int, int] = SIZE) -> Path:
    """Write flat images whose grey level is 10 times their place in `names`."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(names):
        picture = np.full((size[1], size[0], 3), 10 * place + 5, np.uint8)
        cv2.imencode(Path(name).suffix.lower(), picture)[1].tofile(folder / name)
    return folder


def write_sequence(
    folder: Path,
    truth: str | None = None,
    detections: str | None = None,
    length: int | None = None,
    images: Sequence[str] = (),
    extra: str = "",
) -> Path:
    """Write what is given: gt/gt.txt, det/det.txt, seqinfo.ini with that length and the lines `extra`, img1/."""
    folder.mkdir(parents=True)
    for part, text in (("gt", truth), ("det", detections)):
        if text is not None:
            (folder / part).mkdir()
            (folder / part / f"{part}.txt").write_text(text, encoding="utf-8")
    if length is not None:
        width, height = SIZE
        lines = f"imDir=img1\nframeRate=25\nseqLength={length}\nimWidth={width}\nimHeight={height}\n{extra}\n"
        (folder / "seqinfo.ini").write_text(f"[Sequence]\n{lines}", encoding="utf-8")
    if images:
        write_images(folder / "img1", images)
    return folder


def walkers(frames: Sequence[int], end: str = "1,1,1", separator: str = ",", identified: bool = True) -> str:
    """Return rows of two people who walk towards each other, 12 x 32 px; `end` is what follows their boxes."""
    rows = [
        (
            frame,
            person if identified else -1,
            10 + 2 * k if person == 1 else 70 - 2 * k,
            8 if person == 1 else 20,
            12,
            32,
        )
        for k, frame in enumerate(frames)
        for person in (1, 2)
    ]
    return "".join(separator.join([*map(str, row), *end.split(",")]) + "\n" for row in rows)
