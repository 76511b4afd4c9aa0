"""Detection files as people write them: used, or told about in one line."""

from pathlib import Path

import numpy as np
import pytest

from smiletrack.data.stored_detections import StoredDetections, read_stored_detections
from smiletrack.errors import InputError

BOXES = [(20 + 4 * f, 60, 30, 80) if person else (200 - 5 * f, 80, 30, 80) for f in range(10) for person in (0, 1)]
SIZE = (320, 240)


def read(tmp_path: Path, lines: list[str], length: int = 10, size: tuple[int, int] = SIZE) -> StoredDetections:
    (tmp_path / "det.txt").write_text("".join(line + "\n" for line in lines))
    return read_stored_detections(tmp_path / "det.txt", None, length, size)


def rows(first: int = 1, end: str = "0.9", corners: bool = False) -> list[str]:
    lines = []
    for number, (x, y, w, h) in enumerate(BOXES):
        sides = (x + w, y + h) if corners else (w, h)
        lines.append(",".join(map(str, (first + number // 2, -1, x, y, *sides, *end.split(",")))))
    return lines


def test_what_is_right_is_not_doubted(tmp_path: Path) -> None:
    for end in ("0.9", "0.9,-1,-1,-1", "1", "0.05,1", "0.9,0"):
        stored = read(tmp_path, rows(end=end))
        assert stored.doubts == () and len(stored.table) == 20
    assert read(tmp_path, []).doubts == ()
    at_the_border = ["1,-1,2,3,40,90,0.9", "2,-1,1,2,40,90,0.9", "3,-1,0,1,40,90,0.9", "4,-1,3,1,320,300,0.8"]
    assert read(tmp_path, at_the_border).doubts == (), "a person who comes in at the left top"


@pytest.mark.parametrize(
    ("end", "doubt"),
    [
        ("90.31", "scores are from 90.31 to 90.31 and look like percent: divide them by 100"),
        ("117.87,4.1,1.8,0", "scores are from 117.87 to 117.87; thresholds"),
        ("-0.5", "scores are from -0.5 to -0.5; thresholds"),
    ],
)
def test_scores_that_are_no_shares_are_doubted(tmp_path: Path, end: str, doubt: str) -> None:
    (line,) = read(tmp_path, rows(end=end)).doubts
    assert doubt in line and "det.txt" in line


def test_corners_are_doubted_where_boxes_leave_the_image(tmp_path: Path) -> None:
    (line,) = read(tmp_path, rows(corners=True)).doubts
    assert "columns 5 and 6 look like a right and a bottom edge" in line
    assert read(tmp_path, rows(corners=True), size=(0, 0)).doubts == (), "of an image of unknown size nobody knows"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (rows(end="-1,-1,-1,-1"), r"det\.txt:1: the score is -1 in every row"),
        (
            [",".join(row.split(",")[:1] + row.split(",")[2:]) for row in rows()],
            r"det\.txt:1: every box is at most 1 pi",
        ),
        (["1,-1,0.0625,0.25,0.09,0.33,0.9", "2,-1,0.6,0.3,0.09,0.33,0.9"], r"det\.txt:1: boxes .* shares of the image"),
        (["1.5,-1,20,60,30,80,0.9"], r"det\.txt:1: the frame is not a whole number"),
        (rows(first=0), r"det\.txt:1: frame 0 is outside the sequence, 1 \.\. 10; the file counts from 0"),
        (rows(first=201), r"det\.txt:1: frame 201 .* the file counts 201 \.\. 210: take 200 off"),
        ([*rows(), "11,-1,20,60,30,80,0.9"], r"det\.txt:21: frame 11 is outside the sequence, 1 \.\. 10$"),
        (["-3,-1,20,60,30,80,0.9"], r"det\.txt:1: frame -3 is outside"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, lines)


def test_positions_on_the_ground_are_no_classes(tmp_path: Path) -> None:
    """MOT15's detections have them where others have the class."""
    assert read(tmp_path, rows(end="0.9,1.25,-17.9,0")).table.classes.tolist() == [1] * 20
    assert read(tmp_path, rows(end="0.9,3")).table.classes.tolist() == [3] * 20


def test_a_cut_keeps_rows_together(tmp_path: Path) -> None:
    stored = read(tmp_path, rows())
    stored = StoredDetections(stored.table, np.arange(20.0)[:, None], ("a word",))
    part = stored.cut(4, 5)
    assert part.table.frames.tolist() == [1, 1, 2, 2] and part.embeddings[:, 0].tolist() == [6, 7, 8, 9]
    assert part.doubts == ("a word",)
