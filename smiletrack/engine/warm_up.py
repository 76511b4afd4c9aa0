"""Makes the compiled tracker ready before any clock runs, and says so where that takes a while."""

import threading

import numpy as np

from smiletrack.console import say
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import Detections

_PATIENCE = 2.0
"""Seconds after which a line is due."""


def warm_up() -> None:
    """Load the machine code of the tracker; after an installation or a change of its source, compile it first."""
    timer = threading.Timer(_PATIENCE, say, ("compiling the tracker, once after an installation ...",))
    timer.daemon = True
    timer.start()
    try:
        Tracker(TrackerConfig()).update(Detections(np.zeros((0, 4)), np.zeros(0)))
    finally:
        timer.cancel()
