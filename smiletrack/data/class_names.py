"""What data sets and detectors call their classes, and which of the names mean one thing."""

from collections.abc import Sequence

MOTCHALLENGE = (
    "pedestrian", "person on vehicle", "car", "bicycle", "motorbike", "non motorized vehicle", "static person",
    "distractor", "occluder", "occluder on the ground", "occluder full", "reflection", "crowd",
)  # fmt: skip
"""MOTChallenge's classes 1 .. 13 (MOT16, arXiv:1603.00831)."""
KITTI = ("car", "van", "truck", "pedestrian", "person sitting", "cyclist", "tram", "misc", "dontcare")
"""The types of KITTI's tracking labels (devkit); they have no numbers there."""
VISDRONE = (
    "ignored regions", "pedestrian", "people", "bicycle", "car", "van", "truck", "tricycle", "awning tricycle", "bus",
    "motor", "others",
)  # fmt: skip
"""VisDrone's categories 0 .. 11 (arXiv:1804.07437)."""
_SAME = (("pedestrian", "person", "people", "human"), ("motorbike", "motorcycle", "motor"), ("bicycle", "bike"))
"""Names of one thing, those that are asked for first in front."""


def plain_name(name: str) -> str:
    """Return a class's name as it is compared: small letters, one blank for each `_`, `-` or run of blanks."""
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def find_class(name: str, names: Sequence[str]) -> int | None:
    """Return which of `names` means the class `name`: the one that is spelt so, else another word for it; or None."""
    plain = [plain_name(known) for known in names]
    wanted = plain_name(name)
    words = [wanted, *(word for group in _SAME if wanted in group for word in group)]
    return next((plain.index(word) for word in words if word in plain), None)
