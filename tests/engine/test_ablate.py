"""The paper's tables, the curve over embedding quality and the table of networks, on the generated crowd."""

import json
from pathlib import Path

import numpy as np
import pytest

from smiletrack.config import CONFIG_ROOT, load_config, preset_file
from smiletrack.data.mot import DetectionTable
from smiletrack.engine.ablate import AblateConfig, ablate
from smiletrack.engine.make_world import MakeWorldConfig, make_world
from smiletrack.engine.studies.appearance_table import AppearanceTableConfig, compared_trackers
from smiletrack.engine.studies.paper_tables import TABLE_3, TABLE_5
from smiletrack.engine.studies.robustness import RobustnessConfig, detected_identities, embeddings_of_quality
from smiletrack.engine.studies.scored_sequences import (
    ScoredDataConfig,
    mean_hota,
    measure_tracker,
    read_scored_sequences,
    without_embeddings,
)
from smiletrack.errors import InputError
from smiletrack.tracking.config import TrackerConfig
from smiletrack.types import TrackTable
from tests.network_graphs import embedder_file

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


def test_the_appearance_table_is_the_mean_over_sequences_of_paired_differences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on = ScoredDataConfig(sequences=("CROWD-01", "CROWD-02"), split="val_half")
    names = ("smiletrack", "bytetrack", "botsort-reid")
    asked = AppearanceTableConfig(trackers=names, resamples=20)
    answer = ablate(AblateConfig(table="appearance", on=on, appearance=asked, json=str(tmp_path / "f.json")))
    assert json.loads((tmp_path / "f.json").read_text()) == answer
    problems = read_scored_sequences(on)
    hota: dict[tuple[str, str], list[float]] = {}
    for name in names:
        tracker = load_config(TrackerConfig, preset_file("tracker", name))
        for label, given in (("given", problems), ("motion only", [without_embeddings(p) for p in problems])):
            measures = measure_tracker(tracker, given)
            hota[name, label] = [mean_hota(measures[p.given.name]) for p in problems]
            if label in answer["figures"][name]:
                figures = answer["figures"][name][label]
                assert [figures[p.given.name]["HOTA"] for p in problems] == hota[name, label]
                assert figures["CROWD-02"]["IDSW"] == measures["CROWD-02"]["CLEAR"]["IDSW"]
    assert set(answer["figures"]["bytetrack"]) == {"motion only"}, "bytetrack looks at no embeddings"
    differences = answer["differences"]
    assert len(differences) == 4
    others = [("bytetrack", "motion only"), ("botsort-reid", "motion only"), ("botsort-reid", "given")]
    pairs = [(("smiletrack", "given"), ("smiletrack", "motion only"))]
    for first, second in pairs + [(("smiletrack", embeddings), (name, embeddings)) for name, embeddings in others]:
        found = differences[f"{', '.join(first)} minus {', '.join(second)}"]["HOTA"]
        expected = np.mean(np.subtract(hota[first], hota[second]))
        assert found["value"] == pytest.approx(expected, abs=1e-12)
        assert found["low"] <= found["high"] and found["low"] < found["value"] + 0.02
    printed = capsys.readouterr().out
    mean = f"{100 * np.mean(hota['smiletrack', 'given']):.2f}"
    assert mean in printed and "CROWD-02" in printed


def test_all_trackers_of_the_appearance_table_can_have_scores_on_one_scale() -> None:
    names = ("botsort-reid", "smiletrack-paper")
    for rescale in (False, True):
        trackers = compared_trackers(AppearanceTableConfig(trackers=names, rescale=rescale))
        assert [tracker.split.rescale for tracker in trackers.values()] == [rescale, rescale]
        plain = load_config(TrackerConfig, preset_file("tracker", "botsort-reid"))
        assert trackers["botsort-reid"].first == plain.first


def a_world() -> None:
    words = ("val_sequences=0", "scene.width=128", "scene.height=96")
    make_world(load_config(MakeWorldConfig, CONFIG_ROOT / "world" / "tiny.yaml", words, output="world"))


def test_networks_are_run_once_and_named_in_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    a_world()
    networks = {"bands": str(embedder_file(tmp_path / "reid.onnx"))}
    source = ScoredDataConfig(data="world/train")
    config = AblateConfig(sources=(source,), networks=networks, cache="kept", table=5)
    figures = ablate(config)
    assert list(figures) == ["bands"] and list(figures["bands"]) == [row.name for row in TABLE_5]
    kept = list((tmp_path / "kept" / "bands").glob("*.npz"))
    assert len(kept) == 1
    written = kept[0].stat().st_mtime_ns
    assert ablate(config) == figures and kept[0].stat().st_mtime_ns == written


def test_tables_want_embeddings_and_names_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    a_world()
    source = ScoredDataConfig(data="world/train")
    with pytest.raises(InputError, match="no embeddings: name on"):
        ablate(AblateConfig(table="appearance", on=source))
    with pytest.raises(InputError, match="is in two of them"):
        ablate(AblateConfig(table="robustness", sources=(source, source)))
