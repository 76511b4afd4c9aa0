"""Reading what is in the wild, and refusing the rest with file and line."""

from pathlib import Path

import numpy as np
import pytest

from smiletrack.data.mot import (
    read_detections,
    read_results,
    read_sequence_info,
    read_truth,
    read_warps,
    write_results,
)
from smiletrack.data.splits import cut_frames, resolve_split, split_range
from smiletrack.errors import InputError
from smiletrack.types import TrackTable

ROWS = [[1, 0, 10.25, 20, 30, 40.125, 0.5], [1, 3, 11, 21, 31, 41, 1], [2, 0, -5.5, 7, 8, 9, 0.25]]
DIALECTS = {
    "commas": "\n".join(",".join(map(str, row)) for row in ROWS),
    "commas and blanks": "\n".join(", ".join(map(str, row)) for row in ROWS) + "\n",
    "windows": "\r\n".join(",".join(map(str, row)) for row in ROWS) + "\r\n",
    "semicolons": "\n".join(";".join(map(str, row)) for row in ROWS) + "\n",
    "tabs": "\n".join("\t".join(map(str, row)) for row in ROWS) + "\n",
    "blanks": "\n".join("  ".join(map(str, row)) for row in ROWS) + "\n",
    "a comma at the end": "\n".join(",".join(map(str, row)) + "," for row in ROWS) + "\n",
    "floats": "\n".join(",".join(f"{value:.4f}" for value in row) for row in ROWS) + "\n",
    "exponents": "\n".join(",".join(f"{value:.9e}" for value in row) for row in ROWS) + "\n",
    "ten columns": "\n".join(",".join(map(str, row)) + ",1,-1,-1" for row in ROWS) + "\n",
    "a byte order mark": "\ufeff" + "\n".join(",".join(map(str, row)) for row in ROWS) + "\n",
}


def write(folder: Path, text: str) -> Path:
    file = folder / "file.txt"
    file.write_bytes(text.encode())
    return file


@pytest.mark.parametrize("text", DIALECTS.values(), ids=DIALECTS)
def test_dialects(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, text)
    table, detections = read_results(file), read_detections(file)
    rows = np.array(ROWS)
    corners = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], 1)
    for got in (table, detections):
        np.testing.assert_array_equal(got.frames, [1, 1, 2])
        np.testing.assert_array_equal(got.boxes, corners)
        np.testing.assert_array_equal(got.scores, rows[:, 6])
        np.testing.assert_array_equal(got.classes, 1)
    np.testing.assert_array_equal(table.ids, [0, 3, 0])
    np.testing.assert_array_equal(detections.frame(1), [0, 1])
    assert len(detections.frame(3)) == 0


def test_numbers_are_the_nearest_float64(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts = [f"{value:.17g}" for value in rng.uniform(-1e4, 1e4, 4000) * 10.0 ** rng.integers(-12, 3, 4000)]
    file = write(tmp_path, "".join(f"{i + 1},1,{text},0,1,1,1\n" for i, text in enumerate(texts)))
    np.testing.assert_array_equal(read_results(file).boxes[:, 0], [float(text) for text in texts])


def test_columns_that_are_absent_have_defaults(tmp_path: Path) -> None:
    truth = read_truth(write(tmp_path, "1,1,0,0,5,5\n2,1,0,0,5,5,0,7,0.5\n"))
    np.testing.assert_array_equal(truth.scores, [1, 0])
    np.testing.assert_array_equal(truth.classes, [1, 7])
    np.testing.assert_array_equal(truth.visibility, [1, 0.5])
    assert len(read_truth(write(tmp_path, ""))) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1,0,0,5\n", r"file.txt:1: 5 columns, at least 6 are needed \(frame,id,x,y,w,h\)"),
        ("1,1,0,0,5,5,1\n1,2,0,0,5,5\n", r"file.txt:2: 6 columns, but 7 before in frame 1"),
        ("1,1,0,0,5,5,1\n1,2,0,0,5,5,1,1\n", r"file.txt:2: 8 columns, but 7 before in frame 1"),
        ("1,1,0,0,5,5,1\n\n2,1,0,0,5,5,1\n", r"file.txt:2: a blank line"),
        ("1,1,0,0,5,5,1\n\n", r"file.txt:2: a blank line"),
        ("frame,id,x,y,w,h\n1,1,0,0,5,5\n", r"file.txt:1: column 1 \(frame\) is 'frame', not a number"),
        ("1,1,0,0,5,5,1\n2,1,0,abc,5,5,1\n", r"file.txt:2: column 4 \(y\) is 'abc', not a number"),
        ("1,1,0,0,5,5,1\n2,1,0,,5,5,1\n", r"file.txt:2: column 4 \(y\) is '', not a number"),
        ("1,1,0,0,5,5,1\n2,1,0,nan,5,5,1\n", r"file.txt:2: NaN in the box \(frame 2\)"),
        ("1,nan,0,0,5,5,1\n", r"file.txt:1: the id is not a number"),
        ("nan,1,0,0,5,5,1\n", r"file.txt:1: the frame is not a number"),
        ("1,1,0,0,True,5,1\n", r"file.txt:1: column 5 \(w\) is 'True'"),
    ],
)
def test_what_is_refused_names_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_results(write(tmp_path, text))


def test_detections_must_be_finite(tmp_path: Path) -> None:
    for row in ("1,-1,0,0,inf,5,1", "1,-1,0,0,5,5,nan"):
        with pytest.raises(InputError, match=r"file.txt:1: the"):
            read_detections(write(tmp_path, row))
    with pytest.raises(InputError, match="no such file"):
        read_detections(tmp_path / "absent.txt")


def test_results_come_back(tmp_path: Path) -> None:
    boxes = np.array([[0.1, 0.2, 10.4, 20.9], [5, 6, 7, 8]])
    table = TrackTable(np.array([1, 4]), np.array([2, 9]), boxes, np.array([0.5, 0.25]))
    write_results(tmp_path / "run" / "S.txt", table, decimals=3)
    back = read_results(tmp_path / "run" / "S.txt", min_columns=10)
    np.testing.assert_array_equal(back.ids, table.ids)
    np.testing.assert_allclose(back.boxes, boxes, atol=1e-3)
    np.testing.assert_array_equal(back.scores, table.scores)


@pytest.mark.parametrize("separator", [" ", "\t"])
@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("end", ["\n", "\t\n"])
def test_warps(tmp_path: Path, separator: str, index: bool, end: str) -> None:
    rows = [[1.0, 0.0, 0.5, 0.0, 1.0, -3.0], [0.99, 0.01, 4.0, -0.01, 0.99, 2.0]]
    lines = [separator.join(map(str, ([i] if index else []) + row)) for i, row in enumerate(rows)]
    warps = read_warps(write(tmp_path, end.join(lines) + end))
    np.testing.assert_array_equal(warps, np.reshape(rows, (2, 2, 3)))


def test_warps_out_of_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"file.txt:2: .* indices that count"):
        read_warps(write(tmp_path, "0 1 0 0 0 1 0\n2 1 0 0 0 1 0\n"))


def test_sequence_info(tmp_path: Path) -> None:
    (tmp_path / "A" / "det").mkdir(parents=True)
    nothing = read_sequence_info(tmp_path / "A")
    assert (nothing.name, nothing.length, nothing.frame_rate, nothing.width) == ("A", 0, 0, 0)
    ini = tmp_path / "A" / "seqinfo.ini"
    ini.write_text("[Sequence]\nname=A\nimDir=frames\nframeRate=14.5\nseqLength=7\nimWidth=64\nimHeight=48\nimExt=.png")
    info = read_sequence_info(tmp_path / "A")
    assert (info.length, info.frame_rate, info.width, info.height) == (7, 14.5, 64, 48)
    assert info.image_folder == tmp_path / "A" / "frames" and info.image_extension == ".png"
    for line in ("seqLength=x", "seqLength=0", "seqLength=-3", "seqLength=7.5", "seqLength=2147483648", "frameRate=0",
                 "frameRate=nan", "imWidth=-1", "imHeight=inf"):  # fmt: skip
        ini.write_text(f"[Sequence]\n{line}\n")
        with pytest.raises(InputError, match=f"seqinfo.ini: {line} must be a"):
            read_sequence_info(tmp_path / "A")


@pytest.mark.parametrize("length", [3, 4, 429, 600, 1050])
def test_halves_follow_bytetrack(length: int) -> None:
    """ByteTrack: train_half = frames up to L // 2 + 1, val_half the rest; together they are the sequence."""
    assert split_range(length, "train_half") == (1, length // 2 + 1)
    assert split_range(length, "val_half") == (length // 2 + 2, length)
    assert split_range(length, "all") == split_range(length, "test") == (1, length)
    with pytest.raises(InputError, match="did you mean 'val_half'"):
        split_range(length, "valhalf")


def test_cut_renumbers_and_val_depends_on_the_folder() -> None:
    table = TrackTable(np.array([5, 1, 3, 4]), np.arange(4), np.ones((4, 4)))
    part = cut_frames(table, 3, 4)
    np.testing.assert_array_equal(part.frames, [1, 2])
    np.testing.assert_array_equal(part.ids, [2, 3])
    assert resolve_split("val", "data/MOT17/train") == resolve_split("val", "data/MOT17/train/MOT17-02") == "val_half"
    assert resolve_split("val", "data/DanceTrack/val") == "val"


def test_real_folders_are_read(real_data: Path) -> None:
    sequences = [folder for root in sorted(real_data.glob("*/*")) if root.parent.name != "results"
                 for folder in root.iterdir()]  # fmt: skip
    assert len(sequences) >= 17
    for folder in sequences:
        length = read_sequence_info(folder).length
        truth = read_truth(folder / "gt" / "gt.txt")
        assert len(truth) and truth.frames.min() >= 1 and truth.frames.max() <= length
        for file in (folder / "det").glob("*.txt"):
            assert len(read_detections(file))
        for file in (folder / "gmc").glob("gmc.txt"):
            assert 1 < len(read_warps(file)) <= length + 1  # some clips end early


def test_spreadsheets_with_decimal_commas_and_utf16(tmp_path: Path) -> None:
    file = tmp_path / "det.txt"
    file.write_text("1;-1;20,5;60,25;30;80;0,9\n2;-1;200,5;80;30;80;0,75\n")
    table = read_detections(file)
    assert table.boxes.tolist() == [[20.5, 60.25, 50.5, 140.25], [200.5, 80, 230.5, 160]]
    assert table.scores.tolist() == [0.9, 0.75]
    file.write_text("1,1,1,1,1,1\n", encoding="utf-16")
    with pytest.raises(InputError, match=r"det\.txt: UTF-16 text; save it as UTF-8"):
        read_detections(file)
