"""Identity tables: from MOTChallenge folders, through CSV, merged; what is wrong is one line."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from smiletrack.data.reid.identities import (
    IdentityTable,
    merge_identities,
    mot_identities,
    read_identities,
    write_identities,
)
from smiletrack.errors import InputError

ROWS = """\
1,5,10,20,30,60,1,1,1
1,7,100,20,30,60,1,1,0.2
2,5,12,20,30,60,1,1,0.8
2,9,40,20,30,60,0,1,1
2,8,60,20,30,60,1,7,1
3,7,-50,20,30,60,1,1,0.9
4,7,90,20,30,60,1,1,0.5
5,5,18,20,30,60,1,1,1
"""


def sequence(root: Path, name: str, truth: str = ROWS, frames: int = 5, digits: int = 6) -> Path:
    """Write a MOTChallenge sequence of black 160x120 images."""
    folder = root / name
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    (folder / "gt/gt.txt").write_text(truth)
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={name}\nimDir=img1\nframeRate=30\nseqLength={frames}\nimWidth=160\nimHeight=120\nimExt=.jpg\n"
    )
    for frame in range(1, frames + 1):
        cv2.imwrite(str(folder / f"img1/{frame:0{digits}d}.jpg"), np.zeros((120, 160, 3), np.uint8))
    return folder


def test_filters_of_a_folder(tmp_path: Path) -> None:
    sequence(tmp_path, "MOT17-02-FRCNN")
    table = mot_identities(tmp_path)
    # left out: visibility .2, mark 0, class 7, and the box left of the image in frame 3
    assert table.frames.tolist() == [1, 2, 4, 5]
    assert table.identities.tolist() == [0, 0, 1, 0]
    assert table.boxes[0].tolist() == [10, 20, 40, 80]
    assert [table.images[i].name for i in table.image_indices] == [
        "000001.jpg",
        "000002.jpg",
        "000004.jpg",
        "000005.jpg",
    ]
    assert set(table.sequences) == {"MOT17-02-FRCNN"}
    assert len(mot_identities(tmp_path, min_visibility=0.0)) == 5
    assert mot_identities(tmp_path, split="val_half").frames.tolist() == [4, 5]  # train_half is 1 .. 5 // 2 + 1
    assert mot_identities(tmp_path, step=2).frames.tolist() == [1, 5]
    assert len(mot_identities(tmp_path, min_height=61)) == 0


def test_one_of_three_detector_copies(tmp_path: Path) -> None:
    for name in ("MOT17-02-DPM", "MOT17-02-FRCNN", "MOT17-02-SDP", "MOT17-04-SDP"):
        sequence(tmp_path, name)
    table = mot_identities(tmp_path)
    assert set(table.sequences) == {"MOT17-02-DPM", "MOT17-04-SDP"} and table.num_identities == 4
    assert set(mot_identities(tmp_path, sequences=["MOT17-02-SDP"]).sequences) == {"MOT17-02-SDP"}
    assert set(mot_identities(tmp_path, sequences=["MOT17-04"]).sequences) == {"MOT17-04-SDP"}
    with pytest.raises(InputError, match="no 'MOT17-05'"):
        mot_identities(tmp_path, sequences=["MOT17-05"])


def test_eight_digit_names_and_mot15_columns(tmp_path: Path) -> None:
    sequence(tmp_path, "a", "1,1,10,20,30,60,1,4.4852,5.5016,0\n2,1,11,20,30,60,1,-1,-1,-1\n", 2, digits=8)
    table = mot_identities(tmp_path)
    assert table.images[1].name == "00000002.jpg"
    assert table.visibility.tolist() == [1, 1]


def test_only_the_mark_0_is_out(tmp_path: Path) -> None:
    sequence(tmp_path, "a", "1,1,10,20,30,60,-1,1,1\n2,1,11,20,30,60,0,1,1\n3,1,11,20,30,60,1,1,1\n", 3)
    table = mot_identities(tmp_path)
    assert table.frames.tolist() == [1, 3] and table.notes == ("truth: MOT16's columns: mark, class, visibility",)


def test_missing_image_and_duplicate(tmp_path: Path) -> None:
    folder = sequence(tmp_path, "a")
    (folder / "img1/000004.jpg").unlink()
    with pytest.raises(InputError, match="no image for frame 4"):
        mot_identities(tmp_path)
    assert mot_identities(tmp_path, skip_missing=True).frames.tolist() == [1, 2, 5]
    (folder / "gt/gt.txt").write_text(ROWS + "1,5,11,20,30,60,1,1,1\n")
    with pytest.raises(InputError, match=r"gt\.txt:9: identity 5 .* twice"):
        mot_identities(tmp_path, skip_missing=True)


def test_csv_round_trip_and_moving(tmp_path: Path) -> None:
    sequence(tmp_path / "set", "a")
    table = mot_identities(tmp_path / "set")
    write_identities(tmp_path / "out/people.csv", table)
    (tmp_path / "moved").mkdir()
    for name in ("set", "out"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    back = read_identities(tmp_path / "moved/out/people.csv")
    assert back.images == tuple(tmp_path / "moved/set/a/img1" / image.name for image in table.images)
    for name in ("image_indices", "boxes", "visibility", "identities", "frames", "sequences"):
        np.testing.assert_array_equal(getattr(back, name), getattr(table, name))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,x1\na.jpg,3\n", "no column y1, x2, y2"),
        ("image,x1,y1,x2,y2,visibility,identity,frame,sequence\na.jpg,3,4,5,x,1,1,1,a\n", "not an identity table"),
        ("", "not an identity table"),
    ],
)
def test_foreign_csv(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_identities(tmp_path / "a.csv")
    with pytest.raises(InputError, match="no such identity table"):
        read_identities(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.jpg,3,4,nan,60,1,1,1,a", "a number is not finite"),
        ("a.jpg,3,4,inf,60,1,1,1,a", "a number is not finite"),
        ("a.jpg,30,4,3,60,1,1,1,a", "x2 and y2 must be above"),
        ("a.jpg,3,4,3,60,1,1,1,a", "x2 and y2 must be above"),
        ("a.jpg,3,4,30,60,7,1,1,a", "the visibility is not in"),
        ("a.jpg,3,4,30,60,-0.1,1,1,a", "the visibility is not in"),
        ("a.jpg,3,4,30,60,1,-2,1,a", "the identity is below 0"),
        ("a.jpg,3,4,30,60,1,2,-2,a", "the frame is below -1"),
        ("a.jpg,3,4,30,60,1,9,1,a", "the identity is in the image twice"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: str, message: str) -> None:
    head = "image,x1,y1,x2,y2,visibility,identity,frame,sequence\n"
    (tmp_path / "a.csv").write_text(head + "a.jpg,1,2,30,40,1,9,1,a\nb.jpg,1,2,30,40,0,9,-1,a\n")
    assert len(read_identities(tmp_path / "a.csv")) == 2
    (tmp_path / "a.csv").write_text(head + "a.jpg,1,2,30,40,1,9,1,a\n" + row + "\n")
    with pytest.raises(InputError, match=rf"a\.csv:3: {message}"):
        read_identities(tmp_path / "a.csv")


@pytest.mark.parametrize("identity", ["1.5", "x", "9" * 30, ""])
def test_identities_are_whole_numbers(tmp_path: Path, identity: str) -> None:
    head = "image,x1,y1,x2,y2,visibility,identity,frame,sequence\n"
    (tmp_path / "a.csv").write_text(f"{head}a.jpg,3,4,30,60,1,{identity},1,a\n")
    with pytest.raises(InputError, match=r"a\.csv: not an identity table"):
        read_identities(tmp_path / "a.csv")


def test_merging_keeps_people_apart() -> None:
    def table(identities: list[int]) -> IdentityTable:
        rows = len(identities)
        indices = np.arange(rows)
        names = np.full(rows, "a")
        return IdentityTable(
            tuple(Path(f"{i}.jpg") for i in range(rows)),
            indices,
            np.zeros((rows, 4)),
            np.ones(rows),
            np.array(identities, np.int64),
            indices,
            names,
        )

    merged = merge_identities([table([4, 9, 4]), table([9, 2])])
    assert merged.identities.tolist() == [0, 1, 0, 3, 2]
    assert merged.image_indices.tolist() == [0, 1, 2, 3, 4]
    shared = merge_identities([table([4, 9, 4]), table([9, 2])], ["x", "x"])
    assert shared.identities.tolist() == [1, 2, 1, 2, 0]
    assert len(merge_identities([])) == 0
    part = merged[np.array([False, True, False, True, False])]
    assert part.images == (Path("1.jpg"), Path("0.jpg")) and part.image_indices.tolist() == [0, 1]


def test_real_sequence_totals(real_data: Path, tmp_path: Path) -> None:
    """Counted again with a few lines of text parsing; one blank image stands for every frame."""
    source = real_data / "MOT17/train/MOT17-09-FRCNN"
    folder = tmp_path / source.name
    (folder / "gt").mkdir(parents=True)
    (folder / "img1").mkdir()
    for name in ("seqinfo.ini", "gt/gt.txt"):
        (folder / name).write_bytes((source / name).read_bytes())
    for frame in range(1, 526):
        (folder / f"img1/{frame:06d}.jpg").touch()
    rows = [line.split(",") for line in (folder / "gt/gt.txt").read_text().split()]
    clear = [row for row in rows if row[6] == "1" and row[7] == "1" and float(row[8]) >= 0.4]
    table = mot_identities(tmp_path, min_visibility=0.4)
    assert len(table) == len(clear)
    assert table.num_identities == len({row[1] for row in clear})
    assert len(table.images) == len({row[0] for row in clear})
