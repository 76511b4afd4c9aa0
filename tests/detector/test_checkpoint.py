"""Public checkpoints read without running them, weights carried over, and what is refused."""

import json
import pickle
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from smiletrack.detector.build import build_detector
from smiletrack.detector.checkpoint import import_public, load_detector_network, save_detector, to_public, transfer
from smiletrack.detector.letterbox import BYTETRACK_INPUT, YOLOX_INPUT
from smiletrack.detector.pickles import StandIn, module_state, read_checkpoint
from smiletrack.detector.settings import DetectorConfig
from smiletrack.engine.cli import run
from smiletrack.engine.import_weights import import_weights
from smiletrack.engine.settings.import_weights import ImportConfig
from smiletrack.errors import InputError
from smiletrack.weights import save_weights
from tests.detector.recorded import Record

Oracle = Callable[[str], Path]


def test_pickled_module_gives_the_recorded_tensors(oracle: Oracle) -> None:
    record = Record(oracle("networks"), "ckpt_prb_mini6")
    content = read_checkpoint(record.folder / "ckpt_prb_mini6.pt")
    assert list(content) == record.meta["keys"]
    module = content["ema"]
    assert isinstance(module, StandIn)
    assert module.name == "models.yolo.Model"
    assert module.state["names"] == ["person"]
    state = module_state(module)
    assert [[key, list(tensor.shape)] for key, tensor in state.items()] == record.meta["state_dict"]
    for key, expected in record.meta["state_crc32_fp16"].items():
        assert zlib.crc32(state[key].contiguous().numpy().tobytes()) == expected, key
    assert any(not torch.equal(a, state[key]) for key, a in module_state(content["model"]).items())


class Evil:
    """Would write a file when unpickled the usual way."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.target), "w")


def test_code_in_a_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    torch.save({"model": Evil(tmp_path / "ran")}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match=r"refused, the pickle names (_?io)\.open"):
        read_checkpoint(tmp_path / "evil.pt")
    with zipfile.ZipFile(tmp_path / "twice.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"cbuiltins\neval\n(S'1+1'\ntR.")
    with pytest.raises(InputError, match=r"names builtins\.eval"):
        read_checkpoint(tmp_path / "twice.pt")
    with zipfile.ZipFile(tmp_path / "deep.pt", "w") as archive:
        payload = pickle.dumps({}, 2)[:-1] + b"0ctorch.nn.modules.conv\nConv2d.__init__\n(tR."
        archive.writestr("archive/data.pkl", payload)
    assert isinstance(read_checkpoint(tmp_path / "deep.pt"), StandIn)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["missing", "text", "zip", "cut", "short storage", "out of bounds"])
def test_files_that_are_no_checkpoints(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file.pt"
    torch.save({"a": torch.arange(1000.0)}, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    if kind == "text":
        path.write_text("not a checkpoint")
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", "a")
    elif kind == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind in ("short storage", "out of bounds"):
        with zipfile.ZipFile(tmp_path / "whole.pt") as source, zipfile.ZipFile(path, "w") as archive:
            for name in source.namelist():
                content = source.read(name)
                if kind == "short storage" and name.endswith("data/0"):
                    content = content[:100]
                if kind == "out of bounds" and name.endswith("data.pkl"):
                    # the size (1000,) of the tensor becomes (1001,)
                    content = content.replace(b"M\xe8\x03\x85", b"M\xe9\x03\x85")
                archive.writestr(name, content)
    with pytest.raises(InputError) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bytetrack_checkpoint_becomes_a_weight_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = build_detector(DetectorConfig("yolox-nano"))
    torch.save({"start_epoch": 3, "model": to_public(net), "optimizer": {}}, tmp_path / "nano.pth.tar")
    found, config = import_public(tmp_path / "nano.pth.tar", "yolox-nano")
    assert config == DetectorConfig("yolox-nano", ("person",), 800, 1440, input=BYTETRACK_INPUT)
    save_detector(tmp_path / "nano.safetensors", found, config, "nano.pth.tar")
    again, same = load_detector_network(tmp_path / "nano.safetensors")
    assert same == config
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(again(images), net.eval()(images), rtol=0, atol=0)


def test_prb_anchors_come_from_the_checkpoint(tmp_path: Path) -> None:
    net = build_detector(DetectorConfig("yolov7-tiny", anchors=tuple(float(i) for i in range(1, 19))))
    torch.save({"ema": None, "model": to_public(net)}, tmp_path / "tiny.pt")
    found, config = import_public(tmp_path / "tiny.pt", "yolov7-tiny")
    torch.testing.assert_close(found.head.anchors, net.head.anchors)  # type: ignore[arg-type]
    assert config.class_names == ("person",)


def test_a_checkpoint_of_another_architecture_is_one_clear_line(oracle: Oracle, tmp_path: Path) -> None:
    mini = Record(oracle("networks"), "ckpt_prb_mini6").folder / "ckpt_prb_mini6.pt"
    with pytest.raises(InputError, match=r"not a checkpoint of prb-fpn6-2py \(it has no model\.180\.m\.0\.weight\)"):
        import_public(mini, "prb-fpn6-2py")
    torch.save({"model": to_public(build_detector(DetectorConfig("yolox-nano")))}, tmp_path / "nano.pt")
    with pytest.raises(InputError, match=r"nano\.pt as yolox-tiny: does not fit the network") as caught:
        import_public(tmp_path / "nano.pt", "yolox-tiny")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="'yolo9' is not known"):
        import_public(mini, "yolo9")


def test_fine_tuning_to_other_classes_keeps_what_fits() -> None:
    source = build_detector(DetectorConfig("prb-nano", ("a", "b", "c")))
    net = build_detector(DetectorConfig("prb-nano"))
    kept = net.head.lead[0].weight.detach().clone()
    found = transfer(net, source.state_dict())
    assert set(found.reshaped) == {
        *(f"head.lead.{i}.{leaf}" for i in range(3) for leaf in ("weight", "bias")),
        *(f"head.multiplied.{i}.implicit" for i in range(3)),
    }
    assert not found.missing
    assert not found.foreign
    assert torch.equal(net.backbone.stem.conv.weight, source.backbone.stem.conv.weight)  # type: ignore[union-attr]
    assert torch.equal(net.head.lead[0].weight, kept)
    assert "weights taken" in str(found)
    assert "head.lead.0.weight" in str(found)


@pytest.mark.parametrize("architecture", ["prb-nano", "yolox-nano"])
def test_classes_of_the_same_meaning_begin_where_they_were(architecture: str) -> None:
    """Another order, one class fewer and one new: the predictions of the shared classes and the boxes stay."""
    source = build_detector(DetectorConfig(architecture, ("car", "person", "dog"))).eval()
    net = build_detector(DetectorConfig(architecture, ("pedestrian", "bus", "car"))).eval()
    with torch.no_grad():
        for conv in net.head.lead if architecture == "prb-nano" else net.head.classes:
            conv.bias.fill_(-9)  # the start of a class that the source does not have
    found = transfer(net, source.state_dict(), (1, None, 0), 3)
    assert not found.reshaped and not found.missing and not found.foreign
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        ours, theirs = net(images), source(images)
    torch.testing.assert_close(ours[..., [0, 1, 2, 3, 4, 5, 7]], theirs[..., [0, 1, 2, 3, 4, 6, 5]])
    assert (ours[..., 6] - theirs[..., 7]).abs().max() > 1e-3


def test_weight_files_of_something_else(tmp_path: Path) -> None:
    save_weights(tmp_path / "slm.safetensors", nn.Linear(2, 2).state_dict(), {"network": "slm"})
    with pytest.raises(InputError, match="holds no detector"):
        load_detector_network(tmp_path / "slm.safetensors")
    about = {"detector": json.dumps({"architecture": "unknown-net"})}
    save_weights(tmp_path / "new.safetensors", nn.Linear(2, 2).state_dict(), about)
    with pytest.raises(InputError, match="not one of this version"):
        load_detector_network(tmp_path / "new.safetensors")


def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.pt").write_text("nothing")
    words = ["import-weights", str(tmp_path / "x.pt"), "--as", "yolox-x"]
    with pytest.raises(SystemExit) as stopped:
        run(words)
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.count("\n") == 1
    assert "not a PyTorch checkpoint" in said
    assert not list(tmp_path.glob("*.safetensors"))


def test_the_command_writes_a_whole_detector(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": to_public(build_detector(DetectorConfig("yolox-nano", ("a", "b"))))}, tmp_path / "n.pth.tar")
    path = import_weights(ImportConfig(str(tmp_path / "n.pth.tar"), "yolox-nano", class_names=("cat", "dog")))
    assert path == tmp_path / "n.safetensors"
    assert "2 classes (cat, dog), input 640 x 640" in capsys.readouterr().out
    assert load_detector_network(path)[1] == DetectorConfig("yolox-nano", ("cat", "dog"), 640, 640, input=YOLOX_INPUT)
    with pytest.raises(InputError, match="2 classes in the checkpoint, but 1 names came"):
        import_weights(ImportConfig(str(tmp_path / "n.pth.tar"), "yolox-nano", class_names=("cat",)))
