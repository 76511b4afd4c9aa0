"""Detectors by name. This is the door that training, tracking and export use.

config = DetectorConfig("prb-nano", class_names=("person",), height=384, width=640)
net = build_detector(config)                 # nn.Module
loss = build_loss(net)                       # loss(outputs, targets) -> LossTerms, see losses.py
outputs = net.train()(images)                # raw levels
loss(outputs, targets).total.backward()      # targets (M, 6): image, class, cx, cy, w, h in input pixels
predictions = net.eval()(images)             # (B, N, 5 + classes), pixels and probabilities
detections = postprocess(predictions, NMSConfig(), net.rule)   # postprocess.py
"""

import copy
from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from smiletrack.detector import prbnet, yolov7
from smiletrack.detector.losses import OTALoss, YOLOXLoss
from smiletrack.detector.prbnet import PRBNet
from smiletrack.detector.settings import DetectorConfig, OTALossConfig
from smiletrack.detector.yolox import YOLOX

Detector = PRBNet | YOLOX

ARCHITECTURES: dict[str, Callable[[int], Detector]] = {
    "prb-nano": prbnet.prb_nano,
    "prb-tiny": prbnet.prb_tiny,
    "prb-fpn6-2py": prbnet.prb_fpn6_2py,
    "prb-2py-e6e-auxpy1": partial(prbnet.prb_fpn6_2py, auxiliary="first"),
    "prb-fpn6-3py": prbnet.prb_fpn6_3py,
    "prb-fpn6-msp": prbnet.prb_fpn6_msp,
    "prb-fpn-csp": prbnet.prb_fpn_csp,
    "prb-fpn-msp": prbnet.prb_fpn_msp,
    "prb-fpn-elan": prbnet.prb_fpn_elan,
    "yolov7": yolov7.yolov7,
    "yolov7-tiny": yolov7.yolov7_tiny,
    "yolox-nano": partial(YOLOX, depth=0.33, width=0.25, depthwise=True),
    "yolox-tiny": partial(YOLOX, depth=0.33, width=0.375),
    "yolox-s": partial(YOLOX, depth=0.33, width=0.5),
    "yolox-m": partial(YOLOX, depth=0.67, width=0.75),
    "yolox-l": partial(YOLOX, depth=1.0, width=1.0),
    "yolox-x": partial(YOLOX, depth=1.33, width=1.25),
}
"""Name -> builder that takes the number of classes."""


def build_detector(config: DetectorConfig) -> Detector:
    """Return a new network with random weights (from torch's global generator).

    Raises ValueError where the number of anchors does not fit the network.
    """
    net = ARCHITECTURES[config.architecture](config.num_classes)
    if config.anchors:
        if not isinstance(net, PRBNet):
            raise ValueError(f"anchors: {config.architecture} has none")
        if len(config.anchors) != net.head.anchors.numel():
            raise ValueError(
                f"anchors must hold {net.head.anchors.numel()} numbers for {config.architecture}, "
                f"not {len(config.anchors)}"
            )
        net.head.anchors.copy_(torch.tensor(config.anchors).view_as(net.head.anchors))
    return net


def build_loss(net: Detector, config: OTALossConfig | None = None) -> OTALoss | YOLOXLoss:
    """Return the loss that belongs to the network, on its device; `config` is for PRB networks."""
    if isinstance(net, PRBNet):
        return OTALoss(net.head, config).to(net.head.anchors.device)
    return YOLOXLoss(net.num_classes)


def gflops(net: nn.Module, height: int, width: int) -> float:
    """Return billions of floating point operations for one image, 2 a multiply-add, convolutions only.

    In train mode the auxiliary head counts too.
    """
    meta = copy.deepcopy(net).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        meta(torch.empty(1, 3, height, width, device="meta"))
    return float(counter.get_total_flops()) / 1e9


def num_parameters(net: nn.Module) -> int:
    """Return how many numbers training changes."""
    return sum(p.numel() for p in net.parameters())
