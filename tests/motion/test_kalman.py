"""The compiled filter against filterpy's dense one, and against the closed form of a warp."""

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from smiletrack.motion import box_states, kalman
from smiletrack.motion.box_states import BOX_STATES, XYAH, XYHR, XYSR, XYWH
from smiletrack.types import Floats

ROTATION = np.array([[0.99, -0.04], [0.03, 1.02]])
ZOOM = np.array([[1.02, 0.0], [0.0, 0.97]])


def random_boxes(rng: np.random.Generator, count: int) -> Floats:
    left_top = rng.uniform(0, 1000, (count, 2))
    return np.hstack((left_top, left_top + rng.uniform(20, 300, (count, 2))))


def started(state: int, boxes: Floats) -> tuple[Floats, Floats]:
    """Means and covariances of tracks that are born at the boxes."""
    means, covariances = np.full((len(boxes), 2, 4), np.nan), np.full((len(boxes), 3, 2, 2, 2), np.nan)
    for i, box in enumerate(boxes):
        position = box_states.position_of(state, *box)
        kalman.initiate(means, covariances, i, position, box_states.initial_variances(state, *position[2:]))
    return means, covariances


def textbook(means: Floats, covariances: Floats) -> list[KalmanFilter]:
    """One filterpy filter a track, in the same state."""
    filters = []
    for x, P in zip(*kalman.dense(means, covariances), strict=True):
        f = KalmanFilter(8, 4)
        f.F = np.eye(8) + np.eye(8, k=4)
        f.H = np.eye(4, 8)
        f.x, f.P = x[:, None].copy(), P.copy()
        filters.append(f)
    return filters


def assert_same(means: Floats, covariances: Floats, filters: list[KalmanFilter]) -> None:
    x, P = kalman.dense(means, covariances)
    np.testing.assert_allclose(x, [f.x[:, 0] for f in filters], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(P, [f.P for f in filters], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("linear", [None, ZOOM, ROTATION], ids=["still", "zoom", "rotation"])
@pytest.mark.parametrize("name", BOX_STATES)
def test_agrees_with_filterpy(name: str, linear: Floats | None, rng: np.random.Generator) -> None:
    """Ten frames of predict, warp, gate and update, some of them without a detection."""
    state, coupled = BOX_STATES[name], linear is ROTATION
    boxes = random_boxes(rng, 5)
    means, covariances = started(state, boxes)
    filters = textbook(means, covariances)
    for frame in range(10):
        for i, f in enumerate(filters):
            noise = box_states.process_variances(state, *means[i, 0, 2:])
            kalman.predict(means, covariances, i, 1.0, noise, coupled)
            f.predict(Q=np.diag(np.ravel(noise)))
        assert_same(means, covariances, filters)
        if linear is not None:
            blocks = box_states.warp_blocks(state, linear)
            assert kalman.is_coupling(blocks) == coupled
            B = np.zeros((8, 8))
            for k in range(4):
                B[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = np.reshape(blocks[k % 2], (2, 2))
            for i, f in enumerate(filters):
                kalman.warp(means, covariances, i, blocks, 3.0, -2.0, coupled)
                f.x = B @ f.x
                f.x[:2, 0] += 3.0, -2.0
                f.P = B @ f.P @ B.T
            assert_same(means, covariances, filters)
        if frame % 3 == 2:
            continue
        for i, f in enumerate(filters):
            measured = box_states.position_of(state, *(boxes[i] + rng.normal(0, 3, 4) + 4 * frame))
            noise = box_states.measurement_variances(state, *means[i, 0, 2:])
            distance = kalman.mahalanobis(means, covariances, i, measured, noise, coupled)
            kalman.update(means, covariances, i, measured, noise, coupled)
            f.update(np.array(measured)[:, None], R=np.diag(noise))
            np.testing.assert_allclose(distance, f.mahalanobis**2, rtol=1e-9)
        assert_same(means, covariances, filters)


@pytest.mark.parametrize("name", BOX_STATES)
def test_coupled_form_equals_independent_form(name: str, rng: np.random.Generator) -> None:
    state = BOX_STATES[name]
    boxes = random_boxes(rng, 1)
    (mean, covariance), (other, coupled) = started(state, boxes), started(state, boxes)
    at = mean[0, 0].copy()
    for x, P, form in ((mean, covariance, False), (other, coupled, True)):
        kalman.predict(x, P, 0, 1.0, box_states.process_variances(state, *at[2:]), form)
        kalman.update(x, P, 0, tuple(at + 2), box_states.measurement_variances(state, *at[2:]), form)
    np.testing.assert_allclose(mean, other, rtol=1e-12)
    np.testing.assert_allclose(covariance, coupled, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", BOX_STATES)
def test_box_survives_the_round_trip(name: str, rng: np.random.Generator) -> None:
    state, box = BOX_STATES[name], random_boxes(rng, 1)[0]
    np.testing.assert_allclose(box_states.corners_of(state, *box_states.position_of(state, *box)), box, rtol=1e-12)


def test_noise_as_published() -> None:
    """A box of 40 x 100: the standard deviations that DeepSORT, BoT-SORT, SORT and BoostTrack give it."""

    def deviations(variances: object) -> list[float]:
        return np.sqrt(np.ravel(variances)).tolist()

    initial, process = box_states.initial_variances, box_states.process_variances
    assert deviations(initial(XYAH, 0.4, 100.0)) == pytest.approx([10, 10, 1e-2, 10, 6.25, 6.25, 1e-5, 6.25])
    assert deviations(process(XYAH, 0.4, 100.0)) == pytest.approx([5, 5, 1e-2, 5, 0.625, 0.625, 1e-5, 0.625])
    assert deviations(box_states.measurement_variances(XYAH, 0.4, 100.0)) == pytest.approx([5, 5, 1e-1, 5])
    assert deviations(initial(XYWH, 40.0, 100.0)) == pytest.approx([4, 10, 4, 10, 2.5, 6.25, 2.5, 6.25])
    assert deviations(process(XYWH, 40.0, 100.0)) == pytest.approx([2, 5, 2, 5, 0.25, 0.625, 0.25, 0.625])
    assert deviations(box_states.measurement_variances(XYWH, 40.0, 100.0)) == pytest.approx([2, 5, 2, 5])
    assert np.ravel(initial(XYSR, 1.0, 1.0)).tolist() == [10, 10, 10, 10, 1e4, 1e4, 1e4, 0]
    assert box_states.measurement_variances(XYSR, 1.0, 1.0) == (1, 1, 10, 10)
    assert np.ravel(initial(XYHR, 100.0, 0.4)).tolist() == [10, 10, 10, 10, 1e4, 1e4, 1e4, 1e4]
    assert box_states.measurement_variances(XYHR, 100.0, 0.4) == (1, 1, 10, 0.01)


def test_area_never_becomes_negative() -> None:
    assert not box_states.is_possible(XYSR, 100.0, -120.0)
    assert box_states.is_possible(XYSR, 100.0, -90.0) and box_states.is_possible(XYWH, 100.0, -120.0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
