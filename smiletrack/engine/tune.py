"""Search for tracker parameters on cached detections: the mean HOTA over data sets is what counts."""

import dataclasses
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import optuna
import yaml
from annotated_types import MinLen
from optuna.trial import TrialState

from smiletrack.config import altered
from smiletrack.console import ProgressBar, print_table, say
from smiletrack.engine.inputs.camera_motion import digest
from smiletrack.engine.run_folders.folder import start_run
from smiletrack.engine.studies.scored_sequences import (
    ScoredDataConfig,
    ScoredSequence,
    mean_hota,
    measure_tracker,
    read_scored_sequences,
)
from smiletrack.engine.studies.search_store import create_search, num_done, open_search, reseed, sign
from smiletrack.errors import InputError, shown
from smiletrack.files import atomic_write
from smiletrack.metrics.table import COMBINED
from smiletrack.ranges import Checked, PositiveCount, Seed
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import default_config


@dataclass(frozen=True)
class RangeConfig(Checked):
    """The values of one key: either from `low` to `high`, or one of `choices`."""

    low: float | None = None
    """Minimum."""
    high: float | None = None
    """Maximum."""
    choices: tuple[Any, ...] = ()
    """Values to choose from."""
    whole: bool = False
    """Draw integers only."""
    log: bool = False
    """Draw uniformly on a logarithmic scale."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.choices) == (self.low is not None and self.high is not None):
            raise ValueError("choices, or low and high, must be given: one of the two")
        if self.low is not None and self.high is not None:
            if self.low > self.high:
                raise ValueError(f"low must not be above high ({self.high}), not {self.low}")
            if self.whole and (self.low % 1 or self.high % 1):
                raise ValueError(f"low and high must be whole numbers, not {self.low} and {self.high}")
            if self.log and self.low <= 0:
                raise ValueError(f"low must be above 0 for a logarithmic scale, not {self.low}")
        for choice in self.choices:
            if not isinstance(choice, (str, int, float)) or not math.isfinite(0 if isinstance(choice, str) else choice):
                raise ValueError(f"choices must be numbers, words or truth values, not {shown(choice)}")


@dataclass(frozen=True)
class TuneConfig(Checked):
    """Search for the tracker parameters with the best mean HOTA over one or more data sets.

    Reads stored detections (and embeddings), so that a trial takes seconds. Writes study.db and best.yaml, a preset.
    Started in several terminals, the command shares one search. Sequences named in `held_out` are never read: report on
    them afterwards.

      smiletrack tune --config tune/example
      smiletrack tune --config tune/example trials=500 output=runs/tune-long
      smiletrack tune --config my_search.yaml --seed 1
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
    output: str = "runs/tune"
    """Run folder for study.db, which all processes started on the folder share, and best.yaml."""


def tune(config: TuneConfig) -> TrackerConfig:
    """Search, print what mattered, write `best.yaml` (a preset) and return it.

    What cannot be searched, and a folder with another search in it, is an InputError before anything is written.
    """
    _check_space(config)
    problems = [read_scored_sequences(source, config.held_out) for source in config.sources]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file, search = Path(config.output) / "study.db", _search(config, problems)
    study = open_search(file, search)
    run = start_run(config.output, config, "tune")
    study = study or create_search(file, search)
    _try(config, problems, study)
    best = _changed(config.tracker, study.best_params)
    _write_preset(run / "best.yaml", config, study)
    _print(config, study, run)
    return best


def _search(config: TuneConfig, problems: list[list[ScoredSequence]]) -> dict[str, Any]:
    """Return all that the scores of a search depend on, as plain values."""
    free = ("trials", "seed", "output", "held_out")
    settings = {k: v for k, v in dataclasses.asdict(config).items() if k not in free}
    data = {
        problem.given.name: [digest(problem.given.detections), problem.given.embeddings.shape[1], len(problem.truth)]
        for part in problems
        for problem in part
    }
    return {**settings, "sequences": data}


def _try(config: TuneConfig, problems: list[list[ScoredSequence]], study: optuna.Study) -> None:
    """Try trackers, the start first, until the number asked for is done; several processes share one study."""

    def objective(trial: optuna.Trial) -> float:
        sign(trial)
        try:
            tracker = _changed(config.tracker, {key: _draw(trial, key, r) for key, r in config.space.items()})
        except InputError as error:  # values that do not go together, such as a low threshold above the high one
            raise optuna.TrialPruned(str(error)) from None
        scores = [mean_hota(measure_tracker(tracker, part)[COMBINED]) for part in problems]
        trial.set_user_attr("scores", scores)
        return sum(scores) / len(scores)

    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.WAITING)):
        study.enqueue_trial({k: v for k, v in _values(config.tracker).items() if k in config.space})
    with ProgressBar("trials", config.trials) as bar:
        while (done := num_done(study)) < config.trials:
            bar.show(done, "trials", f"best HOTA {100 * study.best_value:.2f}" if done else "")
            reseed(study, config.seed)
            study.optimize(objective, n_trials=1)


def _check_space(config: TuneConfig) -> None:
    """Raise InputError for a key that no tracker has, a value that none can have, and a start outside its range."""
    start = _values(config.tracker)
    for key, values in config.space.items():
        ends: tuple[Any, ...] = values.choices
        if values.low is not None and values.high is not None:
            ends = (int(values.low), int(values.high)) if values.whole else (values.low, values.high)
        for value in ends:
            _changed(config.tracker, {key: value})
        if key not in start:
            raise InputError(f"space.{key}: is not a single value of the tracker")
        inside = start[key] in ends if values.choices else start[key] is not None and ends[0] <= start[key] <= ends[1]
        if not inside:
            listed = ", ".join(map(str, ends)) if values.choices else f"{ends[0]} .. {ends[1]}"
            raise InputError(
                f"space.{key}: the search starts at {start[key]}, which is not in {listed}; widen it, or start "
                f"elsewhere: tracker.{key}=..."
            )


def _draw(trial: optuna.Trial, key: str, values: RangeConfig) -> Any:
    if values.choices:
        return trial.suggest_categorical(key, values.choices)
    assert values.low is not None and values.high is not None
    if values.whole:
        return trial.suggest_int(key, int(values.low), int(values.high), log=values.log)
    return trial.suggest_float(key, values.low, values.high, log=values.log)


def _changed(tracker: TrackerConfig, values: dict[str, Any]) -> TrackerConfig:
    """Return the tracker with `{"first.max_cost": 0.8}` and the like laid over it."""
    return altered(tracker, _tree(values))


def _tree(values: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[name] = value
    return tree


def _values(tracker: TrackerConfig) -> dict[str, Any]:
    """Return the tracker's values by dotted key."""

    def walk(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for name, value in tree.items():
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{name}.")
            else:
                yield prefix + name, value

    return dict(walk(dataclasses.asdict(tracker), ""))


def _write_preset(path: Path, config: TuneConfig, study: optuna.Study) -> None:
    sources = ", ".join(f"{s.data} {s.split}" for s in config.sources)
    held = ", ".join(config.held_out) or "none"
    head = (
        f"# Best of {num_done(study)} trials, mean HOTA {100 * study.best_value:.2f} on {sources}.\n"
        f"# Held out: {held}. Made by smiletrack tune; use it with smiletrack track --tracker {path.name}\n"
    )
    tree = dataclasses.asdict(_changed(config.tracker, study.best_params))
    with atomic_write(path) as stream:
        stream.write(head + yaml.safe_dump(tree, sort_keys=False))


def _print(config: TuneConfig, study: optuna.Study, run: Path) -> None:
    weights = _importances(study)
    start = _values(config.tracker)
    rows = []
    for key in sorted(study.best_params, key=lambda k: -weights.get(k, 0.0)):
        shown = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in (start.get(key), study.best_params[key])]
        rows.append([key, *shown, f"{100 * weights[key]:.0f} %" if key in weights else ""])
    print_table(("key", "start", "best", "importance"), rows)
    scores = " ".join(f"{100 * s:.2f}" for s in study.best_trial.user_attrs["scores"])
    say(
        f"{num_done(study)} trials, mean HOTA {100 * study.best_value:.2f} ({scores}) -> {run / 'best.yaml'}",
        f"processes: start the same command again to share the work (this one was {os.getpid()})",
    )


def _importances(study: optuna.Study) -> dict[str, float]:
    """Return how much of the difference between good and bad trials each key explains; {} for too few trials."""
    if num_done(study) < 10:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.get_param_importances(study, evaluator=evaluator)
