"""The paper's tables and the curve over embedding quality, on the generated crowd."""

import json
from pathlib import Path

import numpy as np
import pytest

from smiletrack.data.mot import DetectionTable
from smiletrack.engine.ablate import TABLE_3, TABLE_5, AblateConfig, ablate
from smiletrack.engine.studies.robustness import RobustnessConfig, detected_identities, embeddings_of_quality
from smiletrack.engine.studies.scored_sequences import ScoredDataConfig
from smiletrack.types import TrackTable

ON = ScoredDataConfig(sequences=("CROWD-01",), split="val_half")


@pytest.mark.parametrize(("table", "rows"), [(3, TABLE_3), (5, TABLE_5)])
def test_tables_have_the_papers_rows_beside_ours(
    table: int, rows: tuple, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    figures = ablate(AblateConfig(table=table, on=ON, json=str(file)))  # type: ignore[arg-type]
    printed = capsys.readouterr().out
    assert list(figures) == [row.name for row in rows]
    assert all(word in printed for row in rows for word in (row.name, *row.paper))
    assert json.loads(file.read_text()) == figures
    assert all(0.3 < row["HOTA"] <= 1 for row in figures.values())
    assert len({row["HOTA"] for row in figures.values()}) > 1, "the switches change nothing"


def test_robustness_draws_the_curve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = RobustnessConfig(
        qualities=(1.0, 0.0), trackers=("smiletrack", "smiletrack-released"), plot=str(tmp_path / "c.png")
    )
    curves = ablate(AblateConfig(table="robustness", on=ON, robustness=asked, json=str(tmp_path / "c.json")))
    ours, released = curves["trackers"]["smiletrack"], curves["trackers"]["smiletrack-released"]
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "c.json").read_text())["motion"] == curves["motion"]
    assert "motion only" in capsys.readouterr().out
    assert abs(ours[1]["hota"] - curves["motion"]["hota"]) < 0.003, "noise must change nothing"
    assert ours[0]["hota"] > curves["motion"]["hota"] - 0.003
    assert released[1]["hota"] < 0.5 * ours[1]["hota"], "a fixed veto tears every track of noise"


@pytest.mark.parametrize("quality", [1.0, 0.64, 0.0])
def test_quality_is_the_mean_cosine_of_two_views(quality: float) -> None:
    rows = embeddings_of_quality(quality, np.repeat([5, 9], 300), 128, np.random.default_rng(0))
    cosine = rows @ rows.T
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)
    pairs = np.triu_indices(300, 1)
    assert abs(cosine[:300, :300][pairs].mean() - quality) < 0.02
    assert abs(cosine[:300, 300:].mean()) < 0.25 * max(quality, 0.05)


def test_a_detection_shows_whom_it_overlaps_most_or_nobody() -> None:
    truth = TrackTable(
        np.array([1, 1, 2]),
        np.array([7, 8, 9]),
        np.array([[0, 0, 10, 10], [4, 0, 14, 10], [0, 0, 10, 10.0]]),
        np.ones(3),
    )
    seen = DetectionTable(
        np.array([1, 1, 1, 2, 3]),
        np.array([[1, 0, 11, 10], [4, 0, 14, 10], [50, 0, 60, 10], [0, 0, 10, 10], [0, 0, 10, 10.0]]),
        np.ones(5),
        np.ones(5, int),
    )
    assert detected_identities(seen, truth).tolist() == [7, 8, -3, 9, -5]


def test_impossible_qualities_are_refused() -> None:
    with pytest.raises(ValueError, match=r"qualities.0 must be in \[0, 1\], not 1.5"):
        RobustnessConfig(qualities=(1.5,))
