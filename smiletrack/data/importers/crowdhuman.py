"""CrowdHuman (arXiv:1805.00123): one JSON object a line in `annotation_<split>.odgt`, full and visible boxes."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.boxes import area, xywh_to_xyxy
from smiletrack.data.importers.annotations import UNKNOWN, AnnotatedImage
from smiletrack.errors import InputError


def read_crowdhuman(source: Path, split: str) -> list[AnnotatedImage]:
    """Read one split, `train` or `val`; images are found by their ID wherever below `source` they were unpacked.

    Boxes are those of the full body (`fbox`), visibility is the share of them in `vbox`. Groups and figures (tag
    `mask`) and people marked `ignore` are ignored. InputError names file and line of what is not as published.
    """
    name = f"annotation_{split}.odgt"
    file = next(iter(sorted(source.rglob(name))), None)
    if file is None:
        raise InputError(f"{source}: no {name} below it; is it CrowdHuman, with the annotations unpacked beside it?")
    paths = {path.stem: path for path in source.rglob("*.jpg")}
    images = []
    with file.open(encoding="utf-8", errors="surrogateescape") as stream:
        for number, line in enumerate(stream, 1):
            try:
                images.append(_read_line(json.loads(line), file, number, paths))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
                reason = " ".join(repr(error).split())[:120]
                raise InputError(f"{file}:{number}: not a line of CrowdHuman ({reason})") from None
    return images


def _read_line(entry: dict[str, Any], file: Path, number: int, paths: dict[str, Path]) -> AnnotatedImage:
    """Return the image of one line of odgt; visibility = the visible box's share of the full one."""
    people = entry["gtboxes"]
    full = xywh_to_xyxy(np.array([person["fbox"] for person in people], np.float64).reshape(-1, 4))
    seen = xywh_to_xyxy(np.array([p.get("vbox", p["fbox"]) for p in people], np.float64).reshape(-1, 4))
    common = np.concatenate([np.maximum(full[:, :2], seen[:, :2]), np.minimum(full[:, 2:], seen[:, 2:])], 1)
    visibility = np.divide(area(common), area(full), out=np.zeros(len(full)), where=area(full) > 0)
    return AnnotatedImage(
        path=paths.get(entry["ID"], file.parent / "Images" / f"{entry['ID']}.jpg"),
        boxes=full,
        identities=np.full(len(full), UNKNOWN),
        visibility=visibility,
        ignored=np.array([_is_ignored(person) for person in people], bool),
        sequence="CrowdHuman",
        source=file,
        lines=np.full(len(full), number),
    )


def _is_ignored(person: dict[str, Any]) -> bool:
    return bool(person["tag"] != "person" or person.get("extra", {}).get("ignore", 0) == 1)
