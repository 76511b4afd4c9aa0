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
    """Write the file, and 60x40 images with the names that it lists beside it."""
    file = folder / "boxes.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    content = CONTENT | changes
    file.write_text(json.dumps(content))
    for image in content["images"]:
        name = image.get("file_name", "") if isinstance(image, dict) else ""
        if 0 < len(name) < 256 and "\0" not in name:
            cv2.imwrite(str(folder / name), np.zeros((40, 60, 3), np.uint8))
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


def box(**changes: Any) -> dict[str, Any]:
    return {"annotations": [{"id": 5, "image_id": 7, "category_id": 4, "bbox": [0, 0, 9, 9]} | changes]}


SIZED = [{"id": 7, "file_name": "a.jpg", "width": 60, "height": 40}]
CORNERS = [{"id": i, "image_id": 7, "category_id": 4, "bbox": [4 + i, 3, 14 + i, 23], "area": 200} for i in range(4)]
"""Boxes of 10 x 20 px as left, top, right, bottom."""


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (box(category_id=8), "annotation 5 .*unknown class 8"),
        (box(image_id=1), "annotation 5 .*image 1"),
        (box(image_id="7"), "annotation 5 is on the image '7', which"),
        (box(bbox=[0, 0, 1]), r"annotations\[0\].bbox must be \[left"),
        (box(bbox=[0, 0, 1, None]), r"annotations\[0\].bbox must be"),
        (box(bbox=[0, 0, 1, True]), r"annotations\[0\].bbox must be"),
        (box(bbox=["0", "0", "9", "9"]), r"annotations\[0\].bbox must be"),
        (box(bbox=[0, 0, 1, float("nan")]), "annotation 5 has the box .*nan"),
        (box(bbox=[0, 0, 1, 10**400]), r"boxes\.json: "),
        (box(bbox=[0.1, 0.2, 0.3, 0.3]), "look like shares of the image"),
        (box(bbox=[0, 0, 0, 0.5]), "look like shares"),
        (box(iscrowd=1), "no box to learn from .*all 1 boxes are ignored"),
        ({"annotations": []}, "no box to learn from .*there is no box"),
        ({"annotations": CORNERS}, "by their areas the boxes are left, top, right, bottom"),
        ({"annotations": [5]}, r"annotations\[0\]"),
        ({"annotations": {}}, "not a COCO detection file"),
        ({"categories": None}, "not a COCO detection file"),
        ({"categories": []}, r"no classes \(categories\) in it"),
        ({"categories": [{"id": 4}]}, r"categories\[0\].name is missing"),
        ({"categories": [{"id": 4, "name": "a"}, {"id": 4, "name": "b"}]}, "the class id 4 is there 2 times"),
        ({"images": []}, "no images in it"),
        ({"images": [{"file_name": "a.jpg"}]}, r"images\[0\].id is missing"),
        ({"images": [{"id": 7}]}, r"images\[0\].file_name is missing"),
        ({"images": [{"id": {}, "file_name": "a.jpg"}]}, r"images\[0\].id"),
        ({"images": [{"id": 7, "file_name": "a" * 300}]} | box(), "image 7: its file_name cannot be"),
        ({"images": [{"id": 7, "file_name": "a\0b"}]} | box(), "image 7: its file_name cannot be"),
        ({"images": [*CONTENT["images"], {"id": 7, "file_name": "b.jpg"}]}, "the image id 7 is there 2 times"),
        ({"images": [{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}]} | box(), "a.jpg is 60x40, .*64x48"),
        ({"images": [{"id": 7, "file_name": "a.jpg", "width": 40, "height": 60}]} | box(), "EXIF orientation turns it"),
    ],
)
def test_wrong_coco_file_is_one_line(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line) as error:
        read_labelled([write(tmp_path, **changes)])
    assert "\n" not in str(error.value) and "boxes.json" in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000, '{"images": ' + "9" * 6000 + "}", "\x00"])
def test_what_is_no_coco_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "boxes.json").write_text(text)
    with pytest.raises(InputError, match=r"boxes\.json: (not valid JSON|not a COCO detection file)") as error:
        read_labelled([str(tmp_path / "boxes.json")])
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_what_is_harmless_in_a_coco_file(tmp_path: Path) -> None:
    """A byte order mark, NaN where nobody looks, masks, classes without boxes, sizes that are right."""
    content = {**CONTENT, "images": SIZED, **box(area=float("nan"), segmentation=[[1, 2]], track_id="x"), "info": None}
    file = write(tmp_path, **content)
    Path(file).write_bytes(b"\xef\xbb\xbf" + Path(file).read_bytes())
    labels = read_labelled([file])
    assert labels.boxes.tolist() == [[0, 0, 9, 9]] and labels.class_names == ("person", "car") and labels.notes == ()


def test_an_area_that_no_float_holds_is_harmless(tmp_path: Path) -> None:
    assert read_labelled([write(tmp_path, images=SIZED, **box(area=10**400))]).notes == ()


def test_doubts_about_a_coco_file_are_told(tmp_path: Path) -> None:
    corners = [{**row, "bbox": [30 + row["id"], 3, 44 + row["id"], 23], "area": 1} for row in CORNERS]
    (note,) = read_labelled([write(tmp_path, images=SIZED, annotations=corners)]).notes
    assert "bbox looks like left, top, right and bottom" in note
    ids, boxes = read_labelled([write(tmp_path, **{"annotations": 2 * box()["annotations"]})]).notes
    assert "the annotation id 5 is there 2 times" in ids and "in the same image: 1" in boxes


@pytest.mark.parametrize(
    ("file", "images", "name"),
    [
        ("set/boxes.json", "set", "a.jpg"),
        ("set/boxes.json", "set/images", "a.jpg"),
        ("set/annotations/boxes.json", "set/images", "a.jpg"),
        ("set/annotations/boxes.json", "set/images/default", "a.jpg"),
        ("set/annotations/instances_train2017.json", "set/train2017", "a.jpg"),
        ("set/annotations/boxes.json", "set", "images\\default\\a.jpg"),
    ],
)
def test_images_are_found_where_exporters_put_them(tmp_path: Path, file: str, images: str, name: str) -> None:
    target = tmp_path / images / name.replace("\\", "/")
    target.parent.mkdir(parents=True)
    cv2.imwrite(str(target), np.zeros((40, 60, 3), np.uint8))
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**CONTENT, **box(), "images": [{"id": 7, "file_name": name}]}))
    assert read_labelled([str(path)]).paths[0].resolve() == target


def test_the_folder_of_the_images_may_be_named(tmp_path: Path) -> None:
    file = write(tmp_path / "here", images=SIZED, **box())
    (tmp_path / "here" / "a.jpg").rename(tmp_path / "a.jpg")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a.jpg").rename(tmp_path / "elsewhere" / "b.jpg")
    with pytest.raises(InputError, match=r"boxes\.json: no image .*a\.jpg; --image-root"):
        read_labelled([file])
    (tmp_path / "elsewhere" / "b.jpg").rename(tmp_path / "elsewhere" / "a.jpg")
    labels = read_labelled([file], image_root=str(tmp_path / "elsewhere"))
    assert labels.paths == (tmp_path / "elsewhere" / "a.jpg",)
    with pytest.raises(InputError, match=r"no image .*nowhere/a\.jpg$"):
        read_labelled([file], image_root=str(tmp_path / "nowhere"))


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
