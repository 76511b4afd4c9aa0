"""One opener for every command: which sequences, which frames, and what is known of them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from smiletrack.data.reid.identities import mot_identities
from smiletrack.data.sequence_folders import find_sequence
from smiletrack.data.sequences import one_copy_each, open_folder, open_folders, open_sequences
from smiletrack.data.sources import open_source
from smiletrack.data.splits import source_and_split
from smiletrack.data.video import FrameSource
from smiletrack.errors import InputError
from tests.data.mot_folders import SIZE, walkers, write_images, write_sequence


def greys(source: FrameSource) -> list[int]:
    return [int(frame.mean()) // 10 for frame in source]


def test_a_half_is_cut_and_numbered_from_one(tmp_path: Path) -> None:
    frames = range(1, 10)
    names = [f"{frame:06d}.jpg" for frame in frames]
    folder = write_sequence(tmp_path / "A", walkers(frames), walkers(frames, "0.9", identified=False), 9, names)
    (folder / "gmc").mkdir()
    (folder / "gmc" / "gmc.txt").write_text("".join(f"{i} 1 0 {i} 0 1 0\n" for i in range(9)))
    half = open_folder(folder, "val_half")
    assert (half.name, half.first, half.last, half.num_frames, half.frame_rate) == ("A", 6, 9, 4, 25)
    stored, truth = half.detections(), half.truth()
    assert truth is not None
    assert stored.table.frames.tolist() == truth.table.frames.tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert truth.source.lines is not None and truth.source.lines.tolist() == list(range(11, 19))
    assert half.warps()[:, 0, 2].tolist() == [0, 6, 7, 8], "nothing is known of the frame before the first"
    assert [path.name for path in half.image_files().values()] == names[5:] and list(half.image_files()) == [1, 2, 3, 4]
    assert greys(half.images()) == [5, 6, 7, 8] and half.images().num_frames == 4
    assert {number for number, _ in half.images().pick([2, 9])} == {2}
    whole = open_folder(folder)
    assert (whole.first, whole.last) == (1, 9) and whole.origin != half.origin


def test_val_is_the_second_half_of_a_folder_called_train(tmp_path: Path) -> None:
    for root in ("train", "val"):
        write_sequence(tmp_path / root / "A", walkers(range(1, 9)), length=8)
    assert open_folders(tmp_path / "train", "val")[0].first == 6
    assert open_folder(tmp_path / "train" / "A", "val").first == 6
    assert open_folders(tmp_path / "val", "val")[0].first == 1


@pytest.mark.parametrize("first", [0, 1])
def test_without_seqinfo_the_images_tell(tmp_path: Path, first: int) -> None:
    """CVAT's export: images from 0, any prefix and extension; truth counts from 1."""
    names = [f"frame_{number:06d}.PNG" for number in range(first, first + 6)]
    folder = write_sequence(tmp_path / "task_17", walkers(range(1, 7)), images=names)
    sequence = open_folder(folder)
    assert (sequence.num_frames, sequence.width, sequence.height) == (6, *SIZE)
    assert (sequence.frame_rate, sequence.rate_known) == (30, False)
    assert "do" in sequence.notes[0] and "6 frames" in sequence.notes[0]
    assert [path.name for path in sequence.image_files().values()] == names
    assert greys(sequence.images()) == list(range(6)) == greys(open_source(folder))
    table = mot_identities(folder)
    assert [table.images[i].name for i in table.image_indices][::2] == names, "training sees the same images"
    faster = open_folder(folder, frame_rate=12.5)
    assert (faster.frame_rate, faster.rate_known) == (12.5, True)


def test_images_from_zero_are_the_same_frames_for_tracking_and_training(tmp_path: Path) -> None:
    names = [f"{number:06d}.jpg" for number in range(12)]
    folder = write_sequence(tmp_path / "train" / "cam2", walkers(range(1, 13)), length=12, images=names)
    half = open_folder(folder, "train_half")
    assert [path.name for path in half.image_files().values()] == names[:7] and greys(half.images()) == list(range(7))
    table = mot_identities(folder, "train_half")
    assert [table.images[i].name for i in table.image_indices][::2] == names[:7]


def test_a_gap_is_a_missing_frame_and_milliseconds_are_no_gaps(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "A", walkers(range(1, 7)), length=6, images=["1.jpg", "2.jpg", "5.jpg", "6.jpg"])
    source = open_folder(folder).images()
    assert greys(source) == [0, 1, 1, 1, 2, 3]
    assert len(source.problems) == 1 and "no image for frame 3 .. 4;" in source.problems[0]
    stamps = [f"16987654320{40 + 40 * i}.jpg" for i in range(5)]
    write_images(tmp_path / "cam" / "img1", stamps)
    write_images(tmp_path / "flat", stamps)
    for place in ("cam", "flat"):
        source = open_source(tmp_path / place)
        assert source.num_frames == 5 and greys(source) == [0, 1, 2, 3, 4] and not source.problems


def test_which_sequences(tmp_path: Path) -> None:
    for name in ("MOT17-02-DPM", "MOT17-02-SDP", "MOT17-04-SDP", "MOT17-10-SDP", ".MOT17-11-SDP.partial"):
        write_sequence(tmp_path / "train" / name, "", length=4)
    (tmp_path / "train" / "notes").mkdir()

    def chosen(*names: str) -> list[str]:
        return [sequence.name for sequence in open_folders(tmp_path / "train", names=names)]

    assert chosen() == ["MOT17-02-DPM", "MOT17-02-SDP", "MOT17-04-SDP", "MOT17-10-SDP"]
    assert chosen("MOT17-04-SDP", "MOT17-02-DPM") == ["MOT17-04-SDP", "MOT17-02-DPM"], "in the order asked for"
    assert chosen("MOT17-0*-SDP") == ["MOT17-02-SDP", "MOT17-04-SDP"]
    assert chosen("MOT17-02") == ["MOT17-02-DPM", "MOT17-02-SDP"]
    assert chosen("*-SDP", "MOT17-02-SDP") == ["MOT17-02-SDP", "MOT17-04-SDP", "MOT17-10-SDP"], "each once"
    with pytest.raises(InputError, match=r"no 'MOT17-4-SDP' .*did you mean 'MOT17-04-SDP'"):
        chosen("MOT17-4-SDP")
    opened = open_folders(tmp_path / "train")
    assert [s.name for s in one_copy_each(opened)] == ["MOT17-02-DPM", "MOT17-04-SDP", "MOT17-10-SDP"]
    assert [s.name for s in one_copy_each(opened[:2], ["MOT17-02-SDP", "MOT17-02-DPM"])] == chosen("MOT17-02")
    assert find_sequence(tmp_path, "MOT17-04-SDP") == tmp_path / "train" / "MOT17-04-SDP"
    assert find_sequence(tmp_path / "train" / "MOT17-04-SDP", "MOT17-04-SDP") == tmp_path / "train" / "MOT17-04-SDP"
    assert find_sequence(tmp_path, "notes") is None


def test_a_sequence_is_called_like_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_sequence(tmp_path / "A", "", length=4, extra="name=../../../victim")
    assert open_folder(folder).name == open_folders(tmp_path)[0].name == "A"
    monkeypatch.chdir(folder)
    assert open_folder(".").name == "A"


def test_folders_with_odd_names(tmp_path: Path) -> None:
    """A split is what follows the last @ only if it is one."""
    for name in ("a@b", "a,b", "x@val_half", "[red] *"):
        write_sequence(tmp_path / name / "A [1]", walkers(range(1, 5)), length=4)
        assert [s.name for s in open_folders(tmp_path / name, names=("A [1]",))] == ["A [1]"]
        assert source_and_split(str(tmp_path / name), "all") == (tmp_path / name, "all")
        assert source_and_split(f"{tmp_path / name}@train_half", "all") == (tmp_path / name, "train_half")
    assert source_and_split("me@home/data", "all") == (Path("me@home/data"), "all")
    with pytest.raises(InputError, match=r"no 'val-half'.*did you mean 'val_half'"):
        source_and_split(f"{tmp_path / 'a@b'}@val-half", "all")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "absent", "absent: no such folder"),
        (lambda p: p, "no sequence in it"),
        (lambda p: write_sequence(p / "A", ""), r"img1: no images in this folder, and no seqLength"),
        (lambda p: write_sequence(p / "A", "", length=2), "split val_half of 2 frames has none"),
        (lambda p: write_sequence(p / "A", "", length=0), "seqLength=0 must be a whole number from 1"),
        (lambda p: write_sequence(p / "A", "", length=2147483648), "seqLength=2147483648 must be a whole number"),
        (lambda p: write_sequence(p / "A", "", extra="imDir=../B", length=9), "imDir=../B is not the name of a folder"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        open_sequences(make(tmp_path), "val_half")


def test_rows_outside_the_sequence_are_refused_and_absent_files_are_named(tmp_path: Path) -> None:
    zero = write_sequence(tmp_path / "zero", walkers(range(10)), walkers(range(10), "0.9", identified=False), 10)
    sequence = open_folder(zero)
    for read in (sequence.truth, sequence.detections):
        with pytest.raises(InputError, match=r"t\.txt:1: frame 0 is outside the sequence, 1 \.\. 10; .* counts from 0"):
            read()
    bare = open_folder(write_sequence(tmp_path / "bare", length=4))
    assert bare.truth() is None and bare.image_files() == {}
    with pytest.raises(InputError, match=r"no file .*det\.txt; there are none"):
        bare.detections()
    with pytest.raises(InputError, match=r"gmc\.txt: no such file"):
        bare.warps()
    with pytest.raises(InputError, match="img1: no such folder of images"):
        bare.images()


def test_the_generated_crowd_is_opened_alike() -> None:
    (half,) = open_sequences("", "val_half", ("CROWD-02",), seed=3)
    (whole,) = open_sequences("", "all", ("CROWD-02",), seed=3)
    truth, everything = half.truth(), whole.truth()
    assert truth is not None and everything is not None
    assert (half.name, half.first, half.num_frames, whole.num_frames) == ("CROWD-02", 152, 149, 300)
    late = everything.table.frames > 151
    np.testing.assert_array_equal(truth.table.frames, everything.table.frames[late] - 151)
    stored, all_stored = half.detections(), whole.detections()
    np.testing.assert_array_equal(stored.embeddings, all_stored.embeddings[all_stored.table.frames > 151])
    np.testing.assert_array_equal(half.warps()[0], np.eye(2, 3))
    np.testing.assert_array_equal(half.warps()[1:], whole.warps()[152:])
    assert half.image_files() == {}
    with pytest.raises(InputError, match="the generated crowd has no pictures"):
        half.images()
    with pytest.raises(InputError, match="no 'CROWD-9' in the generated crowd"):
        open_sequences("", names=("CROWD-9",))


def test_a_turned_picture_has_an_upright_size(tmp_path: Path) -> None:
    """Size from the image where seqinfo.ini is absent: the same as of the pixels that are read."""
    folder = write_sequence(tmp_path / "phone", walkers([1, 2]))
    write_images(folder / "img1", ["1.jpg", "2.jpg"])
    first = folder / "img1" / "1.jpg"
    turned = b"\xff\xd8" + bytes.fromhex("ffe1002245786966000049492a00080000000100120103000100000006000000000000000000")
    first.write_bytes(turned[:2] + turned[2:38] + first.read_bytes()[2:])
    sequence = open_folder(folder)
    height, width = next(iter(sequence.images())).shape[:2]
    assert (sequence.width, sequence.height) == (width, height) == SIZE[::-1]
    assert cv2.imdecode(np.fromfile(first, np.uint8), cv2.IMREAD_COLOR).shape[:2] == SIZE
