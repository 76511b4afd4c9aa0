"""The presets against the recorded results of the original programs: same boxes, ids renamed one to one.

A part of the sequences by default; SMILETRACK_FULL=1 compares all of them.
"""

import importlib.util
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smiletrack.config import load_config, preset_file
from smiletrack.data.mot import read_detections, read_results, read_sequence_info, read_warps
from smiletrack.data.splits import cut_frames, split_range
from smiletrack.engine.inputs.sequence_inputs import SequenceInput
from smiletrack.engine.track import join_tracks
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import Floats, TrackTable

VARIANTS = {
    "bytetrack/m90": ("bytetrack", []),
    "bytetrack/m80": ("bytetrack", ["first.max_cost=0.8"]),
    "bytetrack/m70": ("bytetrack", ["first.max_cost=0.7"]),
    "botsort/nocmc": ("botsort", []),
    "botsort/cmc": ("botsort", []),
    "botsort/reid": ("botsort-reid", []),
    "botsort/reid_cmc": ("botsort-reid", []),
    "botsort/reidclean": ("botsort-reid", []),
    "botsort/reidclean_cmc": ("botsort-reid", []),
    "smiletrack/noreid": ("botsort", []),
    "smiletrack/noreid_cmc": ("botsort", []),
    "smiletrack/reid": ("smiletrack-released", []),
    "smiletrack/reid_cmc": ("smiletrack-released", []),
    "smiletrack/reidclean": ("smiletrack-released", []),
    "smiletrack/reidclean_cmc": ("smiletrack-released", []),
    "ocsort/nobyte": ("ocsort", []),
    "ocsort/byte": ("ocsort", ["second.tracks=all", "second.max_cost=0.7", "second.filter_after=true"]),
}
FOLDERS = {"MOT17": "MOT17/train", "MOT20": "MOT20/train", "dance": "DanceTrack/val"}
SEQUENCES = ["MOT17-02-FRCNN", "MOT17-09-FRCNN", "MOT20-01", "dancetrack0090"]
if os.environ.get("SMILETRACK_FULL"):
    SEQUENCES += ["MOT17-04-FRCNN", "MOT17-10-FRCNN"] + [f"dancetrack{n:04d}" for n in (4, 10, 19, 34, 58)]


def overrides(variant: str, sequence: str) -> list[str]:
    """What the original programs were told for MOT20 and DanceTrack."""
    words = list(VARIANTS[variant][1])
    if variant.startswith("ocsort"):
        return [*words, "output.max_aspect=null"] if sequence.startswith("dance") else words
    if sequence.startswith("MOT20"):
        words += ["first.score=false", "unconfirmed.score=false"]
        words += [] if variant.startswith("bytetrack") else ["first.max_cost=0.7"]
    return words


@pytest.fixture(scope="module")
def inputs(real_data: Path, oracle: Callable[[str], Path]) -> Callable[[str, str], SequenceInput]:
    """Return a function: sequence, kind of embeddings -> what the original programs were given."""
    rule = load_module(oracle("trackers") / "emb.py")

    @cache
    def read(name: str, mix: str) -> SequenceInput:
        folder = real_data / next(path for start, path in FOLDERS.items() if name.startswith(start)) / name
        length = read_sequence_info(folder).length
        first, last = split_range(length, "all" if name.startswith("dance") else "val_half")
        file = folder / "det" / "yolox_x.txt"
        table = read_detections(file)
        inside = (table.frames >= first) & (table.frames <= last)
        embeddings = np.zeros((inside.sum(), 0))
        if mix:
            rows = rule.load(file)[inside]
            embeddings = rule.embeddings(rows, rule.load(folder / "gt" / "gt.txt"), mix)[0]
        warps: Floats = read_warps(folder / "gmc" / "gmc.txt")[first - 1 : last].copy()
        warps[0] = np.eye(2, 3)
        return SequenceInput(name, 30.0, last - first + 1, cut_frames(table, first, last), embeddings, warps)

    return read


def load_module(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("sequence", SEQUENCES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_same_tracks_as_the_original_program(
    variant: str,
    sequence: str,
    inputs: Callable[[str, str], SequenceInput],
    oracle: Callable[[str], Path],
) -> None:
    file = oracle("trackers") / "results" / variant / f"{sequence}.txt"
    if not file.is_file():
        pytest.skip(f"no recorded result of {variant} on {sequence}")
    mix = "clean" if "clean" in variant else "noisy" if "/reid" in variant else ""
    given = inputs(sequence, mix)
    config = load_config(TrackerConfig, preset_file("tracker", VARIANTS[variant][0]), overrides(variant, sequence))
    tracker = Tracker(config, given.frame_rate)
    with_camera = variant.endswith("_cmc") or variant == "botsort/cmc"
    warps = given.warps if with_camera and given.warps is not None else [None] * given.num_frames
    ours = join_tracks([tracker.update(seen, warp) for seen, warp in zip(given.frames(), warps, strict=True)])
    assert_same_up_to_ids(ours, read_results(file))


def assert_same_up_to_ids(ours: TrackTable, theirs: TrackTable) -> None:
    """Every frame has the same boxes within 0.01 px, and their ids correspond one to one over the sequence."""
    pairs = set()
    for frame in range(1, int(max(ours.frames.max(), theirs.frames.max())) + 1):
        mine, other = np.flatnonzero(ours.frames == frame), np.flatnonzero(theirs.frames == frame)
        assert len(mine) == len(other), f"frame {frame}: {len(mine)} boxes instead of {len(other)}"
        if not len(mine):
            continue
        close = (np.abs(ours.boxes[mine][:, None] - theirs.boxes[other]) <= 0.01).all(axis=2)
        assert (close.sum(axis=1) == 1).all() and (close.sum(axis=0) == 1).all(), f"frame {frame}: other boxes"
        pairs |= set(zip(ours.ids[mine], theirs.ids[other[close.argmax(axis=1)]], strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}), "ids do not correspond"
