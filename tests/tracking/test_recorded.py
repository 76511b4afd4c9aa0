"""Every preset on one generated scene, against the tracks of a version that equalled the original programs."""

from pathlib import Path

import numpy as np
import pytest

from smiletrack.config import CONFIG_ROOT
from smiletrack.tracking.tracker import load_tracker
from smiletrack.types import Detections

RECORDED = Path(__file__).parents[1] / "recorded" / "tracks.npz"
PRESETS = sorted(file.stem for file in (CONFIG_ROOT / "tracker").glob("*.yaml"))


@pytest.mark.parametrize("preset", PRESETS)
def test_the_preset_gives_the_recorded_tracks(preset: str) -> None:
    """The same identities in the same frames, boxes within 0.01 px; `tests/recorded/record.py` made them."""
    with np.load(RECORDED) as stored:
        recorded = dict(stored)
    tracker = load_tracker(preset, frame_rate=30.0)
    for frame, warp in enumerate(recorded["warps"], start=1):
        given = recorded["frames"] == frame
        embeddings = recorded["embeddings"][given].astype(np.float64)
        tracks = tracker.update(Detections(recorded["boxes"][given], recorded["scores"][given], embeddings), warp)
        rows = recorded[f"{preset} frames"] == frame
        np.testing.assert_array_equal(tracks.ids, recorded[f"{preset} ids"][rows], err_msg=f"frame {frame}")
        np.testing.assert_allclose(tracks.boxes, recorded[f"{preset} boxes"][rows], rtol=0, atol=0.01)
    assert len(np.unique(recorded[f"{preset} ids"])) > 10
