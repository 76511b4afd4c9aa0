"""SLM networks in files: this project's weights, the released network's checkpoints, and ONNX out."""

import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from smiletrack.config import build_config
from smiletrack.errors import InputError, shown
from smiletrack.files import atomic_write
from smiletrack.network_files import MASK
from smiletrack.slm.config import SLMConfig
from smiletrack.slm.network import SLM
from smiletrack.slm.preprocessing import Preprocessing
from smiletrack.slm.released import ReleasedSLM
from smiletrack.weights import check_fit, load_exactly, load_tensors, load_weights

RELEASED_PREPROCESSING = Preprocessing(80, 224, colour="bgr", scale=1.0, float_resize=True)
"""BGR grey levels 0 ... 255 as they are (the paper has [0, 1]; the released weights were not trained so)."""

_scalar: Any = np.float64(0).__reduce__()[0]
_NUMBERS: list[Any] = [
    (_scalar, "numpy.core.multiarray.scalar"),
    (_scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    np.dtypes.Float64DType,
]
"""NumPy numbers, which the released trainer keeps beside its tensors ("best_val_acc"); they run no code."""


def metadata(config: SLMConfig) -> dict[str, str]:
    """Return what a weight file must say about itself so that `load_slm_network` can rebuild the network."""
    preprocessing = Preprocessing(config.width, config.height)
    return {"network": "slm", "config": json.dumps(asdict(config)), "preprocessing": preprocessing.to_json()}


def load_slm_network(path: Path) -> tuple[nn.Module, Preprocessing]:
    """Return the network of a file in eval mode, and what it wants to be fed.

    Reads `.safetensors` weights of this project, and `.pt` checkpoints of the released network (its trainer's
    dictionary or a bare state_dict, with or without the `module.` prefix), code-free. InputError where the file is
    missing, damaged, foreign, wants code, or does not fit the network in every tensor.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return _own(path)
    with torch.serialization.safe_globals(_NUMBERS):
        content = load_tensors(path)
    state = content.get("model_G_state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(
            f"{path}: no SLM weights; expected model.safetensors of a training run here, or a released checkpoint "
            "with model_G_state_dict (last.pt of a run is for --resume; its weights are model.safetensors beside it)"
        )
    state = {str(key).removeprefix("module."): value for key, value in state.items()}
    with torch.device("meta"):
        check_fit(ReleasedSLM(), state, str(path))
    network = ReleasedSLM().eval()
    load_exactly(network, state, str(path))
    return network, RELEASED_PREPROCESSING


def _own(path: Path) -> tuple[nn.Module, Preprocessing]:
    state, about = load_weights(path)
    if about.get("network") != "slm":
        raise InputError(f"{path}: holds {shown(about.get('network', 'unnamed'))} weights, not those of an SLM")
    network = build_slm(state, about, path)
    if network.config.backbone == "detector":
        raise InputError(f"{path}: sees a detector's maps, not crops; name the joint file, joint:FILE (docs/slm.md)")
    return network, Preprocessing.from_json(about["preprocessing"])


def build_slm(state: Mapping[str, Tensor], about: Mapping[str, str], path: Path) -> SLM:
    """Return the network of weights and of what their file says about itself (`metadata`), in eval mode.

    InputError, which names `path`, where they do not fit each other.
    """
    try:
        config = build_config(SLMConfig, json.loads(about["config"]))
        Preprocessing.from_json(about["preprocessing"])
        if sum(config.depths) > len(state):
            raise ValueError(f"{sum(config.depths)} blocks of {len(state)} weights")
        with torch.device("meta"):
            outline = SLM(config)
    except (KeyError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: its SLM is not one of this version ({error})") from None
    check_fit(outline, state, str(path))  # before memory is taken for what does not fit
    network = SLM(config).eval()
    load_exactly(network, state, str(path))
    return network


class _UnitRows(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, objects: Tensor, *visibility: Tensor) -> Tensor:
        return functional.normalize(self.network(objects, *visibility), dim=1)


def export_slm_onnx(network: nn.Module, preprocessing: Preprocessing, path: Path) -> None:
    """Write objects (N, 3, H, W) -> unit rows (N, D) as ONNX, N free, the preprocessing in the file's metadata.

    A network with a mask gets a second input, visibility (N, *mask_grid), that may be left out: then all is visible.
    """
    mask_grid = network.mask_grid if isinstance(network, SLM) else None
    examples = [torch.zeros(2, 3, preprocessing.height, preprocessing.width)]
    names = ["objects"]
    if mask_grid:
        examples.append(torch.ones(2, *mask_grid))
        names.append(MASK)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # the newer exporter needs a package more and makes the same graph of so plain a network
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _UnitRows(network).eval(),
            tuple(examples),
            buffer,  # type: ignore[arg-type]
            input_names=names,
            output_names=["embeddings"],
            dynamic_axes={name: {0: "M" if name == MASK else "N"} for name in (*names, "embeddings")},
            opset_version=17,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    if mask_grid:
        # an initializer of an input's name is its default; one mask is for all objects
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((1, *mask_grid), np.float32), MASK))
    onnx.helper.set_model_props(model, {"preprocessing": preprocessing.to_json()})
    onnx.checker.check_model(model)
    with atomic_write(path, "wb") as stream:
        stream.write(model.SerializeToString())
