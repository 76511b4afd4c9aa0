"""Crops: the right pixels, each image decoded once, made anew when anything changes, resumed after a stop."""

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from smiletrack.data.reid import crop_cache as crops_module
from smiletrack.data.reid.crop_cache import cached_crops
from smiletrack.data.reid.identities import IdentityTable
from smiletrack.errors import InputError

COLORS = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (120, 120, 120))


def quadrants(path: Path) -> Path:
    """A 200x160 image of four coloured quarters."""
    image = np.zeros((160, 200, 3), np.uint8)
    image[:80, :100], image[:80, 100:], image[80:, :100], image[80:, 100:] = COLORS
    cv2.imwrite(str(path), image)
    return path


def table_of(images: list[Path], indices: list[int], boxes: list[list[float]]) -> IdentityTable:
    rows = len(indices)
    zeros = np.zeros(rows, np.int64)
    return IdentityTable(
        tuple(images), np.array(indices), np.array(boxes, float), np.ones(rows), zeros, zeros, np.full(rows, "a")
    )


@pytest.fixture
def table(tmp_path: Path) -> IdentityTable:
    images = [quadrants(tmp_path / f"{i}.png") for i in range(2)]
    # rows are not in the order of the images, and one box reaches beyond the image
    boxes = [[0, 0, 99, 79], [101, 81, 250, 190], [101, 0, 199.6, 78], [0, 81, 99, 159]]
    return table_of(images, [1, 0, 1, 0], boxes)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the images that were decoded."""
    names: list[str] = []
    real = crops_module.read_image

    def counted(path: Path) -> np.ndarray:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(crops_module, "read_image", counted)
    return names


def test_the_right_pixels(table: IdentityTable, tmp_path: Path) -> None:
    crops = cached_crops(table, tmp_path / "cache")
    assert len(crops) == 4
    for row, color in enumerate((COLORS[0], COLORS[3], COLORS[1], COLORS[2])):
        assert crops[row].shape == (224, 80, 3) and crops[row].dtype == np.uint8
        np.testing.assert_allclose(crops[row].reshape(-1, 3).mean(0), color, atol=3)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(crops))[-1], crops[3])


def test_each_image_is_decoded_once(table: IdentityTable, tmp_path: Path, decoded: list[str]) -> None:
    first = cached_crops(table, tmp_path / "cache")
    assert sorted(decoded) == ["0.png", "1.png"]
    second = cached_crops(table, tmp_path / "cache")
    assert len(decoded) == 2 and second.fingerprint == first.fingerprint


def test_made_anew_when_something_changes(table: IdentityTable, tmp_path: Path, decoded: list[str]) -> None:
    first = cached_crops(table, tmp_path / "cache")
    os.utime(table.images[0], (1, 1))
    assert cached_crops(table, tmp_path / "cache").fingerprint != first.fingerprint
    assert len(decoded) == 4
    moved = table_of(list(table.images), table.image_indices.tolist(), (table.boxes + np.array([1, 0, 0, 0])).tolist())
    cached_crops(moved, tmp_path / "cache")
    assert len(decoded) == 6
    assert cached_crops(moved, tmp_path / "cache", size=(40, 112))[0].shape == (112, 40, 3)
    assert len(decoded) == 8


def test_goes_on_after_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str]) -> None:
    monkeypatch.setattr(crops_module, "_BATCH", 2)
    images = [quadrants(tmp_path / f"{i}.png") for i in range(5)]
    table = table_of(images, [0, 1, 2, 3, 4], [[0, 0, 50 + 10 * i, 70] for i in range(5)])
    whole = cached_crops(table, tmp_path / "whole")
    decoded.clear()
    good = images[4].read_bytes()
    times = images[4].stat().st_mtime_ns
    images[4].write_bytes(b"\0" * len(good))  # same size, and below the same time: only the pixels are bad
    os.utime(images[4], ns=(times, times))
    with pytest.raises(InputError, match=r"4\.png"):
        cached_crops(table, tmp_path / "cache")
    assert len(decoded) == 5
    images[4].write_bytes(good)
    os.utime(images[4], ns=(times, times))
    with (tmp_path / "cache/crops.part").open("ab") as stream:
        stream.write(b"half a picture")
    crops = cached_crops(table, tmp_path / "cache")
    assert decoded[5:] == ["4.png"]
    for row in range(5):
        np.testing.assert_array_equal(crops[row], whole[row])


def test_bad_input(tmp_path: Path) -> None:
    image = quadrants(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: box \(300, 0, 320, 50\) has no area in the image of 200x160"):
        cached_crops(table_of([image], [0], [[300, 0, 320, 50]]), tmp_path / "c")
    with pytest.raises(InputError, match=r"b\.png: no such image"):
        cached_crops(table_of([tmp_path / "b.png"], [0], [[0, 0, 9, 9]]), tmp_path / "c")
    jpeg = tmp_path / "c.jpg"
    cv2.imwrite(str(jpeg), np.random.default_rng(0).integers(0, 255, (160, 200, 3), np.uint8))
    jpeg.write_bytes(jpeg.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"c\.jpg"):
        cached_crops(table_of([jpeg], [0], [[0, 0, 9, 9]]), tmp_path / "c")
    assert len(cached_crops(table_of([], [], np.zeros((0, 4)).tolist()), tmp_path / "none")) == 0


def test_a_damaged_cache_is_cut_again_with_a_word(
    tmp_path: Path, decoded: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    table = table_of([quadrants(tmp_path / "a.png")], [0, 0], [[0, 0, 50, 70], [20, 20, 60, 76]])
    first = cached_crops(table, tmp_path / "cache")
    pictures = [first[0], first[1]]
    folder = tmp_path / "cache"
    index = (folder / "index.npz").read_bytes()

    def damages() -> Iterator[Callable[[], object]]:
        yield lambda: (folder / "index.npz").write_bytes(index[:50])
        yield lambda: np.savez(folder / "index.npz", starts=np.zeros(2), ends=np.ones(2))
        yield lambda: np.savez(folder / "index.npz", starts=np.array([-1, 3]), ends=np.array([2**40, 5]))
        yield lambda: (folder / "crops.bin").write_bytes(b"")
        yield (folder / "crops.bin").unlink

    for damage in damages():
        damage()
        capsys.readouterr()
        again = cached_crops(table, folder)
        np.testing.assert_array_equal([again[0], again[1]], pictures)
        assert "the crops are cut again" in capsys.readouterr().err
    for text in ("", "[1]", "null", "{"):
        (folder / "made_from.json").write_text(text)
        assert len(cached_crops(table, folder)) == 2
