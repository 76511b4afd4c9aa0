"""A sequence: everything the files of a MOTChallenge folder say about a scene, and the answers they do not."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.boxes import xywh_to_xyxy, xyxy_to_xywh
from smiletrack.data.mot import DetectionTable, SequenceInfo
from smiletrack.data.world.camera import frame_warps
from smiletrack.data.world.config import SyntheticDetectorConfig
from smiletrack.data.world.coverage import coverage
from smiletrack.data.world.detector import detect
from smiletrack.data.world.scene import Scene, VisiblePeople, figures, obstacle_boxes
from smiletrack.types import Floats, Ints, TrackTable

CLASSES = {"walker": 1, "cyclist": 2, "seated": 7, "mannequin": 8, "reflection": 12}
"""MOTChallenge class of each kind of actor; all but the first are distractors."""
OBSTACLE_CLASSES = {"van": 3, "pole": 9, "tree": 9, "kiosk": 11, "wall": 11}
"""MOTChallenge class of each kind of obstacle: car, occluder, full occluder."""


@dataclass(frozen=True)
class WorldSequence:
    """One sequence with its known answer.

    truth: all annotated rows, sorted by id and frame, scores 1 where the row counts. detections: sorted by frame and
    falling score; row i has `embeddings[i]` (unit norm) and the true id `detection_ids[i]`, -1 for a false
    alarm. warps: (T, 2, 3) from the frame before. answers: by situation, what is known of certain ids and frames.
    people: id, kind and clothes (equal numbers dress alike) of everybody seen.
    """

    info: SequenceInfo
    truth: TrackTable
    detections: DetectionTable
    embeddings: Floats
    detection_ids: Ints
    warps: Floats
    answers: dict[str, list[dict[str, Any]]]
    people: list[dict[str, Any]]

    @property
    def name(self) -> str:
        """The sequence's name."""
        return self.info.name


def observe(
    scene: Scene, detector: SyntheticDetectorConfig, people: VisiblePeople | None = None, visible: Floats | None = None
) -> WorldSequence:
    """Return the sequence of a scene. `visible` (M,): shares measured in pictures, else they are estimated."""
    people = figures(scene) if people is None else people
    estimate, hider = coverage(scene, people)
    visible = estimate if visible is None else visible
    ids = _ids(scene, people)
    sightings = detect(scene, people, visible, hider, detector)
    truth = _truth(scene, people, visible, ids)
    config = scene.config
    folder = Path(scene.name)
    return WorldSequence(
        info=SequenceInfo(
            scene.name, folder, config.frame_rate, config.length, config.width, config.height, folder / "img1", ".jpg"
        ),
        truth=truth,
        detections=DetectionTable(
            sightings.times + 1, as_written(sightings.boxes), sightings.scores, np.ones(len(sightings.times), np.int64)
        ),
        embeddings=sightings.embeddings,
        detection_ids=np.append(ids, -1)[sightings.actors],
        warps=frame_warps(scene.path),
        answers={name: [_with_ids(answer, ids) for answer in answers] for name, answers in scene.answers.items()},
        people=sorted(
            (
                {"id": int(number), "kind": actor.kind, "clothes": actor.look.group}
                for number, actor in zip(ids, scene.actors, strict=True)
                if number > 0
            ),
            key=lambda person: person["id"],
        ),
    )


def as_written(boxes: Floats) -> Floats:
    """Return the boxes as two decimals of left, top, width and height can say them."""
    return xywh_to_xyxy(np.round(xyxy_to_xywh(boxes), 2))


def _ids(scene: Scene, people: VisiblePeople) -> Ints:
    """(A,) ids from 1: walkers in the order of their first picture, then everything else; -1 for the unseen."""
    ids = np.full(len(scene.actors), -1)
    seen, first = np.unique(people.actors, return_index=True)
    walks = np.array([scene.actors[actor].kind == "walker" for actor in seen], bool)
    ids[seen[np.lexsort([seen, people.times[first], ~walks])]] = np.arange(1, len(seen) + 1)
    return ids


def _truth(scene: Scene, people: VisiblePeople, visible: Floats, ids: Ints) -> TrackTable:
    """Return the truth: people by the share that is visible, then what they walk behind, as distractors."""
    classes = np.array([CLASSES[actor.kind] for actor in scene.actors], np.int64)[people.actors]
    frames, row_ids, boxes, shares = [people.times + 1], [ids[people.actors]], [people.boxes], [visible]
    all_classes = [classes]
    next_id = int(ids.max(initial=0)) + 1
    for obstacle, track in zip(
        scene.layout.obstacles, obstacle_boxes(scene, scene.layout.obstacles).swapaxes(0, 1), strict=True
    ):
        limits = np.array([scene.config.width, scene.config.height] * 2)
        cut = np.clip(track, 0, limits)
        inside = np.flatnonzero((cut[:, 2:] - cut[:, :2]).min(1) > 1)
        frames.append(inside + 1)
        row_ids.append(np.full(len(inside), next_id))
        boxes.append(track[inside])
        shares.append((cut[inside, 2:] - cut[inside, :2]).prod(1) / (track[inside, 2:] - track[inside, :2]).prod(1))
        all_classes.append(np.full(len(inside), OBSTACLE_CLASSES[obstacle.kind]))
        next_id += 1
    table_classes = np.concatenate(all_classes)
    table = TrackTable(
        frames=np.concatenate(frames),
        ids=np.concatenate(row_ids),
        boxes=as_written(np.concatenate(boxes)),
        scores=(table_classes == 1).astype(np.float64),
        classes=table_classes,
        visibility=np.asarray(np.round(np.concatenate(shares), 4), np.float64),
    )
    return table[np.lexsort([table.frames, table.ids])]


def _with_ids(answer: dict[str, Any], ids: Ints) -> dict[str, Any]:
    """Return the answer with ids for people and MOT frame numbers (from 1) for frame indices."""
    gone = [None if span is None else [span[0] + 1, span[1] + 1] for span in answer["gone"]]
    return answer | {
        "people": [int(ids[index]) for index in answer["people"]],
        "middle": answer["middle"] + 1,
        "gone": gone,
    }
