"""What the numbers mean that detectors of other makers give: recognised by shape and range, decoded to one form.

| form | output | who exports it |
|---|---|---|
| yolox | (B, N, 5 + C): offsets and logarithms of sizes in cells, objectness, classes | YOLOX, ByteTrack |
| yolov5 | (B, N, 5 + C): centre and size in pixels, objectness, classes | YOLOv5, YOLOv7, YOLOX decoded in the file |
| yolov8 | (B, 4 + C, N): centre and size in pixels, classes | YOLOv8, YOLO11, YOLO12 |
| end-to-end | (B, K, 6): corners in pixels, score, class | YOLOv10, YOLO26, files with suppression built in |
| detr | (B, K, 4 + C): centre and size as shares of the image, classes | RT-DETR |
| boxes | (K, 5): corners in pixels, score; one image at a time | Open Model Zoo, mmdetection |

`decode` makes all of them (B, N, 5 + C): centre and size in pixels, objectness, classes, as this project's networks do.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smiletrack.detector.anchor_head import cell_grid
from smiletrack.network_files import Arrays

Form = Literal["yolox", "yolov5", "yolov8", "end-to-end", "detr", "boxes"]
FORMS: tuple[Form, ...] = get_args(Form)

_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
_MOST_BUILT_IN = 1000
"""Detections that files with suppression built in give at most (YOLOv10 and YOLO26 300, Open Model Zoo 100 or 200)."""
_SLACK = 1e-3


def grid_strides(rows: int, height: int, width: int) -> tuple[tuple[int, ...], int] | None:
    """Return the strides whose cells make up `rows`, and the boxes in a cell; None where none do."""
    for strides in _STRIDES:
        cells = sum((height // s) * (width // s) for s in strides)
        for boxes in (1, 3):
            if cells and rows == boxes * cells:
                return strides, boxes
    return None


def main_output(outputs: Arrays, form: Form | Literal["auto"]) -> NDArray[np.float32]:
    """Return the array that holds the detections; ValueError where none or several could.

    Side outputs (raw feature maps of YOLOv5, prototypes of masks, labels beside boxes) have other shapes.
    """
    if form in ("auto", "boxes"):
        beside_labels = [a for a in outputs if a.ndim == 2 and a.shape[1] == 5]
        if len(beside_labels) == 1:
            return beside_labels[0]
    dense = [array for array in outputs if array.ndim == 3 and max(array.shape[1:]) >= 5]
    if len(dense) != 1:
        if outputs and all(array.ndim == 2 for array in outputs):
            raise ValueError("it looks like an embedder, give it as --slm")
        raise ValueError("no output, or more than one, holds boxes")
    return dense[0]


def recognise(found: NDArray[np.float32], height: int, width: int, num_names: int = 0) -> Form:
    """Return the form of the main output for an image of `height` x `width`; ValueError says why it fits none.

    num_names: how many classes the exporter named, 0 for not known.
    """
    if found.ndim == 2:
        return "boxes"
    rows, columns = found.shape[1:]
    grid, turned = grid_strides(rows, height, width), grid_strides(columns, height, width)
    if turned and (not grid or rows < columns):
        return "yolov8"
    if columns == 6 and rows <= _MOST_BUILT_IN and _is_final(found):
        return "end-to-end"
    if grid or rows > _MOST_BUILT_IN:
        return "yolov5" if _covers(found, height, width) else "yolox"
    if columns > rows:
        return "yolov8"
    if _are_shares(found[..., :4]) and (num_names in (0, columns - 4)):
        return "detr"
    shape = "x".join(map(str, found.shape))
    raise ValueError(f"its output {shape} has no form that is known")


def _is_final(found: NDArray[np.float32]) -> bool:
    """Tell (B, K, 6) corners, score and class: corners in order, classes whole numbers."""
    corners, classes = found[..., :4], found[..., 5]
    ordered = (corners[..., 2:] >= corners[..., :2] - _SLACK).all()
    return bool(ordered and (classes >= -1).all() and (classes == np.round(classes)).all())


def _covers(found: NDArray[np.float32], height: int, width: int) -> bool:
    """Tell whether boxes are decoded: their sizes are positive and their centres spread over the image."""
    sizes, centres = found[..., 2:4], found[..., :2]
    spread = centres.max((0, 1)) - centres.min((0, 1))
    return bool((sizes > 0).all() and (spread > np.array([width, height]) / 2).all())


def _are_shares(boxes: NDArray[np.float32]) -> bool:
    return bool((boxes >= -_SLACK).all() and (boxes <= 1 + _SLACK).all())


def num_classes_of(form: Form, found: NDArray[np.float32]) -> int:
    """Return C, 0 where the form does not tell."""
    if form in ("end-to-end", "boxes"):
        return 0
    channels = int(found.shape[1 if form == "yolov8" else 2])
    return channels - (4 if form in ("yolov8", "detr") else 5)


def check_ranges(predictions: Tensor, height: int, width: int) -> None:
    """Raise ValueError where decoded predictions (B, N, 5 + C) cannot be boxes and probabilities."""
    if not predictions.isfinite().all():
        raise ValueError("it gives numbers that are not finite")
    scores = predictions[..., 4:]
    if scores.numel() and (scores.min() < -_SLACK or scores.max() > 1 + _SLACK):
        raise ValueError(f"its scores would be {scores.min():.3g} to {scores.max():.3g}, no probabilities")
    reach = predictions[..., :4].abs().amax().item() if predictions.shape[1] else 0.0
    if reach > 100 * max(height, width):
        raise ValueError(f"its boxes would reach to {reach:.3g} px in an image of {height} x {width}")


def decode(form: Form, outputs: Arrays, images: int, height: int, width: int, num_classes: int) -> Tensor:
    """Return the predictions (images, N, 5 + num_classes) in the outputs of one pass.

    Centre and size in pixels, objectness (1 where the form has none), classes. Raises ValueError where the outputs have
    another form.
    """
    found = torch.from_numpy(np.ascontiguousarray(main_output(outputs, form)))
    if form == "boxes":
        return _with_classes(found[None], _labels(outputs, len(found)), num_classes)
    found = found[:images]
    if form == "end-to-end":
        return _with_classes(found[..., :5], found[..., 5], num_classes)
    if form == "yolox":
        return _decode_cells(found, height, width)
    if form == "yolov5":
        return found
    rows = found.transpose(1, 2) if form == "yolov8" else found
    boxes, scores = rows[..., :4], rows[..., 4:]
    if form == "detr":
        boxes = boxes * boxes.new_tensor([width, height] * 2)
    return torch.cat([boxes, torch.ones_like(scores[..., :1]), scores], -1)


def _with_classes(rows: Tensor, classes: Tensor, num_classes: int) -> Tensor:
    """(B, K, 5) corners and score, (B, K) class numbers -> (B, K, 5 + C); rows of an unknown class score 0."""
    corners, score = rows[..., :4], rows[..., 4:5]
    sizes = corners[..., 2:] - corners[..., :2]
    one_hot = (classes[..., None] == torch.arange(num_classes)).to(rows.dtype)
    return torch.cat([corners[..., :2] + sizes / 2, sizes, score, one_hot], -1)


def _labels(outputs: Arrays, rows: int) -> Tensor:
    """Return the (1, K) class numbers beside boxes, zeros where there are none."""
    labels = [array for array in outputs if array.shape == (rows,) and (array == np.round(array)).all()]
    return torch.from_numpy(labels[-1])[None] if labels else torch.zeros(1, rows)


def _decode_cells(rows: Tensor, height: int, width: int) -> Tensor:
    """YOLOX's raw boxes -> pixels; objectness and classes are probabilities already."""
    grid = grid_strides(rows.shape[1], height, width)
    if grid is None or grid[1] != 1:
        raise ValueError(f"{rows.shape[1]} rows fit no set of strides (8, 16, 32 or up to 64) at {height} x {width}")
    cells, strides = [], []
    for stride in grid[0]:
        level = cell_grid(height // stride, width // stride, rows).view(-1, 2)
        cells.append(level)
        strides.append(torch.full((len(level), 1), float(stride)))
    scale = torch.cat(strides)
    return torch.cat([(rows[..., :2] + torch.cat(cells)) * scale, rows[..., 2:4].exp() * scale, rows[..., 4:]], -1)


def stacked(predictions: Sequence[Tensor]) -> Tensor:
    """Join predictions of several passes, (b, N, 5 + C) each, filled up with rows of score 0 where N differs."""
    most = max(part.shape[1] for part in predictions)
    padded = [torch.nn.functional.pad(part, (0, 0, 0, most - part.shape[1])) for part in predictions]
    return torch.cat(padded)
