"""Whole imports: files that trainers and pycocotools read, counts, and faults that are told, never dropped unsaid."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from smiletrack.config import CONFIG_ROOT, build_config, load_config
from smiletrack.data.detection.labels import read_labelled
from smiletrack.data.importers import probe as probe_module
from smiletrack.data.importers.annotations import Counts
from smiletrack.data.importers.outputs import read_coco_images
from smiletrack.data.reid.identities import mot_identities, read_identities
from smiletrack.engine.prepare_data import DataConfig, PrepareDataConfig, SplitReport, prepare_data
from smiletrack.errors import InputError

TRUTH = """\
1,3,10,20,30,60,1,1,1
1,7,100,20,90,60,1,1,0.25
2,3,12,20,30,60,1,1,0.8
2,8,60,20,30,60,1,7,1
3,3,14,20,30,60,1,1,1
3,9,70,20,30,60,1,3,1
3,11,60,20,30,60,0,1,1
5,3,18,20,30,60,1,1,1
"""


def sequence(folder: Path, truth: str = TRUTH, frames: int = 5) -> Path:
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    (folder / "gt/gt.txt").write_text(truth)
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={folder.name}\nimDir=img1\nseqLength={frames}\nimWidth=160\nimHeight=120\nimExt=.jpg\n"
    )
    for frame in range(1, frames + 1):
        cv2.imwrite(str(folder / f"img1/{frame:06d}.jpg"), np.full((120, 160, 3), 100, np.uint8))
    return folder


@pytest.fixture
def mot17(tmp_path: Path) -> Path:
    """MOT17 with two sequences, one of them in two detector copies."""
    for name in ("MOT17-02-DPM", "MOT17-02-SDP", "MOT17-04-SDP"):
        sequence(tmp_path / "MOT17/train" / name)
    return tmp_path / "MOT17"


def config(source: Path, *words: str, skip_bad: bool = False, name: str = "mot17") -> PrepareDataConfig:
    overrides = [f"data.{word}" for word in words]
    output = str(source.parent / "out" / name)
    return load_config(
        PrepareDataConfig, None, overrides, data=name, source=str(source), output=output, skip_bad=skip_bad
    )


def imported(source: Path, *words: str, skip_bad: bool = False, name: str = "mot17") -> dict[str, SplitReport]:
    reports = prepare_data(config(source, *words, skip_bad=skip_bad, name=name))
    return {report.split: report for report in reports}


def test_counts_beside_the_published_ones(mot17: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = imported(mot17)["train"]
    assert report.annotated == report.written == Counts(10, 4, 10)
    assert report.differs == ["images", "identities", "boxes"]
    printed = capsys.readouterr()
    assert "5,316" in printed.out and "112,297" in printed.out
    assert "warning: train has 10 images, but 5,316 are published" in printed.err
    same = imported(mot17, "published={train: {images: 10, boxes: 10}}")["train"]
    assert same.differs == ["identities"]
    assert "images" not in capsys.readouterr().err.split("reading")[-1]


def test_coco_file(mot17: Path) -> None:
    imported(mot17)
    file = mot17.parent / "out/mot17/annotations/val_half.json"
    content = json.loads(file.read_text())
    # train_half is 1 .. 5 // 2 + 1: frames 4 and 5 remain, numbered from 1 again
    assert [(im["frame"], im["frame_id"], im["video_id"]) for im in content["images"]] == [
        (4, 1, 1),
        (5, 2, 1),
        (4, 1, 2),
        (5, 2, 2),
    ]
    assert content["videos"] == [{"id": 1, "name": "MOT17-02-DPM"}, {"id": 2, "name": "MOT17-04-SDP"}]
    assert [annotation["bbox"] for annotation in content["annotations"]] == [[18, 20, 30, 60]] * 2
    assert len({annotation["track_id"] for annotation in content["annotations"]}) == 2
    whole = json.loads(file.with_name("train.json").read_text())
    ignored = [annotation for annotation in whole["annotations"] if annotation["iscrowd"]]
    assert [(a["bbox"], a["ignore"]) for a in ignored] == [([60, 20, 30, 60], 1)] * 4  # class 7, and mark 0
    people = {a["track_id"] for a in whole["annotations"]}
    assert all(a["bbox"][0] != 70 for a in whole["annotations"])  # a car
    assert {a["track_id"] for a in content["annotations"]} <= people  # the halves share the numbers of the whole


def test_pycocotools_and_trainer_read_it(mot17: Path) -> None:
    imported(mot17)
    file = mot17.parent / "out/mot17/annotations/train.json"
    coco = COCO(str(file))
    targets = [a for a in coco.anns.values() if not a["iscrowd"]]
    results = [{"image_id": a["image_id"], "category_id": 1, "bbox": a["bbox"], "score": 0.9} for a in targets]
    results.append({"image_id": 2, "category_id": 1, "bbox": [60, 20, 30, 60], "score": 0.95})  # an ignored one
    evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)
    labels = read_labelled([str(file)])
    folders = read_labelled([str(mot17 / "train")])
    assert [path.resolve() for path in labels.paths] == [path.resolve() for path in folders.paths]
    np.testing.assert_array_equal(labels.boxes, folders.boxes)
    np.testing.assert_array_equal(labels.ignored, folders.ignored)
    back = read_coco_images(file)
    assert [image.frame for image in back] == [1, 2, 3, 4, 5] * 2 and back[0].sequence == "MOT17-02-DPM"


def test_identity_table(mot17: Path) -> None:
    imported(mot17)
    table = read_identities(mot17.parent / "out/mot17/identities/train.csv")
    direct = mot_identities(mot17 / "train", min_visibility=0.0)
    assert len(table) == 10 and table.num_identities == 4
    np.testing.assert_array_equal(table.boxes, direct.boxes)
    np.testing.assert_array_equal(table.visibility, direct.visibility)
    assert [image.resolve() for image in table.images] == [image.resolve() for image in direct.images]
    pairs = set(zip(table.identities.tolist(), direct.identities.tolist(), strict=True))
    assert len(pairs) == 4  # the same people under other numbers


def test_filters(mot17: Path) -> None:
    assert imported(mot17, "all_detectors=true")["train"].written == Counts(15, 6, 15)
    assert imported(mot17, "filters.min_visibility=0.5")["train"].written == Counts(10, 2, 8)
    assert imported(mot17, "filters.min_height=61")["train"].written == Counts(10, 0, 0)
    imported(mot17, "filters.clip=true", "filters.keep_ignored=false")
    content = json.loads((mot17.parent / "out/mot17/annotations/train.json").read_text())
    boxes = [annotation["bbox"] for annotation in content["annotations"]]
    assert [100, 20, 60, 60] in boxes and [100, 20, 90, 60] not in boxes and [60, 20, 30, 60] not in boxes


@pytest.mark.parametrize(
    ("spoil", "message", "kind"),
    [
        (lambda f: (f / "img1/000003.jpg").unlink(), r"000003\.jpg: the image is not there", "missing image"),
        (
            lambda f: (f / "img1/000003.jpg").write_bytes((f / "img1/000003.jpg").read_bytes()[:-9]),
            r"000003\.jpg: the image is cut short",
            "unreadable image",
        ),
        (
            lambda f: cv2.imwrite(str(f / "img1/000003.jpg"), np.zeros((60, 80, 3), np.uint8)),
            r"000003\.jpg: the image is 80x60, but .*gt\.txt is about 160x120",
            "image of another size",
        ),
        (
            lambda f: (f / "gt/gt.txt").write_text(TRUTH + "4,3,170,20,30,60,1,1,1\n"),
            r"gt\.txt:9: the box \(170, 20, 200, 80\) has no area in the image of 160x120",
            "box without area in the image",
        ),
        (
            lambda f: (f / "gt/gt.txt").write_text(TRUTH + "5,3,19,20,30,60,1,1,1\n"),
            r"gt\.txt:9: identity .* twice",
            "duplicate",
        ),
    ],
)
def test_faults_stop_or_are_counted(mot17: Path, spoil, message: str, kind: str) -> None:  # type: ignore[no-untyped-def]
    spoil(mot17 / "train/MOT17-04-SDP")
    with pytest.raises(InputError, match=message):
        imported(mot17, "skip_bad_boxes=false")
    report = imported(mot17, skip_bad=True)["train"]
    assert report.problems == {kind: 1}
    lost = "image" in kind and "box" not in kind
    assert report.written == (Counts(9, 4, 9) if lost else Counts(10, 4, 10))
    (line,) = (mot17.parent / "out/mot17/problems_train.txt").read_text().splitlines()
    assert "MOT17-04-SDP" in line


def test_frame_beyond_the_sequence(mot17: Path) -> None:
    (mot17 / "train/MOT17-04-SDP/gt/gt.txt").write_text(TRUTH + "6,3,18,20,30,60,1,1,1\n")
    with pytest.raises(InputError, match=r"gt\.txt:9: frame 6 is outside the sequence, 1 \.\. 5"):
        imported(mot17, skip_bad=True)


def test_goes_on_after_a_stop(mot17: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mot17 / "train/MOT17-04-SDP/img1/000005.jpg").unlink()
    with pytest.raises(InputError):
        imported(mot17)
    sequence(mot17.parent / "spare")
    (mot17.parent / "spare/img1/000005.jpg").rename(mot17 / "train/MOT17-04-SDP/img1/000005.jpg")
    opened: list[Path] = []
    real = probe_module.probe
    monkeypatch.setattr(probe_module, "probe", lambda path: (opened.append(path), real(path))[1])
    assert imported(mot17)["train"].written.images == 10
    assert [path.name for path in opened] == ["000005.jpg"]


def test_wrong_sets_and_names(mot17: Path) -> None:
    with pytest.raises(InputError, match="'MOT17-02-DPM' is not a sequence of this set"):
        imported(mot17, name="mot20")
    with pytest.raises(InputError, match="no folder train"):
        imported(mot17 / "train/MOT17-02-DPM")
    with pytest.raises(InputError, match=r"no annotation_train\.odgt"):
        imported(mot17, name="crowdhuman")
    with pytest.raises(InputError, match="did you mean 'mot17'"):
        config(mot17, name="mot71")
    with pytest.raises(InputError, match="no such folder"):
        imported(mot17 / "nothing")
    with pytest.raises(InputError, match=r"published\.train\.frames is not known"):
        build_config(DataConfig, {"published": {"train": {"frames": 3}}})


def test_a_mix(mot17: Path) -> None:
    imported(mot17)
    people = mot17.parent / "out"
    photograph = people.parent / "CrowdHuman/Images/1.jpg"
    photograph.parent.mkdir(parents=True)
    cv2.imwrite(str(photograph), np.zeros((50, 40, 3), np.uint8))
    box = {"tag": "person", "fbox": [1, 2, 10, 20], "vbox": [1, 2, 10, 20], "extra": {}}
    for split in ("train", "val"):
        odgt = people.parent / f"CrowdHuman/annotation_{split}.odgt"
        odgt.write_text(json.dumps({"ID": "1", "gtboxes": [box]}) + "\n")
    imported(people.parent / "CrowdHuman", name="crowdhuman")
    mix = load_config(
        PrepareDataConfig, data="mix-ablation", source=str(people), output=str(people.parent / "elsewhere/mix")
    )
    (report,) = prepare_data(mix)
    assert report.written == Counts(6 + 1 + 1, 4, 8 + 1 + 1)
    labels = read_labelled([str(people.parent / "elsewhere/mix/annotations/train.json")])
    assert all(path.is_file() for path in labels.paths)
    assert labels.boxes[-1].tolist() == [1, 2, 11, 22]
    content = json.loads((people.parent / "elsewhere/mix/annotations/train.json").read_text())
    assert len({a["id"] for a in content["annotations"]}) == len(content["annotations"])
    assert [image["video_id"] for image in content["images"]] == [1, 1, 1, 2, 2, 2, -1, -1]
    table = read_identities(people.parent / "elsewhere/mix/identities/train.csv")
    assert len(table) == 8 and table.num_identities == 4 and all(image.is_file() for image in table.images)
    with pytest.raises(InputError, match="import ethz/train first"):
        prepare_data(replace(mix, data=load_config(PrepareDataConfig, data="mix-mot17-test").data))


def test_people_of_one_set_stay_the_same_in_a_mix(mot17: Path) -> None:
    imported(mot17)
    out = mot17.parent / "out"
    words = ["data.parts=mot17/train_half, mot17/val_half"]
    mix = load_config(PrepareDataConfig, None, words, data="mix-ablation", source=str(out), output=str(out / "mix"))
    (report,) = prepare_data(mix)
    assert report.written == Counts(10, 4, 10)
    assert read_identities(out / "mix/identities/train.csv").num_identities == 4


def test_people_of_two_sets_stay_apart_in_a_mix(mot17: Path) -> None:
    imported(mot17, "splits=train")
    out = mot17.parent / "out"
    (out / "mot17").rename(out / "first")
    imported(mot17, "splits=train")
    words = ["data.parts=first/train, mot17/train"]
    mix = load_config(PrepareDataConfig, None, words, data="mix-ablation", source=str(out), output=str(out / "mix"))
    (report,) = prepare_data(mix)
    assert report.written == Counts(20, 8, 20)
    assert read_identities(out / "mix/identities/train.csv").num_identities == 8


def test_crops_give_an_identity_table_only(tmp_path: Path) -> None:
    for split in ("bounding_box_train", "bounding_box_test", "query"):
        (tmp_path / "Market" / split).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / f"Market/{split}/0002_c1s1_000451_03.jpg"), np.zeros((128, 64, 3), np.uint8))
    imported(tmp_path / "Market", name="market1501")
    table = read_identities(tmp_path / "out/market1501/identities/query.csv")
    assert table.boxes.tolist() == [[0, 0, 64, 128]] and table.identities.tolist() == [2]
    assert not (tmp_path / "out/market1501/annotations").exists()


@pytest.mark.parametrize("card", sorted((CONFIG_ROOT / "data").glob("*.yaml")), ids=lambda card: card.stem)
def test_every_card_loads(card: Path) -> None:
    assert load_config(PrepareDataConfig, data=card.stem).data is not None
    assert f"smiletrack prepare-data {card.stem} " in card.read_text()


def test_the_command(mot17: Path, run_tool) -> None:  # type: ignore[no-untyped-def]
    done = run_tool("prepare_data", "mot17", "--source", mot17, "--output", mot17.parent / "o", "data.splits=train")
    assert done.returncode == 0 and "112,297" in done.stdout and done.stderr.count("warning") == 3
    wrong = run_tool("prepare_data", "mot20", "--source", mot17, "--output", mot17.parent / "o")
    assert wrong.returncode == 2 and wrong.stderr.count("error") == 1 and "Traceback" not in wrong.stderr


def turned(path: Path) -> None:
    """Write a picture of 120x160 that is seen as 160x120, by orientation 6."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (120, 160)).save(path, exif=exif)


def test_phone_pictures_have_the_size_that_is_seen(mot17: Path) -> None:
    for path in mot17.rglob("*.jpg"):
        turned(path)
    assert imported(mot17, "splits=train")["train"].problems == {}
    jde = mot17.parent / "jde"
    for part in ("images", "labels_with_ids"):
        (jde / part).mkdir(parents=True)
    turned(jde / "images" / "a.jpg")
    (jde / "labels_with_ids" / "a.txt").write_text("0 1 0.5 0.5 0.25 0.5\n")
    settings = PrepareDataConfig(DataConfig(format="labels_with_ids"), str(jde), str(jde.parent / "out/jde"))
    prepare_data(settings)
    (image,) = read_coco_images(jde.parent / "out/jde/annotations/train.json")
    assert (image.width, image.height) == (160, 120) and image.boxes.tolist() == [[60, 30, 100, 90]]


def test_what_the_columns_were_taken_for_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """VisDrone's cars are no people, MOT15's tabs no reason to lose a box."""
    sequence(tmp_path / "V/train/A", "1,0,10,20,30,60,1,1,0,0\n1,1,60,20,30,60,1,4,0,2\n", 1)
    sequence(tmp_path / "T/train/A", "1\t1\t10\t20\t30\t60\t1\t-1\t-1\t-1\n", 1)
    for name, words in (("V", "VisDrone's columns"), ("T", "MOT15's columns")):
        (report,) = prepare_data(PrepareDataConfig(DataConfig(), str(tmp_path / name), str(tmp_path / "out" / name)))
        assert report.written == Counts(1, 1, 1) and f"train: truth: {words}" in capsys.readouterr().err


def test_a_set_of_which_a_part_is_unpacked(tmp_path: Path) -> None:
    """DanceTrack's archives come one by one."""
    sequence(tmp_path / "DanceTrack/val/dancetrack0004", "1,0,10,20,30,60,1,1,1\n", 1)
    with pytest.raises(InputError, match=r"no folder train in it; .*; data\.splits=val imports what is there"):
        imported(tmp_path / "DanceTrack", name="dancetrack")
    report = imported(tmp_path / "DanceTrack", "splits=val", name="dancetrack")["val"]
    assert report.written == Counts(1, 1, 1)
