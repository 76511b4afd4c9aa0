"""Weight files: written for sharing, read without code and without growing, refused in one line where damaged."""

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from smiletrack.detector.build import build_detector
from smiletrack.detector.checkpoint import import_public, load_detector_network, save_detector, to_public
from smiletrack.detector.pickles import read_checkpoint
from smiletrack.detector.settings import DetectorConfig
from smiletrack.errors import InputError
from smiletrack.slm.checkpoint import load_slm_network, metadata
from smiletrack.slm.config import SLMConfig
from smiletrack.slm.network import SLM
from smiletrack.slm.released import ReleasedSLM
from smiletrack.weights import load_exactly, load_tensors, load_weights, save_weights

SMALL = SLMConfig(channels=(4, 8, 8), depths=(1, 0), d_k=4, d_v=4, embedding=6)
READERS = (load_tensors, read_checkpoint, load_slm_network, lambda path: import_public(path, "yolox-nano"))


def one_line(read: Callable[[Path], Any], path: Path) -> str:
    """Return the one line that the reader refuses the file with."""
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def rewritten(path: Path, pickled: bytes) -> Path:
    """Write a zip checkpoint around a pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    return path


def test_weights_are_for_sharing(tmp_path: Path) -> None:
    for umask, mode in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(umask)
        try:
            save_weights(tmp_path / "w.safetensors", nn.Linear(2, 2).state_dict(), {"a": "b"})
        finally:
            os.umask(before)
        assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == mode
    state, about = load_weights(tmp_path / "w.safetensors")
    assert (set(state), about) == ({"weight", "bias"}, {"a": "b"})


@pytest.mark.parametrize("archive", [True, False])
def test_a_name_that_would_be_searched_for_minutes(archive: bool, tmp_path: Path) -> None:
    """PyTorch takes time of the square of a refused name's length."""
    for pickled in (b"ctorch\n" + b"[" * 300_000 + b"\n.", b"X" + struct.pack("<I", 300_000) + b"[" * 300_000 + b"Q."):
        path = tmp_path / "a.pt"
        path.write_bytes(pickled)
        if archive:
            rewritten(path, pickled)
        assert "a word in it has 300000 characters" in one_line(load_tensors, path)
    torch.save({"text": "a few words " * 10_000, "w": torch.ones(2)}, tmp_path / "b.pt")
    assert load_tensors(tmp_path / "b.pt")["w"].tolist() == [1, 1]


@pytest.mark.parametrize("read", READERS)
def test_a_tensor_that_claims_more_than_its_file(read: Callable[[Path], Any], tmp_path: Path) -> None:
    grown = torch.zeros(2).as_strided((40_000, 40_000), (0, 0))
    torch.save({"model": {"head.cls_preds.0.weight": grown}}, tmp_path / "bomb.pt")
    assert (tmp_path / "bomb.pt").stat().st_size < 2000
    assert "claim to hold 6400000000 bytes" in one_line(read, tmp_path / "bomb.pt")
    torch.save({"model": {"head.cls_preds.0.weight": grown}}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    one_line(read, tmp_path / "old.pt")


def test_tied_weights_are_no_bomb(tmp_path: Path) -> None:
    weight = torch.rand(200, 200)
    torch.save({"a": weight, "b": weight.T}, tmp_path / "tied.pt")
    for read in (load_tensors, read_checkpoint):
        assert torch.equal(read(tmp_path / "tied.pt")["b"], weight.T)


@pytest.mark.parametrize("read", READERS)
def test_an_archive_that_unpacks_to_more_than_it_is(read: Callable[[Path], Any], tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1000)}, tmp_path / "whole.pt")
    with (
        zipfile.ZipFile(tmp_path / "whole.pt") as whole,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in whole.namelist():
            bomb.writestr(name, bytes(50_000_000) if name.endswith("data/0") else whole.read(name))
    assert "claim to hold 5000" in one_line(read, tmp_path / "bomb.pt")


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02}r" + struct.pack("<I", 2**31 - 1) + b".",  # a memo of two thousand million places
        b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",  # a terabyte of bytes that are not there
        b"\x80\x02\x8a\xff.",
        b"\x80\x02" + b"(" * 5000 + b"t" * 5000 + b".",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"\x80\x02ccollections\nOrderedDict\n)R}(K\x01K\x02ub.",
    ],
)
@pytest.mark.parametrize("read", READERS)
def test_hostile_pickles_take_no_memory(read: Callable[[Path], Any], pickled: bytes, tmp_path: Path) -> None:
    (tmp_path / "old.pt").write_bytes(pickled)
    for path in (rewritten(tmp_path / "new.pt", pickled), tmp_path / "old.pt"):
        try:
            read(path)
        except InputError as error:
            assert "\n" not in str(error)


def test_weights_that_are_not_numbers(tmp_path: Path) -> None:
    network = SLM(SMALL)
    with torch.no_grad():
        network.state_dict()["psa.W_Q.weight"][0, 0] = float("nan")
    save_weights(tmp_path / "slm.safetensors", network.state_dict(), metadata(SMALL))
    assert "NaN or infinite numbers in 1 weights: psa.W_Q.weight" in one_line(
        load_slm_network, tmp_path / "slm.safetensors"
    )
    config = DetectorConfig("yolox-nano")
    detector = build_detector(config)
    for parameter in detector.parameters():
        nn.init.constant_(parameter, float("inf"))
    save_detector(tmp_path / "detector.safetensors", detector, config)
    assert "and " in one_line(load_detector_network, tmp_path / "detector.safetensors")
    with pytest.raises(InputError, match="1 weights: bias"):
        load_exactly(nn.Linear(1, 1), {"weight": torch.ones(1, 1), "bias": torch.tensor([float("-inf")])}, "here")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("config", '{"channels": [1000000, 1000000, 1000000]}'),  # terabytes of weights
        ("config", '{"depths": [1000000000, 1, 1]}'),
        ("config", "[" * 100_000),
        ("config", "[1]"),
        ("config", '{"width": "wide"}'),
        ("preprocessing", '{"width": 1000000, "height": 1000000}'),
        ("preprocessing", '{"width": 80}'),
        ("preprocessing", "nothing"),
        ("preprocessing", '{"width": 80, "height": 224, "mean": 3}'),
    ],
)
def test_metadata_that_a_damaged_file_may_hold(key: str, text: str, tmp_path: Path) -> None:
    about = metadata(SMALL) | {key: text}
    save_weights(tmp_path / "slm.safetensors", SLM(SMALL).state_dict(), about)
    one_line(load_slm_network, tmp_path / "slm.safetensors")
    if key == "config":
        detector = text.replace("channels", "anchors").replace("width", "height")
        save_weights(tmp_path / "d.safetensors", SLM(SMALL).state_dict(), {"detector": detector})
        one_line(load_detector_network, tmp_path / "d.safetensors")


def test_a_detector_larger_than_its_file_is_never_made(tmp_path: Path) -> None:
    config = DetectorConfig("yolox-nano")
    save_detector(tmp_path / "d.safetensors", build_detector(config), DetectorConfig("yolox-x"))
    assert "does not fit the network" in one_line(load_detector_network, tmp_path / "d.safetensors")
    with pytest.raises(ValueError, match="at most 16777216 pixels"):
        DetectorConfig("yolox-nano", height=32_000, width=32_000)


@pytest.mark.parametrize("kind", ["released", "bytetrack", "slm", "detector", "old"])
def test_damaged_files_of_every_kind_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    """Seeded damage: bytes changed, parts cut out, doubled or swapped, the end lost."""
    torch.manual_seed(0)
    path = tmp_path / ("file.safetensors" if kind in ("slm", "detector") else "file.pt")
    config = DetectorConfig("yolox-nano")
    if kind in ("released", "old", "bytetrack"):
        weights = to_public(build_detector(config)) if kind == "bytetrack" else ReleasedSLM().state_dict()
        state = {name: tensor[:1] if tensor.ndim else tensor for name, tensor in list(weights.items())[:40]}
        content = {"model" if kind == "bytetrack" else "model_G_state_dict": state, "epoch": 3}
        torch.save(content, path, _use_new_zipfile_serialization=kind != "old")
    elif kind == "slm":
        save_weights(path, SLM(SMALL).state_dict(), metadata(SMALL))
    else:
        save_weights(path, {"a": torch.zeros(3)}, {"detector": "{}"})
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    readers = (load_detector_network, load_slm_network) if path.suffix == ".safetensors" else READERS
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(generator.integers(1, 4)):
            # heads and directories matter most
            place = int(generator.integers(len(damaged)) if generator.random() < 0.5 else generator.integers(400))
            place = len(damaged) - 1 - place if generator.random() < 0.3 else place
            length = int(generator.integers(1, 64))
            match generator.integers(4):
                case 0:
                    damaged[place : place + 1] = generator.bytes(1)
                case 1:
                    del damaged[place : place + length]
                case 2:
                    damaged[place:place] = damaged[place : place + length]
                case 3:
                    damaged = damaged[: max(place, 1)]
        path.write_bytes(bytes(damaged))
        for read in readers:
            try:
                read(path)  # type: ignore[operator]
            except InputError as error:
                assert "\n" not in str(error)


def test_a_pickle_of_numbers_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(pickle.dumps([1, 2]))
    one_line(read_checkpoint, tmp_path / "x.pt")
