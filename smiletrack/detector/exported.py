"""Detectors in the files of other runtimes, of this project and of others, as one function of images.

Files written here say what they are in their metadata; what others exported is concluded in `foreign`.
"""

import dataclasses
import json

import numpy as np
from torch import Tensor

from smiletrack.config import build_config
from smiletrack.detector.foreign import DetectorInterface, conclude, input_size
from smiletrack.detector.output_forms import Form, check_ranges, decode, grid_strides, main_output, stacked
from smiletrack.detector.postprocess import Rule
from smiletrack.detector.settings import DetectorConfig, PredictConfig
from smiletrack.errors import InputError
from smiletrack.images import pixel_word
from smiletrack.input_probe import answers_to_probes
from smiletrack.network_files import NetworkFile

KEY = "detector"
"""Metadata of files written here: the `DetectorConfig` as JSON."""


class ExportedDetector:
    """A network file as a function of images: (B, 3, H, W) -> (B, N, 5 + classes), decoded, both on the CPU.

    config: classes and input. form: of the output. stride: what the input's sides are multiples of. own: the
    configuration of a file that was written here. description: one line about what the file was taken for. Raises
    InputError where it is no detector, or one of no known form.
    """

    def __init__(self, file: NetworkFile, settings: PredictConfig | None = None) -> None:
        settings = settings or PredictConfig()
        self.file, self.own = file, _own_config(file)
        self.rule: Rule = "prb" if self.own and file.metadata.get("rule") == "prb" else "yolox"
        size = input_size(file, settings)
        self.form: Form
        if self.own is not None:
            # padding to a multiple of the stride is for networks that take every size
            image = dataclasses.replace(self.own.input, minimal=False) if file.height else self.own.input
            self.form, self.config = "yolov5", DetectorInterface(self.own.class_names, size, image)
        else:
            self.form, self.config = conclude(file, size, settings)
        rows = self._checked()
        grid = grid_strides(rows, *size)
        self.stride = 1 if file.height and file.width else max(grid[0]) if grid else 32
        self.description = self._description()

    def __call__(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        parts = []
        for number, outputs in self.file(images.float().cpu().numpy()):
            try:
                parts.append(decode(self.form, outputs, number, height, width, len(self.config.class_names)))
            except (ValueError, RuntimeError) as error:
                raise InputError(f"{self.file.path}: not the form {self.form} at {height} x {width}: {error}") from None
        return stacked(parts)

    def _checked(self) -> int:
        """Return the rows of an answer; refuse what cannot be detections, and a network that looks at no picture."""
        height, width = self.config.size
        answers = answers_to_probes(self.file, self.config.input, height, width)
        try:
            for outputs in answers:
                predictions = decode(self.form, outputs, 1, height, width, len(self.config.class_names))
                check_ranges(predictions, height, width)
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"{self.file.path}: taken for the form {self.form} with input {pixel_word(self.config.input)}, but "
                f"{error}; say otherwise by predict.form and predict.input"
            ) from None
        first, second = (main_output(outputs, self.form) for outputs in answers)
        if self.form not in ("end-to-end", "boxes") and np.array_equal(first, second):
            raise InputError(f"{self.file.path}: gives the same answer to every picture; no usable detector")
        return predictions.shape[1]

    def _description(self) -> str:
        height, width = self.config.size
        image, names = self.config.input, self.config.class_names
        place = "stretched" if image.stretched else "padded on all sides" if image.centred else "padded below and right"
        listed = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
        taken = "" if self.own else " (others by predict.form, predict.input, predict.padding)"
        return (
            f"{self.file.path.name}: form {self.form}, input {pixel_word(image)} {height} x {width} {place}, "
            f"{len(names)} classes ({listed}), {self.file.runtime}{taken}"
        )


def _own_config(file: NetworkFile) -> DetectorConfig | None:
    if KEY not in file.metadata:
        return None
    try:
        return build_config(DetectorConfig, json.loads(file.metadata[KEY]))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file.path}: its detector is not one of this version ({error})") from None
