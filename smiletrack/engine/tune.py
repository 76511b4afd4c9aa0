"""Search for tracker parameters on cached detections: the mean HOTA over data sets is what counts."""

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import optuna
import yaml
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from smiletrack.config import altered
from smiletrack.data.mot import read_sequence_info, read_truth
from smiletrack.data.splits import Split, cut, resolve_split, split_range
from smiletrack.engine.runs import start_run
from smiletrack.engine.track import SequenceInput, TrackConfig, sequence_inputs, track_sequence
from smiletrack.errors import InputError
from smiletrack.files import atomic_write
from smiletrack.metrics.preprocess import compare
from smiletrack.metrics.table import combine, measure
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import Tracker, default_config
from smiletrack.types import TrackTable


@dataclass(frozen=True)
class SourceConfig:
    """One data set of a search; see `TrackConfig` for what the keys mean."""

    data: str
    """Folder of MOTChallenge sequences with ground truth."""
    split: Split = "all"
    """Part of each sequence to search on."""
    detections: str = "det"
    """Which detections: <seq>/det/NAME.txt."""
    embeddings: str = ""
    """Folder with one <seq>.npz each; empty = none."""
    camera_motion: Literal["none", "file"] = "none"
    """Where the camera's motion comes from."""
    benchmark: Literal["MOT15", "MOT16", "MOT17", "MOT20", "DanceTrack"] = "MOT17"
    """Whose preprocessing rules apply."""
    sequences: tuple[str, ...] = ()
    """Names of the sequences to search on; empty = all that are not held out."""


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

    sources: tuple[SourceConfig, ...] = ()
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
    problems = [list(_problems(source, config.held_out)) for source in config.sources]
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
    console = Console(highlight=False, soft_wrap=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("trials", total=config.trials)

        def objective(trial: optuna.Trial) -> float:
            tracker = _changed(config.tracker, {key: _draw(trial, key, r) for key, r in config.space.items()})
            scores = [score(tracker, problem) for problem in problems]
            trial.set_user_attr("scores", scores)
            return sum(scores) / len(scores)

        def told(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            done = len(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)))
            bar.update(task, completed=done, description=f"trials, best HOTA {100 * study.best_value:.2f}")
            if done >= config.trials:
                study.stop()

        if len(study.trials) < config.trials:
            study.optimize(objective, callbacks=[told])
    best = _changed(config.tracker, study.best_params)
    _write_preset(run / "best.yaml", config, study)
    _print(console, config, study, run)
    return best


def score(tracker: TrackerConfig, problem: list[tuple[SequenceInput, TrackTable, str]]) -> float:
    """Return the combined HOTA, in [0, 1], of a tracker on sequences with truth and benchmark."""
    measures = {}
    for sequence, truth, benchmark in problem:
        found = track_sequence(Tracker(tracker, sequence.frame_rate), sequence.frames(), sequence.warps)
        measures[sequence.name] = measure(compare(truth, found.table, sequence.num_frames, benchmark))
    return float(combine(measures)["HOTA"]["HOTA"].mean())


def _problems(source: SourceConfig, held_out: tuple[str, ...]) -> Iterator[tuple[SequenceInput, TrackTable, str]]:
    """Yield the sequences of a source that are not held out, with their truth."""
    root = Path(source.data)
    names = [folder.name for folder in sorted(root.iterdir()) if folder.is_dir()] if root.is_dir() else []
    wanted = tuple(name for name in source.sequences or names if name not in held_out)
    if names and not wanted:
        raise InputError(f"sources: every sequence of {root} is held out")
    keys = ("data", "split", "detections", "embeddings", "camera_motion")
    asked = TrackConfig(sequences=wanted, **{key: getattr(source, key) for key in keys})
    for sequence in sequence_inputs(asked):
        folder = root / sequence.name
        split = resolve_split(source.split, root)
        first, last = split_range(read_sequence_info(folder).length, split)
        yield sequence, cut(read_truth(folder / "gt" / "gt.txt", min_columns=6), first, last), source.benchmark


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


def _print(console: Console, config: TuneConfig, study: optuna.Study, run: Path) -> None:
    weights = _importances(study)
    start = _values(config.tracker)
    table = Table(box=None, pad_edge=False)
    for heading in ("key", "start", "best", "importance"):
        table.add_column(heading, justify="left" if heading == "key" else "right", no_wrap=True)
    for key in sorted(study.best_params, key=lambda k: -weights.get(k, 0.0)):
        shown = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in (start.get(key), study.best_params[key])]
        table.add_row(key, *shown, f"{100 * weights[key]:.0f} %" if key in weights else "")
    console.print(table)
    scores = " ".join(f"{100 * s:.2f}" for s in study.best_trial.user_attrs["scores"])
    console.print(
        f"{len(study.trials)} trials, mean HOTA {100 * study.best_value:.2f} ({scores}) -> {run / 'best.yaml'}"
    )
    console.print(f"processes: start the same command again to share the work (this one was {os.getpid()})")


def _importances(study: optuna.Study) -> dict[str, float]:
    """Return how much of the difference between good and bad trials each key explains; {} for too few trials."""
    if len(study.trials) < 10:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.get_param_importances(study, evaluator=evaluator)
