"""Training, evaluation, layout comparison and export of the SLM on a street of people in plain colours."""

import dataclasses
import json
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import smiletrack.engine.train_slm as train_module
from smiletrack.data.reid.batches import AugmentConfig
from smiletrack.data.reid.identities import write_identities
from smiletrack.engine.cli import run
from smiletrack.engine.eval_slm import eval_slm
from smiletrack.engine.export import export
from smiletrack.engine.inputs.person_crops import read_sightings, read_table
from smiletrack.engine.settings.eval_slm import EvalSLMConfig
from smiletrack.engine.settings.export import ExportConfig
from smiletrack.engine.settings.layouts import CompareLayoutsConfig
from smiletrack.engine.studies.layouts import _rows_behind_one, _rows_of_each, compare_layouts
from smiletrack.engine.train_slm import judge_slm, train_slm
from smiletrack.errors import InputError
from smiletrack.slm.checkpoint import load_slm_network, metadata
from smiletrack.slm.config import LossConfig
from smiletrack.slm.embedder import Embedder, load_embedder
from smiletrack.slm.heads import SideBySide
from smiletrack.slm.network import SLM
from smiletrack.slm.osnet import OSNetBackbone
from smiletrack.slm.teacher import Teacher, within_class_map
from smiletrack.training.config import FitConfig
from smiletrack.training.runtime import Runtime
from smiletrack.weights import load_weights, save_weights
from tests.engine.slm_street import NETWORK, NUM_FRAMES, NUM_PEOPLE, make_street, settings


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_street(tmp_path_factory.mktemp("street") / "TINY-01")


@pytest.fixture(scope="module")
def trained(street: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train_slm(settings(street, folder))
    return folder / "run"


def test_colours_are_learned_and_the_weights_say_what_they_are(trained: Path) -> None:
    history = json.loads((trained / "history.json").read_text())
    assert history[-1]["AUC_5"] > 0.98 and history[-1]["loss"] < history[0]["loss"]
    assert {"contrastive", "identity", "mAP_30", "rank1_5"} <= history[-1].keys()
    embedder = load_embedder(trained / "model.safetensors")
    assert (embedder.preprocessing.width, embedder.preprocessing.height, embedder.dimension) == (16, 32, 8)


def test_an_evaluation_embeds_every_crop_once(street: Path) -> None:
    table = read_table((f"{street}@all",), "val_half", 0.0, 2)
    with mock.patch.object(Embedder, "embed", autospec=True, side_effect=Embedder.embed) as asked:
        judge_slm(table, Runtime(), None, SLM(NETWORK).eval())
    assert sum(len(call.args[2]) for call in asked.call_args_list) == len(table) > 20


class Killed(Exception):
    pass


def test_the_same_seed_gives_the_same_weights_and_a_resumed_run_too(
    street: Path, trained: Path, tmp_path: Path
) -> None:
    config = settings(street, tmp_path)
    stopped = dataclasses.replace(config, fit=dataclasses.replace(config.fit, checkpoint_s=1e-9))
    calls = 0
    original = train_module._loss

    def killing(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 27:
            raise Killed
        return original(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "_loss", killing)
        with pytest.raises(Killed):
            train_slm(stopped)
    train_slm(dataclasses.replace(stopped, resume=True))
    assert calls == 27
    whole, resumed = (load_weights(folder / "model.safetensors")[0] for folder in (trained, tmp_path / "run"))
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_eval_scores_two_networks_on_the_same_crops(street: Path, trained: Path, tmp_path: Path) -> None:
    exported = export(ExportConfig(checkpoint=str(trained / "model.safetensors"), output=str(tmp_path / "slm.onnx")))
    summary = eval_slm(
        EvalSLMConfig(
            checkpoint=str(trained / "model.safetensors"),
            against=(str(exported),),
            data=(f"{street}@val_half",),
            gaps=(2, 4),
            step=1,
            output=str(tmp_path / "eval"),
            device="cpu",
        )
    )
    first, second = summary["networks"]
    assert summary["people"] == NUM_PEOPLE and first["gaps"]["4"]["AUC"] > 0.98
    for gap in ("2", "4"):
        assert first["gaps"][gap] == pytest.approx(second["gaps"][gap], abs=1e-3)
    assert first["visibility"]["0.8-1"]["pairs"] == first["gaps"]["2"]["pairs"] > 0
    assert first["cover"]["2"]["all"]["AUC"]["value"] > 0.98 and first["cover"]["2"]["all"].keys() >= {"found", "mAP"}
    assert first["sequences"]["TINY-01"]["2"]["all"]["AUC"] == first["cover"]["2"]["all"]["AUC"]["value"]
    assert not first["first_is_ahead_by"]
    assert abs(second["first_is_ahead_by"]["2"]["all"]["AUC"]["value"]) < 1e-3
    assert first["crops_per_s"] > 0 and first["fingerprint"] != second["fingerprint"]
    assert cv2.imread(str(tmp_path / "eval" / "hardest_pairs.png")) is not None


def test_an_export_that_differs_takes_no_files_place(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slm.onnx").write_text("a good one")
    monkeypatch.setattr("smiletrack.engine.export.TOLERANCE", 0.0)
    with pytest.raises(InputError, match=r"slm\.onnx: ONNX Runtime differs .* was not written"):
        export(ExportConfig(checkpoint=str(trained / "model.safetensors"), output=str(tmp_path / "slm.onnx")))
    assert [file.name for file in tmp_path.iterdir()] == ["slm.onnx"]
    assert (tmp_path / "slm.onnx").read_text() == "a good one"


def test_eval_takes_detections_and_tables(street: Path, trained: Path, tmp_path: Path) -> None:
    truth = np.loadtxt(street / "gt" / "gt.txt", delimiter=",")
    (street / "det").mkdir(exist_ok=True)
    seen = [f"{int(r[0])},-1,{r[2] + 1},{r[3]},{r[4]},{r[5]},0.9" for r in truth if r[1] < NUM_PEOPLE]
    (street / "det" / "seen.txt").write_text("\n".join([*seen, "3,-1,1,1,9,9,0.5"]) + "\n")
    config = EvalSLMConfig(
        checkpoint=str(trained / "model.safetensors"),
        data=(str(street) + "@all",),
        detections=("seen",),
        gaps=(1,),
        step=1,
        resamples=0,
        output=str(tmp_path / "eval"),
        device="cpu",
    )
    summary = eval_slm(config)
    assert summary["people"] == NUM_PEOPLE - 1 and summary["boxes"] == (NUM_PEOPLE - 1) * NUM_FRAMES + 1
    assert summary["crops"] == summary["boxes"] - 1
    table = read_table((f"{street}@all",), "all")
    write_identities(tmp_path / "people.csv", table)
    of_table = eval_slm(dataclasses.replace(config, data=(str(tmp_path / "people.csv"),)))
    of_folder = eval_slm(dataclasses.replace(config, detections=()))
    assert of_table["networks"][0]["cover"] == of_folder["networks"][0]["cover"]
    assert of_table["networks"][0]["gaps"] == of_folder["networks"][0]["gaps"]


def test_layouts_are_compared_with_one_budget(street: Path, tmp_path: Path) -> None:
    training = settings(street, tmp_path, fit=FitConfig(epochs=1), batches_per_epoch=2)
    figures = compare_layouts(CompareLayoutsConfig(("A", "E"), str(tmp_path / "layouts"), training))
    assert list(figures) == ["A", "E"] and figures["E"]["AUC_5"] > 0.5
    assert json.loads((tmp_path / "layouts" / "layouts.json").read_text()).keys() == {"A", "E"}
    for layout, patches in (("A", 1), ("E", 5)):
        network, _ = load_slm_network(tmp_path / "layouts" / layout / "model.safetensors")
        assert isinstance(network, SLM) and len(network.boxes) == patches


def test_layouts_are_judged_by_cover_over_seeds(street: Path, tmp_path: Path) -> None:
    training = settings(street, tmp_path, fit=FitConfig(epochs=1), batches_per_epoch=2)
    config = CompareLayoutsConfig(("A", "E"), str(tmp_path / "layouts"), training, (1, 2), (f"{street}@all",))
    figures = compare_layouts(dataclasses.replace(config, gap=5, step=2, resamples=3))
    histories = [json.loads((tmp_path / f"layouts/A-seed{seed}/history.json").read_text())[-1] for seed in (1, 2)]
    assert figures["A"]["AUC_5"] == pytest.approx(np.mean([last["AUC_5"] for last in histories]))
    assert histories[0]["loss"] != histories[1]["loss"]
    one = EvalSLMConfig(
        checkpoint=str(tmp_path / "layouts/A-seed1/model.safetensors"), data=(f"{street}@all",), gaps=(5,), step=2,
        against=(str(tmp_path / "layouts/A-seed2/model.safetensors"),), resamples=3, output=str(tmp_path / "eval"),
    )  # fmt: skip
    both = [network["cover"]["5"]["all"]["AUC"]["value"] for network in eval_slm(one)["networks"]]
    assert figures["A"]["cover"]["5"]["all"]["AUC"]["value"] == pytest.approx(np.mean(both), abs=1e-6)
    ahead, values = (
        figures["A"]["E_is_ahead_by"]["5"]["all"]["mAP"],
        [figures[x]["cover"]["5"]["all"]["mAP"] for x in "EA"],
    )
    assert (
        ahead["value"] == pytest.approx(values[0]["value"] - values[1]["value"]) and "E_is_ahead_by" not in figures["E"]
    )


def test_layouts_behind_one_frozen_backbone_are_judged_as_each_alone(street: Path, tmp_path: Path) -> None:
    network, start = dataclasses.replace(NETWORK, patches_of="features", mask="soft"), tmp_path / "start.safetensors"
    save_weights(start, SLM(network).state_dict(), metadata(network))
    training = settings(
        street, tmp_path, network=network, fit=FitConfig(epochs=1), batches_per_epoch=2, versions=2, weights=str(start)
    )
    config = CompareLayoutsConfig(("E",), str(tmp_path / "layouts"), training, (1, 2), (f"{street}@all",))
    compare_layouts(dataclasses.replace(config, gap=5, step=2, resamples=0))
    assert len(list(tmp_path.rglob("behind-*.npz"))) == 1  # both seeds learn behind the same maps
    files = [tmp_path / f"layouts/E-seed{seed}/model.safetensors" for seed in (1, 2)]
    sequences = read_sightings((f"{street}@all",), "val_half", (), 2, (5,))
    together, apart = _rows_behind_one(files, sequences), _rows_of_each(files, sequences)
    assert np.abs(apart[0][0] - apart[1][0]).max() > 1e-3
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one[0], other[0], atol=1e-5)
    with pytest.raises(ValueError, match="do not share one backbone"):
        SideBySide([SLM(network), SLM(network)])


def test_training_goes_on_from_weights_of_the_same_network_only(street: Path, trained: Path, tmp_path: Path) -> None:
    short = FitConfig(epochs=1, learning_rate=1e-9, warmup_epochs=0, ema_decay=0)
    weights = str(trained / "model.safetensors")
    config = settings(street, tmp_path, weights=weights, fit=short, batches_per_epoch=1)
    anew = dataclasses.replace(config, weights="", output=str(tmp_path / "anew"))
    # nothing can be learned in this step
    assert train_slm(config).history[-1]["loss"] < 0.75 * train_slm(anew).history[-1]["loss"]
    other = dataclasses.replace(NETWORK, embedding=5)
    with pytest.raises(InputError, match="does not fit the network"):
        train_slm(dataclasses.replace(config, network=other))


def test_too_few_identities_and_absent_data_are_one_line(street: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs 9 identities with two crops or more, there are 5; lower identities"):
        train_slm(settings(street, tmp_path, identities_per_batch=9))
    with pytest.raises(InputError, match="no such folder"):
        train_slm(settings(street, tmp_path, train=(str(tmp_path / "none"),)))
    with pytest.raises(InputError, match="no box of a person"):
        read_table((str(street),), "train_half", min_visibility=1.1)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("export slm", "checkpoint: name the weights"),
        ("export tracker", "'tracker' cannot be exported"),
        ("eval-slm --checkpoint none.pt", "checkpoint: none.pt: no such file or folder"),
        ("train-slm --train x", "train and val must both name data"),
    ],
)
def test_commands_tell_mistakes_in_one_line(words: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(words.split())
    message = capsys.readouterr().err
    assert ended.value.code == 2 and reason in message and message.count("\n") == 1


def test_a_teacher_alone_is_enough(street: Path, trained: Path, tmp_path: Path) -> None:
    teacher = str(trained / "model.safetensors")
    alone = LossConfig(identity=0, contrastive=0, teacher=1)
    disguised = AugmentConfig(disguise=0.3)
    config = settings(street, tmp_path, teacher=(teacher,), loss=alone, augment=disguised, seed=5)
    history = train_slm(config).history
    assert history[-1]["teacher"] < 0.7 * history[0]["teacher"] and history[-1]["AUC_5"] > 0.9
    (tmp_path / "untouched").mkdir()
    untouched = dataclasses.replace(config, cache=str(tmp_path / "untouched"))
    with pytest.raises(InputError, match="no such SLM file"):  # said before minutes of cutting crops
        train_slm(dataclasses.replace(untouched, teacher=("nobody.onnx",)))
    assert not list((tmp_path / "untouched").iterdir())
    with pytest.raises(InputError, match="name one with --teacher"):
        train_slm(dataclasses.replace(config, teacher=()))
    with pytest.raises(ValueError, match="people that nobody is"):
        dataclasses.replace(config, loss=LossConfig())


def test_a_teacher_answers_in_unit_rows_through_its_map(trained: Path) -> None:
    file = trained / "model.safetensors"
    crops = np.random.default_rng(0).integers(0, 256, (2, 6, 64, 32, 3), dtype=np.uint8)
    embedder = load_embedder(file)
    teacher = Teacher([embedder], [(batch, np.array([0, 0, 1, 1, 2, 2])) for batch in crops], 5)
    size = (embedder.preprocessing.width, embedder.preprocessing.height)
    rows = np.stack([embedder.embed_crops(cv2.resize(crop, size)[None])[0] for crop in crops[1]])
    mapped = [[sum(row[t] * float(teacher.map[t, d]) for t in range(len(row))) for d in range(5)] for row in rows]
    expected = [np.array(row) / np.sqrt(sum(number**2 for number in row)) for row in mapped]
    np.testing.assert_allclose(teacher(torch.from_numpy(crops[1])).numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(teacher.answers[6:].numpy(), expected, atol=1e-5)


def test_what_varies_within_a_person_loses_weight() -> None:
    """A world with a known answer: one axis tells five people apart, another is noise as strong, the rest is small."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 5
    T = 0.01 * rng.standard_normal((400, 6))
    T[:, 0] += 1.0  # what everybody shares stays
    T[:, 1] += np.linspace(-1, 1, 5)[labels]
    T[:, 2] += rng.standard_normal(400)
    map_ = within_class_map(T, labels, 3)

    def parted(rows: NDArray[np.float64]) -> float:
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cosines, same = unit @ unit.T, labels[:, None] == labels
        return float(np.mean(cosines[same][:, None] > cosines[~same][None, ::97]))

    assert map_.shape == (6, 3)
    assert parted(T) < 0.8 < 0.88 < parted(T @ map_)
    covariance = np.cov((T - np.stack([T[labels == label].mean(0) for label in range(5)])[labels]).T, bias=True)
    shrunk = covariance + np.trace(covariance) / 6 * np.eye(6)
    full = within_class_map(T, labels, 8)  # longer than the embedding: zeros
    np.testing.assert_allclose(full[:, :6] @ full[:, :6].T, np.linalg.inv(shrunk), atol=1e-8)
    assert not full[:, 6:].any()


def test_a_backbone_starts_from_public_weights(street: Path, tmp_path: Path) -> None:
    network = dataclasses.replace(
        NETWORK, backbone="osnet", patches_of="features", channels=(4, 8, 8, 8), depths=(1, 1, 1)
    )
    source = OSNetBackbone(network.channels, network.depths)
    torch.save(source.state_dict(), tmp_path / "osnet.pth")
    still = FitConfig(epochs=1, learning_rate=0.1, slow_part="slm.backbone", slow_factor=0.0, ema_decay=0)
    config = settings(
        street, tmp_path, network=network, backbone=str(tmp_path / "osnet.pth"), fit=still, batches_per_epoch=2
    )
    trained = train_slm(config).network
    for name, weight in source.state_dict().items():
        assert torch.equal(trained.get_parameter(f"backbone.{name}"), weight), name
    (tmp_path / "untouched").mkdir()
    with pytest.raises(InputError, match="no such checkpoint"):  # said before minutes of cutting crops
        train_slm(dataclasses.replace(config, backbone=str(tmp_path / "none.pth"), cache=str(tmp_path / "untouched")))
    assert not list((tmp_path / "untouched").iterdir())
    with pytest.raises(ValueError, match="set network"):
        dataclasses.replace(config, network=NETWORK)
