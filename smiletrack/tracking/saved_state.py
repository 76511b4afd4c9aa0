"""A tracker's memory in a file, so that another process, or another version of this package, goes on from it.

One `.npz` without Python objects. `about` is a JSON text: the format's number, the version that wrote it, the frame
rate, the whole configuration, and the counters by name. Beside it one array a field of `state.TrackState`, a row a
living track in the order of birth (what the configuration has no use for is not there), and those of the whole tracker:
`clock`, `similarities`, `under_cover`, `score_weights`. Numbers are kept to the last bit: whoever goes on gives the
same tracks.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Le
from numpy.typing import NDArray

from smiletrack.array_files import read_arrays
from smiletrack.config import altered, build_config
from smiletrack.errors import InputError, shown
from smiletrack.files import atomic_path
from smiletrack.ranges import Checked, Count
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.state import (
    ALIVE,
    BAD_DETECTIONS,
    BAD_EMBEDDINGS,
    BAD_WARPS,
    BORN,
    COUPLED,
    EMPTY,
    FRAME,
    LOST,
    ONCE,
    UNCONFIRMED,
    Memory,
    TrackState,
    open_memory,
    state_views,
    with_embedding_size,
)
from smiletrack.version import __version__

FORMAT = 2
"""Raised with every change of what the file holds; older ones stay readable."""

_COUNTERS = {
    "frame": FRAME,
    "born": BORN,
    "coupled": COUPLED,
    "bad_detections": BAD_DETECTIONS,
    "bad_embeddings": BAD_EMBEDDINGS,
    "bad_warps": BAD_WARPS,
}
_NUMBERS = TrackState._fields[1:7]
"""The whole numbers of a track."""
_BY_TRACK = tuple(name for name in TrackState._fields[7:] if name not in ("counters", *ONCE))
_SINCE_2 = ("under_cover",)
"""What files of format 1 do not hold: there, nothing was seen yet."""


@dataclass(frozen=True)
class _About(Checked):
    """What a file says about itself."""

    format: Count
    version: str
    frame_rate: Annotated[float, Gt(0), Le(1_000_000)]
    config: dict[str, Any]
    counters: dict[str, Count]


def save_tracker_state(file: Path, memory: Memory, config: TrackerConfig, frame_rate: float) -> None:
    """Write what a tracker remembers; the file appears when it is whole."""
    state = state_views(memory)
    alive = state.order[: state.counters[ALIVE]]
    arrays = {name: getattr(state, name)[alive] for name in (*_NUMBERS, *_kept(state))}
    arrays |= {name: getattr(state, name) for name in ONCE}
    counters = {name: int(memory.counters[place]) for name, place in _COUNTERS.items()}
    about = json.dumps(asdict(_About(FORMAT, __version__, frame_rate, asdict(config), counters)))
    with atomic_path(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, about=np.array(about), **arrays)


def load_tracker_state(file: Path) -> tuple[TrackerConfig, float, Memory]:
    """Return configuration, frame rate and memory of a file that `save_tracker_state` wrote.

    Raises InputError for a file that is damaged, or of a later format, or whose configuration has keys that this
    version does not know.
    """
    about, config = _read_about(file)
    fresh = state_views(open_memory(config))
    names = [*_NUMBERS, *_kept(fresh), *(name for name in ONCE if about.format > 1 or name not in _SINCE_2)]
    arrays = read_arrays(file, *names)
    count = len(arrays["ids"]) if arrays["ids"].ndim else 0
    memory = open_memory(config, max(count, len(fresh.order)))
    if "vectors" in arrays and arrays["vectors"].ndim == 3:
        memory = with_embedding_size(memory, arrays["vectors"].shape[2])
    state = state_views(memory)
    for name in names:
        room = getattr(state, name)
        _copy(file, name, arrays[name], room if name in ONCE else room[:count])
    _check_tracks(file, arrays, about)
    for name, place in _COUNTERS.items():
        memory.counters[place] = about.counters[name]
    memory.counters[ALIVE] = count
    return config, about.frame_rate, memory


def config_differences(made: TrackerConfig, wanted: TrackerConfig) -> list[str]:
    """Return, for each key in which two configurations differ, its name and both values."""
    here, there = _leaves(asdict(made), "tracker"), _leaves(asdict(wanted), "tracker")
    return [f"{key} {here.get(key)}, not {there.get(key)}" for key in here | there if here.get(key) != there.get(key)]


def _kept(state: TrackState) -> list[str]:
    """Return the fields of single tracks for which a tracker has room."""
    return [name for name in _BY_TRACK if len(getattr(state, name))]


def _read_about(file: Path) -> tuple[_About, TrackerConfig]:
    """Read who saved what and its settings; InputError for another program's file, or one of a later format."""
    text = str(read_arrays(file, "about")["about"])
    try:
        tree = json.loads(text)
        newer = tree["format"] > FORMAT
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{file}: no saved tracker ({error})") from None
    if newer:
        raise InputError(
            f"{file}: saved in format {tree['format']} by smiletrack {shown(tree.get('version'))}; this one,"
            f" {__version__}, reads formats up to {FORMAT}"
        )
    try:
        about = build_config(_About, tree)
        config = altered(TrackerConfig(), about.config)
    except InputError as error:
        raise InputError(f"{file}: saved by another version, or damaged ({error})") from None
    if set(about.counters) != set(_COUNTERS):
        raise InputError(f"{file}: damaged: its counters are {', '.join(about.counters)}")
    return about, config


def _copy(file: Path, name: str, stored: NDArray[Any], room: NDArray[Any]) -> None:
    """Copy what is stored into its place, where it fits and is finite."""
    if stored.shape != room.shape or stored.dtype != room.dtype:
        raise InputError(
            f"{file}: damaged: {name} is {stored.dtype} of shape {stored.shape}, not {room.dtype} of {room.shape}"
        )
    if not np.isfinite(stored).all():
        raise InputError(f"{file}: damaged: {name} holds numbers that are not finite")
    room[...] = stored


def _check_tracks(file: Path, arrays: dict[str, NDArray[Any]], about: _About) -> None:
    """Raise InputError for tracks that cannot be: the core trusts its memory."""
    ids, now = arrays["ids"], arrays["clock"][0]
    faults = {
        "ids": (np.diff(ids, prepend=0) <= 0).any() or ids.max(initial=0) > about.counters["born"],
        "states": ((arrays["states"] < UNCONFIRMED) | (arrays["states"] > LOST)).any(),
        "times": (arrays["seen_at"] < arrays["born_at"]).any() or arrays["seen_at"].max(initial=0) > now,
        "clock": now < 0,
        "stamps": ((arrays["stamps"] < EMPTY) | (arrays["stamps"] > now)).any() if "stamps" in arrays else False,
    }
    for name, wrong in faults.items():
        if wrong:
            raise InputError(f"{file}: damaged: {name} that no tracker has")


def _leaves(tree: dict[str, Any], key: str) -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        leaves |= _leaves(value, f"{key}.{name}") if isinstance(value, dict) else {f"{key}.{name}": value}
    return leaves
