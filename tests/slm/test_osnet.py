"""OSNet's convolutions against the public file as ONNX Runtime runs it, and the ways into the backbone."""

import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from smiletrack.errors import InputError
from smiletrack.images import IMAGENET_MEAN, IMAGENET_STD
from smiletrack.network_files import openvino_core
from smiletrack.slm.checkpoint import export_slm_onnx
from smiletrack.slm.config import SLMConfig
from smiletrack.slm.network import SLM
from smiletrack.slm.openvino_constants import read_constants
from smiletrack.slm.osnet import LinearContext, OSNetBackbone
from smiletrack.slm.osnet_weights import load_osnet
from smiletrack.slm.preprocessing import Preprocessing
from tests.openvino_files import written

X0_25, DEPTHS = (16, 64, 96, 128), (2, 2, 2)
TINY, SHALLOW = (4, 8, 12, 16), (1, 1, 1)
IMAGES = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))


def backbone(seed: int, channels: tuple[int, ...] = TINY, depths: tuple[int, ...] = SHALLOW) -> OSNetBackbone:
    torch.manual_seed(seed)
    return OSNetBackbone(channels, depths).eval()


def test_the_public_file_gives_what_onnx_runtime_gives(shared: Path) -> None:
    path = shared / "data" / "weights" / "osnet_x0_25_msmt17.onnx"
    net = backbone(0, X0_25, DEPTHS)
    load_osnet(net, path)
    graph = onnx.load(path).graph
    tensors = {tensor.name: torch.tensor(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    parts = {node.op_type: [tensors[name] for name in node.input[1:]] for node in graph.node if node.name[:4] == "/fc/"}
    image = torch.rand(1, 3, 256, 128, generator=torch.Generator().manual_seed(1))
    weight, bias = parts["Gemm"]
    scale, shift, mean, variance = parts["BatchNormalization"]
    with torch.no_grad():
        z = functional.linear(net(image).mean((2, 3)), weight, bias)
        ours = functional.relu(functional.batch_norm(z, mean, variance, scale, shift))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    fed = (image - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)
    (theirs,) = session.run(None, {session.get_inputs()[0].name: fed.numpy()})
    assert np.abs(theirs).max() > 1
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)


def exported(net: nn.Module, path: Path) -> Path:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (IMAGES,), buffer, opset_version=17, dynamo=False)  # type: ignore[arg-type]
    path.write_bytes(buffer.getvalue())
    return path


def test_an_onnx_file_fills_the_backbone_in_the_order_its_convolutions_run(tmp_path: Path) -> None:
    source, target = backbone(1), backbone(2)
    load_osnet(target, exported(source, tmp_path / "osnet.onnx"))
    with torch.no_grad():
        assert torch.equal(source(IMAGES), target(IMAGES))


def authors_state(net: OSNetBackbone) -> dict[str, Tensor]:
    """Random weights with the names of the authors' checkpoints: a batch norm behind every convolution with a bias."""
    generator = torch.Generator().manual_seed(5)
    state = {"classifier.weight": torch.rand(3, 2), "fc.1.running_var": torch.rand(2), "fc.1.weight": torch.rand(2)}
    for name, module in net.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        state[f"{name}.weight"] = torch.randn(module.weight.shape, generator=generator)
        if "gate" in name:
            assert module.bias is not None
            state[f"{name}.bias"] = torch.randn(module.bias.shape, generator=generator)
        elif module.bias is not None:
            norm = name.rpartition(".")[0] + ".bn"
            for part in ("weight", "bias", "running_mean", "running_var"):
                state[f"{norm}.{part}"] = torch.rand(len(module.weight), generator=generator) + 0.5
            state[f"{norm}.num_batches_tracked"] = torch.tensor(7)
    return state


@pytest.mark.parametrize(
    ("conv", "norm"),
    [("conv1.conv", "conv1.bn"), ("conv3.0.conv2c.1.conv2", "conv3.0.conv2c.1.bn"), ("conv2.1.0.conv", "conv2.1.0.bn")],
)
def test_batch_norms_of_a_checkpoint_are_folded(tmp_path: Path, conv: str, norm: str) -> None:
    net = backbone(3)
    state = authors_state(net)
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "osnet.pth")
    load_osnet(net, tmp_path / "osnet.pth")
    module = net.get_submodule(conv)
    assert isinstance(module, nn.Conv2d)
    x = torch.rand(2, module.in_channels * (module.groups == 1) or module.groups, 9, 7)
    plain = functional.conv2d(x, state[f"{conv}.weight"], None, module.stride, module.padding, 1, module.groups)
    mean, variance, weight, bias = (
        state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    with torch.no_grad():
        expected = functional.batch_norm(plain, mean, variance, weight, bias)
        np.testing.assert_allclose(module(x).numpy(), expected.numpy(), atol=1e-4)


def test_every_size_is_a_sixteenth_rounded_up() -> None:
    with torch.no_grad():
        for height, width in ((224, 80), (112, 40), (17, 16)):
            assert backbone(0)(torch.rand(1, 3, height, width)).shape == (1, 16, -(-height // 16), -(-width // 16))


def test_what_is_no_osnet_is_one_line(tmp_path: Path) -> None:
    junk, other = tmp_path / "junk.onnx", tmp_path / "other.pth"
    junk.write_bytes(b"no network")
    torch.save({"epoch": 3}, other)
    halves = {key: value for key, value in authors_state(backbone(0)).items() if not key.endswith("bn.bias")}
    torch.save(halves, tmp_path / "halves.pth")
    for path, reason in (
        (tmp_path / "none.onnx", "no such ONNX file"),
        (tmp_path / "none.pth", "no such checkpoint"),
        (junk, "not an ONNX network"),
        (other, "expected a state_dict"),
        (tmp_path / "halves.pth", "is no batch norm of its"),
        (exported(backbone(0, TINY, (2, 1, 1)), tmp_path / "deeper.onnx"), "not an OSNet of this depth"),
        (exported(backbone(0, (4, 8, 12, 20)), tmp_path / "wider.onnx"), "of another shape"),
    ):
        with pytest.raises(InputError, match=reason) as told:
            load_osnet(backbone(0), path)
        assert str(path) in str(told.value) and "\n" not in str(told.value)


def linear_context(seed: int, channels: tuple[int, ...] = TINY, depths: tuple[int, ...] = SHALLOW) -> OSNetBackbone:
    torch.manual_seed(seed)
    net = OSNetBackbone(channels, depths, linear_context=True).eval()
    for parameter in net.parameters():  # norms, too, are anything but neutral
        nn.init.normal_(parameter, std=0.3)
    return net


@pytest.mark.parametrize(
    ("number", "channels"), [("0288", X0_25), pytest.param("0277", (64, 256, 384, 512), marks=pytest.mark.slow)]
)
def test_open_model_zoos_file_gives_what_openvino_gives(shared: Path, number: str, channels: tuple[int, ...]) -> None:
    """The file's own head, typed from its layers, on the backbone's features."""
    pytest.importorskip("openvino")
    path = shared / "data" / "weights" / "openvino" / f"person-reidentification-retail-{number}.xml"
    net = OSNetBackbone(channels, DEPTHS, linear_context=True).eval()
    load_osnet(net, path)
    tail = [torch.tensor(values.astype(np.float32)) for _, values in read_constants(path)[-7:]]
    places, shift, weight, bias, scale, offset, slope = tail
    images = torch.rand(2, 3, 256, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        pooled = (net(images) * places.view(1, channels[-1], 16, 8)).sum((2, 3)) + shift.flatten()
        z = functional.linear(pooled, weight, bias.flatten()) * scale.flatten() + offset.flatten()
        ours = functional.prelu(z, slope.flatten())
    core = openvino_core()
    model = core.read_model(path)
    model.reshape([2, 3, 256, 128])
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    theirs = compiled(255 * images.flip(1).numpy())[0].reshape(2, -1)
    assert np.abs(theirs).max() > 1
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-2)  # half-precision means of pixels


def test_an_openvino_file_fills_the_backbone_in_the_order_its_layers_run(tmp_path: Path) -> None:
    source, target = linear_context(1), linear_context(2)
    expected = {name: tensor.half().float() for name, tensor in source.state_dict().items()}
    load_osnet(target, written(source, tmp_path / "reid.xml"))
    assert all(torch.equal(tensor, expected[name]) for name, tensor in target.state_dict().items())


def test_openvino_files_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    path = written(linear_context(1), tmp_path / "reid.xml")
    with pytest.raises(InputError, match="not an OSNet with linear context of this width; it has no conv1"):
        load_osnet(linear_context(2, (8, 8, 12, 16)), path)
    with pytest.raises(InputError, match="of this width; it has no conv2"):
        load_osnet(linear_context(2, depths=(2, 1, 1)), path)
    whole = path.with_suffix(".bin").read_bytes()
    path.with_suffix(".bin").write_bytes(whole[:1000])
    with pytest.raises(InputError, match="not a whole OpenVINO network"):
        load_osnet(linear_context(2), path)
    path.write_text(path.read_text()[:500])
    with pytest.raises(InputError, match="not a whole OpenVINO network"):
        load_osnet(linear_context(2), path)
    path.with_suffix(".bin").unlink()
    with pytest.raises(InputError, match=r"reid\.bin: no such file"):
        load_osnet(linear_context(2), path)


def test_linear_context_weighs_channels_by_their_normalised_means() -> None:
    context, x = LinearContext(24), torch.randn(3, 24, 5, 4)
    assert context.groups == 8 and LinearContext(32).groups == 16
    nn.init.normal_(context.weight)
    with torch.no_grad():
        y, weights, biases = context(x), context.weight.tolist(), context.bias.tolist()
    for n in range(3):
        means = [float(x[n, c].mean()) for c in range(24)]
        for c in range(24):
            group = means[c // 3 * 3 : c // 3 * 3 + 3]
            normal = (means[c] - np.mean(group)) / np.sqrt(np.var(group) + 1e-5)
            weight = 1 / (1 + np.exp(-(normal * weights[c] + biases[c])))
            torch.testing.assert_close(y[n, c], x[n, c] * weight, atol=1e-4, rtol=1e-4)


def test_an_exported_network_with_linear_context_takes_any_batch(tmp_path: Path) -> None:
    config = SLMConfig(
        width=16, height=32, patch_width=8, patch_height=16, patches_of="features", backbone="osnet-lct",
        channels=(16, 16, 16, 16), depths=(1, 1, 1), embedding=4,
    )  # fmt: skip
    network = SLM(config).eval()
    export_slm_onnx(network, Preprocessing(16, 32), tmp_path / "slm.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "slm.onnx"), providers=["CPUExecutionProvider"])
    for number in (1, 3):
        objects = torch.rand(number, 3, 32, 16)
        (rows,) = session.run(None, {"objects": objects.numpy()})
        with torch.inference_mode():
            np.testing.assert_allclose(rows, functional.normalize(network(objects), dim=1).numpy(), atol=1e-4)
