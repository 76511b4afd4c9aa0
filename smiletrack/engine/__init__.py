"""The commands. `smiletrack.engine.load_networks` is loaded when it is first used: it needs PyTorch, and commands that
read stored detections and embeddings should start without."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "load_networks":
        return import_module("smiletrack.engine.networks").load_networks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
