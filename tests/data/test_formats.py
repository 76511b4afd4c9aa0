"""Tracks through the formats of others and back, held against files typed from the formats' own descriptions."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pycocotools.coco import COCO

from smiletrack.data.formats import row_tables
from smiletrack.data.formats.coco_video import read_coco_video, write_coco_video
from smiletrack.data.formats.cvat import keyframes_of, read_cvat, write_cvat
from smiletrack.data.formats.kitti import read_kitti, read_kitti_file, write_kitti
from smiletrack.data.formats.mot_folders import tracks_of_truth, write_mot_folders, write_mot_results
from smiletrack.data.formats.row_tables import read_row_table, write_row_table
from smiletrack.data.formats.sequence_tracks import SequenceTracks, by_name
from smiletrack.data.formats.visdrone import read_visdrone
from smiletrack.data.importers.motchallenge import split_folders
from smiletrack.data.importers.track_files import read_coco_set, read_tracked_set
from smiletrack.data.mot import read_results
from smiletrack.data.sequences import open_folder
from smiletrack.errors import InputError
from smiletrack.types import TrackTable
from tests.data.mot_folders import write_images


def tracks(truth: bool = False) -> SequenceTracks:
    """Two people and a car over 12 frames; person 7 is away in frames 5 and 6, the car's last box is in frame 9."""
    rng = np.random.default_rng(4)
    rows = []
    for identity, kind, frames in ((7, 1, [1, 2, 3, 4, 7, 8, 9, 10, 11, 12]), (9, 1, [2, 3, 4]), (12, 2, [6, 7, 8, 9])):
        for frame in frames:
            corner = rng.uniform(0, 90, 2).round(2)
            rows.append([frame, identity, kind, *corner, *(corner + rng.uniform(5, 40, 2).round(2))])
    cells = np.array(rows)
    cells = cells[np.argsort(cells[:, 0], kind="stable")]
    scores = np.ones(len(cells)) if truth else rng.uniform(0.1, 1, len(cells)).round(4)
    table = TrackTable(cells[:, 0].astype(int), cells[:, 1].astype(int), cells[:, 3:], scores, cells[:, 2].astype(int))
    return SequenceTracks("street é", table, ("pedestrian", "car"), truth, 14, 160, 120)


def same(found: SequenceTracks, expected: SequenceTracks, decimals: int = 2, scores: bool = True) -> None:
    """Assert equal rows in order of frame and identity, with equal names of classes."""
    tables = []
    for part in (found, expected):
        order = np.lexsort((part.table.ids, part.table.frames))
        names = [part.class_name(row) for row in order]
        tables.append((part.table[order], names))
    (one, names), (other, expected_names) = tables
    assert one.frames.tolist() == other.frames.tolist() and one.ids.tolist() == other.ids.tolist()
    assert names == expected_names
    np.testing.assert_allclose(one.boxes, other.boxes, atol=0.51 * 10.0**-decimals)
    if scores:
        np.testing.assert_allclose(one.scores, other.scores, atol=5e-5)


# KITTI ---------------------------------------------------------------------------------------------------------------

LABELS = """\
0 -1 DontCare -1 -1 -10.000000 219.310000 188.490000 245.500000 218.560000 -1000.000000 -1000.000000 -1000.000000 -10.000000 -1.000000 -1.000000 -1.000000
0 0 Van 0 0 -1.793451 296.744956 161.752147 455.226042 292.372804 2.000000 1.823255 4.433886 -4.552284 1.858523 13.410495 -2.115488
0 2 Pedestrian 0 2 -2.523309 1106.137292 166.576807 1204.470628 323.876144 1.714062 0.767881 0.972283 6.301919 1.652419 8.455685 -1.900245
1 2 Person_sitting 2 1 -2.5 1 2 3.5 4 1.7 0.7 0.9 6.3 1.6 8.4 -1.9
"""  # noqa: E501 - as in the devkit's example, label_02/0000.txt


def test_kitti(tmp_path: Path) -> None:
    folder = tmp_path / "training" / "label_02"
    folder.mkdir(parents=True)
    (folder / "0000.txt").write_text(LABELS)
    write_images(tmp_path / "training" / "image_02" / "0000", ["000000.png", "000001.png"])
    (read,) = read_kitti(tmp_path)
    assert read.truth and read.frame_rate == 10 and read.length == 2 and sorted(read.images) == [1, 2]
    assert [read.class_name(row) for row in range(4)] == ["dontcare", "van", "pedestrian", "person sitting"]
    assert read.table.frames.tolist() == [1, 1, 1, 2] and read.table.ids.tolist() == [-1, 0, 2, 2]
    assert read.table.counted.tolist() == [False, True, True, True]
    assert read.table.boxes[3].tolist() == [1, 2, 3.5, 4] and read.table.visibility.tolist() == [1, 1, 0.25, 0.75]
    write_kitti(tmp_path / "out", [read])
    again = read_kitti_file(tmp_path / "out" / "0000.txt")
    same(again, read, 6)
    lines = (tmp_path / "out" / "0000.txt").read_text().splitlines()
    assert [len(line.split()) for line in lines] == [17] * 4 and lines[0].startswith("0 -1 DontCare -1 -1 -10 219.31")


def test_kitti_results_have_scores_and_classes_it_knows(tmp_path: Path) -> None:
    result = tracks()
    write_kitti(tmp_path, [result, replace(result, name="other", class_names=("person", "cow"))])
    same(read_kitti_file(tmp_path / "street é.txt"), result, 6)
    words = {line.split()[2] for line in (tmp_path / "other.txt").read_text().splitlines()}
    assert words == {"Pedestrian", "Misc"}
    assert not read_kitti_file(tmp_path / "other.txt").truth


# VisDrone ------------------------------------------------------------------------------------------------------------


def test_visdrone(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "uav1_v.txt").write_text(
        "1,0,593,43,174,190,0,0,0,0\n1,0,1,2,30,40,0,0,0,0\n1,3,10,20,5,9,1,1,0,1\n2,3,11,20,5,9,1,1,0,2\n2,8,50,50,20,10,1,4,1,0\n"
    )
    write_images(tmp_path / "sequences" / "uav1_v", ["0000001.jpg", "0000002.jpg"])
    (read,) = read_visdrone(tmp_path)
    assert [read.class_name(row) for row in range(5)] == ["ignored regions"] * 2 + ["pedestrian"] * 2 + ["car"]
    assert read.table.ids.tolist() == [-1, -1, 3, 3, 8] and read.table.counted.tolist() == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert read.table.visibility.tolist() == [1, 1, 0.75, 0.25, 1] and len(read.images) == 2
    with pytest.raises(InputError, match=r"uav1_v\.txt:1: column 8 is 12, not one of VisDrone's 0 \.\. 11"):
        (tmp_path / "annotations" / "uav1_v.txt").write_text("1,0,593,43,174,190,0,12,0,0\n")
        read_visdrone(tmp_path)


# CVAT ----------------------------------------------------------------------------------------------------------------

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>5</id><name>crossing</name><size>12</size><mode>interpolation</mode><overlap>5</overlap>
      <start_frame>100</start_frame><stop_frame>122</stop_frame><frame_filter>step=2</frame_filter>
      <labels><label><name>car</name><color>#c06060</color><attributes></attributes></label>
      <label><name>person</name><attributes><attribute><name>age</name></attribute></attributes></label></labels>
      <original_size><width>640</width><height>480</height></original_size>
    </task>
    <dumped>2026-10-01 10:00:00</dumped>
  </meta>
  <track id="3" label="person" source="manual">
    <box frame="100" outside="0" occluded="0" keyframe="1" xtl="10.00" ytl="20.00" xbr="30.00" ybr="60.00" z_order="0">
      <attribute name="age">40</attribute></box>
    <box frame="108" outside="0" occluded="1" keyframe="1" xtl="18.00" ytl="20.00" xbr="42.00" ybr="64.00" z_order="0"/>
    <box frame="110" outside="1" occluded="0" keyframe="1" xtl="18.00" ytl="20.00" xbr="42.00" ybr="64.00" z_order="0"/>
    <box frame="118" outside="0" occluded="0" keyframe="1" xtl="1.5" ytl="2" xbr="3" ybr="4" z_order="0"/>
  </track>
  <track id="4" label="car"><polygon frame="100" points="1,2;3,4"/></track>
</annotations>
"""


def test_cvat_fills_in_between_keyframes(tmp_path: Path) -> None:
    file = tmp_path / "annotations.xml"
    file.write_text(CVAT)
    read = read_cvat(file)
    assert (read.name, read.num_frames, read.width, read.height) == ("crossing", 12, 640, 480)
    assert read.class_names == ("car", "person") and set(read.table.classes) == {2} and set(read.table.ids) == {3}
    # every second frame of the video is one of the task: 100 is 1, 108 is 5; from 118, which is 10, on to the end
    assert read.table.frames.tolist() == [1, 2, 3, 4, 5, 10, 11, 12]
    assert read.table.boxes[:5, 0].tolist() == [10, 12, 14, 16, 18] and read.table.boxes[2].tolist() == [14, 20, 36, 62]
    assert read.table.boxes[7].tolist() == [1.5, 2, 3, 4]


@pytest.mark.parametrize("truth", [False, True])
def test_cvat_there_and_back(tmp_path: Path, truth: bool) -> None:
    written = tracks(truth)
    assert write_cvat(tmp_path / "a.xml", written) == (17, 17)
    read = read_cvat(tmp_path / "a.xml")
    same(read, written, scores=False)
    assert (read.name, read.num_frames, read.width, read.height) == ("street é", 14, 160, 120)
    text = (tmp_path / "a.xml").read_text()
    # ends of the stretches: 7 after frames 4 and 12, 9 after 4, the car after 9, all inside of the task
    assert text.count('outside="1"') == 4 and text.count('keyframe="1"') == 21
    last = replace(written, num_frames=12)
    write_cvat(tmp_path / "b.xml", last)
    assert (tmp_path / "b.xml").read_text().count('outside="1"') == 3, "the end of the task ends a track"
    same(read_cvat(tmp_path / "b.xml"), written, scores=False)


def test_cvat_needs_few_keyframes_for_straight_walks(tmp_path: Path) -> None:
    frames = np.arange(1, 101)
    left = np.where(frames < 50, 2.0 * frames, 100 - 1.0 * (frames - 50)) + 0.2 * np.sin(frames)
    boxes = np.column_stack([left, np.full(100, 5.0), left + 20, np.full(100, 55.0)])
    walk = SequenceTracks("walk", TrackTable(frames, np.full(100, 1), boxes), truth=True, num_frames=100)
    boxes_written, keyframes = write_cvat(tmp_path / "walk.xml", walk, tolerance=0.5)
    assert boxes_written == 100 and 3 <= keyframes <= 8
    back = read_cvat(tmp_path / "walk.xml").table
    assert back.frames.tolist() == frames.tolist()
    assert np.abs(back.boxes - boxes).max() <= 0.51
    jump = np.array([[0.0, 0, 1, 1], [0, 0, 1, 1], [9, 0, 10, 1], [0, 0, 1, 1]])
    assert keyframes_of(np.arange(4), jump, 0.5) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotations/>', "declares a document type"),
        ("<annotations>", "not XML"),
        ("<a>" * 100 + "</a>" * 100, "nest deeper than 64"),
        ("<html/>", "its root is <html>"),
        ("<annotations><image id='0' name='a.jpg'/></annotations>", "'CVAT for images' has no tracks"),
        ("<annotations><track id='1'><box frame='0' xtl='1'/></track></annotations>", "track 1: a box without ytl"),
        (
            "<annotations><meta><task><size>-5</size></task></meta></annotations>",
            "size is '-5', not a number of frames",
        ),
        (
            "<annotations><track><box frame='9999999999' xtl='1' ytl='1' xbr='2' ybr='2'/></track></annotations>",
            "outside of 1",
        ),
        (
            "<annotations><track><box frame='0' xtl='1' ytl='1' xbr='2' ybr='2'/>"
            "<box frame='99999999' xtl='1' ytl='1' xbr='2' ybr='2'/></track></annotations>",
            "more than 10000000 boxes",
        ),
        (
            "<annotations><track><box frame='0' xtl='nan' ytl='1' xbr='2' ybr='2'/></track></annotations>",
            "not four finite",
        ),
    ],
)
def test_xml_that_is_wrong_or_hostile_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "a.xml"
    file.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_cvat(file)
    assert "\n" not in str(caught.value) and "a.xml" in str(caught.value)


# video COCO ----------------------------------------------------------------------------------------------------------


def test_coco_there_and_back_and_read_by_pycocotools(tmp_path: Path) -> None:
    first, second = tracks(), replace(tracks(), name="other", class_names=("car", "dog"))
    path = write_coco_video(tmp_path / "a.json", [first, second])
    one, two = read_coco_video(path)
    same(one, first, 3)
    same(two, second, 3)
    assert one.num_frames == 14 and not one.truth and one.images[3].name == "000003.jpg"
    coco = COCO(str(path))
    assert [category["name"] for category in coco.dataset["categories"]] == ["pedestrian", "car", "dog"]
    image = next(image for image in coco.dataset["images"] if image["video_id"] == 2 and image["frame_id"] == 7)
    found = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
    rows = second.table.frames == 7
    assert sorted(entry["track_id"] for entry in found) == sorted(second.table.ids[rows].tolist())


def test_coco_of_others(tmp_path: Path) -> None:
    """MMTracking counts frame_id from 0 and says instance_id; TAO's names are paths; crowds do not count."""
    content = {
        "videos": [{"id": 5, "name": "val/YFCC/v_1"}],
        "images": [
            {"id": 11, "file_name": "b.jpg", "video_id": 5, "frame_id": 1, "width": 9, "height": 8},
            {"id": 10, "file_name": "a.jpg", "video_id": 5, "frame_id": 0, "width": 9, "height": 8},
        ],
        "categories": [{"id": 3, "name": "person"}],
        "annotations": [
            {"id": 1, "image_id": 10, "category_id": 3, "bbox": [1, 2, 3, 4], "instance_id": 6},
            {"id": 2, "image_id": 11, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": 1},
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    (read,) = read_coco_video(tmp_path / "a.json")
    assert read.name == "v_1" and read.table.frames.tolist() == [1, 2] and read.table.ids.tolist() == [6, -1]
    assert read.truth and read.table.counted.tolist() == [True, False] and read.images[1].name == "a.jpg"
    for image in content["images"]:
        del image["video_id"]  # type: ignore[attr-defined]
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="no image has a video_id"):
        read_coco_video(tmp_path / "a.json")


# tables --------------------------------------------------------------------------------------------------------------


def test_csv_there_and_back(tmp_path: Path) -> None:
    first, second = tracks(), replace(tracks(), name="17")
    path = write_row_table(tmp_path / "a.csv", [first, second])
    assert path.read_text().splitlines()[0] == "sequence,frame,identity,class,score,x1,y1,x2,y2"
    found = {part.name: part for part in read_row_table(path)}
    same(found["street é"], first, 9)
    same(found["17"], second, 9)
    (tmp_path / "b.csv").write_text("x1,y1,x2,y2,frame,identity,mine\n1,2,3,4,5,6,z\n")
    (read,) = read_row_table(tmp_path / "b.csv")
    assert read.name == "b" and read.table.frames.tolist() == [5] and read.class_names == ("pedestrian",)
    for text, words in (
        ("x1,y1,x2,y2,frame\n", r"no column identity; there are \['x1'"),
        ("x1,y1,x2,y2,frame,identity\n1,2,3,4,5.5,6\n", "frame is '5.5' in row 1, not a whole number"),
        ("x1,y1,x2,y2,frame,identity\n1,2,x,4,5,6\n", "x2 is 'x' in row 1, not a number"),
        ("x1,y1,x2,y2,frame,identity\n1,2,3,4,5,6\n1,2,3,4,5,6\n", "identity 6 is more than once in frame 5"),
        ("", "no column frame; there are"),
    ):
        (tmp_path / "b.csv").write_text(text)
        with pytest.raises(InputError, match=words):
            read_row_table(tmp_path / "b.csv")


def test_parquet_or_a_line_on_what_it_needs(tmp_path: Path) -> None:
    def absent(work: object) -> None:
        raise ImportError

    try:
        same(read_row_table(write_row_table(tmp_path / "a.parquet", [tracks()]))[0], tracks(), 9)
    except InputError as error:
        assert "pyarrow is not installed; pip install" in str(error)
    with pytest.raises(InputError, match=r"pyarrow is not installed; pip install .smiletrack\[parquet\]"):
        row_tables._with_arrow(lambda: absent(None))


# MOTChallenge --------------------------------------------------------------------------------------------------------


def test_mot_folders_are_opened_as_sequences(tmp_path: Path) -> None:
    names = [f"frame_{number}.png" for number in range(14)]
    images = write_images(tmp_path / "frames", names)
    written = replace(
        tracks(), frame_rate=12.5, images={n + 1: images / name for n, name in enumerate(names)}, num_frames=14
    )
    (folder,) = write_mot_folders(tmp_path / "out", [written])
    sequence = open_folder(folder)
    truth = sequence.truth()
    assert truth is not None and (sequence.num_frames, sequence.frame_rate, sequence.width) == (14, 12.5, 160)
    assert sequence.image_files()[10].resolve() == (images / "frame_9.png").resolve()
    assert truth.dialect.startswith("classes of labels.txt: pedestrian counts, not car")
    same(tracks_of_truth(written.name, truth), replace(written, truth=True), 3, scores=False)
    with pytest.raises(InputError, match="is there already"):
        write_mot_folders(tmp_path / "out", [replace(written, images={1: images / names[3]})])
    write_mot_folders(tmp_path / "copied", [written], "copy")
    assert not (tmp_path / "copied" / written.name / "img1" / "000001.png").is_symlink()


def test_mot_results_write_classes_where_there_are_some(tmp_path: Path) -> None:
    written = tracks()
    alone = replace(written, name="alone", table=replace(written.table, classes=np.ones(17, int)))
    write_mot_results(tmp_path, [written, alone])
    table = read_results(tmp_path / "street é.txt")
    assert table.classes.tolist() == written.table.classes.tolist()
    assert (tmp_path / "labels.txt").read_text() == "pedestrian\ncar\n"
    assert set(read_results(tmp_path / "alone.txt").classes.tolist()) == {-1}


@pytest.mark.parametrize(
    ("cell", "value"), [(0, "1e400"), (0, "9" * 30), (1, "x"), (2, "Horse"), (4, "nan"), (6, "inf"), (9, "nan")]
)
def test_kitti_lines_that_hold_no_numbers_are_named(tmp_path: Path, cell: int, value: str) -> None:
    """Found by mutating files: each was another exception once."""
    cells = LABELS.splitlines()[2].split()
    cells[cell] = value
    (tmp_path / "a.txt").write_text(" ".join(cells))
    with pytest.raises(InputError, match=r"a\.txt(:1: not a line of KITTI's|: a frame or an identity is 2\^53)"):
        read_kitti_file(tmp_path / "a.txt")


def test_sizes_and_encodings_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text('<?xml version="1.0" encoding="utf-18"?><annotations/>')
    with pytest.raises(InputError, match="not XML"):
        read_cvat(tmp_path / "a.xml")
    write_coco_video(tmp_path / "a.json", [tracks()])
    text = (tmp_path / "a.json").read_text()
    for old, new, words in (
        ('"width":160', '"width":1e400', "has the size inf x 120"),
        (":14}", f":{'9' * 25}}}", "frame_id, or one is outside of 0"),
    ):
        assert old in text
        (tmp_path / "a.json").write_text(text.replace(old, new, 1))
        with pytest.raises(InputError, match=words):
            read_coco_video(tmp_path / "a.json")


# names that lead elsewhere --------------------------------------------------------------------------------------------

OUTSIDE = ("../../x", "/x", "..", "a/..", "x" * 300, "a\0b", "../../../x/..", "a\\..\\b", "\ud800", "")


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_sequence_that_is_not_called_like_a_file_is_none(name: str) -> None:
    with pytest.raises(InputError, match="not the name of a file"):
        replace(tracks(), name=name)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("name", OUTSIDE[:-2])
def test_videos_of_coco_are_written_where_they_belong(tmp_path: Path, name: str, named: bool) -> None:
    """Their names, and their ids where they have no names, may be any text."""
    write_coco_video(tmp_path / "a.json", [tracks()])
    content = json.loads((tmp_path / "a.json").read_text())
    content["videos"] = [{"id": "v", "name": name}] if named else []
    for entry in content["images"]:
        entry["video_id"] = "v" if named else name
    (tmp_path / "a.json").write_text(json.dumps(content))
    made = write_mot_folders(tmp_path / "out", read_coco_video(tmp_path / "a.json"))
    assert [path.parent for path in made] == [tmp_path / "out"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [made[0].name]


def test_videos_of_one_name_stay_two(tmp_path: Path) -> None:
    names = ["train/0001", "val/0001", "other"]
    write_coco_video(tmp_path / "a.json", [replace(tracks(), name=str(n)) for n in range(3)])
    content = json.loads((tmp_path / "a.json").read_text())
    content["videos"] = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert [found.name for found in read_coco_video(tmp_path / "a.json")] == ["train-0001", "val-0001", "other"]
    content["images"][0]["video_id"] = [1]
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"image 1: its video_id is \[1\], no number or text"):
        read_coco_video(tmp_path / "a.json")
    with pytest.raises(InputError, match="two sequences in it are called 'street é'"):
        by_name(tmp_path, [tracks(), tracks()])


def test_names_of_classes_stay_on_their_line(tmp_path: Path) -> None:
    """A name with a line end must not move the classes behind it; XML has no way to write a control character."""
    odd = replace(tracks(truth=True), class_names=("a\nb", "c\x1bd"))
    (folder,) = write_mot_folders(tmp_path, [odd])
    assert (folder / "gt" / "labels.txt").read_text() == "a b\nc\x1bd\n"
    write_cvat(tmp_path / "a.xml", odd)
    assert set(read_cvat(tmp_path / "a.xml").class_names) == {"a\nb", "c\ufffdd"}


@pytest.mark.parametrize("placing", ["link", "copy"])
def test_placing_images_goes_on_and_replaces_nothing(tmp_path: Path, placing: Literal["link", "copy"]) -> None:
    images = write_images(tmp_path / "images", [f"{frame}.png" for frame in range(1, 5)])
    street = replace(tracks(truth=True), name="street", images={n: images / f"{n}.png" for n in range(1, 5)})
    other = replace(street, name="other", images={1: images / "4.png"})
    (tmp_path / "out/street/.img1.partial").mkdir(parents=True)  # of a conversion that was killed
    write_mot_folders(tmp_path / "out", [street], placing)
    write_mot_folders(tmp_path / "out", [other, street], placing)
    assert sorted(p.name for p in (tmp_path / "out/street").iterdir()) == ["gt", "img1", "seqinfo.ini"]
    assert (tmp_path / "out/street/img1/000004.png").read_bytes() == (images / "4.png").read_bytes()
    (tmp_path / "out/street/img1/000004.png").unlink()
    (tmp_path / "out/other/gt/gt.txt").unlink()
    with pytest.raises(InputError, match=r"street/img1: is there already"):
        write_mot_folders(tmp_path / "out", [other, street], placing)
    assert not (tmp_path / "out/other/gt/gt.txt").exists(), "refused before anything is written"


@pytest.mark.parametrize("split", ["*", "**", "[a]", "trian"])
def test_splits_are_names_and_no_patterns(tmp_path: Path, split: str) -> None:
    for folder in ("x-train/annotations", "x-train/sequences", "train1"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "train.json").write_text("{}")
    with pytest.raises(InputError, match="none of the files"):
        read_coco_set(tmp_path, split, ("person",), ())
    with pytest.raises(InputError, match="no folders sequences and annotations"):
        read_tracked_set(tmp_path, split, "visdrone", ("person",), ())
    with pytest.raises(InputError, match="no folder"):
        split_folders(tmp_path, split)


def test_what_is_there_twice_in_coco_is_told(tmp_path: Path) -> None:
    write_coco_video(tmp_path / "train.json", [tracks()])
    content = json.loads((tmp_path / "train.json").read_text())
    del content["videos"]
    for entry in content["images"]:
        entry["video_id"] = -1
    content["images"][1]["file_name"] = content["images"][0]["file_name"]
    content["annotations"].append(dict(content["annotations"][0], id=10**6))
    content["annotations"][1]["id"] = 1
    (tmp_path / "train.json").write_text(json.dumps(content))
    told = {image.dialect for image in read_coco_set(tmp_path, "train", ("person", "pedestrian"), ())}
    assert len(told) == 1
    for words in ("annotation id 1 is there 2 times", "000001.jpg is there 2 times", "in the same image: 1"):
        assert words in next(iter(told))
