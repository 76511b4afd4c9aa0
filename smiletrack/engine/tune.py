"""Search for tracker parameters on cached detections: the mean HOTA over data sets is what counts."""

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import yaml

from smiletrack.config import altered
from smiletrack.console import ProgressBar, print_table, say
from smiletrack.engine.run_folders.folder import start_run
from smiletrack.engine.studies.scored_sequences import (
    ScoredDataConfig,
    mean_hota,
    measure_tracker,
    read_scored_sequences,
)
from smiletrack.files import atomic_write
from smiletrack.metrics.table import COMBINED
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import default_config


@dataclass(frozen=True)
class RangeConfig:
    """The values of one key. Either `low` and `high`, or `choices`."""

    low: float | None = None
    """Least value."""
    high: float | None = None
    """Greatest value."""
    choices: tuple[Any, ...] = ()
    """The values themselves."""
    whole: bool = False
    """Only whole numbers between low and high."""
    log: bool = False
    """Draw the logarithm evenly."""

    def __post_init__(self) -> None:
        if bool(self.choices) == (self.low is not None and self.high is not None):
            raise ValueError("choices, or low and high, must be given: one of the two")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low must not be above high ({self.high}), not {self.low}")


@dataclass(frozen=True)
class TuneConfig:
    """The command `tools/tune.py`."""

    sources: tuple[ScoredDataConfig, ...] = ()
    """Data sets to search on; each counts the same, whatever its length."""
    held_out: tuple[str, ...] = ()
    """Names of sequences that are never read, whatever `sources` says: report on these afterwards."""
    space: dict[str, RangeConfig] = field(default_factory=dict)
    """Keys of the tracker (first.max_cost) and their values."""
    tracker: TrackerConfig = field(default_factory=default_config)
    """Where the search starts; keys that are not searched keep its values."""
    trials: int = 100
    """Trackers to try, in all processes together."""
    seed: int = 0
    """Seed of the sampler (one process: the same seed gives the same search)."""
    output: str = "runs/tune"
    """Run folder: study.db (processes started on the same folder share it), best.yaml."""

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"trials must be at least 1, not {self.trials}")
        if not self.sources:
            raise ValueError("sources must name at least one data set; see configs/tune/example.yaml")
        if not self.space:
            raise ValueError("space must name at least one key and its values; see configs/tune/example.yaml")


def tune(config: TuneConfig) -> TrackerConfig:
    """Search, print what mattered, write `best.yaml` (a preset) and return it."""
    for key in config.space:
        _changed(config.tracker, {key: _first_value(config.space[key])})
    problems = [read_scored_sequences(source, config.held_out) for source in config.sources]
    run = start_run(config.output, config, "tune")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{run / 'study.db'}",
        study_name="tracker",
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=config.seed, multivariate=True),
    )
    if not study.trials:
        study.enqueue_trial({k: v for k, v in _values(config.tracker).items() if k in config.space})
    with ProgressBar("trials", config.trials) as bar:

        def objective(trial: optuna.Trial) -> float:
            tracker = _changed(config.tracker, {key: _draw(trial, key, r) for key, r in config.space.items()})
            scores = [mean_hota(measure_tracker(tracker, part)[COMBINED]) for part in problems]
            trial.set_user_attr("scores", scores)
            return sum(scores) / len(scores)

        def told(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            done = len(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)))
            bar.show(done, "trials", f"best HOTA {100 * study.best_value:.2f}")
            if done >= config.trials:
                study.stop()

        if len(study.trials) < config.trials:
            study.optimize(objective, callbacks=[told])
    best = _changed(config.tracker, study.best_params)
    _write_preset(run / "best.yaml", config, study)
    _print(config, study, run)
    return best


def _draw(trial: optuna.Trial, key: str, values: RangeConfig) -> Any:
    if values.choices:
        return trial.suggest_categorical(key, values.choices)
    assert values.low is not None and values.high is not None
    if values.whole:
        return trial.suggest_int(key, int(values.low), int(values.high), log=values.log)
    return trial.suggest_float(key, values.low, values.high, log=values.log)


def _first_value(values: RangeConfig) -> Any:
    if values.choices:
        return values.choices[0]
    return int(values.low or 0) if values.whole else values.low


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
        f"# Best of {len(study.trials)} trials, mean HOTA {100 * study.best_value:.2f} on {sources}.\n"
        f"# Held out: {held}. Made by tools/tune.py; use it with track.py --tracker {path.name}\n"
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
        f"{len(study.trials)} trials, mean HOTA {100 * study.best_value:.2f} ({scores}) -> {run / 'best.yaml'}",
        f"processes: start the same command again to share the work (this one was {os.getpid()})",
    )


def _importances(study: optuna.Study) -> dict[str, float]:
    """Return how much of the difference between good and bad trials each key explains; {} for too few trials."""
    if len(study.trials) < 10:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.get_param_importances(study, evaluator=evaluator)
