"""Scores of sequences that several processes make, one file a sequence, until the last one has all of them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.engine.run_folders.records import read_stored_scores
from smiletrack.engine.run_folders.shards import Shard, SharedJob
from smiletrack.errors import InputError
from smiletrack.files import state_of_files, write_json
from smiletrack.metrics.table import Measures


@dataclass(frozen=True, eq=False)
class SequenceScores:
    """What scoring one sequence gave.

    dialect: what the truth's columns were taken for. notes: what looks wrong. why_none: why no row of the truth counts,
    "" where one does.
    """

    measures: Measures
    dialect: str
    notes: tuple[str, ...]
    why_none: str = ""


def share_scores(
    folder: Path,
    config: Any,
    shard: Shard,
    files: Mapping[str, tuple[Path, ...]],
    score: Callable[[str], SequenceScores],
) -> dict[str, SequenceScores]:
    """Score the sequences that no other process has scored or is at; return all scores that there are then.

    folder: where results lie, which all processes see. files: sequence -> what its scores are made from.
    """
    job = SharedJob(folder, "eval", shard)
    states = {name: state_of_files(paths) for name, paths in files.items()}

    def place(name: str) -> Path:
        return job.place / f"{name}.json"

    def stored(name: str) -> SequenceScores | None:
        try:
            found = read_stored_scores(place(name))
        except InputError:  # damaged: it is made again
            return None
        if found is None or found.state != states[name]:
            return None
        families = {
            family: {key: np.array(value) if isinstance(value, list) else value for key, value in fields.items()}
            for family, fields in found.measures.items()
        }
        return SequenceScores(families, found.dialect, found.notes, found.why_none)

    def forget() -> None:
        for name in files:
            place(name).unlink(missing_ok=True)

    with job.running(config, forget):
        for name in job.claimed(list(files), lambda name: stored(name) is not None):
            made = score(name)
            write_json(
                place(name), asdict(made) | {"measures": to_json({name: made.measures})[name], "state": states[name]}
            )
        parts = {name: stored(name) for name in files}
    return {name: part for name, part in parts.items() if part is not None}


def to_json(measures: Mapping[str, Measures]) -> dict[str, Any]:
    """Return the measures with arrays as lists and numbers as plain ones."""
    return {
        sequence: {
            family: {name: np.asarray(value).tolist() for name, value in fields.items()}
            for family, fields in families.items()
        }
        for sequence, families in measures.items()
    }
