"""Small files in each published format are read as what they say."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from scipy.io import savemat

from smiletrack.data.importers import matlab
from smiletrack.data.importers.annotations import Counts, count
from smiletrack.data.importers.caltech import read_caltech
from smiletrack.data.importers.crowdhuman import read_crowdhuman
from smiletrack.data.importers.cuhk_sysu import read_cuhk_sysu
from smiletrack.data.importers.labels_with_ids import label_file, read_labels_with_ids
from smiletrack.data.importers.motchallenge import read_motchallenge
from smiletrack.data.importers.person_crops import read_person_crops
from smiletrack.data.importers.probe import MISSING, UNREADABLE, ImageState, probe, probe_images
from smiletrack.data.importers.prw import read_prw
from smiletrack.errors import InputError


def image(path: Path, width: int = 100, height: int = 80) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))
    return path


def cells(*values: Any) -> Any:
    """A MATLAB row of cells."""
    array = np.empty((1, len(values)), object)
    for i, value in enumerate(values):
        array[0, i] = value
    return array


def structs(names: tuple[str, ...], *rows: tuple[Any, ...]) -> Any:
    """A MATLAB row of structures."""
    array = np.empty((1, len(rows)), [(name, object) for name in names])
    for i, row in enumerate(rows):
        array[0, i] = row
    return array


# CrowdHuman ----------------------------------------------------------------------------------------------------------


def crowdhuman(folder: Path) -> Path:
    entry = {
        "ID": "273271,c9db000d5146c15",
        "gtboxes": [
            {
                "tag": "person",
                "fbox": [10, 10, 20, 40],
                "vbox": [10, 10, 20, 10],
                "hbox": [12, 10, 8, 8],
                "head_attr": {"ignore": 0, "occ": 0, "unsure": 0},
                "extra": {"box_id": 0, "occ": 1},
            },
            {
                "tag": "person",
                "fbox": [-5, 20, 20, 50],
                "vbox": [0, 20, 15, 50],
                "hbox": [0, 20, 5, 5],
                "head_attr": {},
                "extra": {"box_id": 1, "ignore": 1},
            },
            {
                "tag": "mask",
                "fbox": [50, 5, 30, 30],
                "vbox": [50, 5, 30, 30],
                "hbox": [50, 5, 30, 30],
                "head_attr": {"ignore": 1},
                "extra": {"ignore": 1},
            },
        ],
    }
    folder.mkdir(exist_ok=True)
    (folder / "annotation_train.odgt").write_text(json.dumps(entry) + "\n")
    image(folder / "CrowdHuman_train01/Images/273271,c9db000d5146c15.jpg")
    return folder


def test_crowdhuman(tmp_path: Path) -> None:
    (read,) = read_crowdhuman(crowdhuman(tmp_path), "train")
    assert read.path.is_file()
    assert read.boxes.tolist() == [[10, 10, 30, 50], [-5, 20, 15, 70], [50, 5, 80, 35]]
    assert read.visibility.tolist() == [0.25, 0.75, 1]
    assert read.ignored.tolist() == [False, True, True]
    assert count([read]) == Counts(1, 0, 1)  # nobody is named
    assert read.where(1).endswith("annotation_train.odgt:1")
    with pytest.raises(InputError, match="no annotation_val"):
        read_crowdhuman(tmp_path, "val")
    (tmp_path / "annotation_val.odgt").write_text('{"ID": "a", "gtboxes": [{"tag": "person"}]}\n')
    with pytest.raises(InputError, match=r"annotation_val\.odgt:1: not a line of CrowdHuman"):
        read_crowdhuman(tmp_path, "val")


# labels_with_ids -----------------------------------------------------------------------------------------------------


def labels_with_ids(root: Path, name: str = "PRW") -> Path:
    folder = root / name
    first = image(folder / "images/c1s1_000151.jpg", 200, 100)
    image(folder / "images/c1s1_000152.jpg", 200, 100)
    label_file(first).parent.mkdir()
    label_file(first).write_text("0 479 0.5 0.5 0.1 0.4\n0 -1 0.25 0.5 0.05 0.2\n")
    (root / "prw.train").write_text(f"{name}/images/c1s1_000152.jpg\n{name}/images/c1s1_000151.jpg\n")
    return folder


def test_labels_with_ids(tmp_path: Path) -> None:
    folder = labels_with_ids(tmp_path)
    photographs = read_labels_with_ids(folder)
    assert [read.path.name for read in photographs] == ["c1s1_000151.jpg", "c1s1_000152.jpg"]
    np.testing.assert_allclose(photographs[0].boxes, [[0.45, 0.3, 0.55, 0.7], [0.225, 0.4, 0.275, 0.6]])
    assert photographs[0].relative and photographs[0].identities.tolist() == [479, -1]
    assert (photographs[0].sequence, photographs[0].frame) == ("PRW", -1)
    assert len(photographs[1].boxes) == 0
    frames = read_labels_with_ids(folder, "prw.train", videos=True)
    assert [(read.sequence, read.frame) for read in frames] == [("PRW-c1s1", 153), ("PRW-c1s1", 152)]
    with pytest.raises(InputError, match=r"eth\.train: no such list"):
        read_labels_with_ids(folder, "eth.train")
    label_file(photographs[1].path).write_text("0 1 .5 .5 .1 .1\n0 1 .5 .5 .1\n")
    with pytest.raises(InputError, match=r"000152\.txt:2: not six numbers"):
        read_labels_with_ids(folder)
    with pytest.raises(InputError, match="no image in a folder 'images'"):
        read_labels_with_ids(image(tmp_path / "other/a.jpg").parent)
    with pytest.raises(InputError, match="nor another label"):
        read_labels_with_ids(image(tmp_path / "bare/images/a.jpg").parents[1])


def test_sequences_in_folders_have_names(tmp_path: Path) -> None:
    first = image(tmp_path / "ETHZ/eth01/images/00000007.png")
    label_file(first).parent.mkdir()
    label_file(first).write_text("0 -1 0.5 0.5 0.1 0.4\n")
    (read,) = read_labels_with_ids(tmp_path / "ETHZ", videos=True)
    assert (read.sequence, read.frame) == ("eth01", 8)


# Caltech -------------------------------------------------------------------------------------------------------------


def vbb(file: Path) -> None:
    """Three frames: nobody; a person half hidden and a group; the person alone."""
    names = ("id", "pos", "occl", "lock", "posv")
    nobody = np.zeros((0, 0))
    second = structs(
        names,
        ([[1]], [[10, 20, 20, 40]], [[1]], [[0]], [[10, 20, 20, 20]]),
        ([[2]], [[50, 20, 40, 40]], [[0]], [[0]], [[0, 0, 0, 0]]),
    )
    third = structs(names, ([[1]], [[12, 20, 20, 40]], [[0]], [[0]], [[0, 0, 0, 0]]))
    content = {
        "nFrame": 3,
        "objLists": cells(nobody, second, third),
        "maxObj": 2,
        "objInit": np.ones((1, 2)),
        "objLbl": cells("person", "people"),
        "objStr": np.array([[2, 2]]),
        "objEnd": np.array([[3, 2]]),
        "objHide": np.zeros((1, 2)),
        "altered": 0,
        "log": 0,
        "logLen": 0,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    savemat(file, {"A": content}, appendmat=False)


def test_caltech(tmp_path: Path) -> None:
    vbb(tmp_path / "annotations/set00/V000.vbb")
    vbb(tmp_path / "annotations/set06/V001.vbb")
    for name in ("set00/V000/images/I00000.jpg", "set00/V000/images/I00001.jpg", "set00/V000/images/I00002.jpg"):
        image(tmp_path / name)
    image(tmp_path / "test/set06_V001_2.png")
    empty, group, alone = read_caltech(tmp_path, "train")
    assert len(empty.boxes) == 0 and (empty.sequence, empty.frame) == ("set00-V000", 1)
    assert group.boxes.tolist() == [[10, 20, 30, 60], [50, 20, 90, 60]]
    assert group.visibility.tolist() == [0.5, 1]
    assert group.ignored.tolist() == [False, True]
    assert alone.identities.tolist() == [group.identities[0]]
    (test,) = read_caltech(tmp_path, "test")
    assert test.frame == 3 and test.boxes.tolist() == [[12, 20, 32, 60]]
    image(tmp_path / "set00/V000/images/I00003.jpg")
    with pytest.raises(InputError, match=r"frame 3, but .*V000\.vbb is about 3 frames"):
        read_caltech(tmp_path, "train")
    with pytest.raises(InputError, match="no set"):
        read_caltech(tmp_path / "test", "test")


# CUHK-SYSU -----------------------------------------------------------------------------------------------------------


def cuhk_sysu(folder: Path) -> Path:
    """s1, s2: training images with person 0 in both; s3, s4: test images with one person in both."""
    boxes = {"s1.jpg": [(5, 5, 20, 40), (40, 5, 20, 40)], "s2.jpg": [(9, 5, 20, 40)]}
    boxes |= {"s3.jpg": [(7, 5, 20, 40)], "s4.jpg": [(60, 5, 20, 40), (0, 0, 0, 40)]}
    entry, scene = ("idlocate", "ishard"), ("imname", "idlocate", "ishard")
    images = [
        (name, len(rows), structs(entry, *((np.array([row], np.int32), 0) for row in rows)))
        for name, rows in boxes.items()
    ]
    (folder / "annotation/test/train_test").mkdir(parents=True)
    savemat(folder / "annotation/Images.mat", {"Img": structs(("imname", "nAppear", "box"), *images)})
    savemat(folder / "annotation/pool.mat", {"pool": cells("s3.jpg", "s4.jpg").T})
    person = structs(
        ("idname", "nAppear", "scene"),
        (
            "p1",
            2,
            structs(scene, ("s1.jpg", np.array([[40, 5, 20, 40]]), 0), ("s2.jpg", np.array([[9, 5, 20, 40]]), 0)),
        ),
    )
    savemat(folder / "annotation/test/train_test/Train.mat", {"Train": cells(person).T})
    query = structs((*scene, "idname"), ("s3.jpg", np.array([[7, 5, 20, 40]]), 0, "p2"))
    gallery = structs(scene, ("s4.jpg", np.array([[60, 5, 20, 40]]), 0), ("s1.jpg", np.zeros((0, 0)), 0))
    tests = structs(("Query", "Gallery"), (query, gallery))
    savemat(folder / "annotation/test/train_test/TestG50.mat", {"TestG50": tests})
    for name in boxes:
        image(folder / "Image/SSM" / name)
    return folder


def test_cuhk_sysu(tmp_path: Path) -> None:
    first, second = read_cuhk_sysu(cuhk_sysu(tmp_path), "train")
    assert first.boxes.tolist() == [[5, 5, 25, 45], [40, 5, 60, 45]]
    assert first.identities.tolist() == [-1, 0] and second.identities.tolist() == [0]
    assert first.path.is_file()
    third, fourth = read_cuhk_sysu(tmp_path, "test")
    assert third.identities[0] == fourth.identities[0] > 0 and fourth.identities[1] == -1
    (tmp_path / "annotation/pool.mat").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=r"pool\.mat: not readable as a MATLAB file"):
        read_cuhk_sysu(tmp_path, "train")
    with pytest.raises(InputError, match=r"Images\.mat: no such file"):
        read_cuhk_sysu(tmp_path / "annotation", "train")


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os; os.kill(os.getpid(), 11)", "it ends the program that reads it"),
        ("import sys; sys.stdout.write('no pickle')", "it ends the program that reads it"),
        ("import time; time.sleep(60)", "more than 0.1 seconds"),
    ],
)
def test_a_matlab_file_that_kills_or_stops_its_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, reason: str
) -> None:
    savemat(tmp_path / "a.mat", {"a": np.ones(3)})
    (tmp_path / "child.py").write_text(program)
    matlab._child.cache_clear()
    with monkeypatch.context() as patched, pytest.raises(InputError, match=rf"a\.mat: not readable .*\({reason}\)"):
        patched.setattr(matlab, "_CHILD", tmp_path / "child.py")
        patched.setattr(matlab, "MATLAB_SECONDS", 0.1 if "sleep" in program else 20.0)
        matlab.load_matlab(tmp_path / "a.mat", "a")
    assert matlab.load_matlab(tmp_path / "a.mat", "b", "a").tolist() == [[1, 1, 1]]  # another process is at work


def test_matlab_files_of_another_structure(tmp_path: Path) -> None:
    folder = cuhk_sysu(tmp_path)
    for name in ("Images", "pool", "test/train_test/Train"):
        whole = (file := folder / f"annotation/{name}.mat").read_bytes()
        savemat(file, {"Img": 1.0, "pool": np.zeros((0, 1)), "Train": "text"})
        try:
            read_cuhk_sysu(folder, "train")
        except InputError as error:
            assert "CUHK-SYSU's annotations" in str(error)
        file.write_bytes(whole)


# PRW and Market-1501 -------------------------------------------------------------------------------------------------


def test_prw(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    savemat(tmp_path / "frame_train.mat", {"img_index_train": cells("c1s1_000151", "c6s2_000026").T})
    matrices = {"box_new": [[479, 10, 20, 30, 40], [-2, 50, 20, 30, 40.5]]}, {"anno_file": [[12, 1, 2, 3, 4]]}
    for name, content in zip(("c1s1_000151", "c6s2_000026"), matrices, strict=True):
        savemat(tmp_path / f"annotations/{name}.jpg.mat", content)
        image(tmp_path / f"frames/{name}.jpg")
    first, second = read_prw(tmp_path, "train")
    assert first.boxes.tolist() == [[10, 20, 40, 60], [50, 20, 80, 60.5]]
    assert first.identities.tolist() == [479, -1]
    assert (first.sequence, first.frame) == ("c1s1", 151)
    assert (second.sequence, second.frame, second.identities.tolist()) == ("c6s2", 26, [12])
    assert first.path.is_file()
    savemat(tmp_path / "annotations/c1s1_000151.jpg.mat", {"box_new": [[1, 2, 3]]})
    with pytest.raises(InputError, match=r"c1s1_000151\.jpg\.mat: a matrix of 1x3"):
        read_prw(tmp_path, "train")
    with pytest.raises(InputError, match=r"frame_test\.mat: no such file"):
        read_prw(tmp_path, "test")


def test_market1501(tmp_path: Path) -> None:
    for name in (
        "0002_c1s1_000451_03.jpg",
        "0002_c3s2_001122_01.jpg",
        "-1_c1s1_000401_03.jpg",
        "0000_c1s1_000151_01.jpg",
    ):
        image(tmp_path / "bounding_box_train" / name, 64, 128)
    read = {crop.path.name: crop for crop in read_person_crops(tmp_path, "train")}
    crop = read["0002_c1s1_000451_03.jpg"]
    assert crop.identities.tolist() == [2] and crop.frame == 451 and crop.boxes.tolist() == [[0, 0, 1, 1]]
    assert read["0002_c3s2_001122_01.jpg"].sequence != crop.sequence
    assert count(list(read.values())) == Counts(4, 1, 2)
    with pytest.raises(InputError, match="no such folder"):
        read_person_crops(tmp_path, "query")
    image(tmp_path / "bounding_box_train/holiday.jpg")
    with pytest.raises(InputError, match=r"holiday\.jpg: not called like a crop"):
        read_person_crops(tmp_path, "train")


# MOTChallenge on the real files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "split", "pattern", "totals"),
    [
        ("MOT17", "train", "MOT17-*", Counts(5316, 546, 112297)),  # as published for the whole set
        ("MOT17", "train_half", "MOT17-*", None),
        ("MOT17", "val_half", "MOT17-*", None),
        ("MOT20", "train", "MOT20-*", Counts(429, 74, 19870)),  # as published for MOT20-01
        ("MOT15", "train", "*", Counts(71 + 179 + 107, 8 + 10 + 7, 359 + 1156 + 620)),
        ("DanceTrack", "val", "dancetrack*", None),
    ],
)
def test_real_totals(real_data: Path, folder: str, split: str, pattern: str, totals: Counts | None) -> None:
    images = read_motchallenge(real_data / folder, split, pattern, (2, 7, 8, 12))
    counts = count(images)
    assert totals is None or counts == totals
    num_images = num_boxes = num_people = 0
    for gt in (real_data / folder / split.replace("val_half", "train").replace("_half", "")).glob("*/gt/gt.txt"):
        ini = dict(line.split("=") for line in (gt.parents[1] / "seqinfo.ini").read_text().split() if "=" in line)
        length = int(ini["seqLength"])
        half = length // 2 + 1
        low, high = {"train_half": (1, half), "val_half": (half + 1, length)}.get(split, (1, length))
        rows = [line.split(",") for line in gt.read_text().split()]
        rows = [row for row in rows if len(row) == 10 or (row[6] == "1" and row[7] == "1")]
        rows = [row for row in rows if low <= int(row[0]) <= high]
        num_images += high - low + 1
        num_boxes += len(rows)
        num_people += len({row[1] for row in rows})
    assert counts == Counts(num_images, num_people, num_boxes)


def test_another_archive(real_data: Path) -> None:
    with pytest.raises(InputError, match="'MOT17-02-FRCNN' is not a sequence of this set"):
        read_motchallenge(real_data / "MOT17", "train", "MOT20-*")
    with pytest.raises(InputError, match="no folder test"):
        read_motchallenge(real_data / "MOT17", "test", "MOT17-*")


# Images --------------------------------------------------------------------------------------------------------------


def test_probe(tmp_path: Path) -> None:
    whole = image(tmp_path / "a.jpg", 64, 48)
    png = image(tmp_path / "a.png", 33, 22)
    assert probe(whole) == ImageState(64, 48)
    assert probe(png) == ImageState(33, 22)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:-20])
    text = tmp_path / "text.jpg"
    text.write_text("404 not found")
    assert probe(cut).problem == UNREADABLE and probe(text).problem == UNREADABLE
    (tmp_path / "cut.png").write_bytes(png.read_bytes()[:-8])
    assert probe(tmp_path / "cut.png").problem == UNREADABLE
    assert probe(tmp_path / "none.jpg").problem == MISSING


def test_probe_sees_what_is_upright(tmp_path: Path) -> None:
    """A phone's picture: 64x48 pixels, seen as 48x64."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", exif=exif)
    assert probe(tmp_path / "a.jpg") == ImageState(48, 64)


def test_probe_remembers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [image(tmp_path / f"{i}.jpg", 10 + i, 20) for i in range(4)]
    memory = tmp_path / "out/memory.tsv"
    first = probe_images(paths[:2], memory)
    with memory.open("a") as stream:
        stream.write("12\t2")  # a run that was killed in the middle of a line
    opened: list[Path] = []

    def counted(path: Path) -> ImageState:
        opened.append(path)
        return probe(path)

    monkeypatch.setattr("smiletrack.data.importers.probe.probe", counted)
    paths[0].write_bytes(paths[3].read_bytes() + b" ")
    second = probe_images([*paths, tmp_path / "none.jpg"], memory)
    assert paths[1] not in opened and paths[0] in opened
    assert second[paths[1]] == first[paths[1]] and second[paths[0]].width == 13
    assert second[paths[2]].width == 12 and second[tmp_path / "none.jpg"].problem == MISSING
