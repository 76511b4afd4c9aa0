"""Overlaps and assignments, one frame at a time, against full matrices and SciPy."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from smiletrack.metrics.assignment import best_pairs, heaviest
from smiletrack.metrics.overlap import Pairs, overlapping_boxes
from tests.metrics import loops

KINDS = ("tied", "nearly tied", "different", "mostly one")


def matrix_of(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Return a matrix of weights, many of them 0, where several assignments are best, nearly best, or one is."""
    shape = rng.integers(1, 9, 2)
    weights = {
        "tied": lambda: rng.integers(0, 4, shape).astype(float),
        "nearly tied": lambda: rng.integers(0, 4, shape) + 1e-12 * rng.random(shape),
        "different": lambda: rng.random(shape),
        "mostly one": lambda: rng.random(shape) + 3 * np.eye(*shape),
    }[kind]()
    return np.where(rng.random(shape) < rng.choice([0.3, 0.6, 1.0]), weights, 0.0)


def stacked(matrices: list[np.ndarray]) -> tuple[Pairs, np.ndarray, np.ndarray]:
    """Return the pairs of positive weight (as `iou`) with rows and columns counted through, and where each begins."""
    starts = np.cumsum([(0, 0), *(m.shape for m in matrices)], axis=0)
    parts = [(*(np.argwhere(m > 0) + start).T, m[m > 0]) for m, start in zip(matrices, starts, strict=False)]
    return Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True))), *starts.T.copy()


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_matched_as_scipy_matches_the_full_matrix(kind: str) -> None:
    """Also where assignments tie: then SciPy's own choice decides, and it depends on the order of rows and columns."""
    rng = np.random.default_rng(KINDS.index(kind))
    matrices = [matrix_of(rng, kind) for _ in range(2000)]
    pairs, row_starts, column_starts = stacked(matrices)
    expected = np.zeros(len(pairs), bool)
    for matrix, row, column in zip(matrices, row_starts, column_starts, strict=False):
        wanted = zip(*linear_sum_assignment(-matrix), strict=True)
        numbers = {(r + row, c + column) for r, c in wanted if matrix[r, c] > 0}
        part = slice(*np.searchsorted(pairs.truth_rows, (row, row + len(matrix))))
        rows, columns = pairs.truth_rows[part], pairs.result_rows[part]
        expected[part] = [pair in numbers for pair in zip(rows, columns, strict=True)]
    chosen = best_pairs(pairs, pairs.iou, row_starts, column_starts)
    np.testing.assert_array_equal(chosen, np.flatnonzero(expected))


@pytest.mark.parametrize("size", [1, 5, 40, 300])
def test_the_heaviest_assignment_of_a_large_graph(size: int) -> None:
    rng = np.random.default_rng(size)
    for density in (0.02, 0.2, 1.0):
        matrix = np.where(rng.random((size, 2 * size)) < density, rng.integers(1, 50, (size, 2 * size)), 0)
        for weights in (matrix, matrix.T):
            rows, columns = np.nonzero(weights)
            chosen = heaviest(rows, columns, weights[rows, columns].astype(float))
            assert len(set(rows[chosen])) == len(set(columns[chosen])) == len(chosen)
            best = weights[linear_sum_assignment(-weights)].sum()
            assert weights[rows[chosen], columns[chosen]].sum() == best


def boxes_of(rng: np.random.Generator, kind: str, number: int) -> np.ndarray:
    corner, size = rng.integers(0, 5, (number, 2)) * 5.0, rng.integers(-1, 9, (number, 2)) * 5.0
    if kind != "lattice":
        corner, size = corner + rng.normal(0, 3, corner.shape), size + rng.normal(0, 3, size.shape)
    boxes = np.concatenate([corner, corner + size], axis=1)
    if kind == "huge" and number:
        boxes[rng.integers(number)] = rng.choice([1e300, -1e9, 1e6, np.inf, -np.inf], 4)
    return boxes


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", ["lattice", "crowd", "huge"])
def test_overlaps_are_those_of_the_full_matrices(kind: str) -> None:
    rng = np.random.default_rng(0)
    frames = [(boxes_of(rng, kind, rng.integers(0, 40)), boxes_of(rng, kind, rng.integers(0, 40))) for _ in range(60)]
    matrices = [np.nan_to_num(loops.iou_matrix(*frame)) for frame in frames]
    expected, truth_starts, result_starts = stacked(matrices)
    boxes = [np.concatenate([frame[side] for frame in frames]) for side in (0, 1)]
    got = overlapping_boxes(truth_starts, boxes[0], result_starts, boxes[1])
    assert len(got) > 4 * len(boxes[0]) or kind != "lattice", "more pairs than there is room for at first"
    np.testing.assert_array_equal(got.truth_rows, expected.truth_rows)
    np.testing.assert_array_equal(got.result_rows, expected.result_rows)
    np.testing.assert_array_equal(got.iou, expected.iou)


def test_the_loops_run_as_python_too() -> None:
    """What NUMBA_DISABLE_JIT=1 is for: a debugger can walk through."""
    script = """
from smiletrack.engine.eval_mot import evaluate
from tests.metrics.test_metrics import scene
for seed in range(3):
    measures = evaluate(*scene(seed, lattice=seed == 1))["COMBINED"]
    print([sorted(measures[family].items()) for family in ("CLEAR", "Identity")], measures["HOTA"]["HOTA"].tolist())
"""
    compiled, plain = (
        subprocess.run(
            [sys.executable, "-c", script], env=os.environ | switch, capture_output=True, text=True, check=True
        ).stdout
        for switch in ({"NUMBA_DISABLE_JIT": "0"}, {"NUMBA_DISABLE_JIT": "1"})
    )
    assert compiled == plain and compiled.count("\n") == 3
