"""Gap filling against ByteTrack's rule in plain loops, smoothing against filterpy."""

from itertools import pairwise

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from smiletrack.motion.box_states import (
    XYWH,
    corners_of,
    initial_variances,
    measurement_variances,
    position_of,
    process_variances,
)
from smiletrack.tracking.interpolation import InterpolationConfig, interpolate, smooth_boxes
from smiletrack.types import TrackTable


def table_with_gaps(rng: np.random.Generator) -> TrackTable:
    """Track 1: gaps of 1, 18 and 30 frames; track 2 is short; track 3 is whole."""
    frames = {1: [1, 2, 3, 5, 6, 7, 26, 27, 58, 59], 2: [1, 3], 3: list(range(1, 11))}
    rows = [(f, i) for i, numbers in frames.items() for f in numbers]
    order = rng.permutation(len(rows))
    corner = rng.uniform(0, 500, (len(rows), 2))
    return TrackTable(
        frames=np.array([rows[k][0] for k in order]),
        ids=np.array([rows[k][1] for k in order]),
        boxes=np.hstack((corner, corner + rng.uniform(20, 90, (len(rows), 2)))),
    )


def test_gaps_are_filled_by_bytetracks_rule() -> None:
    table = table_with_gaps(np.random.default_rng(0))
    expected = {(int(i), int(f)): box for i, f, box in zip(table.ids, table.frames, table.boxes, strict=True)}
    for track in (1, 2, 3):
        rows = np.flatnonzero(table.ids == track)
        rows = rows[np.argsort(table.frames[rows])]
        if len(rows) <= 5:
            continue
        for left, right in pairwise(rows):
            gap = int(table.frames[right] - table.frames[left])
            if 1 < gap < 20:
                for k in range(1, gap):
                    line = table.boxes[left] + (table.boxes[right] - table.boxes[left]) * k / gap
                    expected[track, int(table.frames[left]) + k] = line
    filled = interpolate(table, InterpolationConfig("linear"))
    found = {(int(i), int(f)): box for i, f, box in zip(filled.ids, filled.frames, filled.boxes, strict=True)}
    assert len(found) == len(filled) > len(table)
    assert found.keys() == expected.keys()
    for key, box in expected.items():
        np.testing.assert_allclose(found[key], box)
    assert (np.lexsort((filled.ids, filled.frames)) == np.arange(len(filled))).all()


@pytest.mark.parametrize("length", [30, 17, 1])
def test_smoothing_is_filterpys(length: int) -> None:
    rng = np.random.default_rng(1)
    corner = np.cumsum(rng.normal(2, 3, (length, 2)), axis=0) + 300
    boxes = np.hstack((corner, corner + rng.uniform(40, 60, (length, 2))))
    f = KalmanFilter(8, 4)
    f.F, f.H = np.eye(8) + np.eye(8, k=4), np.eye(4, 8)
    first = position_of(XYWH, *boxes[0])
    f.x = np.array([[*first, 0, 0, 0, 0]]).T
    f.P = np.diag(np.ravel(initial_variances(XYWH, *first[2:])))
    xs, Ps, Qs = [f.x.copy()], [f.P.copy()], []
    for frame in range(1, length):
        Qs.append(np.diag(np.ravel(process_variances(XYWH, *f.x[2:4, 0]))))
        f.predict(Q=Qs[-1])
        f.update(np.array([position_of(XYWH, *boxes[frame])]).T, R=np.diag(measurement_variances(XYWH, *f.x[2:4, 0])))
        xs.append(f.x.copy())
        Ps.append(f.P.copy())
    # filterpy's Qs[k + 1] is that of the step to k + 1
    x = f.rts_smoother(np.array(xs), np.array(Ps), Qs=[*Qs[:1], *Qs])[0] if length > 1 else np.array(xs)
    expected = [corners_of(XYWH, *position) for position in x[:, :4, 0]]
    np.testing.assert_allclose(smooth_boxes(boxes, XYWH), expected, rtol=1e-9)


def test_smoothing_leaves_short_tracks_and_fills_gaps() -> None:
    table = table_with_gaps(np.random.default_rng(2))
    smooth = interpolate(table, InterpolationConfig("smooth", min_length=2))
    linear = interpolate(table, InterpolationConfig("linear", min_length=2))
    np.testing.assert_array_equal(smooth.frames, linear.frames)
    short = smooth.ids == 2
    np.testing.assert_array_equal(smooth.boxes[short], linear.boxes[short])
    assert not np.allclose(smooth.boxes[~short], linear.boxes[~short])


def test_nothing_to_do() -> None:
    empty = TrackTable(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4)))
    for method in ("none", "linear", "smooth"):
        assert len(interpolate(empty, InterpolationConfig(method))) == 0
