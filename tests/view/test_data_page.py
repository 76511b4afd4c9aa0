"""Looking at data: figures of a known sequence, boxes where they belong, people in their rows, faults at the top."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from smiletrack.data.importers.annotations import AnnotatedImage
from smiletrack.engine.show_data import ShowDataConfig, show_data
from smiletrack.errors import InputError
from smiletrack.view.colors import identity_color
from smiletrack.view.contact_sheets import contact_sheet, people_sheet
from smiletrack.view.data_page import statistics_page
from smiletrack.view.sequence_statistics import statistics

PAINT = {3: (200, 40, 40), 7: (40, 200, 40)}


def annotated(frame: int, people: dict[int, list[float]], ignored: tuple[int, ...] = ()) -> AnnotatedImage:
    boxes = np.array(list(people.values()), float).reshape(-1, 4)
    return AnnotatedImage(
        path=Path(f"{frame}.jpg"),
        boxes=boxes,
        identities=np.array(list(people), np.int64),
        visibility=np.full(len(boxes), 0.5),
        ignored=np.array([person in ignored for person in people], bool),
        sequence="a",
        frame=frame,
        source=Path("gt.txt"),
        width=640,
        height=360,
    )


FRAMES = [
    annotated(1, {3: [100, 100, 160, 260]}),
    annotated(2, {3: [110, 100, 170, 260], 7: [300, 100, 340, 200]}),
    annotated(3, {7: [310, 100, 350, 200], 9: [500, 50, 560, 200]}, ignored=(9,)),
    annotated(4, {}),
    annotated(5, {3: [640, 100, 700, 260], 7: [320, 100, 360, 200]}),
]


def painted(image: AnnotatedImage) -> np.ndarray:
    """The frame with every person as a block of their colour."""
    picture = np.full((360, 640, 3), 90, np.uint8)
    for person, box in zip(image.identities.tolist(), image.boxes.astype(int), strict=True):
        picture[box[1] : box[3], box[0] : box[2]] = PAINT.get(person, (0, 0, 0))
    return picture


def test_statistics() -> None:
    figures = statistics("a", FRAMES, missing=2)
    assert figures.boxes_a_frame.tolist() == [1, 2, 1, 0, 2]
    assert {person: frames.tolist() for person, frames in figures.presence.items()} == {3: [1, 2, 5], 7: [2, 3, 5]}
    assert sorted(figures.lifetimes.tolist()) == [4, 5]
    assert sorted(figures.heights.tolist()) == [100, 100, 100, 160, 160, 160]
    assert sorted(figures.widths.tolist()) == [40, 40, 40, 60, 60, 60]
    assert figures.ignored == 1
    assert figures.faults == [
        "2 images are not there",
        "1 frames have no box",
        "1 boxes have no area in the image",
    ]
    twice = statistics("a", [annotated(1, {3: [0, 0, 9, 9]}), FRAMES[0]])
    assert not twice.faults
    two = annotated(1, {3: [0, 0, 9, 9], 4: [5, 5, 9, 9]})
    same = AnnotatedImage(**{**vars(two), "identities": np.array([3, 3])})
    assert statistics("a", [same]).faults == ["1 boxes show a person twice in a frame"]


def test_contact_sheet_has_boxes_in_the_colours_of_identities() -> None:
    sheet = contact_sheet([(image, painted(image)) for image in FRAMES[:4]])
    assert sheet.shape == (2 * 364, 3 * 644, 3)
    assert (sheet[180, 644 + 110] == identity_color(3)).all()  # left edge of person 3 in the second frame
    assert (sheet[180, 644 + 140] == PAINT[3]).all()  # and its inside is the picture
    dashes = sheet[60:190, 2 * 644 + 500, 0] > 120  # the ignored box has gaps in its grey edge
    assert 0.3 < dashes.mean() < 0.8
    assert (sheet[364:, 644:] == 255).all()  # four frames leave two cells empty


def test_people_sheet_shows_one_person_a_row() -> None:
    sheet = people_sheet([(image, painted(image)) for image in FRAMES])
    assert sheet is not None
    rows = [sheet[:168], sheet[172:340]]
    assert {tuple(row[80, 2]) for row in rows} == {identity_color(3), identity_color(7)}
    seen = {3: [True, True, False, False, False], 7: [False, True, True, False, True]}  # 3 is outside in frame 5
    for row in rows:
        person = 3 if tuple(row[80, 2]) == identity_color(3) else 7
        cells = [row[84, 8 + 60 * i + 30] for i in range(5)]
        assert [bool((cell == PAINT[person]).all()) for cell in cells] == seen[person]
    assert people_sheet([(FRAMES[3], painted(FRAMES[3]))]) is None


def test_page_names_faults_and_needs_no_network() -> None:
    page = statistics_page("a < b", [statistics("s<1", FRAMES, 2)], {"s<1": [("Frames", painted(FRAMES[0]))]})
    assert "a &lt; b" in page and "s&lt;1" in page and "<1</a>" not in page
    assert "2 images are not there" in page
    assert "://" not in page and "@import" not in page and "url(" not in page
    assert "3: frames 1–2" in page and "3: frames 5–5" in page  # a gap ends a bar
    assert "data:image/jpeg;base64," in page
    empty = statistics_page("a", [statistics("b", [FRAMES[3]])], {})
    assert "nothing to draw" in empty


def test_show_data(tmp_path: Path, run_tool) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "train/MOT17-02-SDP"
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    (folder / "gt/gt.txt").write_text("1,3,100,100,60,160,1,1,1\n2,3,110,100,60,160,1,1,1\n3,3,120,100,60,160,1,1,1\n")
    (folder / "seqinfo.ini").write_text("[Sequence]\nname=MOT17-02-SDP\nseqLength=3\nimWidth=640\nimHeight=360\n")
    for image in FRAMES[:2]:
        cv2.imwrite(str(folder / f"img1/{image.frame:06d}.jpg"), painted(image))
    done = run_tool("show_data", "--data", tmp_path / "train", "--sequences", "MOT17-02", "--output", tmp_path / "out")
    assert done.returncode == 0 and "MOT17-02-SDP: 1 images are not there" in done.stderr
    assert cv2.imread(str(tmp_path / "out/MOT17-02-SDP.png")).shape == (364, 2 * 644, 3)
    assert cv2.imread(str(tmp_path / "out/MOT17-02-SDP-people.png")) is not None
    assert "MOT17-02-SDP" in (tmp_path / "out/index.html").read_text()
    with pytest.raises(InputError, match="no 'MOT17-99'"):
        show_data(ShowDataConfig(str(tmp_path / "train"), ("MOT17-99",), output=str(tmp_path / "out")))
    with pytest.raises(InputError, match="name a folder"):
        show_data(ShowDataConfig())


def test_names_in_a_file_lead_nowhere_else_and_leftovers_are_no_sets(tmp_path: Path) -> None:
    content = {
        "videos": [{"id": 1, "name": "../../outside"}],
        "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9, "video_id": 1, "frame_id": 1, "frame": 1}],
        "annotations": [],
        "categories": [{"id": 1, "name": "pedestrian"}],
    }
    folder = tmp_path / "set" / "annotations"
    folder.mkdir(parents=True)
    (folder / "train.json").write_text(json.dumps(content))
    (folder / ".train.x1y2.json").write_text("{")
    output = tmp_path / "deep" / "out"
    with pytest.raises(InputError, match=r"called '\.\./\.\./outside', which leads out of"):
        show_data(ShowDataConfig(str(tmp_path / "set"), output=str(output)))
    assert not output.exists()
    content["videos"] = [{"id": 1, "name": "part/one"}]
    (folder / "train.json").write_text(json.dumps(content))
    assert "part/one" in show_data(ShowDataConfig(str(tmp_path / "set"), output=str(output))).read_text()
