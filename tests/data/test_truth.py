"""What the columns of a gt.txt mean follows from the numbers in them, and is said."""

import re
from pathlib import Path

import pytest

from smiletrack.data.truth import Truth, read_annotations
from smiletrack.errors import InputError


def read(tmp_path: Path, *lines: str, labels: str | None = None) -> Truth:
    (tmp_path / "gt.txt").write_text("\n".join(lines) + "\n" if lines else "")
    if labels is not None:
        (tmp_path / "labels.txt").write_text(labels)
    return read_annotations(tmp_path / "gt.txt")


def test_mot16(tmp_path: Path) -> None:
    truth = read(tmp_path, "1,1,0,0,5,9,1,1,0.5", "1,2,0,0,5,9,0,1,1", "2,3,0,0,5,9,1,7,nan", "2,4,0,0,5,9,-1,1,0")
    assert truth.dialect == "MOT16's columns: mark, class, visibility"
    assert truth.table.classes.tolist() == [1, 1, 7, 1]
    assert truth.table.visibility.tolist() == [0.5, 1, 1, 0]
    assert truth.targets().tolist() == [True, False, False, True], "only the mark 0 is out, and other classes"


@pytest.mark.parametrize("separator", [",", "\t", ";", " "])
@pytest.mark.parametrize("end", ["1 -1 -1 -1", "1 4.4852 5.5016 0", "1 0 0 0", "-1 -1 -1 -1"])
def test_mot15_has_no_classes_whatever_separates_its_columns(tmp_path: Path, separator: str, end: str) -> None:
    """TUD-Stadtmitte's positions, AVG-TownCentre's zeros, everybody else's -1."""
    rows = [separator.join(f"{frame} {person} 10 10 20 40 {end}".split()) for frame in (1, 2) for person in (1, 2)]
    truth = read(tmp_path, *rows)
    assert truth.targets().all() and len(truth) == 4
    assert truth.table.visibility.tolist() == [1] * 4 and truth.dialect.startswith("MOT15's columns")


def test_visdrone(tmp_path: Path) -> None:
    rows = ["1,0,9,9,90,90,0,0,0,0", "1,1,9,9,9,20,1,1,0,1", "1,2,9,9,9,20,1,2,0,0", "1,3,9,9,9,20,1,4,1,2"]
    truth = read(tmp_path, *rows)
    assert "VisDrone" in truth.dialect
    assert truth.targets().tolist() == [False, True, False, False]
    assert truth.table.classes.tolist() == [8, 1, 2, 3], "an ignored region, a pedestrian, a rider, a car"
    assert truth.table.visibility[1] == 0.75


def test_classes_by_name(tmp_path: Path) -> None:
    """CVAT's export: class 1 is the first line of labels.txt."""
    truth = read(tmp_path, "1,1,0,0,5,9,1,2,1.0", "1,2,0,0,5,9,1,1,1.0", labels="car\nperson\n")
    assert truth.targets().tolist() == [True, False]
    assert truth.dialect == "classes of labels.txt: person counts, not car, visibility"
    assert read(tmp_path, "1,1,0,0,5,9,1,1,1.0", labels="player\n").targets().all(), "the only class is the target"
    everything = "pedestrian\nperson_on_vehicle\ncar\nbicycle\nmotorbike\nnon_mot_vehicle\nstatic_person\ndistractor\n"
    rows = [f"1,{number},0,0,5,9,1,{number},1" for number in range(1, 9)]
    assert read(tmp_path, *rows, labels=everything).table.classes.tolist() == list(range(1, 9))
    with pytest.raises(InputError, match=r"labels\.txt: 1 names, but class 2 is in line 2"):
        read(tmp_path, "1,1,0,0,5,9,1,1,1", "1,2,0,0,5,9,1,2,1", labels="person\n")


@pytest.mark.parametrize(
    ("rows", "dialect"),
    [
        (["1,1,0,0,5,9"], "6 columns: every row"),
        (["1,1,0,0,5,9,1"], "7 columns: every row"),
        (["1,1,0,0,5,9,1,-1,-1"], "no class in column 8: .*; column 9 is no visible share"),
        (["1,1,0,0,5,9,1,0,0.25"], "no class in column 8: every row is a pedestrian, visibility"),
        (["1,1,0,0,5,9,1,1"], "MOT16's columns: mark, class; all in full view"),
        (["1,1,0,0,5,9,1,1,7"], "MOT16's columns: mark, class; column 9 is no visible share"),
        (["1,1,0,0,5,9,1,1,0.5,-1"], "MOT16's columns: mark, class, visibility"),
        ([], "6 columns"),
    ],
)
def test_a_class_that_is_never_valid_is_none(tmp_path: Path, rows: list[str], dialect: str) -> None:
    truth = read(tmp_path, *rows)
    assert truth.targets().all() and len(truth) == len(rows)
    assert re.match(dialect, truth.dialect)
    assert "visibility" in truth.dialect or (truth.table.visibility == 1).all()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2,1,0,0,5,9,1,0,1", r"gt\.txt:2: class 0 is none of MOTChallenge's"),
        ("2,1,0,0,5,9,1,14,1", r"gt\.txt:2: class 14 is none"),
        ("2,1.5,0,0,5,9,1,1,1", r"gt\.txt:2: the id is not a whole number"),
        ("2.5,1,0,0,5,9,1,1,1", r"gt\.txt:2: the frame is not a whole number"),
        ("2,9007199254740993,0,0,5,9,1,1,1", r"gt\.txt:2: the id is 2\^53 or more"),
        ("1e300,1,0,0,5,9,1,1,1", r"gt\.txt:2: the frame is 2\^53 or more"),
        ("2,-4,0,0,5,9,1,1,1", r"gt\.txt:2: the id -4 is below 0"),
    ],
)
def test_what_is_refused(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, "1,1,0,0,5,9,1,1,1", row)


def test_why_nothing_counts(tmp_path: Path) -> None:
    truth = read(tmp_path, *(f"{frame},1,0,0,5,9,1,2,1" for frame in range(1, 19)), "1,3,0,0,5,9,0,1,1")
    assert truth.why_none().endswith("gt.txt: 0 of 19 rows count: 1 marked 0; 18 of class 2, person on vehicle")
    assert "no rows" in read(tmp_path).why_none()
