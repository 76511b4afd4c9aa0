"""Similarity networks in the files of other runtimes: this project's exports, and re-identification networks of others.

A re-identification network does not say what it wants to be fed. The pixels are concluded from its first layer, and can
be said behind the file's name: `reid.onnx@bgr255`.
"""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smiletrack.errors import InputError
from smiletrack.images import PixelFormat, is_pixel_word, pixel_format, pixel_word
from smiletrack.input_probe import answers_to_probes, first_layer_deviations, likely_input
from smiletrack.network_files import Arrays, NetworkFile
from smiletrack.slm.preprocessing import Preprocessing

KEY = "preprocessing"
"""Metadata of files written here: the `Preprocessing` as JSON."""


def split_pixels(spec: str) -> tuple[str, str]:
    """Return a network's name and the pixels said behind it: reid.onnx@bgr255 -> reid.onnx, bgr255; "" = not said."""
    name, at, word = spec.rpartition("@")
    return (name, word) if at and is_pixel_word(word) else (spec, "")


def conclude_preprocessing(file: NetworkFile, said: str) -> Preprocessing:
    """Return what the network is to be fed: what was said, its own metadata, or what the first layer seems to want.

    A network that standardises its input itself takes any scale; Open Model Zoo's, which OpenVINO runs, see BGR.
    """
    if KEY in file.metadata:
        try:
            own = Preprocessing.from_json(file.metadata[KEY])
        except (ValueError, RecursionError) as error:
            raise InputError(f"{file.path}: its preprocessing is not one of this version ({error})") from None
        if said:
            raise InputError(f"{file.path}@{said}: the file says itself what it is fed; leave @{said} out")
        return own
    if file.height is None or file.width is None:
        raise InputError(f"{file.path}: leaves the size of crops open; export it with a fixed height and width")
    likely = "" if said else likely_input(first_layer_deviations(file, file.height, file.width))
    usual = "bgr255" if file.runtime.startswith("OpenVINO") else "rgb-imagenet"
    # re-identification networks start from ImageNet's weights, so 0-1 comes standardised
    pixels = pixel_format(said or {"bgr255": "bgr255", "": usual}.get(likely, "rgb-imagenet"))
    return Preprocessing(file.width, file.height, **{f.name: getattr(pixels, f.name) for f in fields(PixelFormat)})


def exported_forward(file: NetworkFile) -> Callable[..., Tensor]:
    """Return the network as a function of crops: (n, 3, H, W) -> (n, D), both on the CPU.

    A file with a mask also takes (n, *mask_grid) visibility.
    """

    def forward(objects: Tensor, *visibility: Tensor) -> Tensor:
        passes = file(objects.contiguous().numpy(), *(mask.numpy() for mask in visibility))
        return torch.from_numpy(np.concatenate([embedding_rows(file, outputs, number) for number, outputs in passes]))

    return forward


def embedding_rows(file: NetworkFile, outputs: Arrays, number: int) -> NDArray[np.float32]:
    """Return the output that holds one vector for each of `number` crops; InputError where there is none."""
    rows = [array.reshape(len(array), -1) for array in outputs if array.ndim >= 2 and array[:1, :1].size == 1]
    if len(rows) != 1 or len(rows[0]) != (file.batch or number) or rows[0][0].size < 2:
        given = ", ".join(f"{name} {list(array.shape)}" for name, array in zip(file.outputs, outputs, strict=True))
        detector = any(array.ndim == 3 or "boxes" in name for name, array in zip(file.outputs, outputs, strict=True))
        hint = "; a detector is given as --detector" if detector else ""
        raise InputError(f"{file.path}: gives {given}, not one vector a crop (N, D){hint}")
    return rows[0][:number]


def check_embedder(file: NetworkFile, preprocessing: Preprocessing) -> None:
    """Refuse a network whose vectors are no numbers, or the same for every picture; InputError."""
    answers = answers_to_probes(file, preprocessing, preprocessing.height, preprocessing.width)
    first, second = (embedding_rows(file, outputs, 1)[0] for outputs in answers)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        other = "" if file.runtime.startswith("OpenVINO") else f"; OpenVINO may run it: openvino:{file.path}"
        raise InputError(f"{file.path}: {file.runtime} gives NaN{other}")
    if np.array_equal(first, second):
        raise InputError(f"{file.path}: gives the same vector for every picture; no usable re-identification network")


def embedder_description(file: NetworkFile, preprocessing: Preprocessing, dimension: int) -> str:
    """Return one line about what a network file was taken for."""
    fed = f"input {pixel_word(preprocessing)} {preprocessing.height} x {preprocessing.width}"
    other = "" if KEY in file.metadata else f" (another input: {file.path.name}@rgb1, @bgr255 ...)"
    return f"{file.path.name}: {dimension} numbers a crop, {fed}, {file.runtime}{other}"
