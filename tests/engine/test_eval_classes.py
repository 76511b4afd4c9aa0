"""Several classes: each is scored by itself, as the official evaluator of KITTI does, and the mean over them."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from smiletrack.engine.convert import ConvertConfig, convert
from smiletrack.engine.eval_mot import CLASS_MEAN, EvalConfig, eval_mot, evaluate
from smiletrack.engine.inputs import sequence_inputs
from smiletrack.engine.show_tracks import ShowConfig, show_tracks
from smiletrack.engine.track import TrackConfig, track
from smiletrack.errors import InputError
from smiletrack.metrics.table import mean_over_classes
from smiletrack.types import Detections
from smiletrack.view import drawing
from tests.data.mot_folders import write_sequence

NAMES = ("Car", "Van", "Pedestrian", "Person", "Cyclist")
END = "-1 -1 -1 -1000 -1000 -1000 -10"


@pytest.fixture
def kitti(tmp_path: Path) -> Path:
    """Two sequences of forty frames with labels, a region, and results that miss, jitter, switch and mistake."""
    rng = np.random.default_rng(3)
    for name in ("0000", "0001"):
        labels, results = [], []
        start = rng.uniform(0, 700, (12, 2))
        for frame in range(40):
            labels.append(f"{frame} -1 DontCare -1 -1 -10 900 0 1200 370 {END}")
            for person in range(12):
                left, top = start[person] + frame * np.array([3 - person % 5, 1])
                box = np.array([left, top, left + 40 + 5 * person, top + 60]).round(2)
                kind = NAMES[person % 5]
                labels.append(f"{frame} {person} {kind} 0 0 -10 {' '.join(f'{side:.2f}' for side in box)} {END}")
                if rng.random() < 0.85:
                    seen = (box + rng.normal(0, 3, 4)).round(2)  # what a result file holds
                    said = {"Van": "Car", "Person": "Pedestrian"}.get(kind, kind)
                    said = rng.choice(NAMES) if rng.random() < 0.05 else said
                    identity = person + 100 * (frame > 20 and person % 3 == 0)
                    results.append(f"{frame} {identity} {said} -1 -1 -10 {' '.join(map(str, seen))} {END} 0.9")
            results.append(f"{frame} 77 Car -1 -1 -10 950 10 1000 80 {END} 0.9")  # in the region
        for folder, lines in (("label_02", labels), ("trackers/mine/data", results)):
            (tmp_path / "training" / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / "training" / folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "training" / "evaluate_tracking.seqmap.training").write_text(
        "0000 empty 000000 000040\n0001 empty 000000 000040\n"
    )
    return tmp_path


def test_kitti_equals_the_official_evaluator(kitti: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trackeval = pytest.importorskip("trackeval", reason="pip install trackeval: the official evaluator")
    root = kitti / "training"
    official = trackeval.datasets.Kitti2DBox(
        {"GT_FOLDER": str(root), "TRACKERS_FOLDER": str(root / "trackers"), "TRACKERS_TO_EVAL": ["mine"],
         "SPLIT_TO_EVAL": "training", "PRINT_CONFIG": False}
    )  # fmt: skip
    families = {"HOTA": trackeval.metrics.HOTA(), "CLEAR": trackeval.metrics.CLEAR({"PRINT_CONFIG": False})}
    families["Identity"] = trackeval.metrics.Identity({"PRINT_CONFIG": False})
    expected = {}
    for kind in ("car", "pedestrian"):
        parts = [
            official.get_preprocessed_seq_data(official.get_raw_seq_data("mine", name), kind)
            for name in ("0000", "0001")
        ]
        expected[kind] = {
            family: metric.combine_sequences({str(i): metric.eval_sequence(part) for i, part in enumerate(parts)})
            for family, metric in families.items()
        }
    convert(ConvertConfig(str(root), "mot-folders", str(kitti / "gt")))
    convert(ConvertConfig(str(root / "trackers" / "mine"), "mot", str(kitti / "results")))
    capsys.readouterr()
    config = EvalConfig(
        str(kitti / "gt"), str(kitti / "results"), classes=("car", "Pedestrian"), json=str(kitti / "a.json")
    )
    measures = eval_mot(config)
    ours = {"car": measures["car"], "pedestrian": measures["Pedestrian"], CLASS_MEAN: measures[CLASS_MEAN]}
    assert expected["car"]["CLEAR"]["IDSW"] > 0 and expected["car"]["CLEAR"]["CLR_FP"] > 0
    expected[CLASS_MEAN] = {
        family: metric.combine_classes_class_averaged({kind: expected[kind][family] for kind in ("car", "pedestrian")})
        for family, metric in families.items()
    }
    for kind, families_of in expected.items():
        for family, fields in families_of.items():
            for name, value in fields.items():
                np.testing.assert_allclose(
                    ours[kind][family][name], value, rtol=1e-9, atol=1e-9, err_msg=f"{kind} {name}"
                )
    told = capsys.readouterr().out
    assert "class car" in told and "CLASS MEAN" in told and told.count("COMBINED") == 2
    stored = json.loads((kitti / "a.json").read_text())
    assert list(stored) == ["car", "Pedestrian", CLASS_MEAN] and list(stored["car"]) == ["0000", "0001", "COMBINED"]


TRUTH = "".join(
    f"{frame},1,{10 + frame},10,20,40,1,1,1\n{frame},2,{60 - frame},10,20,40,1,2,1\n" for frame in range(1, 6)
)


def data(folder: Path, results: str, labels: str = "", names: str = "person\ncar\n") -> EvalConfig:
    write_sequence(folder / "gt" / "A", TRUTH, length=5)
    (folder / "gt" / "A" / "gt" / "labels.txt").write_text(names)
    (folder / "results").mkdir()
    (folder / "results" / "A.txt").write_text(results)
    if labels:
        (folder / "results" / "labels.txt").write_text(labels)
    return EvalConfig(str(folder / "gt"), str(folder / "results"), classes=("person", "car"))


def rows(person: int, car: int) -> str:
    return "".join(
        f"{frame},1,{10 + frame},10,20,40,.9,{person},-1,-1\n"
        f"{frame},1{frame // 4},{60 - frame},10,20,40,.9,{car},-1,-1\n"
        for frame in range(1, 6)
    )


def test_a_box_of_another_class_is_no_match(tmp_path: Path) -> None:
    right = eval_mot(data(tmp_path / "a", rows(1, 2)))
    assert [right[kind]["CLEAR"]["MOTA"] for kind in ("person", "car")] == [1, 0.8]  # one switch of five
    wrong = eval_mot(data(tmp_path / "b", rows(2, 1)))
    assert [wrong[kind]["CLEAR"]["CLR_TP"] for kind in ("person", "car")] == [0, 0]
    assert wrong[CLASS_MEAN]["CLEAR"]["CLR_FP"] == 10 and wrong[CLASS_MEAN]["CLEAR"]["MOTA"] == -1


@pytest.mark.parametrize(
    ("text", "labels", "numbering"),
    [
        (rows(3, 1), "car\nbus\nperson\n", "auto"),
        (rows(1, 3), "", "COCO"),
        (rows(1, 4), "", "VisDrone"),
        (rows(4, 1), "", "KITTI"),
        (rows(1, 3), "", "MOTChallenge"),
    ],
)
def test_numbers_of_classes_are_by_name(tmp_path: Path, text: str, labels: str, numbering: str) -> None:
    config = data(tmp_path, text, labels)
    measures = eval_mot(EvalConfig(config.gt, config.results, classes=("car", "person"), numbering=numbering))  # type: ignore[arg-type]
    assert measures["person"]["CLEAR"]["MOTA"] == 1 and measures["car"]["CLEAR"]["CLR_TP"] == 5


def test_one_class_of_results_without_classes(tmp_path: Path) -> None:
    config = data(tmp_path, "".join(line + "\n" for line in rows(-1, -1).splitlines()[1::2]))
    car = eval_mot(EvalConfig(config.gt, config.results, classes=("car",)))
    assert car["car"]["CLEAR"]["CLR_TP"] == 5 and car["car"]["CLEAR"]["CLR_FP"] == 0
    with pytest.raises(InputError, match=r"no classes in it \(column 8 is -1\), but several are asked for"):
        eval_mot(config)


def test_what_cannot_be_is_one_line(tmp_path: Path) -> None:
    config = data(tmp_path, rows(1, 9))
    with pytest.raises(InputError, match=r"A\.txt:2: class 9 is none of 1 \.\. 2; --numbering"):
        eval_mot(config)
    with pytest.raises(InputError, match=r"gt\.txt has no 'dog'; it has person, car"):
        eval_mot(EvalConfig(config.gt, config.results, classes=("dog",)))
    with pytest.raises(InputError, match="the results know no 'dog'"):
        eval_mot(EvalConfig(config.gt, config.results, classes=("dog",), numbering="KITTI"))
    with pytest.raises(InputError, match=r"the one class evaluated; smiletrack eval --classes names others"):
        evaluate(config.gt, config.results)
    with pytest.raises(ValueError, match="classes and cross_check"):
        EvalConfig(classes=("car",), cross_check=True)


def test_mean_over_classes_sums_counts() -> None:
    parts = {
        name: {"HOTA": {"HOTA": np.full(19, value), "HOTA_TP": np.full(19, 3)}, "CLEAR": {"MOTA": value, "IDSW": 2}}
        for name, value in (("a", 0.2), ("b", 0.6))
    }
    mean = mean_over_classes(parts)
    assert mean["CLEAR"] == {"MOTA": pytest.approx(0.4), "IDSW": 4}
    np.testing.assert_allclose(mean["HOTA"]["HOTA"], 0.4)
    np.testing.assert_array_equal(mean["HOTA"]["HOTA_TP"], 6)


class Sorting:
    """Sees two things in every frame: a person who walks right and a car that drives left."""

    fingerprint = "sorting"
    class_names = ("person", "bicycle", "car")

    def __init__(self) -> None:
        self.frame = 0

    def detect(self, frame: np.ndarray) -> Detections:
        self.frame += 1
        boxes = np.array([[10 + self.frame, 10, 30 + self.frame, 50], [60 - self.frame, 10, 80 - self.frame, 50.0]])
        return Detections(boxes, np.array([0.9, 0.8]), classes=np.array([1, 3]))


def test_classes_are_written_drawn_and_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a detector that tells classes apart to the table; a video that shows them."""
    loading = SimpleNamespace(load_networks=lambda *_: (Sorting(), None))
    monkeypatch.setattr(sequence_inputs, "network_loading", loading)
    write_sequence(tmp_path / "gt" / "A", TRUTH, length=5, images=[f"{n}.png" for n in range(1, 6)])
    (tmp_path / "gt" / "A" / "gt" / "labels.txt").write_text("person\ncar\n")
    run = track(TrackConfig(data=str(tmp_path / "gt"), detector="x", output=str(tmp_path / "run")))
    assert (run / "labels.txt").read_text() == "person\nbicycle\ncar\n"
    assert {line.split(",")[7] for line in (run / "tracks" / "A.txt").read_text().splitlines()} == {"1", "3"}
    measures = eval_mot(EvalConfig(results=str(run), classes=("car", "person")))
    assert [measures[kind]["CLEAR"]["CLR_TP"] for kind in ("car", "person")] == [5, 5]
    assert (run / "classes.json").is_file() and not (run / "summary.json").exists()
    drawn: list[list[str]] = []
    monkeypatch.setattr(drawing, "draw_box", lambda image, box, color, label="", **_: drawn.append([label]))
    (made,) = show_tracks(ShowConfig(run=str(run), format="images"))
    assert len(list(made.iterdir())) == 5
    assert {label.split()[0] for (label,) in drawn} == {"person", "car"}
