"""Ground layer: checked arrays, box formats and overlap, files that are whole or absent."""

import errno
from pathlib import Path

import numpy as np
import pytest
from torch import as_tensor
from torchvision.ops import box_iou

from smiletrack.boxes import (
    area,
    clip_boxes,
    cover_cells,
    covered_shares,
    hidden_cells,
    iou_matrix,
    xywh_to_xyxy,
    xyxy_to_xywh,
)
from smiletrack.errors import InputError
from smiletrack.files import atomic_path, atomic_write, is_plain_name, read_json, write_json
from smiletrack.types import Detections, Tracks, TrackTable


def random_boxes(rows: int, seed: int) -> np.ndarray:
    return xywh_to_xyxy(np.random.default_rng(seed).uniform(0, 60, (rows, 4)))


def test_iou_is_torchvisions() -> None:
    a, b = random_boxes(20, 0), random_boxes(30, 1)
    np.testing.assert_allclose(iou_matrix(a, b), box_iou(as_tensor(a), as_tensor(b)).numpy(), atol=1e-12)


def test_iou_with_border_pixels_typed_from_pascal_voc() -> None:
    def slow(a: np.ndarray, b: np.ndarray) -> float:
        w = min(a[2], b[2]) - max(a[0], b[0]) + 1
        h = min(a[3], b[3]) - max(a[1], b[1]) + 1
        if w <= 0 or h <= 0:
            return 0.0
        size = [(x[2] - x[0] + 1) * (x[3] - x[1] + 1) for x in (a, b)]
        return float(w * h / (sum(size) - w * h))

    a, b = random_boxes(15, 2), random_boxes(12, 3)
    np.testing.assert_allclose(iou_matrix(a, b, pixel=1), [[slow(x, y) for y in b] for x in a], atol=1e-12)


def test_cells_under_nearer_boxes_by_counting_points() -> None:
    """A fine grid of points in each cell, those inside any box that ends further down counted one by one."""
    boxes, others = random_boxes(8, 4), random_boxes(5, 5)
    found = cover_cells(boxes, others, 3, 2)
    assert found.shape == (8, 3, 2)
    one = cover_cells(boxes, others[:1], 3, 2)
    for box, cells in zip(boxes, one, strict=True):
        for row in range(3):
            for column in range(2):
                x = box[0] + (box[2] - box[0]) * (column + (np.arange(60) + 0.5) / 60) / 2
                y = box[1] + (box[3] - box[1]) * (row + (np.arange(60) + 0.5) / 60) / 3
                inside = [(others[0, 0] <= p <= others[0, 2], others[0, 1] <= q <= others[0, 3]) for p in x for q in y]
                share = np.mean([a and b for a, b in inside]) if others[0, 3] > box[3] else 0.0
                assert cells[row, column] == pytest.approx(share, abs=0.04)
    visible = np.prod([1 - cover_cells(boxes, other[None], 3, 2) for other in others], axis=0)
    np.testing.assert_allclose(found, 1 - visible, atol=1e-12)
    assert 0.1 < found.mean() < 0.9


def test_cells_that_nearer_people_hide_by_adding_up_points() -> None:
    """As above, each point inside a nearer box counting by its person's chance to be there."""
    boxes, others = random_boxes(8, 4), random_boxes(5, 5)
    others[:, 2] += 20  # wider than a box's cells: the profile shows
    found = hidden_cells(boxes, others[:1], 3, 12)
    left, right = others[0, 0], others[0, 2]
    for box, cells in zip(boxes, found, strict=True):
        for row, column in np.ndindex(3, 12):
            x = box[0] + (box[2] - box[0]) * (column + (np.arange(400) + 0.5) / 400) / 12
            y = box[1] + (box[3] - box[1]) * (row + (np.arange(400) + 0.5) / 400) / 3
            chance = 0.75 * np.exp(-((((x - (left + right) / 2) / (right - left)) / 0.25) ** 2))
            inside = np.mean((others[0, 1] <= y) & (y <= others[0, 3])) * np.mean(chance * (left <= x) * (x <= right))
            assert cells[row, column] == pytest.approx(inside if others[0, 3] > box[3] else 0.0, abs=0.02)
    assert (hidden_cells(boxes, others, 3, 2) <= cover_cells(boxes, others, 3, 2) + 1e-12).all() and found.max() > 0.3
    greatest = np.max([hidden_cells(boxes, other[None], 3, 2, 0.2) for other in others], axis=0)
    np.testing.assert_allclose(hidden_cells(boxes, others, 3, 2, 0.2), greatest, atol=1e-12)


def test_the_nearer_box_covers_and_nobody_covers_himself() -> None:
    boxes = np.array([[0.0, 0, 10, 20], [5, 10, 15, 30], [100, 0, 110, 20]])
    np.testing.assert_allclose(covered_shares(boxes, boxes), [0.25, 0, 0])
    assert cover_cells(boxes, boxes, 2, 2)[0].tolist() == [[0, 0], [0, 1]]
    around, inside = (hidden_cells(boxes[:1], boxes[:1] * 2 + 1, *c) for c in ((4, 4, 0.5), (2, 2)))
    np.testing.assert_allclose(around[:, 1:3, 1:3], inside)
    assert cover_cells(boxes, boxes[:0], 2, 2).sum() == 0 and cover_cells(boxes[:0], boxes, 2, 2).shape == (0, 2, 2)


def test_boxes_without_area_overlap_nothing() -> None:
    flat = np.array([[5.0, 5, 5, 9], [5, 5, 1, 9], [0, 0, 10, 10]])
    assert iou_matrix(flat, flat).tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert area(flat).tolist() == [0, 0, 100]
    assert iou_matrix(np.zeros((0, 4)), flat).shape == (0, 3)


def test_formats_round_trip_and_clip() -> None:
    boxes = random_boxes(9, 4)
    np.testing.assert_allclose(xywh_to_xyxy(xyxy_to_xywh(boxes)), boxes)
    assert clip_boxes(np.array([[-5.0, 2, 70, 90]]), 64, 48).tolist() == [[0, 2, 64, 48]]


def test_detections_check_their_shapes_and_select_rows() -> None:
    detections = Detections([[0, 0, 1, 1], [1, 1, 3, 3]], [0.5, 0.9], np.eye(2))
    kept = detections[detections.scores > 0.6]
    assert len(kept) == 1 and kept.embeddings.tolist() == [[0, 1]] and kept.classes.tolist() == [1]
    assert Detections([], []).boxes.shape == (0, 4) and Detections([], []).embeddings.shape == (0, 0)
    for wrong in ({"boxes": [[1, 2, 3]]}, {"scores": [1.0]}, {"embeddings": np.eye(3)}, {"classes": [1]}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Detections(**{"boxes": np.zeros((2, 4)), "scores": [1, 1], **wrong})
    with pytest.raises(ValueError, match="ids"):
        TrackTable([1, 2], [1], np.zeros((2, 4)))


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    target = tmp_path / "new" / "ü name.json"
    write_json(target, {"a": 0.1 + 0.2})
    assert read_json(target) == {"a": 0.1 + 0.2}
    with pytest.raises(RuntimeError), atomic_write(target) as stream:
        stream.write("half")
        raise RuntimeError
    assert read_json(target) == {"a": 0.1 + 0.2}
    assert [p.name for p in target.parent.iterdir()] == [target.name]
    target.write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        read_json(target)
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "none")


def test_what_a_killed_writer_left_goes_and_two_writers_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "[a].txt"
    (tmp_path / ".[a].part.txt").write_text("half of a long file")  # nobody holds its lock: its writer is dead
    with atomic_path(target) as first, atomic_path(target) as second:
        assert first != second and first.read_text() == second.read_text() == ""
        first.write_text("first")
        write_json(target, "third")
        second.write_text("second")
    assert target.read_text() == "first" and list(tmp_path.iterdir()) == [target]


def test_a_full_disk_names_the_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    for file in (None, "temporary"):
        with pytest.raises(OSError, match=r"a\.txt") as caught, atomic_path(target) as temporary:
            raise OSError(errno.ENOSPC, "No space left on device", str(temporary) if file else None)
        assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(target)
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_path(target):
        (tmp_path / "elsewhere").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"] and target.read_text() == "old"


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5000, '{"a": ' * 50_000])
def test_json_that_python_cannot_hold_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json: not valid JSON") as caught:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "..\\a", "a\0b", "a\nb", "x" * 201, "\u00e9" * 101])
def test_what_leads_elsewhere_is_no_plain_name(name: str) -> None:
    assert not is_plain_name(name)


def test_plain_names() -> None:
    assert all(map(is_plain_name, ("MOT17-02-FRCNN", "été 日本", "[red] *", "..a", ".hidden", "a@b,c", "x" * 200)))


def test_detections_from_rows_of_an_array() -> None:
    """As detectors give them: corners, score, class from 0."""
    found = Detections.from_array([[1, 2, 3, 4, 0.5, 0], [5, 6, 7, 8, 0.25, 2]])
    assert found.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert found.scores.tolist() == [0.5, 0.25] and found.classes.tolist() == [1, 3]
    assert Detections.from_array(np.zeros((2, 4))).scores.tolist() == [1, 1]
    assert Detections.from_array(np.full((1, 5), 0.5)).scores.tolist() == [0.5]
    assert len(Detections.from_array([])) == len(Detections.from_array(np.zeros((0, 6)))) == 0
    for wrong in (np.zeros((2, 7)), np.zeros(6), np.full((2, 6), 0.5)):
        with pytest.raises(ValueError, match=r"rows must have shape \(N, 4 to 6\)|a whole number from 0"):
            Detections.from_array(wrong)


def test_every_detection_gets_its_identity_or_none() -> None:
    tracks = Tracks(np.array([4, 7, 9]), np.zeros((3, 4)), np.ones(3), np.ones(3, int), np.array([2, -1, 0]))
    assert tracks.ids_of(Detections(np.zeros((4, 4)), np.ones(4))).tolist() == [9, -1, 4, -1]
    nothing = np.zeros(0, np.int64)
    nobody = Tracks(nothing, np.zeros((0, 4)), np.zeros(0), nothing, nothing)
    assert nobody.ids_of(Detections(np.zeros((1, 4)), np.ones(1))).tolist() == [-1]


def test_supervision_there_and_back() -> None:
    supervision = pytest.importorskip("supervision", reason="pip install supervision")
    given = supervision.Detections(
        xyxy=np.array([[1, 2, 30, 40], [50, 60, 70, 80.0]], np.float32),
        confidence=np.array([0.5, 0.75], np.float32),
        class_id=np.array([0, 2]),
    )
    found = Detections.from_supervision(given)
    assert found.classes.tolist() == [1, 3] and found.scores.tolist() == [0.5, 0.75]
    tracks = Tracks(np.array([5, 6]), found.boxes, found.scores, found.classes, np.array([0, 1]))
    back = tracks.to_supervision()
    np.testing.assert_array_equal(back.xyxy, given.xyxy)
    assert (
        back.class_id.tolist() == [0, 2] and back.tracker_id.tolist() == [5, 6] and len(back[back.class_id == 2]) == 1
    )
    bare = Detections.from_supervision(supervision.Detections(xyxy=np.zeros((1, 4))))
    assert bare.scores.tolist() == [1] and bare.classes.tolist() == [1]
    assert len(Detections.from_supervision(supervision.Detections.empty())) == 0
