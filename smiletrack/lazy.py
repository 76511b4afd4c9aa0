"""Modules that are slow to import and often not needed, loaded at their first use."""

import importlib
from typing import Any


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
