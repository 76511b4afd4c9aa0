"""A joint network as one ONNX file: an image in, boxes, scores, classes and embeddings out."""

import json
import warnings
from dataclasses import asdict
from pathlib import Path

import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional

from smiletrack.boxes import PRESENCE, SPREAD
from smiletrack.console import say
from smiletrack.detector.checkpoint import KEY, load_detector_network
from smiletrack.detector.deploy import fuse
from smiletrack.detector.fixed_postprocess import postprocess_fixed
from smiletrack.detector.overlaps import to_corners
from smiletrack.detector.postprocess import Rule
from smiletrack.detector.pyramid import PyramidRecorder
from smiletrack.detector.settings import NMSConfig, PredictConfig
from smiletrack.engine.inputs.joint import load_joint
from smiletrack.errors import InputError
from smiletrack.files import atomic_path
from smiletrack.slm.network import SLM
from smiletrack.slm.regions import cut_regions

DETECTIONS = 100
"""Rows of the outputs; those behind the last detection have score 0."""
OUTPUTS = ["boxes", "scores", "classes", "embeddings"]
_TOLERANCE = 1e-3
"""Largest difference from the checkpoint, in entries of unit vectors and in shares of the input's width."""


class JointGraph(nn.Module):
    """(1, 3, H, W) as the detector takes it -> (K, 4) boxes in its pixels, (K,) scores, (K,) classes, (K, D) unit rows.

    Detections come first, by falling score; all numbers of the other rows are 0. Classes count from 1.
    """

    def __init__(self, net: nn.Module, slm: SLM, nms: NMSConfig, rule: Rule) -> None:
        super().__init__()
        self.net, self.slm, self.nms, self.rule = net, slm, nms, rule
        self.recorder = PyramidRecorder(net)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        found = postprocess_fixed(self.net(images), self.nms, self.rule)
        kept = found.kept[0][:, None].to(found.rows.dtype)
        rows = found.rows[0] * kept
        Z = self.embeddings(images, rows[:, :4])
        return rows[:, :4], rows[:, 4], rows[:, 5] + kept[:, 0], Z * kept

    def embeddings(self, images: Tensor, boxes: Tensor) -> Tensor:
        """Return (K, D) unit rows of (K, 4) boxes in the image that the network saw last."""
        grid, size = self.slm.mask_grid, (self.slm.config.height, self.slm.config.width)
        boxes = boxes.clamp_min(0).minimum(boxes.new_tensor([images.shape[3], images.shape[2]] * 2))
        objects = cut_regions(self.recorder.maps, boxes, images.shape[2], size)
        return functional.normalize(self.slm(objects, visible_cells(boxes, *grid) if grid else None), dim=1)


def visible_cells(boxes: Tensor, rows: int, columns: int) -> Tensor:
    """(N, 4) boxes -> (N, rows, columns), 1 - `boxes.hidden_cells` of them among themselves, on their device."""
    sides = (boxes[:, None, 2:] - boxes[:, None, :2]).clamp_min(1e-6)
    low, high = ((boxes[None, :, edges] - boxes[:, None, :2]) / sides for edges in (slice(2), slice(2, 4)))
    nearer = (boxes[None, :, 3] > boxes[:, None, 3]).to(boxes.dtype)
    across, down = _chances(low[..., 0], high[..., 0], columns), _shares(low[..., 1], high[..., 1], rows)
    hidden = down[..., :, None] * across[..., None, :] * nearer[..., None, None]
    return 1 - hidden.amax(1)


def _chances(low: Tensor, high: Tensor, cells: int) -> Tensor:
    """(N, N) left and right edges of boxes -> (N, N, cells) the chance that their person is in each covered share."""
    edges = torch.arange(cells + 1, device=low.device) / cells
    inside = torch.minimum(torch.maximum(edges, low[..., None]), high[..., None])
    middles = (inside[..., 1:] + inside[..., :-1] - (low + high)[..., None]) / 2
    u = middles / (high - low).clamp_min(1e-6)[..., None]
    return PRESENCE * torch.exp(-((u / SPREAD) ** 2)) * _shares(low, high, cells)


def _shares(low: Tensor, high: Tensor, cells: int) -> Tensor:
    """(N, N) intervals -> (N, N, cells) the covered share of each of `cells` equal parts of [0, 1]."""
    edges = torch.arange(cells + 1, device=low.device) / cells
    inside = torch.minimum(high[..., None], edges[1:]) - torch.maximum(low[..., None], edges[:-1])
    return inside.clamp_min(0) * cells


def export_joint(checkpoint: Path, output: Path, nms: NMSConfig | None = None) -> Path:
    """Write a joint file as ONNX; InputError where ONNX Runtime does not agree with the checkpoint.

    One image of the detector's size; suppression is inside, by `nms` or the usual thresholds, of people where the
    detector knows other classes too. The metadata hold the detector's configuration.
    """
    joint = load_joint(checkpoint, predict=PredictConfig(nms=nms or NMSConfig(max_detections=DETECTIONS)))
    net, config = load_detector_network(checkpoint)
    graph = JointGraph(fuse(net), joint.slm, joint.nms, net.rule).eval()
    image = torch.rand(1, 3, *config.size, generator=torch.Generator().manual_seed(0)) / config.input.scale / 255
    with atomic_path(output) as temporary, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (image,),
            str(temporary),
            input_names=["images"],
            output_names=OUTPUTS,
            opset_version=17,
            dynamo=False,
        )
        model = onnx.load(temporary)
        onnx.helper.set_model_props(model, {KEY: json.dumps(asdict(config))})
        onnx.save(model, temporary)
        session = onnxruntime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
        answer = [torch.from_numpy(array) for array in session.run(OUTPUTS, {"images": image.numpy()})]
        number, difference = _difference(graph, image, *answer)
        refuse_difference(output, difference, _TOLERANCE)
    say(f"{output}: largest difference from the checkpoint {difference:.1e}, in {number} detections on noise")
    return output


def refuse_difference(output: Path, difference: float, tolerance: float) -> None:
    """Raise InputError, before the file is in its place, where ONNX Runtime does not agree with the checkpoint."""
    if not difference < tolerance:
        raise InputError(
            f"{output}: ONNX Runtime differs from the checkpoint by {difference:.1e}; the file was not written"
        )


@torch.no_grad()
def _difference(
    graph: JointGraph, image: Tensor, boxes: Tensor, scores: Tensor, classes: Tensor, embeddings: Tensor
) -> tuple[int, float]:
    """Return how many detections there are, and how far they are from the checkpoint's.

    Their boxes and scores are looked for among all predictions, for where two are equally good, either may be kept.
    """
    predictions = graph.net(image)[0]
    there = torch.cat([to_corners(predictions[:, :4]) / image.shape[3], _scores(predictions, graph.rule)[:, None]], 1)
    here = torch.cat([boxes / image.shape[3], scores[:, None]], 1)[scores > 0]
    apart = (here[:, None] - there[None]).abs().amax(2).amin(1)
    turned = (embeddings - graph.embeddings(image, boxes) * (scores > 0)[:, None]).abs()
    return len(here), max(float(apart.max()) if len(here) else 0.0, float(turned.max()))


def _scores(predictions: Tensor, rule: Rule) -> Tensor:
    """(N, 5 + C) -> (N,) as `postprocess` has them."""
    if rule == "prb" and predictions.shape[1] == 6:
        return predictions[:, 4]
    return predictions[:, 4] * predictions[:, 5:].amax(1)
