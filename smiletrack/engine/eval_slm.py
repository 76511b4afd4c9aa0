"""Score similarity networks on held-out crops: ranking, verification, time gaps, visibility, speed, hardest pairs."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
from annotated_types import MinLen
from numpy.typing import NDArray

from smiletrack.console import print_table, progress, say
from smiletrack.data.image_files import read_image
from smiletrack.data.reid.identities import IdentityTable
from smiletrack.engine.inputs.person_crops import demo_world, read_table
from smiletrack.engine.run_folders.folder import latest_run, start_run
from smiletrack.errors import InputError
from smiletrack.files import atomic_path, write_json
from smiletrack.images import cut_boxes
from smiletrack.metrics.retrieval import RetrievalScores, retrieval_scores, time_candidates
from smiletrack.ranges import Checked, PositiveCount, Share
from smiletrack.slm.embedder import Embedder, load_embedder
from smiletrack.training.runtime import choose_device
from smiletrack.types import Floats
from smiletrack.view.crop_pairs import Pair, pair_sheet

GAPS = (5, 30, 90)
VISIBILITY_EDGES = (0.0, 0.5, 0.8, 1.0)


@dataclass(frozen=True)
class EvalSLMConfig(Checked):
    """Which networks are evaluated, and on which crops."""

    checkpoint: str = ""
    """SLM to evaluate: model.safetensors of a run, a released checkpoint or an .onnx file; empty = that of the last SLM
    run."""
    against: str = ""
    """Network to compare with on the same crops: another SLM, or any ONNX re-identification network (RGB, ImageNet mean
    and std); empty = none."""
    data: tuple[str, ...] = ()
    """Identity tables (FILE.csv) and MOTChallenge folders (FOLDER or FOLDER@SPLIT); empty = the demo world."""
    gaps: Annotated[tuple[PositiveCount, ...], MinLen(1)] = GAPS
    """Minimum distances in frames between the crops of a pair."""
    step: PositiveCount = 5
    """Use every n-th frame of a folder."""
    min_visibility: Share = 0.3
    """Boxes of lower visibility are left out."""
    output: str = "runs/slm-eval"
    """Folder for summary.json and hardest_pairs.png."""
    device: str = "auto"
    """Device of the networks: auto, cpu, cuda or cuda:N."""


def eval_slm(config: EvalSLMConfig) -> dict[str, Any]:
    """Print the tables, write summary.json and hardest_pairs.png, and return the summary."""
    checkpoint = config.checkpoint or str(latest_run(contains="model.safetensors") / "model.safetensors")
    device = str(choose_device(config.device))
    files = [checkpoint] + ([config.against] if config.against else [])
    embedders = [load_embedder(file, device) for file in files]
    table = read_table(config.data or demo_world()[1], "val_half", config.min_visibility, config.step)
    if table.num_identities < 2:
        raise InputError("two people at least are needed to tell anybody apart; use more data or a lower step")
    folder = start_run(config.output, config, "eval_slm")
    summary: dict[str, Any] = {"crops": len(table), "people": table.num_identities, "networks": []}
    answers = embed_table(embedders, table)
    for file, embedder, (Z, seconds) in zip(files, embedders, answers, strict=True):
        scores = score_by_gap(Z, table, config.gaps)
        bins = score_by_visibility(Z, table, min(config.gaps))
        summary["networks"].append(
            {
                "file": file,
                "fingerprint": embedder.fingerprint,
                "crops_per_s": len(table) / seconds,
                "gaps": {str(gap): asdict(value) for gap, value in scores.items()},
                "visibility": {name: asdict(value) for name, value in bins.items()},
            }
        )
    _print(summary)
    with atomic_path(folder / "hardest_pairs.png") as path:
        cv2.imwrite(str(path), hardest_pairs(table, answers[0][0])[:, :, ::-1])
    write_json(folder / "summary.json", summary)
    say(f"{folder}/summary.json, {folder}/hardest_pairs.png")
    return summary


def embed_table(embedders: Sequence[Embedder], table: IdentityTable, quiet: bool = False) -> list[tuple[Floats, float]]:
    """Return for each embedder (N, D) embeddings of the table's rows and the seconds they took, decoding excluded.

    The embedders take turns on every frame, so whatever else the machine does slows all of them alike.
    """
    answers = [(np.zeros((len(table), embedder.dimension)), 0.0) for embedder in embedders]
    order = np.argsort(table.image_indices, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(table.image_indices[order])) + 1)
    for rows in progress(groups, "embedding", quiet=quiet):
        frame = read_image(table.images[table.image_indices[rows[0]]])
        for i, embedder in enumerate(embedders):
            start = time.perf_counter()
            Z = embedder.embed(frame, table.boxes[rows])
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


def _print(summary: dict[str, Any]) -> None:
    say(f"{summary['crops']} crops of {summary['people']} people")
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
