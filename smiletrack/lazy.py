"""Modules that are slow to import or come with an extra, loaded at their first use."""

import importlib
from typing import Any

EXTRAS = {
    **dict.fromkeys(("torch", "torchvision", "tensorboard", "pycocotools", "safetensors"), "train"),
    **dict.fromkeys(("onnx", "onnxruntime"), "train"),
    **dict.fromkeys(("cv2", "av"), "video"),
    **dict.fromkeys(("optuna", "matplotlib"), "tune"),
    "motmetrics": "eval",
    "openvino": "openvino",
    **dict.fromkeys(("trackers", "trackeval", "supervision"), "bench"),
}
"""Module -> the extra of this package that installs it; everything else comes with the package itself."""


class LazyModule:
    """Stand for the module `name` and import it when its first attribute is asked for.

    pandas and scipy.optimize take longer to import than all of `smiletrack`; a program that only tracks needs neither.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)  # found directly from now on
        return value


def missing_extra(module: str) -> str:
    """Return the line that tells which extra a module comes with; nothing for a module of no extra."""
    package = module.partition(".")[0]
    extra = EXTRAS.get(package)
    return f"{package} is not installed; pip install 'smiletrack[{extra}]' brings it" if extra else ""
