"""What appearance is worth on footage: trackers with and without it, network by network, with paired intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import MinLen

from smiletrack.config import altered, load_config, preset_file
from smiletrack.console import print_table, progress, say
from smiletrack.engine.studies.scored_sequences import (
    ScoredSequence,
    mean_hota,
    tracked_comparison,
    without_embeddings,
)
from smiletrack.metrics.bootstrap import METRICS, block_draws
from smiletrack.metrics.estimate import Estimate, mean_over_sequences
from smiletrack.metrics.table import measure
from smiletrack.ranges import Checked, Count, PositiveCount, Seed
from smiletrack.tracking.config import TrackerConfig
from smiletrack.types import Floats

MOTION = "motion only"
"""Stands for the embeddings of a tracker that gets none."""
SHOWN = ("HOTA", "AssA", "IDF1")
"""The figures of the differences."""


@dataclass(frozen=True)
class AppearanceTableConfig(Checked):
    """Which trackers are compared, and how sure the differences are."""

    trackers: Annotated[tuple[str, ...], MinLen(1)] = ("smiletrack", "botsort-reid", "strongsort", "smiletrack-paper")
    """Presets or YAML files. The first one is compared with itself without embeddings and with every other tracker."""
    rescale: bool = False
    """Bring scores to one scale for every tracker; presets that are made for YOLOX-X's lose most people of a detector
    with lower ones, and the table is then of thresholds."""
    block: PositiveCount = 50
    """Consecutive frames that the bootstrap draws together; at most a tenth of a sequence."""
    resamples: Count = 400
    """Draws of sequences and blocks for the intervals."""
    seed: Seed = 0
    """Seed of the draws."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """One tracker with one network's embeddings: figures in [0, 1], identity switches and draws, by sequence.

    draws: `bootstrap.block_draws`. Rows of outcomes on the same sequences pair.
    """

    figures: dict[str, dict[str, float]]
    switches: dict[str, int]
    draws: dict[str, Floats]


Outcomes = dict[tuple[str, str], Outcome]
"""By tracker and network; the latter is MOTION where there are no embeddings."""


def appearance_table(
    config: AppearanceTableConfig, problems: Mapping[str, Sequence[ScoredSequence]]
) -> dict[str, dict[str, Any]]:
    """Track, print the figures and the differences, and return both as JSON has them.

    problems: by network the same sequences, with its embeddings. Trackers that look at none run once.
    """
    trackers = compared_trackers(config)
    outcomes: Outcomes = {}
    some = next(iter(problems.values()))
    for name, tracker in trackers.items():
        outcomes[name, MOTION] = _outcome(config, tracker, [without_embeddings(p) for p in some], f"{name}, {MOTION}")
    for network, given in problems.items():
        for name, tracker in trackers.items():
            if tracker.appearance:
                outcomes[name, network] = _outcome(config, tracker, given, f"{name}, {network}")
    _print_figures(outcomes)
    first = config.trackers[0]
    pairs = [((first, network), (first, MOTION)) for network in problems]
    pairs += [((first, of), (name, of)) for name, of in outcomes if name != first and (first, of) in outcomes]
    apart = {pair: difference(outcomes[pair[0]], outcomes[pair[1]], config.seed) for pair in pairs}
    _print_differences(outcomes, apart)
    return {"figures": _figures_by_name(outcomes), "differences": _differences_by_name(apart)}


def compared_trackers(config: AppearanceTableConfig) -> dict[str, TrackerConfig]:
    """Return the trackers of the table by name."""
    trackers = {name: load_config(TrackerConfig, preset_file("tracker", name)) for name in config.trackers}
    if config.rescale:
        return {name: altered(tracker, {"split": {"rescale": True}}) for name, tracker in trackers.items()}
    return trackers


def difference(first: Outcome, second: Outcome, seed: int) -> dict[str, Estimate]:
    """Return first - second of every metric, the mean over sequences with its interval."""
    draws = np.stack([first.draws[name] - second.draws[name] for name in first.draws])
    return {
        metric: mean_over_sequences(draws[:, :, k], np.random.default_rng(seed)) for k, metric in enumerate(METRICS)
    }


def _outcome(
    config: AppearanceTableConfig, tracker: TrackerConfig, problems: Sequence[ScoredSequence], label: str
) -> Outcome:
    """Track and score all sequences with one tracker; return figures, switches and bootstrap draws."""
    outcome = Outcome({}, {}, {})
    for problem in progress(problems, label):
        comparison, name = tracked_comparison(tracker, problem), problem.given.name
        measures = measure(comparison)
        outcome.figures[name] = {
            "HOTA": mean_hota(measures),
            "DetA": float(measures["HOTA"]["DetA"].mean()),
            "AssA": float(measures["HOTA"]["AssA"].mean()),
            "MOTA": float(measures["CLEAR"]["MOTA"]),
            "IDF1": float(measures["Identity"]["IDF1"]),
        }
        outcome.switches[name] = int(measures["CLEAR"]["IDSW"])
        outcome.draws[name] = block_draws(comparison, config.block, config.resamples, config.seed)
    return outcome


def _print_figures(outcomes: Outcomes) -> None:
    names = list(next(iter(outcomes.values())).figures)
    rows = []
    for (tracker, network), outcome in outcomes.items():
        parts = [(outcome.figures[name], outcome.switches[name]) for name in names]
        each = [f"{100 * f['HOTA']:.1f}/{100 * f['IDF1']:.1f}/{switches}" for f, switches in parts]
        means = [f"{100 * np.mean([f[metric] for f, _ in parts]):.2f}" for metric in SHOWN]
        rows.append([tracker, network, *means, str(sum(outcome.switches.values())), *each])
    say(f"means over {len(names)} sequences, all identity switches; HOTA/IDF1/IDSW of each sequence")
    print_table(("tracker", "embeddings", *SHOWN, "IDSW", *names), rows, names=2)


def _print_differences(
    outcomes: Outcomes, apart: dict[tuple[tuple[str, str], tuple[str, str]], dict[str, Estimate]]
) -> None:
    rows = []
    for (first, second), estimates in apart.items():
        cells = [
            f"{100 * e.value:+.2f} [{100 * e.low:+.2f}, {100 * e.high:+.2f}]" for e in map(estimates.get, SHOWN) if e
        ]
        switches = sum(outcomes[first].switches.values()) - sum(outcomes[second].switches.values())
        rows.append([", ".join(first), ", ".join(second), *cells, f"{switches:+d}"])
    if rows:
        say("", "differences, with 95 % intervals over sequences and blocks of frames")
        print_table(("tracker, embeddings", "minus", *SHOWN, "IDSW"), rows, names=2)


def _figures_by_name(outcomes: Outcomes) -> dict[str, dict[str, Any]]:
    answer: dict[str, dict[str, Any]] = {}
    for (tracker, network), outcome in outcomes.items():
        answer.setdefault(tracker, {})[network] = {
            name: {**figures, "IDSW": outcome.switches[name]} for name, figures in outcome.figures.items()
        }
    return answer


def _differences_by_name(
    apart: dict[tuple[tuple[str, str], tuple[str, str]], dict[str, Estimate]],
) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        f"{', '.join(first)} minus {', '.join(second)}": {metric: asdict(e) for metric, e in estimates.items()}
        for (first, second), estimates in apart.items()
    }
