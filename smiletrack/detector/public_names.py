"""Names of weights in the public checkpoints (PRB-Net, YOLOv7, YOLOX, ByteTrack) beside this project's names.

`public_names(net)` is the whole mapping. YOLOX names its modules. PRB-Net and YOLOv7 number their layers in the
order of the network's table, those without weights included: `numbering` gives, for each number, the path of the
module here (None: no weights).
"""

from collections.abc import Iterator

from torch import nn

from smiletrack.detector import backbones, blocks, fusion, yolov7, yolox
from smiletrack.detector.anchor_head import AnchorHead
from smiletrack.detector.necks import BiFusionNeck, ChainedNeck, TopDownNeck
from smiletrack.detector.prbnet import PRBNet

Path = str | None

PRB_BLOCKS: dict[type[nn.Module], dict[str, str]] = {
    blocks.Bottleneck: {"reduce": "cv1", "expand": "cv2"},
    blocks.CSPB: {"stem": "cv1", "bypass": "cv2", "merge": "cv3", "bottlenecks": "m"},
    blocks.CSPC: {"stem": "cv1", "bypass": "cv2", "tail": "cv3", "merge": "cv4", "bottlenecks": "m"},
    blocks.MSPA: {
        "stem": "cv1",
        "first": "cb1.0",
        "narrow": "cv2",
        "second": "cb2.0",
        "join": "cv3",
        "mix": "m1.0",
    },
    blocks.SPPCSPC: {
        "before.0": "cv1",
        "before.1": "cv3",
        "before.2": "cv4",
        "after.0": "cv5",
        "after.1": "cv6",
        "bypass": "cv2",
        "merge": "cv7",
    },
    blocks.DownC: {"reduce": "cv1", "stride": "cv2", "pool": "cv3"},
    blocks.RepConv: {
        "identity": "rbr_identity",
        "dense.conv": "rbr_dense.0",
        "dense.bn": "rbr_dense.1",
        "pointwise.conv": "rbr_1x1.0",
        "pointwise.bn": "rbr_1x1.1",
    },
    fusion.RBBlock: {"current": "cv1", "shallow": "cv2", "merge": "out_cv"},
    fusion.BFM: {"finer": "cv1", "coarser": "cv2", "merge": "out_cv"},
    AnchorHead: {"lead": "m", "auxiliary": "m2", "added": "ia", "multiplied": "im"},
}
YOLOX_BLOCKS: dict[type[nn.Module], dict[str, str]] = {
    blocks.Bottleneck: {"reduce": "conv1", "expand": "conv2"},
    blocks.CSPLayer: {"stem": "conv1", "bypass": "conv2", "merge": "conv3", "bottlenecks": "m"},
    blocks.SpatialPyramidPooling: {"reduce": "conv1", "merge": "conv2"},
    blocks.DepthwiseConv: {"space": "dconv", "channel": "pconv"},
    yolox.YOLOX: {"backbone": "backbone.backbone", "neck": "backbone"},
    yolox.CSPDarknet: {"stem": "stem.conv", **{f"stages.{i}": f"dark{i + 2}" for i in range(4)}},
    yolox.PathAggregation: {
        "lateral5": "lateral_conv0", "down4": "C3_p4", "lateral4": "reduce_conv1", "down3": "C3_p3",
        "stride3": "bu_conv2", "up4": "C3_n3", "stride4": "bu_conv1", "up5": "C3_n4",
    },
    yolox.DecoupledHead: {
        "class_convs": "cls_convs", "box_convs": "reg_convs",
        "classes": "cls_preds", "boxes": "reg_preds", "objectness": "obj_preds",
    },
}  # fmt: skip
"""Inside a block: this project's name -> the public one."""


def public_names(net: nn.Module) -> dict[str, str]:
    """Return {key of `net.state_dict()`: public key}; PRB-Net's anchors are left out, for they are stored otherwise."""
    keys = [key for key in net.state_dict() if key != "head.anchors"]
    if isinstance(net, yolox.YOLOX):
        return {key: _translated(net, key, YOLOX_BLOCKS) for key in keys}
    assert isinstance(net, PRBNet)
    numbers = {path: f"model.{number}" for number, path in enumerate(numbering(net)) if path is not None}
    names = {}
    for key in keys:
        path = next((p for p in _prefixes(key) if p in numbers), None)
        if path is None:
            raise KeyError(f"{key} belongs to no numbered layer: this network has no public form")
        inside = _translated(net.get_submodule(path), key[len(path) + 1 :], PRB_BLOCKS)
        names[key] = f"{numbers[path]}.{inside}"
    return names


def _prefixes(key: str) -> Iterator[str]:
    """Yield the module paths that hold `key`, the longest first."""
    while "." in key:
        key = key.rpartition(".")[0]
        yield key


def _translated(module: nn.Module, key: str, table: dict[type[nn.Module], dict[str, str]]) -> str:
    """Translate a key below `module`, block by block."""
    for name, public in table.get(type(module), {}).items():
        if key.startswith(f"{name}."):
            return f"{public}.{_translated(module.get_submodule(name), key[len(name) + 1 :], table)}"
    name, _, rest = key.partition(".")
    return f"{name}.{_translated(module.get_submodule(name), rest, table)}" if rest else name


def numbering(net: PRBNet) -> list[Path]:
    """Return the path of every layer of the public table, in its order."""
    return [*_backbone(net.backbone), *_neck(net.neck), "head"]


def _elan(path: str, depth: int = 4) -> list[Path]:
    chain = [f"{path}.chain.{i}" for i in range(depth)]
    return [f"{path}.left", f"{path}.right", *chain, None, f"{path}.merge"]


def _pooled_down(path: str) -> list[Path]:
    """Return the layers of a DownC that the table spells out."""
    return [None, f"{path}.pool", f"{path}.reduce", f"{path}.stride", None]


def _backbone(backbone: nn.Module) -> list[Path]:
    """Return the public place of each part of a backbone, in the file's order; None = a layer without weights."""
    paths: list[Path] = []
    if isinstance(backbone, backbones.E6EBackbone):
        paths = [None, "backbone.stem"]
        for i in range(5):
            stage = f"backbone.stages.{i}"
            paths += [f"{stage}.down", *_elan(f"{stage}.groups.0", 6), *_elan(f"{stage}.groups.1", 6), None]
    elif isinstance(backbone, backbones.ELANBackbone):
        paths = [f"backbone.stem.{i}" for i in range(3)]
        paths += ["backbone.stages.0.0", *_elan("backbone.stages.0.1")]
        for i in range(1, 4):
            paths += [*_pooled_down(f"backbone.stages.{i}.0"), *_elan(f"backbone.stages.{i}.1")]
    elif isinstance(backbone, yolov7.TinyBackbone):
        paths = ["backbone.stem", "backbone.stages.0.0", *_elan("backbone.stages.0.1", 2)]
        for i in range(1, 4):
            paths += [None, *_elan(f"backbone.stages.{i}.elan", 2)]
    elif isinstance(backbone, backbones.DarknetBackbone):
        paths = [f"backbone.stem.{i}" for i in range(3)]
        for i in range(len(backbone.stages)):
            paths += [f"backbone.stages.{i}.0", f"backbone.stages.{i}.1"]
    return paths


def _neck(neck: nn.Module) -> list[Path]:
    """Return the public place of each part of a neck; see `_backbone`."""
    paths: list[Path] = []
    if isinstance(neck, BiFusionNeck):
        for p, pyramid in enumerate(neck.pyramids):
            paths += _pyramid(f"neck.pyramids.{p}", pyramid)
        paths += [path for i in range(len(neck.merges)) for path in _merge(f"neck.merges.{i}")]
        paths += [f"neck.refine.{i}" for i in range(len(neck.refine))]
        for i, module in enumerate(neck.aux):
            paths += _merge(f"neck.aux.{i}") if isinstance(module, fusion.ScaleMerge) else [f"neck.aux.{i}"]
    elif isinstance(neck, ChainedNeck):
        paths = [p for i, pyramid in enumerate(neck.pyramids) for p in _pyramid(f"neck.pyramids.{i}", pyramid)]
        paths += [None, None, *(f"neck.widen.{i}" for i in range(4)), *(f"neck.aux.{i}" for i in range(4))]
    elif isinstance(neck, TopDownNeck):
        paths = ["neck.contexts.1", "neck.contexts.0"]
        paths += [path for p in range(len(neck.pyramids)) for path in _top_down(f"neck.pyramids.{p}")]
        paths += [path for i in range(len(neck.merges)) for path in _merge(f"neck.merges.{i}")]
    elif isinstance(neck, yolov7.PANNeck):
        paths = _path_aggregation(neck)
    return paths


def _path_aggregation(neck: yolov7.PANNeck) -> list[Path]:
    """Return the public place of each part of YOLOv7's path aggregation; see `_backbone`."""
    tiny = isinstance(neck.context, yolov7.TinyContext)
    depth = 2 if tiny else 4
    paths: list[Path] = ["neck.context"]
    if tiny:
        inside = ("bypass", "reduce", None, None, None, None, "after", None, "merge")
        paths = [name and f"neck.context.{name}" for name in inside]
    for level in (4, 3):
        paths += [f"neck.lateral{level + 1}", None, f"neck.route{level}", None]
        paths += _elan(f"neck.top{level}", depth)
    for level in (3, 4):
        stride = f"neck.stride{level}"
        paths += [stride, None] if tiny else _pooled_down(stride)
        paths += _elan(f"neck.up{level + 1}", depth)
    return [*paths, *(f"neck.refine.{i}" for i in range(3))]


def _top_down(path: str) -> list[Path]:
    paths: list[Path] = []
    for i in range(2):
        step = f"{path}.down.{i}"
        paths += [f"{path}.laterals.{i}", None, f"{step}.fuse.shallow", f"{step}.fuse.current", None]
        paths += [f"{step}.fuse.merge", *(f"{step}.convs.{j}" for j in range(3))]
        paths += [] if i else [f"{step}.csp"]
    return paths


def _pyramid(path: str, pyramid: nn.Module) -> list[Path]:
    assert isinstance(pyramid, fusion.BiFusionPyramid)
    paths: list[Path] = [f"{path}.context"]
    for i in range(len(pyramid.down)):
        paths += [f"{path}.laterals.{i}", *_purified(f"{path}.down.{i}")]
    for i in range(len(pyramid.up)):
        paths += _purified(f"{path}.up.{i}")
    return paths


def _purified(path: str) -> list[Path]:
    return [f"{path}.fuse", f"{path}.bottleneck", f"{path}.csp"]


def _merge(path: str) -> list[Path]:
    return [None, f"{path}.csp", f"{path}.widen"]
