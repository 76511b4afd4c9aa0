"""Open Model Zoo's networks as SLMs: the file's own answer, and what hidden places are taken for."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from smiletrack.boxes import hidden_cells
from smiletrack.data.image_files import read_image
from smiletrack.engine.import_weights import import_weights
from smiletrack.engine.inputs.person_crops import read_sightings
from smiletrack.engine.settings.import_weights import ImportConfig
from smiletrack.errors import InputError
from smiletrack.slm.embedder import load_embedder
from smiletrack.slm.open_model_zoo import open_model_zoo_slm
from smiletrack.slm.osnet import OSNetBackbone
from smiletrack.weights import load_weights
from tests.engine.slm_street import make_street
from tests.openvino_files import written

CHANNELS = (4, 16, 24, 32)


@pytest.fixture(scope="module")
def head() -> list[tuple[str, Tensor]]:
    torch.manual_seed(7)
    kinds = ("GroupConvolution", "Add", "MatMul", "Add", "Multiply", "Add", "PReLU")
    shapes = ((32, 1, 1, 16, 8), (1, 32, 1, 1), (6, 32), (1, 6), (1, 6, 1), (1, 6, 1), (1, 1))
    constants = [torch.randn(shape).half().float() for shape in shapes]
    return list(zip(kinds, constants, strict=True))


@pytest.fixture(scope="module")
def reid(head: list[tuple[str, Tensor]], tmp_path_factory: pytest.TempPathFactory) -> tuple[OSNetBackbone, Path]:
    torch.manual_seed(0)
    net = OSNetBackbone(CHANNELS, (2, 2, 2), linear_context=True).eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.2)
        parameter.data = parameter.data.half().float()
    return net, written(net, tmp_path_factory.mktemp("reid") / "reid.xml", head)


def test_the_slm_answers_as_the_files_layers(reid: tuple[OSNetBackbone, Path], head: list[tuple[str, Tensor]]) -> None:
    """The head typed from its layers; the PReLU, whose slope is next to 1 in the real files, is left out."""
    net, path = reid
    slm = open_model_zoo_slm(path)
    places, shift, weight, bias, scale, offset, _ = (constant for _, constant in head)
    objects = torch.rand(3, 3, 256, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        pooled = (net(objects) * places.view(32, 16, 8)).sum((2, 3)) + shift.flatten()
        expected = functional.linear(pooled, weight, bias.flatten()) * scale.flatten() + offset.flatten()
        found = slm(objects)
        assert torch.equal(slm(objects, torch.ones(1, 32, 16)), found)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3 * float(expected.abs().max()))


@pytest.mark.parametrize("number", ["0288", pytest.param("0277", marks=pytest.mark.slow)])
def test_the_real_files_answer_as_under_openvino(shared: Path, number: str) -> None:
    pytest.importorskip("openvino")
    path = shared / "data" / "weights" / "openvino" / f"person-reidentification-retail-{number}.xml"
    theirs, slm = load_embedder(path), open_model_zoo_slm(path)
    crops = np.random.default_rng(0).integers(0, 256, (4, 16, 8, 3), dtype=np.uint8).repeat(16, 1).repeat(16, 2)
    objects = torch.from_numpy(crops[..., ::-1].copy()).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        ours = functional.normalize(slm(objects), dim=1).numpy()
    assert (ours * theirs.embed_crops(crops)).sum(1).min() > 0.9999


def test_the_command_learns_what_hidden_places_show(
    reid: tuple[OSNetBackbone, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mean over the frames of the visible people's maps, place by place; a tracker's boxes then are the mask."""
    street, output = make_street(tmp_path / "TINY-01"), tmp_path / "seen.safetensors"
    config = ImportConfig(str(reid[1]), "slm", str(output), data=(f"{street}@all",), step=4)
    assert import_weights(config) == output and "hidden places are the average of" in capsys.readouterr().out
    embedder, slm = load_embedder(output), open_model_zoo_slm(reid[1])
    (sequence,), frames = read_sightings(config.data, "train_half", (), 4, ()), []
    for index, image in enumerate(sequence.images):
        boxes, frame = sequence.boxes[sequence.image_indices == index], read_image(image)
        crops, _ = embedder.preprocessing.cut(frame, boxes)
        with torch.no_grad():
            maps = slm.backbone(embedder.preprocessing.tensor(crops)).numpy()
        boxes = np.clip(boxes, 0, np.tile([frame.shape[1], frame.shape[0]], 2))
        v: NDArray[np.float64] = 1 - hidden_cells(boxes, boxes, 16, 8)[:, None]
        frames.append(((v * maps).sum(0) / v.sum(0)).reshape(32, -1).T)
    mean = load_weights(output)[0]["hidden.mean"][0].numpy()
    np.testing.assert_allclose(mean, np.mean(frames, 0), rtol=0.02, atol=0.02 * np.abs(mean).max())
    assert embedder.mask_grid == (32, 16) and np.isfinite(embedder.embed(frame, boxes)).all()


def test_what_is_no_such_network_or_has_no_data_is_one_line(
    reid: tuple[OSNetBackbone, Path], head: list[tuple[str, Tensor]], tmp_path: Path
) -> None:
    config = ImportConfig(str(reid[1]), "slm", str(tmp_path / "a.safetensors"), data=(str(tmp_path),))
    headless, other = written(reid[0], tmp_path / "headless.xml"), tmp_path / "other.xml"
    written(OSNetBackbone((2, 4, 6, 8), (1, 1, 1), linear_context=True), other, head)
    for path in (headless, other):
        with pytest.raises(InputError, match="not one of Open Model Zoo's person-reidentification-retail"):
            import_weights(dataclasses.replace(config, checkpoint=str(path)))
    with pytest.raises(InputError, match="data: name annotated people"):
        import_weights(dataclasses.replace(config, data=()))
    with pytest.raises(InputError, match=r"none\.xml: no such file"):
        import_weights(dataclasses.replace(config, checkpoint="none.xml"))
    with pytest.raises(InputError, match=r"reid\.onnx: an SLM is made of Open Model Zoo's \.xml"):
        import_weights(dataclasses.replace(config, checkpoint="reid.onnx"))
    with pytest.raises(ValueError, match="are of detectors, not of --as slm"):
        dataclasses.replace(config, height=64)
    with pytest.raises(ValueError, match="data is for --as slm, not for yolox-x"):
        dataclasses.replace(config, architecture="yolox-x")
    assert not list(tmp_path.glob("*.safetensors"))
