"""The released network against its recorded outputs; checkpoints that fit, fit partly, or want code."""

import importlib.util
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from smiletrack.errors import InputError
from smiletrack.slm.checkpoint import RELEASED_PREPROCESSING, load_slm_network
from smiletrack.slm.embedder import load_embedder
from smiletrack.slm.network import similarity
from smiletrack.slm.released import ReleasedSLM

TOLERANCE = 5e-4  # stated with the recorded outputs


@pytest.fixture(scope="module")
def networks(oracle: Callable[[str], Path]) -> Path:
    return next(oracle("networks").rglob("slm_dlaseg.json")).parent


@pytest.fixture(scope="module")
def network(networks: Path) -> ReleasedSLM:
    fill = _module(networks / "fill.py")
    about = json.loads((networks / "slm_dlaseg.json").read_text())
    filled: ReleasedSLM = fill.fill(ReleasedSLM(), about["gain"], about["scale"]).eval()
    return filled


def _module(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tensor_names_and_shapes_are_the_released_ones(networks: Path, network: ReleasedSLM) -> None:
    recorded = json.loads((networks / "slm_dlaseg.json").read_text())["state_dict"]
    own = network.state_dict()
    assert {key: tuple(tensor.shape) for key, tensor in own.items()} == {key: tuple(s) for key, s in recorded}


def test_embeddings_are_the_recorded_ones_through_the_checkpoint_and_the_embedder(
    networks: Path, network: ReleasedSLM, tmp_path: Path
) -> None:
    stored = np.load(networks / "slm_dlaseg.npz")
    file = tmp_path / "best_ckpt.pt"
    state = {f"module.{key}": tensor for key, tensor in network.state_dict().items()}
    torch.save({"epoch_id": 7, "best_val_acc": np.float64(0.9), "model_G_state_dict": state}, file)
    embedder = load_embedder(file)
    rows = []
    for number in range(3):
        crop = stored[f"crop{number}"]
        crops, _ = RELEASED_PREPROCESSING.cut(crop, np.array([[0, 0, crop.shape[1], crop.shape[0]]], float))
        with torch.inference_mode():
            rows.append(network(RELEASED_PREPROCESSING.tensor(crops))[0].numpy())
        unit = embedder.embed(crop, np.array([[0.0, 0.0, crop.shape[1], crop.shape[0]]]))[0]
        recorded = stored["embedding"][number]
        np.testing.assert_allclose(unit, recorded / np.linalg.norm(recorded), atol=1e-4)
    np.testing.assert_allclose(rows, stored["embedding"], atol=TOLERANCE)


def test_pair_similarity_is_the_recorded_one(networks: Path, network: ReleasedSLM) -> None:
    stored = np.load(networks / "slm_dlaseg.npz")
    with torch.inference_mode():
        Z1, Z2 = (network(RELEASED_PREPROCESSING.tensor(stored[name])) for name in ("x1", "x2"))
    np.testing.assert_allclose(similarity(Z1, Z2).diagonal(), stored["pair_cosine"], atol=1e-5)


def test_a_checkpoint_that_fits_partly_lists_the_keys(tmp_path: Path) -> None:
    state = ReleasedSLM().state_dict()
    del state["fc.0.weight"]
    state["surplus"] = torch.zeros(1)
    state["conv_pred.bias"] = torch.zeros(7)
    file = tmp_path / "partly.pt"
    torch.save({"model_G_state_dict": state}, file)
    with pytest.raises(InputError) as caught:
        load_slm_network(file)
    message = str(caught.value)
    assert "\n" not in message
    for key in (str(file), "fc.0.weight", "surplus", "conv_pred.bias (7,) for (32,)"):
        assert key in message


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("ran"),)  # type: ignore[return-value]


def test_a_pickle_that_wants_code_is_refused_and_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model_G_state_dict": _Bomb()}, tmp_path / "bomb.pt")
    with pytest.raises(InputError, match="wants to run code"):
        load_slm_network(tmp_path / "bomb.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["x.pt", "x.safetensors", "x.onnx"])
@pytest.mark.parametrize("content", [b"", b"not a network", pickle.dumps([1, 2])])
def test_files_of_something_else_give_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_embedder(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train-slm"):
        load_embedder(tmp_path / "none.safetensors")
    torch.save({"weights": 3}, tmp_path / "foreign.pt")
    with pytest.raises(InputError, match="no SLM weights"):
        load_embedder(tmp_path / "foreign.pt")
