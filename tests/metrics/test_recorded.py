"""Three generated scenes against TrackEval's figures, recorded once by `tests/recorded/record.py`."""

import json
from pathlib import Path

import numpy as np

from smiletrack import TrackTable, evaluate
from smiletrack.engine.benchmarks.metrics import first_difference

RECORDED = Path(__file__).parents[1] / "recorded" / "metrics.npz"


def test_every_figure_is_the_recorded_one() -> None:
    with np.load(RECORDED) as stored:
        figures = json.loads(str(stored["figures"]))
        tables = {
            key: TrackTable(rows[:, 0].astype(int), rows[:, 1].astype(int), rows[:, 2:6], *rows[:, 6:].T)
            for key, rows in stored.items()
            if key != "figures"
        }
    names = sorted(key.split()[0] for key in tables if key.endswith("truth"))
    truth = {name: tables[f"{name} truth"] for name in names}
    ours = evaluate(truth, {name: tables[f"{name} results"] for name in names}, num_frames=40)
    assert first_difference(ours, figures) is None
    assert 0.2 < np.mean(figures["COMBINED"]["HOTA"]["HOTA"]) < 0.8 and figures["COMBINED"]["CLEAR"]["IDSW"] > 10
