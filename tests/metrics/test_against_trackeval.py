"""Every field against the official evaluator's: recorded cases, real results, accepted and rejected inputs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smiletrack.data.mot import read_results, read_sequence_info, read_truth
from smiletrack.engine.eval_mot import evaluate
from smiletrack.errors import InputError
from smiletrack.metrics.preprocess import compare
from smiletrack.metrics.table import Measures, cell, combine, measure

CASES = (
    "r01_tud_mot15", "r02_mot17", "s01_mot17_multi", "s03_mot15",
    "s05_empty", "s06_gaps", "s08_perfect", "s12_formats",
)  # fmt: skip
LIF_T = {
    "MOT17-02-FRCNN": (49.660, 47.414, 57.199, 26), "MOT17-04-FRCNN": (66.186, 67.540, 74.146, 29),
    "MOT17-05-FRCNN": (56.371, 60.185, 68.905, 30), "MOT17-09-FRCNN": (64.226, 71.549, 72.884, 10),
    "MOT17-10-FRCNN": (63.276, 73.214, 76.160, 73), "MOT17-11-FRCNN": (70.671, 73.124, 78.763, 18),
    "MOT17-13-FRCNN": (65.860, 77.049, 75.807, 73), "COMBINED": (63.205, 66.051, 72.124, 259),
}  # fmt: skip
"""HOTA, MOTA, IDF1, IDSW as the package trackeval 1.3.0 printed them."""


def assert_same(ours: dict[str, Measures], expected: dict[str, Any], table: dict[str, Any]) -> None:
    for sequence, families in expected.items():
        got = ours["COMBINED" if sequence == "COMBINED_SEQ" else sequence]
        for family, fields in families.items():
            for name, value in fields.items():
                # sums over all boxes are held to nine digits after the first, everything else after the point
                size = max(1.0, abs(value)) if name == "MOTP_sum" else 1.0
                gap = np.abs(np.asarray(got[family][name], float) - np.asarray(value, float)).max() / size
                assert gap <= 1e-9, f"{sequence} {family} {name}: {got[family][name]} is not {value}"
            for name, text in table[sequence][family].items():
                assert cell(name, got[family][name]) == text, f"{sequence} {name}"


@pytest.mark.parametrize("case", CASES)
def test_recorded_cases(oracle: Callable[[str], Path], case: str) -> None:
    folder = oracle("metrics") / case
    recorded = json.loads((folder / "expected.json").read_text())
    for run in recorded["runs"]:
        measures = {}
        for sequence in recorded["seqs"]:
            comparison = compare(
                read_truth(folder / "gt" / sequence / "gt" / "gt.txt", 8),
                read_results(folder / "pred" / f"{sequence}.txt", 7, whole=False),
                read_sequence_info(folder / "gt" / sequence).length,
                run["benchmark"],
                run["do_preproc"],
            )
            measures[sequence] = measure(comparison, run["threshold"])
        assert_same(measures | {"COMBINED": combine(measures)}, run["results"], run["table"])


def test_what_is_rejected_and_what_is_accepted(oracle: Callable[[str], Path]) -> None:
    folder = oracle("metrics") / "errors"
    cases = json.loads((folder / "expected.json").read_text())["cases"]
    for name, case in cases.items():
        truth, results = folder / "files" / name / "gt", folder / "files" / name / "pred"
        if case["accepted"]:
            assert_same(evaluate(truth, results), case["results"], case["table"])
        else:
            with pytest.raises(InputError) as error:
                evaluate(truth, results)
            named = any(where in str(error.value) for where in ("S.txt", "/S/", f"{name}/pred: no result files"))
            assert "\n" not in str(error.value) and named, name


def test_published_results_on_mot17(real_data: Path) -> None:
    scores = evaluate(real_data / "MOT17" / "train", real_data / "results" / "Lif_T")
    for sequence, (hota, mota, idf1, switches) in LIF_T.items():
        got = scores[sequence]
        percent = [np.mean(got["HOTA"]["HOTA"]), got["CLEAR"]["MOTA"], got["Identity"]["IDF1"]]
        np.testing.assert_allclose(np.multiply(percent, 100), [hota, mota, idf1], rtol=0, atol=6e-4)
        assert got["CLEAR"]["IDSW"] == switches
