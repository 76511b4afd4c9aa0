"""Modules that are slow to import or come with an extra, loaded at their first use."""

import importlib
from importlib.util import find_spec
from typing import Any

from smiletrack.errors import InputError

EXTRAS = {
    **dict.fromkeys(("torch", "torchvision", "tensorboard", "pandas", "pycocotools", "safetensors"), "train"),
    **dict.fromkeys(("onnx", "onnxruntime"), "train"),
    **dict.fromkeys(("cv2", "av"), "video"),
    **dict.fromkeys(("optuna", "matplotlib"), "tune"),
    "motmetrics": "cross-check",
    "openvino": "openvino",
    "pyarrow": "parquet",
    "rerun": "rerun",
    **dict.fromkeys(("trackers", "pyxtrackers", "trackforge", "visiontrack_cpp"), "bench"),
    **dict.fromkeys(("trackeval", "motrics", "supervision"), "bench"),
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


def require_modules(*names: str) -> None:
    """Raise InputError where one of these is not installed: a long run does not find that out at its end."""
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise InputError(missing_extras(*missing))


def missing_extras(*modules: str) -> str:
    """Return the line that tells which extras these modules come with; nothing where they are of no extra."""
    packages = dict.fromkeys(module.partition(".")[0] for module in modules)
    extras = dict.fromkeys(EXTRAS[package] for package in packages if package in EXTRAS)
    state, what = ("is", "it") if len(packages) == 1 else ("are", "them")
    said = f"{', '.join(packages)} {state} not installed; pip install 'smiletrack[{','.join(extras)}]' brings {what}"
    return said if extras else ""
