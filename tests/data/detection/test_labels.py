"""COCO files and MOTChallenge folders become the same arrays; what is wrong in them is one line."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from smiletrack.data.detection.labels import mot_images, read_labelled
from smiletrack.errors import InputError

CONTENT: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 3, "file_name": "b.jpg"}, {"id": 9, "file_name": "c.jpg"}],
    "categories": [{"id": 4, "name": "person"}, {"id": 2, "name": "car"}],
    "annotations": [
        {"id": 1, "image_id": 9, "category_id": 4, "bbox": [1, 2, 3, 4]},
        {"id": 2, "image_id": 7, "category_id": 2, "bbox": [10, 20, 30, 40], "iscrowd": 1},
        {"id": 3, "image_id": 7, "category_id": 4, "bbox": [5, 5, 0, 9]},
        {"id": 4, "image_id": 7, "category_id": 4, "bbox": [6, 7, 8, 9], "ignore": 0},
    ],
}


def write(folder: Path, **changes: Any) -> str:
    file = folder / "boxes.json"
    file.write_text(json.dumps(CONTENT | changes))
    return str(file)


def test_coco_file(tmp_path: Path) -> None:
    labels = read_labelled([write(tmp_path)])
    assert [path.name for path in labels.paths] == ["a.jpg", "b.jpg", "c.jpg"]
    assert labels.class_names == ("person", "car")
    assert labels.image_indices.tolist() == [0, 0, 0, 2]  # the middle image has no boxes
    assert labels.boxes.tolist() == [[10, 20, 40, 60], [5, 5, 5, 14], [6, 7, 14, 16], [1, 2, 4, 6]]
    assert labels.classes.tolist() == [1, 0, 0, 0]
    assert labels.ignored.tolist() == [True, True, False, False]  # a crowd, a box without area
    assert labels.rows(1) == slice(3, 3)
    part = labels[[2, 1, 0]]
    assert part.boxes.tolist()[0] == [1, 2, 4, 6] and part.image_indices.tolist() == [0, 2, 2, 2]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"annotations": [{"id": 5, "image_id": 7, "category_id": 8, "bbox": [0, 0, 1, 1]}]}, "annotation 5 .*class 8"),
        ({"annotations": [{"id": 5, "image_id": 1, "category_id": 4, "bbox": [0, 0, 1, 1]}]}, "annotation 5 .*image 1"),
        ({"annotations": [{"id": 5, "image_id": 7, "category_id": 4, "bbox": [0, 0, 1]}]}, "annotation 5 .*four|left"),
        ({"annotations": [{"id": 5, "image_id": 7, "category_id": 4, "bbox": [0, 0, 1, None]}]}, "annotation 5"),
        ({"annotations": [{"id": 5, "image_id": 7, "category_id": 4, "bbox": [0, 0, 1, float("nan")]}]}, "nan"),
        ({"categories": None}, "not a COCO detection file"),
    ],
)
def test_wrong_coco_file_is_one_line(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line) as error:
        read_labelled([write(tmp_path, **changes)])
    assert "\n" not in str(error.value) and "boxes.json" in str(error.value)


def sequence(folder: Path, frames: int, rows: list[str]) -> Path:
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    for number in range(1, frames + 1):
        cv2.imwrite(str(folder / "img1" / f"{number:06d}.jpg"), np.zeros((40, 60, 3), np.uint8))
    (folder / "gt" / "gt.txt").write_text("\n".join(rows) + "\n")
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate=30\nseqLength={frames}\nimWidth=60\nimHeight=40\nimExt=.jpg\n"
    )
    return folder


ROWS = [
    "3,1,5,6,7,8,1,1,1",
    "1,1,1,2,3,4,1,1,0.05",
    "1,2,1,2,3,4,0,7,1",  # a distractor
    "1,3,1,2,3,4,0,3,1",  # a car
    "4,1,5,6,0,8,1,1,1",  # no area
    "2,1,1,1,5,5,0,1,1",  # marked 0
]


def test_mot_folder(tmp_path: Path) -> None:
    sequence(tmp_path / "train" / "A", 4, ROWS)
    labels = read_labelled([str(tmp_path / "train")])
    assert len(labels) == 4 and labels.class_names == ("pedestrian",)
    assert labels.image_indices.tolist() == [0, 0, 1, 2, 3]
    assert labels.ignored.tolist() == [False, True, True, False, True]
    assert labels.boxes[3].tolist() == [5, 6, 12, 14]
    assert read_labelled([str(tmp_path / "train")], min_visibility=0.1).ignored.tolist()[0]
    half = mot_images(tmp_path / "train", "val")  # ByteTrack's second half
    assert [path.name for path in half.paths] == ["000004.jpg"]
    with pytest.raises(
        InputError, match=r"train@val: no box to learn from .*: all 1 boxes are ignored; truth: MOT16's"
    ):
        read_labelled([f"{tmp_path / 'train'}@val"])
    both = read_labelled([f"{tmp_path / 'train'}@train_half", f"{tmp_path / 'train'}@val_half"])
    assert both.boxes.tolist() == labels.boxes.tolist() and both.paths == labels.paths
    assert len(read_labelled([str(tmp_path / "train")], step=3)) == 2


def test_what_was_taken_is_told_and_nothing_to_learn_is_refused(tmp_path: Path) -> None:
    """VisDrone's cars and MOT15's tabs, CVAT's person that MOTChallenge would call a distractor, a mark of -1."""
    visdrone = ["1,0,20,10,9,20,1,1,0,0", "1,1,2,8,9,8,1,4,0,2"]
    labels = read_labelled([str(sequence(tmp_path / "visdrone", 2, visdrone))])
    assert len(labels.boxes) == 1 and "truth: VisDrone's columns" in labels.notes[0]
    tabs = ["1\t1\t20\t6\t3\t8\t1\t-1\t-1\t-1", "2\t1\t26\t6\t3\t8\t-1\t-1\t-1\t-1"]
    labels = read_labelled([str(sequence(tmp_path / "tabs", 2, tabs))])
    assert not labels.ignored.any() and len(labels.boxes) == 2
    distractors = sequence(tmp_path / "cvat", 2, ["1,1,20,6,3,8,1,2,1", "2,1,26,6,3,8,1,2,1"])
    with pytest.raises(InputError, match=r"cvat: no box .*gt\.txt: 0 of 2 rows count: 2 of class 2, person on vehicle"):
        read_labelled([str(distractors)])
    (distractors / "gt" / "labels.txt").write_text("car\nperson\n")
    assert not read_labelled([str(distractors)]).ignored.any()


def test_missing_data_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_labelled([str(tmp_path / "nothing")])
    with pytest.raises(InputError, match="no such file"):
        read_labelled([str(tmp_path / "nothing.json")])
    folder = sequence(tmp_path / "A", 4, ROWS)
    (folder / "img1" / "000003.jpg").unlink()
    with pytest.raises(InputError, match="no image for frame 3"):
        read_labelled([str(folder)])
    with pytest.raises(InputError, match="other classes"):
        read_labelled([write(tmp_path), str(sequence(tmp_path / "B", 4, ROWS))])
