"""Search for tracker parameters on cached detections: the mean HOTA over data sets is what counts."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import yaml
from annotated_types import MinLen

from smiletrack.console import print_table, say
from smiletrack.engine.inputs.camera_motion import digest
from smiletrack.engine.run_folders.folder import make_folder, start_run
from smiletrack.engine.run_folders.shards import this_shard
from smiletrack.engine.studies.scored_sequences import (
    ScoredDataConfig,
    ScoredSequence,
    read_scored_sequences,
    tracked_hota,
)
from smiletrack.engine.studies.search_processes import Search, free_cores, run_search
from smiletrack.engine.studies.search_space import RangeConfig, starting_values, tracker_values, with_values
from smiletrack.engine.studies.stored_study import StoredStudy
from smiletrack.files import atomic_write
from smiletrack.lazy import require_modules
from smiletrack.ranges import Checked, Count, PositiveCount, Seed
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import default_config


@dataclass(frozen=True)
class TuneConfig(Checked):
    """Search for the tracker parameters with the best mean HOTA over one or more data sets.

    Reads stored detections (and embeddings), so that a trial takes less than a second. Writes study.journal and
    best.yaml, a preset. Trials run in several processes where cores are free. Started again the search goes on; started
    on several machines with one output folder, or one database, they share it. Sequences named in `held_out` are never
    read: report on them afterwards.

      smiletrack tune --config tune/example
      smiletrack tune --config tune/example trials=500 output=runs/tune-long
      smiletrack tune --config my_search.yaml --seed 1 --processes 1
      smiletrack tune --config my_search.yaml --storage postgresql://user@host/smiletrack
    """

    sources: Annotated[tuple[ScoredDataConfig, ...], MinLen(1)] = ()
    """Data sets to search on (see configs/tune/example.yaml); each has the same weight, whatever its length."""
    held_out: tuple[str, ...] = ()
    """Names of sequences that are never read, whatever `sources` says, so that the result can be tested on them."""
    space: Annotated[dict[str, RangeConfig], MinLen(1)] = field(default_factory=dict)
    """Keys of the tracker, such as first.max_cost, with the values to try (see configs/tune/example.yaml)."""
    tracker: TrackerConfig = field(default_factory=default_config)
    """Starting point of the search; keys that are not searched keep its values."""
    trials: PositiveCount = 100
    """Number of trackers to try, over all processes."""
    seed: Seed = 0
    """Seed of the sampler; with one process, the same seed repeats the search."""
    processes: Count = 0
    """Processes on this machine that try trackers at the same time; 0 = one for each free core."""
    storage: str = ""
    """Address of the database that holds the study (postgresql://..., mysql://..., sqlite:///FILE), for machines that
    share no folder; empty = OUTPUT/study.journal."""
    output: str = "runs/tune"
    """Run folder for study.journal, which all processes started on the folder share, and best.yaml."""


def tune(config: TuneConfig) -> TrackerConfig:
    """Search, print what mattered, write `best.yaml` (a preset) and return it.

    What is wrong with the space, the sources or a study that is there already is an InputError before the first trial.
    """
    require_modules("optuna")
    start = starting_values(config.tracker, config.space)
    problems = [read_scored_sequences(source, config.held_out) for source in config.sources]
    run = make_folder(Path(config.output))
    search = Search(
        address=config.storage or str(run / "study.journal"),
        made_for=_made_for(config, problems),
        space=config.space,
        score=partial(_score, config.tracker, problems),
        trials=config.trials,
        seed=config.seed,
    )
    shard = this_shard("")
    processes = config.processes or free_cores()
    first_rank = shard.index * (processes + 1) if shard else 0
    search.open(first_rank).begin_with(start)
    start_run(run, config, "tune")
    study = run_search(search, processes, first_rank)
    best = with_values(config.tracker, study.best().params)
    _write_preset(run / "best.yaml", config, study)
    _print(config, study, run)
    return best


def _score(
    tracker: TrackerConfig, problems: Sequence[Sequence[ScoredSequence]], values: Mapping[str, Any]
) -> list[float]:
    """Return the HOTA of each data set with these values."""
    changed = with_values(tracker, values)
    return [tracked_hota(changed, part) for part in problems]


def _made_for(config: TuneConfig, problems: Sequence[Sequence[ScoredSequence]]) -> dict[str, Any]:
    """Return all that the scores of a search depend on, as plain values."""
    settings = dataclasses.asdict(config)
    data = {
        problem.given.name: [digest(problem.given.detections), problem.given.embeddings.shape[1], len(problem.truth)]
        for part in problems
        for problem in part
    }
    return {**{name: settings[name] for name in ("sources", "space", "tracker")}, "sequences": data}


def _write_preset(path: Path, config: TuneConfig, study: StoredStudy) -> None:
    sources = ", ".join(f"{s.data} {s.split}" for s in config.sources)
    held = ", ".join(config.held_out) or "none"
    best = study.best()
    head = (
        f"# Best of {study.num_done()} trials, mean HOTA {100 * best.value:.2f} on {sources}.\n"
        f"# Held out: {held}. Made by smiletrack tune; use it with smiletrack track --tracker {path.name}\n"
    )
    tree = dataclasses.asdict(with_values(config.tracker, best.params))
    with atomic_write(path) as stream:
        stream.write(head + yaml.safe_dump(tree, sort_keys=False))


def _print(config: TuneConfig, study: StoredStudy, run: Path) -> None:
    """Print the keys in the order of what they matter, and the scores of the best trial."""
    weights, best = study.importances(), study.best()
    start = tracker_values(config.tracker)
    rows = []
    for key in sorted(best.params, key=lambda k: -weights.get(k, 0.0)):
        shown = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in (start.get(key), best.params[key])]
        rows.append([key, *shown, f"{100 * weights[key]:.0f} %" if key in weights else ""])
    print_table(("key", "start", "best", "importance"), rows)
    scores = " ".join(f"{100 * s:.2f}" for s in best.user_attrs["scores"])
    say(f"{study.num_done()} trials, mean HOTA {100 * best.value:.2f} ({scores}) -> {run / 'best.yaml'}")
