"""Which image is which frame, and how large it is: one rule for tracking, training and importing."""

import time
import tracemalloc
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from smiletrack.data.image_files import image_size, pair_frames, read_image
from smiletrack.errors import InputError


def folder_of(tmp_path: Path, *names: str) -> Path:
    folder = tmp_path / "img1"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "length", "expected"),
    [
        # digits, prefixes and extensions do not matter, the number counts; from 0 if there is a 0
        (["000001.jpg", "000002.jpg", "000010.jpg"], 10, {1: "000001.jpg", 2: "000002.jpg", 10: "000010.jpg"}),
        (["frame_000000.PNG", "frame_000001.PNG"], 0, {1: "frame_000000.PNG", 2: "frame_000001.PNG"}),
        (["cam3-f9.JPEG", "cam3-f10.JPEG"], 12, {9: "cam3-f9.JPEG", 10: "cam3-f10.JPEG"}),
        (["0.jpg", "2.jpg", "3.jpg"], 4, {1: "0.jpg", 3: "2.jpg", 4: "3.jpg"}),
        # half a sequence unpacked, the first or the second
        (["4.jpg", "5.jpg"], 5, {4: "4.jpg", 5: "5.jpg"}),
        (["1.jpg", "2.jpg"], 5, {1: "1.jpg", 2: "2.jpg"}),
        # without a length: from 0 or 1, half of the numbers there
        (["1.jpg", "2.jpg", "6.jpg"], 0, {1: "1.jpg", 2: "2.jpg", 6: "6.jpg"}),
        (["1.jpg", "2.jpg", "7.jpg"], 0, {1: "1.jpg", 2: "2.jpg", 3: "7.jpg"}),
        (["4.jpg", "5.jpg"], 0, {1: "4.jpg", 2: "5.jpg"}),
        # more images than the sequence is said to have
        (["1.jpg", "3.jpg", "4.jpg"], 2, {1: "1.jpg", 3: "3.jpg", 4: "4.jpg"}),
        # milliseconds, and names that are no numbering: their order
        (["1698765432120.jpg", "1698765432040.jpg"], 2, {1: "1698765432040.jpg", 2: "1698765432120.jpg"}),
        (["1698765432120.jpg", "1698765432040.jpg"], 0, {1: "1698765432040.jpg", 2: "1698765432120.jpg"}),
        (["a10.jpg", "a9.jpg", "b1.jpg"], 20, {1: "a9.jpg", 2: "a10.jpg", 3: "b1.jpg"}),
        (["left.jpg", "right.jpg"], 2, {1: "left.jpg", 2: "right.jpg"}),
        ([".1.x7.jpg", "1.jpg", "2.txt"], 1, {1: "1.jpg"}),
        ([], 3, {}),
    ],
)
def test_pairing(tmp_path: Path, names: list[str], length: int, expected: dict[int, str]) -> None:
    paired = pair_frames(folder_of(tmp_path, *names), "", length)
    assert {frame: path.name for frame, path in paired.by_frame.items()} == expected
    assert list(paired.by_frame) == sorted(expected) and paired.last == max(expected, default=0)


def test_the_extension_chooses_among_types_and_is_no_condition(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "1.JPG", "1.png", "2.jpg", "2.png")
    assert [path.name for path in pair_frames(folder, ".jpg", 2).by_frame.values()] == ["1.JPG", "2.jpg"]
    assert [path.name for path in pair_frames(folder, ".PNG", 2).by_frame.values()] == ["1.png", "2.png"]
    with pytest.raises(InputError, match=r"1\.JPG and 1\.png are both image 1; .* imExt"):
        pair_frames(folder, "", 2)
    for path in folder.glob("*.jpg"):
        path.unlink()
    (folder / "1.JPG").unlink()
    assert len(pair_frames(folder, ".jpg", 2).by_frame) == 2, "imExt names a type that is not there"
    assert not pair_frames(tmp_path / "absent").by_frame


def test_numbers_of_any_size_cost_nothing(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "1.jpg", "99999999999999999999.jpg")
    begin = time.process_time()
    assert list(pair_frames(folder).by_frame) == [1, 2]
    assert time.process_time() - begin < 0.5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff"])
def test_size_and_pixels_are_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    """A phone's pictures: what EXIF says of turning is true of the size as of the pixels."""
    file = tmp_path / f"a.{kind}"
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    options = {"tiffinfo": {0x0112: orientation}} if kind == "tiff" else {"exif": exif}
    PIL.Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(file, **options)
    height, width = read_image(file).shape[:2]
    assert image_size(file) == (width, height) == ((40, 60) if orientation >= 5 else (60, 40))


def test_what_is_no_image_has_no_size(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"junk")
    for name in ("a.jpg", "b.jpg"):
        with pytest.raises(InputError, match=rf"{name}: the image cannot be read"):
            image_size(tmp_path / name)


@pytest.mark.parametrize("suffix", [".gif", ".jp2", ".GIF"])
def test_gif_and_jpeg_2000_are_images_too(tmp_path: Path, suffix: str) -> None:
    picture = np.repeat(np.array([[[0, 0, 255], [0, 255, 0]]], np.uint8), 8, 0).repeat(8, 1)
    kind = {".jp2": "JPEG2000"}.get(suffix, "GIF")
    PIL.Image.fromarray(picture[..., ::-1]).save(tmp_path / f"1{suffix}", kind)
    PIL.Image.fromarray(picture).save(tmp_path / f"2{suffix}", kind)
    assert [path.name for path in pair_frames(tmp_path).by_frame.values()] == [f"1{suffix}", f"2{suffix}"]
    np.testing.assert_allclose(read_image(tmp_path / f"1{suffix}"), picture, atol=3)


@pytest.mark.parametrize(("side", "words"), [(20_000, "refused"), (12_000, "declares 12000 x 12000 pixels")])
def test_pictures_that_would_fill_memory_are_refused_by_their_header(tmp_path: Path, side: int, words: str) -> None:
    PIL.Image.new("1", (side, side)).save(tmp_path / "huge.png")
    tracemalloc.start()
    with pytest.raises(InputError, match=words):
        read_image(tmp_path / "huge.png")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
