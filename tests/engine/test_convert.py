"""`smiletrack convert`: results to CVAT and back as truth that evaluates, and what is told of the wrong path."""

from pathlib import Path

import numpy as np
import pytest

from smiletrack.config import load_config
from smiletrack.data.detection.labels import read_labelled
from smiletrack.data.mot import read_results
from smiletrack.engine.convert import ConvertConfig, convert, read_tracks
from smiletrack.engine.eval_mot import evaluate
from smiletrack.engine.prepare_data import PrepareDataConfig, prepare_data
from smiletrack.errors import InputError
from tests.data.mot_folders import walkers, write_images, write_sequence


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run on one sequence of ten frames, as `smiletrack track` leaves it."""
    data = tmp_path / "data"
    write_sequence(data / "A", walkers(range(1, 11)), length=10, images=[f"{n:06d}.png" for n in range(1, 11)])
    rows = walkers(range(1, 11), "0.9,-1,-1,-1")
    (tmp_path / "run" / "tracks").mkdir(parents=True)
    (tmp_path / "run" / "tracks" / "A.txt").write_text(rows)
    (tmp_path / "run" / "config.yaml").write_text(f"data: {data}\nsplit: all\n")
    return tmp_path / "run"


def test_results_corrected_in_cvat_become_truth(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made,) = convert(ConvertConfig(str(run)))
    assert made == run / "export" / "cvat" / "A.xml"
    assert "4 of 20 boxes are keyframes" in capsys.readouterr().out  # two people who walk straight on
    made.write_text(made.read_text().replace('label="pedestrian"', 'label="person"'))  # "corrected"
    (folder,) = convert(ConvertConfig(str(made), "mot-folders", str(tmp_path / "truth")))
    assert folder.name == "A"
    figures = evaluate(tmp_path / "truth", run / "tracks")["A"]
    assert figures["CLEAR"]["MOTA"] == 1 and figures["Count"]["GT_Dets"] == 20


@pytest.mark.parametrize("form", ["kitti", "coco", "csv", "mot"])
def test_every_form_comes_back(run: Path, form: str) -> None:
    (made,) = convert(ConvertConfig(str(run), form))  # type: ignore[arg-type]
    (again,) = read_tracks(made if made.suffix in (".json", ".csv") else made.parent)
    table = read_results(run / "tracks" / "A.txt")
    assert again.name == "A" and again.table.ids.tolist() == table.ids.tolist()
    np.testing.assert_allclose(again.table.boxes, table.boxes, atol=1e-3)
    np.testing.assert_allclose(again.table.scores, 0.9)


def test_classes_of_a_run_are_named_by_its_labels(run: Path, tmp_path: Path) -> None:
    (run / "labels.txt").write_text("person\nbicycle\ncar\n")
    (run / "tracks" / "A.txt").write_text(walkers([1, 2], "0.9,3,-1,-1"))
    (tracks,) = read_tracks(run)
    assert tracks.class_names == ("car",) and tracks.table.classes.tolist() == [1] * 4
    (run / "labels.txt").write_text("person\n")
    with pytest.raises(InputError, match="class 3, but 1 are named in labels"):
        convert(ConvertConfig(str(run)))


def test_truth_of_a_data_set_too(run: Path, tmp_path: Path) -> None:
    (made,) = convert(ConvertConfig(str(tmp_path / "data"), "kitti", str(tmp_path / "out")))
    assert len(made.read_text().splitlines()[0].split()) == 17  # truth: no score


@pytest.mark.parametrize(
    ("source", "to", "output", "words"),
    [
        ("absent", "cvat", "", "absent: no such file or folder"),
        ("data", "cvat", "", "output: name the folder"),
        ("run", "coco", "out", r"--to coco writes one file, \*\.json"),
        ("empty", "cvat", "", "no tracks of a known format in it"),
        ("run/config.yaml", "cvat", "", "tracks are read from .xml, .json, .csv, .parquet files and from folders"),
    ],
)
def test_what_cannot_be_is_one_line(run: Path, tmp_path: Path, source: str, to: str, output: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=words):
        convert(ConvertConfig(str(tmp_path / source), to, output))  # type: ignore[arg-type]


# importing with prepare-data -----------------------------------------------------------------------------------------


def imported(name: str, source: Path, *words: str) -> dict[str, tuple[int, int, int]]:
    config = load_config(PrepareDataConfig, None, words, data=name, source=str(source), output=str(source / "out"))
    reports = prepare_data(config)
    return {
        report.split: (report.written.images, report.written.identities, report.written.boxes) for report in reports
    }


def test_kitti_and_visdrone_are_imported(tmp_path: Path) -> None:
    labels = tmp_path / "training" / "label_02"
    labels.mkdir(parents=True)
    end = "-1 -1 -10 10 10 40 50 -1 -1 -1 -1 -1 -1 -1"
    for name in ("0000", "0001"):
        (labels / f"{name}.txt").write_text(
            f"0 0 Pedestrian {end}\n0 1 Car {end}\n1 0 Pedestrian {end}\n1 -1 DontCare {end}\n"
        )
        write_images(tmp_path / "training" / "image_02" / name, ["000000.png", "000001.png"])
    assert imported("kitti", tmp_path) == {"train": (4, 2, 4)}
    drone = tmp_path / "VisDrone2019-MOT-val"
    write_images(drone / "sequences" / "u", ["0000001.jpg"])
    (drone / "annotations").mkdir()
    (drone / "annotations" / "u.txt").write_text(
        "1,1,5,5,20,30,1,1,0,0\n1,2,5,5,20,30,1,4,0,0\n1,3,40,5,20,30,1,2,0,0\n"
    )
    assert imported("visdrone", tmp_path, "data.splits=[val]") == {"val": (1, 1, 1)}
    assert imported("visdrone", tmp_path, "data.splits=[val]", "data.targets=[car]") == {"val": (1, 1, 1)}
    with pytest.raises(InputError, match=r"none of its classes \(ignored regions, .*\) is horse; data.targets"):
        imported("visdrone", tmp_path, "data.splits=[val]", "data.targets=[horse]")


def test_cvat_is_imported_with_its_images(run: Path, tmp_path: Path) -> None:
    export = tmp_path / "export" / "task"
    convert(ConvertConfig(str(run), "cvat", str(export)))
    (export / "A.xml").rename(export / "annotations.xml")
    with pytest.raises(InputError, match="no images of the sequence A found"):
        imported("cvat", tmp_path / "export")
    write_images(export / "images", [f"frame_{n:06d}.PNG" for n in range(10)])
    assert imported("cvat", tmp_path / "export") == {"train": (10, 2, 20)}


@pytest.mark.parametrize("layout", ["ultralytics", "roboflow", "flat"])
def test_yolo_is_imported(tmp_path: Path, layout: str) -> None:
    images, labels, about = {
        "ultralytics": (
            "images/train",
            "labels/train",
            "path: /content/street\ntrain: images/train\nnames: {0: bike, 1: person}\n",
        ),
        "roboflow": ("train/images", "train/labels", "train: ../train/images\nnc: 2\nnames: ['bike', 'person']\n"),
        "flat": ("images", "labels", ""),
    }[layout]
    write_images(tmp_path / images, ["a.jpg", "b.jpg", "c.jpg"])
    (tmp_path / labels).mkdir(parents=True)
    if about:
        (tmp_path / "data.yaml").write_text(about)
    else:
        (tmp_path / "classes.txt").write_text("bike\nperson\n")
    (tmp_path / labels / "a.txt").write_text("1 0.5 0.5 0.25 0.5\n0 0.2 0.2 0.1 0.1\n")
    (tmp_path / labels / "b.txt").write_text("1 0.25 0.25 0.75 0.25 0.5 0.75\n")  # a polygon
    assert imported("yolo", tmp_path, "data.splits=[train]") == {"train": (3, 0, 2)}
    text = (tmp_path / "out" / "annotations" / "train.json").read_text()
    assert '"bbox":[36.0,16.0,24.0,32.0]' in text and '"bbox":[24.0,16.0,48.0,32.0]' in text
    if about:
        learned = read_labelled([f"{tmp_path / 'data.yaml'}@train"])
        assert learned.class_names == ("bike", "person") and learned.classes.tolist() == [1, 0, 1] and len(learned) == 3
        np.testing.assert_allclose(learned.boxes[[0, 2]], [[36, 16, 60, 48], [24, 16, 72, 48]])
    for label, words in (
        ("1 1 2 3", r"a\.txt:1: not a label"),
        ("1 50 50 20 20", "a box in pixels"),
        ("7 .5 .5 .1 .1", "class 7"),
    ):
        (tmp_path / labels / "a.txt").write_text(label)
        with pytest.raises(InputError, match=words):
            imported("yolo", tmp_path, "data.splits=[train]")


def test_coco_photographs_and_videos_are_imported(run: Path, tmp_path: Path) -> None:
    source = tmp_path / "coco"
    write_images(source / "train2017", ["a.jpg"])
    (source / "annotations").mkdir()
    (source / "annotations" / "instances_train2017.json").write_text(
        '{"images":[{"id":1,"file_name":"a.jpg"}],"categories":[{"id":1,"name":"person"},{"id":3,"name":"car"}],'
        '"annotations":[{"id":1,"image_id":1,"category_id":1,"bbox":[1,2,30,40]},'
        '{"id":2,"image_id":1,"category_id":1,"bbox":[1,2,30,40],"iscrowd":1},'
        '{"id":3,"image_id":1,"category_id":3,"bbox":[1,2,30,40]}]}'
    )
    assert imported("coco", source, "data.splits=[train]") == {"train": (1, 0, 1)}
    convert(ConvertConfig(str(run), "coco", str(source / "val.json")))
    assert imported("coco", source, "data.splits=[val]") == {"val": (10, 2, 20)}
