"""What a detector of another maker is taken for: form, classes, colour order, scale and padding.

The exporter's metadata count first, then what the first layer answers, then what the makers of the form usually feed.
`PredictConfig` overrides each conclusion.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeVar

from smiletrack.detector.coco import COCO_NAMES, class_names
from smiletrack.detector.letterbox import ImageFormat
from smiletrack.detector.output_forms import FORMS, Form, grid_strides, main_output, num_classes_of, recognise
from smiletrack.detector.settings import PredictConfig
from smiletrack.errors import InputError
from smiletrack.images import PixelFormat, pixel_format
from smiletrack.input_probe import answers_to_probes, first_layer_deviations, likely_input
from smiletrack.limits import MOST_CLASSES
from smiletrack.network_files import NetworkFile

Value = TypeVar("Value")


@dataclass(frozen=True)
class DetectorInterface:
    """What a predictor must know of a network: its classes and its input."""

    class_names: tuple[str, ...]
    """Names of the classes, in the order of the network's outputs."""
    size: tuple[int, int]
    """Rows and columns of the input."""
    input: ImageFormat
    """Pixels and padding."""


def input_size(file: NetworkFile, settings: PredictConfig) -> tuple[int, int]:
    """Return rows and columns of the input: the file's, else those asked for, else the exporter's, else 640."""
    usual = metadata_value(file, "imgsz", lambda value: (int(value[0]), int(value[1]))) or (640, 640)
    asked = (settings.height, settings.width) if settings.height else usual
    size = file.height or asked[0], file.width or asked[1]
    if settings.height and size != asked:
        raise InputError(
            f"{file.path}: its input is fixed at {size[0]} x {size[1]}; leave predict.height and predict.width out, or "
            "export it with free sides"
        )
    return size


def conclude(file: NetworkFile, size: tuple[int, int], settings: PredictConfig) -> tuple[Form, DetectorInterface]:
    """Return the form of a detector's output and what it is to be fed; InputError where it fits no form."""
    task = file.metadata.get("task", "detect")
    if task != "detect":
        raise InputError(f"{file.path}: made for the task {task!r}; export a network that detects")
    told = _told_pixels(file, settings)
    likely = "" if told else likely_input(first_layer_deviations(file, *size))
    outputs = answers_to_probes(file, told or pixel_format(likely or "rgb1"), *size)[0]
    names = _told_names(file)
    try:
        found = main_output(outputs, settings.form)
        form = settings.form if settings.form != "auto" else recognise(found, *size, len(names))
    except ValueError as error:
        given = ", ".join(f"{name} {list(a.shape)}" for name, a in zip(file.outputs, outputs, strict=True))
        raise InputError(
            f"{file.path}: no detector of a form that is known, {error}; it gives {given}; the forms are "
            f"{', '.join(FORMS)} (predict.form)"
        ) from None
    grid = grid_strides(found.shape[1], *size) if form == "yolov5" else None
    one_a_cell = form == "yolox" or (grid is not None and grid[1] == 1)
    num_classes = num_classes_of(form, found)
    pixels = told or pixel_format(_usual_pixels(form, num_classes, one_a_cell, likely))
    place = settings.padding if settings.padding != "auto" else _usual_place(form, pixels, one_a_cell)
    shown = {field.name: getattr(pixels, field.name) for field in fields(PixelFormat)}
    image = ImageFormat(**shown, centred=place == "centred", minimal=False, stretched=place == "stretched")
    return form, DetectorInterface(_class_names(form, num_classes, names), size, image)


def _told_pixels(file: NetworkFile, settings: PredictConfig) -> PixelFormat | None:
    """Return what the command line or the exporter says; Ultralytics' networks all take RGB in [0, 1]."""
    if settings.input != "auto":
        return pixel_format(settings.input)
    return pixel_format("rgb1") if {"stride", "names", "imgsz"} <= file.metadata.keys() else None


def _usual_pixels(form: Form, num_classes: int, one_a_cell: bool, likely: str) -> str:
    """Return the word of what the form's makers feed, given what the first layer seems to want ("" = it does not tell).

    YOLOX feeds 0-255 since its version 0.2, and standardised colours before it and in ByteTrack; all others 0-1.
    """
    if not likely:
        yolox = "rgb-imagenet" if num_classes == 1 else "bgr255"
        return yolox if form == "yolox" else "bgr255" if form == "boxes" else "rgb1"
    if likely == "bgr255":
        return likely
    if form == "yolox":
        return "rgb-imagenet"
    return likely if one_a_cell else "rgb1"  # one box a cell: YOLOX, decoded in the file


def _usual_place(form: Form, pixels: PixelFormat, one_a_cell: bool) -> str:
    """Return where the form's makers put the frame in the input."""
    if form == "boxes":
        return "stretched"
    yolox = form == "yolox" or (one_a_cell and pixels != pixel_format("rgb1"))
    return "corner" if yolox else "centred"


def _class_names(form: Form, num_classes: int, told: dict[int, str]) -> tuple[str, ...]:
    """Return one name a class: the exporter's, else COCO's or numbers."""
    if form == "boxes" and not told:
        return ("person",)
    num_classes = num_classes or (max(told) + 1 if told else len(COCO_NAMES))
    return tuple(told.get(i, name) for i, name in enumerate(class_names(num_classes)))


def _told_names(file: NetworkFile) -> dict[int, str]:
    """Return the class names in the exporter's metadata, by number."""

    def read(value: dict[int, str] | list[str]) -> dict[int, str]:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return {int(number): str(name) for number, name in pairs if 0 <= int(number) < MOST_CLASSES}

    return metadata_value(file, "names", read) or {}


def metadata_value(file: NetworkFile, key: str, read: Callable[..., Value]) -> Value | None:
    """Return what an exporter wrote as a Python value, None where it is absent or something else."""
    try:
        return read(ast.literal_eval(file.metadata[key]))
    except (KeyError, ValueError, TypeError, SyntaxError, IndexError, RecursionError, MemoryError):
        return None
