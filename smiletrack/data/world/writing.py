"""A sequence as a MOTChallenge folder, like MOT17's, with `known.json` beside: what only a made world knows."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.boxes import xyxy_to_xywh
from smiletrack.console import notify
from smiletrack.data.world.config import SyntheticDetectorConfig
from smiletrack.data.world.renderer import Renderer
from smiletrack.data.world.scene import Scene, figures
from smiletrack.data.world.sequence import WorldSequence, observe
from smiletrack.errors import InputError
from smiletrack.files import read_json, write_json
from smiletrack.lazy import LazyModule

cv2 = LazyModule("cv2")

KNOWN = "known.json"
"""The file that a finished sequence has and a half-made one has not."""


def is_made(folder: Path, recipe: dict[str, Any]) -> bool:
    """Tell whether `folder` holds the finished sequence of this recipe (plain values, as JSON keeps them)."""
    file = folder / KNOWN
    if not file.is_file():
        return False
    try:
        known = read_json(file)
    except InputError as error:
        notify(f"{error}; the sequence is made again")
        return False
    return isinstance(known, dict) and known.get("recipe") == json.loads(json.dumps(recipe))


def render_sequence(
    scene: Scene, detector: SyntheticDetectorConfig, folder: Path, recipe: dict[str, Any], quality: int
) -> None:
    """Draw and write a whole sequence; `folder` appears when everything is in it.

    quality: of the JPEG files, 1 to 100. What a killed run left, or an older recipe made, is replaced. Raises
    InputError where `folder` exists and is no world.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / KNOWN).is_file():
        raise InputError(f"{folder}: is not a made world and is not replaced; choose another --output")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    images = partial / "img1"
    images.mkdir(parents=True)
    people = figures(scene)
    visible = np.zeros(len(people))
    renderer = Renderer(scene, people)
    for time in range(scene.config.length):
        picture = renderer.frame(time)
        visible[picture.rows] = picture.visible
        encoded = cv2.imencode(".jpg", picture.image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        (images / f"{time + 1:06d}.jpg").write_bytes(encoded.tobytes())
    write_sequence(observe(scene, detector, people, visible), partial, recipe)
    if folder.exists():
        shutil.rmtree(folder)
    partial.replace(folder)


def write_sequence(sequence: WorldSequence, folder: Path, recipe: dict[str, Any] | None = None) -> None:
    """Write seqinfo.ini, gt/gt.txt, det/det.txt, gmc/gmc.txt and, last, known.json into `folder`."""
    info, truth, detections = sequence.info, sequence.truth, sequence.detections
    for part in ("gt", "det", "gmc"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    rate = f"{info.frame_rate:g}"
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={info.name}\nimDir=img1\nframeRate={rate}\nseqLength={info.length}\n"
        f"imWidth={info.width}\nimHeight={info.height}\nimExt=.jpg\n",
        encoding="utf-8",
    )
    gt = zip(
        truth.frames,
        truth.ids,
        *xyxy_to_xywh(truth.boxes).T,
        truth.scores,
        truth.classes,
        truth.visibility,
        strict=True,
    )
    _write(folder / "gt" / "gt.txt", "%d,%d,%.2f,%.2f,%.2f,%.2f,%d,%d,%.4f\n", gt)
    det = zip(detections.frames, *xyxy_to_xywh(detections.boxes).T, detections.scores, strict=True)
    _write(folder / "det" / "det.txt", "%d,-1,%.2f,%.2f,%.2f,%.2f,%.3f\n", det)
    warps = zip(range(len(sequence.warps)), *sequence.warps.reshape(-1, 6).T, strict=True)
    _write(folder / "gmc" / "gmc.txt", "%d\t" + "%.6f\t" * 6 + "\n", warps)
    write_json(folder / KNOWN, {"situations": sequence.answers, "people": sequence.people, "recipe": recipe or {}})


def _write(file: Path, line: str, rows: Iterable[tuple[Any, ...]]) -> None:
    file.write_text("".join(line % row for row in rows), encoding="utf-8")
