"""Score similarity networks on people held out: ranking, verification, time gaps, visibility, coverage, speed."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smiletrack.console import print_table, progress, say
from smiletrack.data.image_files import read_image, write_image
from smiletrack.data.reid.identities import IdentityTable
from smiletrack.data.reid.sightings import NOBODY, SequenceSightings, joined_people
from smiletrack.engine.inputs.joint import JointNetwork, is_joint, joint_path, load_joint
from smiletrack.engine.inputs.person_crops import demo_world, read_sightings
from smiletrack.engine.inputs.unmixed_rows import Unmixed, is_unmixed, mixed_spec
from smiletrack.engine.run_folders.folder import latest_run, start_run
from smiletrack.engine.settings.eval_slm import GAPS, EvalSLMConfig
from smiletrack.engine.studies.appearance_by_cover import (
    COVERS,
    FIGURES,
    Draws,
    differences,
    estimates,
    nested,
    sequence_draws,
)
from smiletrack.errors import InputError
from smiletrack.files import write_json
from smiletrack.images import cut_boxes
from smiletrack.lazy import LazyModule
from smiletrack.metrics.retrieval import RetrievalScores, retrieval_scores, time_candidates
from smiletrack.slm.embedder import Embedder, load_embedder
from smiletrack.training.runtime import choose_device
from smiletrack.types import Floats, Ints
from smiletrack.view.crop_pairs import Pair, pair_sheet

cv2 = LazyModule("cv2")

Judged = Embedder | JointNetwork | Unmixed
VISIBILITY_EDGES = (0.0, 0.5, 0.8, 1.0)


def eval_slm(config: EvalSLMConfig) -> dict[str, Any]:
    """Print the tables, write summary.json and hardest_pairs.png, and return the summary."""
    checkpoint = config.checkpoint or str(latest_run(contains="model.safetensors") / "model.safetensors")
    device = str(choose_device(config.device))
    files = [checkpoint, *config.against]
    embedders = [_opened(file, device) for file in files]
    sequences = read_sightings(config.data or demo_world()[1], "val_half", config.detections, config.step, config.gaps)
    ranked = [_ranked_rows(sequence, config) for sequence in sequences]
    table = joined_people(sequences, ranked)
    if table.num_identities < 2:
        raise InputError("two people at least are needed to tell anybody apart; use more data or a lower step")
    answers = embed_sightings(embedders, sequences)
    draws = [[_draws(config, *seen) for seen in zip(sequences, Z, strict=True)] for Z, _ in answers]
    boxes = sum(map(len, sequences))
    summary: dict[str, Any] = {"boxes": boxes, "crops": len(table), "people": table.num_identities, "networks": []}
    for file, embedder, (Z, seconds), own in zip(files, embedders, answers, draws, strict=True):
        rows = np.concatenate([part[used] for part, used in zip(Z, ranked, strict=True)])
        about = {"file": file, "fingerprint": embedder.fingerprint, "crops_per_s": boxes / seconds}
        by_cover = _cover_summary([sequence.name for sequence in sequences], own, draws[0], config.seed)
        summary["networks"].append(about | _table_summary(rows, table, config.gaps) | by_cover)
    print_summary(summary)
    first = np.concatenate([part[used] for part, used in zip(answers[0][0], ranked, strict=True)])
    folder = start_run(config.output, config, "eval_slm")  # nothing of an earlier one goes before this one has figures
    write_image(folder / "hardest_pairs.png", hardest_pairs(table, first)[:, :, ::-1])
    write_json(folder / "summary.json", summary)
    say(f"{folder}/summary.json, {folder}/hardest_pairs.png")
    return summary


def _opened(spec: str, device: str) -> Judged:
    if is_unmixed(spec):
        network = _opened(mixed_spec(spec), device)
        return Unmixed(network, network.dimension)
    return load_joint(joint_path(spec), device) if is_joint(spec) else load_embedder(spec, device)


def _table_summary(Z: Floats, table: IdentityTable, gaps: tuple[int, ...]) -> dict[str, Any]:
    return {
        "gaps": {str(gap): asdict(scores) for gap, scores in score_by_gap(Z, table, gaps).items()},
        "visibility": {name: asdict(scores) for name, scores in score_by_visibility(Z, table, min(gaps)).items()},
    }


def _cover_summary(names: Sequence[str], own: list[Draws], first: list[Draws], seed: int) -> dict[str, Any]:
    """Return the figures by cover, those of each sequence, and how far the first network is ahead of this one."""
    ahead = differences(first, own, seed) if own is not first else {}
    return {
        "cover": nested({place: asdict(estimate) for place, estimate in estimates(own, seed).items()}),
        "sequences": {
            name: nested({place: float(values[0]) for place, values in figures.items()})
            for name, figures in zip(names, own, strict=True)
        },
        "first_is_ahead_by": nested({place: asdict(estimate) for place, estimate in ahead.items()}),
    }


def _ranked_rows(sequence: SequenceSightings, config: EvalSLMConfig) -> Ints:
    """Return the rows of known, visible enough people in anchor frames (in all where there is no time)."""
    seen = (sequence.identities != NOBODY) & (sequence.visibility >= config.min_visibility)
    return np.flatnonzero(seen & sequence.anchors(config.step))


def _draws(config: EvalSLMConfig, sequence: SequenceSightings, Z: Floats) -> Draws:
    return sequence_draws(sequence, Z, config.gaps, config.step, config.resamples, config.seed)


def embed_sightings(
    embedders: Sequence[Judged], sequences: Sequence[SequenceSightings]
) -> list[tuple[list[Floats], float]]:
    """Return for each embedder the (N, D) embeddings of each sequence's boxes, and the seconds they took in all."""
    answers: list[tuple[list[Floats], float]] = [([], 0.0) for _ in embedders]
    for sequence in sequences:
        found = embed_boxes(embedders, sequence.images, sequence.image_indices, sequence.boxes)
        answers = [([*Z, new], total + s) for (Z, total), (new, s) in zip(answers, found, strict=True)]
    return answers


def embed_boxes(
    embedders: Sequence[Judged],
    images: Sequence[Path],
    image_indices: Ints,
    boxes: Floats,
    quiet: bool = False,
) -> list[tuple[Floats, float]]:
    """Return for each embedder (N, D) embeddings of boxes and the seconds they took, decoding excluded.

    The embedders take turns on every frame, so whatever else the machine does slows all of them alike; they see all
    boxes of a frame together.
    """
    answers = [(np.zeros((len(boxes), embedder.dimension)), 0.0) for embedder in embedders]
    order = np.argsort(image_indices, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(image_indices[order])) + 1)
    for rows in progress(groups if len(order) else [], "embedding", quiet=quiet):
        frame = read_image(images[image_indices[rows[0]]])
        for i, embedder in enumerate(embedders):
            start = time.perf_counter()
            Z = embedder.embed(frame, boxes[rows])
            seconds = time.perf_counter() - start
            answers[i][0][rows] = Z
            answers[i] = (answers[i][0], answers[i][1] + seconds)
    return answers


def score_by_gap(Z: Floats, table: IdentityTable, gaps: Sequence[int] = GAPS) -> dict[int, RetrievalScores]:
    """Return the scores over pairs of one sequence at least so many frames apart, by gap."""
    return {
        gap: retrieval_scores(Z @ Z.T, table.identities, time_candidates(table.frames, table.sequences, gap))
        for gap in gaps
    }


def score_by_visibility(Z: Floats, table: IdentityTable, gap: int) -> dict[str, RetrievalScores]:
    """Return the scores by the visibility of the less visible of the two, by names like 0.5-0.8."""
    candidates = time_candidates(table.frames, table.sequences, gap)
    worse = np.minimum(table.visibility[:, None], table.visibility[None, :])
    bins = {}
    for low, high in itertools.pairwise(VISIBILITY_EDGES):
        inside = (worse >= low) & ((worse < high) if high < 1 else (worse <= 1))
        bins[f"{low:g}-{high:g}"] = retrieval_scores(Z @ Z.T, table.identities, candidates & inside)
    return bins


def hardest_pairs(table: IdentityTable, Z: Floats, number: int = 8) -> NDArray[np.uint8]:
    """Return an RGB sheet: the least alike crops of one person, and the most alike crops of two, one pair a person."""
    similarities = Z @ Z.T
    candidates = np.triu(time_candidates(table.frames, table.sequences, min(GAPS)), 1)
    same = table.identities[:, None] == table.identities[None, :]
    rows = [
        [_pair(table, similarities, *place) for place in _extreme(values, table, number)]
        for values in (
            np.where(candidates & same, -similarities, -np.inf),
            np.where(candidates & ~same, similarities, -np.inf),
        )
    ]
    return pair_sheet(("same person, least alike", rows[0]), ("different people, most alike", rows[1]))


def _extreme(values: Floats, table: IdentityTable, number: int) -> list[tuple[int, int]]:
    """Return the places of the largest values, each combination of people once."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for flat in np.argsort(-values, axis=None, kind="stable"):
        i, j = divmod(int(flat), len(values))
        if len(found) == number or not np.isfinite(values[i, j]):
            break
        people = sorted((int(table.identities[i]), int(table.identities[j])))
        found.setdefault((people[0], people[1]), (i, j))
    return list(found.values())


def _pair(table: IdentityTable, similarities: Floats, i: int, j: int) -> Pair:
    crops = []
    for row in (i, j):
        frame = read_image(table.images[table.image_indices[row]])
        crops.append(cut_boxes(frame, table.boxes[row : row + 1], (80, 224))[0][0])
    return Pair(crops[0], crops[1], f"{similarities[i, j]:.2f}")


def print_summary(summary: dict[str, Any]) -> None:
    """Print the table of ranking and visibility, that by cover, and how far the first network is ahead."""
    say(f"{summary['boxes']} boxes; ranked: {summary['crops']} of {summary['people']} people")
    columns = ("rank1", "rank5", "mAP", "AUC", "EER")
    rows = []
    for network in summary["networks"]:
        cases = {f"{gap}+ frames apart": s for gap, s in network["gaps"].items()}
        cases |= {f"visibility {name}": s for name, s in network["visibility"].items()}
        for i, (case, scores) in enumerate(cases.items()):
            speed = f"{network['crops_per_s']:.0f}" if i == 0 else ""
            label = str(Path(network["file"])) if i == 0 else ""
            rows.append([label, case, *(f"{scores[name]:.4f}" for name in columns), speed])
    print_table(("network", "pairs", *columns, "crops/s"), rows, names=2)
    rows, behind = [], []
    for network in summary["networks"]:
        name = Path(network["file"]).name
        for gap, covers in network["cover"].items():
            for cover in (cover for cover in COVERS if cover in covers):
                values = [f"{covers[cover][f]['value']:.4f}" if f in covers[cover] else "" for f in FIGURES]
                rows.append([name, gap, cover, *values])
        for gap, covers in network["first_is_ahead_by"].items():
            for cover in (cover for cover in COVERS if cover in covers):
                behind.append([name, gap, cover, *(_interval(covers[cover].get(f)) for f in FIGURES)])
    if rows:
        say("", "means over sequences, by the cover of the more covered of two (rank1, mAP: of the query)")
        print_table(("network", "gap", "cover", *FIGURES), rows, names=3)
    if behind:
        first = Path(summary["networks"][0]["file"]).name
        say("", f"how far {first} is ahead, with 95 % intervals over sequences and people")
        print_table(("of", "gap", "cover", *FIGURES), behind, names=3)


def _interval(estimate: dict[str, float] | None) -> str:
    return "{value:+.3f} [{low:+.3f}, {high:+.3f}]".format(**estimate) if estimate else ""
