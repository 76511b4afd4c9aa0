"""All boxes of frames: whom they show, what stands before them, and which frames are looked at."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from smiletrack.data.reid.identities import IdentityTable
from smiletrack.data.reid.sightings import (
    NOBODY,
    folder_sightings,
    frames_in_use,
    joined_people,
    table_sightings,
)
from smiletrack.errors import InputError


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """Two people, the second before the first from frame 3 on; a sitting person (class 7) before the second."""
    folder = tmp_path / "SEEN-01"
    for part in ("img1", "gt", "det"):
        (folder / part).mkdir(parents=True)
    truth, seen = [], []
    for frame in range(1, 7):
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), np.zeros((100, 200, 3), np.uint8))
        x = 101 if frame < 3 else 31
        truth += [f"{frame},4,21,11,20,40,1,1,{0.5 if frame > 2 else 1}", f"{frame},9,{x},31,20,40,1,1,0.9"]
        truth += [f"{frame},2,{x},61,20,20,1,7,1"]
        seen += [f"{frame},-1,22,11,20,40,0.9", f"{frame},-1,{x},30,20,40,0.8", f"{frame},-1,150,1,20,40,0.7"]
        seen += [f"{frame},-1,24,11,20,40,0.6", f"{frame},-1,{x},33,20,40,0.05"]
    (folder / "gt" / "gt.txt").write_text("\n".join(truth) + "\n")
    (folder / "det" / "good.txt").write_text("\n".join(seen) + "\n")
    (folder / "seqinfo.ini").write_text(
        "[Sequence]\nname=SEEN-01\nseqLength=6\nimWidth=200\nimHeight=100\nimExt=.png\n"
    )
    return folder


def test_detections_are_matched_one_to_one_and_know_what_covers_them(street: Path) -> None:
    (seen,) = folder_sightings(street, "all", ("better", "good"), 3, (1,))
    assert seen.name == "SEEN-01" and sorted(set(seen.frames.tolist())) == [1, 2, 4, 5]
    assert len(seen) == 16 and seen.timed
    for frame in (1, 2, 4, 5):
        rows = np.flatnonzero(seen.frames == frame)
        assert seen.identities[rows].tolist() == [4, 9, NOBODY, NOBODY]  # nearest box first, the doubtful one left out
        first = seen.boxes[rows[0]].tolist()
        assert first == [22, 11, 42, 51]
        # x 31 .. 42 of 20 px and y 31 .. 51 of 40 px lie under the second person, from frame 3 on
        expected = 11 / 20 * 20 / 40 if frame > 3 else 0.0
        np.testing.assert_allclose(seen.covered[rows], [expected, 9 / 40, 0, 0], atol=0.02)
        np.testing.assert_allclose(seen.visibility[rows], [0.5 if frame > 3 else 1, 0.9, 1, 1])
        assert str(seen.images[seen.image_indices[rows[0]]]).endswith(f"{frame:06d}.png")


def test_without_detections_the_annotated_boxes_are_taken(street: Path) -> None:
    (seen,) = folder_sightings(street, "all", (), 2, (5,))
    assert seen.frames.tolist() == [1, 1, 3, 3, 5, 5, 6, 6] and seen.identities.tolist() == [4, 9] * 4
    np.testing.assert_allclose(seen.covered[:4], [0, 0.25, 0.25, 0.25], atol=0.02)
    assert seen.boxes[0].tolist() == [21, 11, 41, 51]


def test_what_is_not_there_is_named(street: Path) -> None:
    with pytest.raises(InputError, match=r"detections: no file .*bad\.txt; there are good"):
        folder_sightings(street, "all", ("bad", "worse"), 1, (1,))
    (street / "img1" / "000004.png").unlink()
    assert len(folder_sightings(street, "all", ("good",), 2, (2,))[0]) == 12
    with pytest.raises(InputError, match=r"000004\.png: no such image"):
        folder_sightings(street, "all", ("good",), 1, (1,))


def test_frames_in_use_are_anchors_and_those_a_gap_later() -> None:
    assert frames_in_use(20, 10, (1, 5, 10)) == [1, 2, 6, 11, 12, 16]
    assert frames_in_use(0, 10, (1,)) == []


def test_a_table_falls_into_sequences_and_people_stay_apart() -> None:
    boxes = np.array([[0.0, 0, 10, 20], [5, 10, 15, 30], [0, 0, 10, 20], [0, 0, 10, 20]])
    names = np.array(["b", "b", "a", "b"])
    table = IdentityTable(
        (Path("x.jpg"), Path("y.jpg"), Path("z.jpg")),
        np.array([0, 0, 1, 2]), boxes, np.ones(4), np.array([7, 8, 7, 7]), np.array([1, 1, 1, -1]), names,
    )  # fmt: skip
    a, b = table_sightings(table)
    assert (a.name, b.name) == ("a", "b") and b.identities.tolist() == [7, 8, 7]
    np.testing.assert_allclose(b.covered, [0.25, 0, 0])
    assert a.timed and not b.timed
    people = joined_people([a, b], [a.known, np.array([0, 2])])
    assert people.sequences.tolist() == ["a", "b", "b"] and people.num_identities == 2
    assert people.identities[0] != people.identities[1] == people.identities[2]
