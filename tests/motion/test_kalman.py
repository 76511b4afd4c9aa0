"""The batched filter against filterpy's dense one, track by track, and against the closed form of a warp."""

from collections.abc import Callable

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from smiletrack.motion import kalman
from smiletrack.motion.box_states import MODELS, BoxModel
from smiletrack.types import Floats

ROTATION = np.array([[0.99, -0.04], [0.03, 1.02]])
ZOOM = np.array([[1.02, 0.0], [0.0, 0.97]])


def random_boxes(rng: np.random.Generator, count: int) -> Floats:
    left_top = rng.uniform(0, 1000, (2, count))
    return np.concatenate((left_top, left_top + rng.uniform(20, 300, (2, count))))


def textbook(mean: Floats, covariance: Floats) -> list[KalmanFilter]:
    """One filterpy filter a track, in the same state."""
    filters = []
    for x, P in zip(*kalman.dense(mean, covariance), strict=True):
        f = KalmanFilter(8, 4)
        f.F = np.eye(8) + np.eye(8, k=4)
        f.H = np.eye(4, 8)
        f.x, f.P = x[:, None].copy(), P.copy()
        filters.append(f)
    return filters


def assert_same(mean: Floats, covariance: Floats, filters: list[KalmanFilter]) -> None:
    x, P = kalman.dense(mean, covariance)
    np.testing.assert_allclose(x, [f.x[:, 0] for f in filters], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(P, [f.P for f in filters], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("linear", [None, ZOOM, ROTATION], ids=["still", "zoom", "rotation"])
@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_filterpy(name: str, linear: Floats | None, rng: np.random.Generator) -> None:
    """Ten frames of predict, warp, gate and update, some of them without a detection."""
    model: BoxModel = MODELS[name]
    boxes = random_boxes(rng, 5)
    position = model.measure(boxes)
    mean, covariance = kalman.initiate(position, model.initial_variance(position))
    filters = textbook(mean, covariance)
    for frame in range(10):
        noise = np.broadcast_to(model.process_variance(mean[0]), mean.shape)
        mean, covariance = kalman.predict(mean, covariance, noise)
        for i, f in enumerate(filters):
            f.predict(Q=np.diag(noise[:, :, i].ravel()))
        assert_same(mean, covariance, filters)
        if linear is not None:
            blocks, translation = model.warp_blocks(linear), np.array([3.0, -2.0])
            mean, covariance = kalman.warp(mean, covariance, blocks, translation)
            B = np.zeros((8, 8))
            for k in range(4):
                B[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = blocks[k % 2]
            for f in filters:
                f.x = B @ f.x
                f.x[:2, 0] += translation
                f.P = B @ f.P @ B.T
            assert_same(mean, covariance, filters)
        if frame % 3 == 2:
            continue
        measurement = model.measure(boxes + rng.normal(0, 3, boxes.shape) + 4 * frame)
        R = np.broadcast_to(model.measurement_variance(mean[0]), measurement.shape)
        distance = kalman.mahalanobis(mean, covariance, measurement, R)
        centre_distance = kalman.mahalanobis(mean, covariance, measurement, R, dimensions=2)
        mean, covariance = kalman.update(mean, covariance, measurement, R)
        for i, f in enumerate(filters):
            f.update(measurement[:, i : i + 1], R=np.diag(R[:, i]))
            np.testing.assert_allclose(distance[i], f.mahalanobis**2, rtol=1e-9)
            y, S = f.y[:2, 0], f.S[:2, :2]
            np.testing.assert_allclose(centre_distance[i], y @ np.linalg.solve(S, y), rtol=1e-9)
        assert_same(mean, covariance, filters)
    assert (covariance.ndim == 5) == (linear is ROTATION)


@pytest.mark.parametrize("name", MODELS)
def test_coupled_form_equals_independent_form(name: str, rng: np.random.Generator) -> None:
    model = MODELS[name]
    position = model.measure(random_boxes(rng, 4))
    mean, covariance = kalman.initiate(position, model.initial_variance(position))
    coupled = kalman.couple(covariance)
    for step in (
        lambda m, c: kalman.predict(m, c, model.process_variance(position)),
        lambda m, c: kalman.update(m, c, position + 2, model.measurement_variance(position)),
    ):
        (mean, covariance), (other, coupled) = step(mean, covariance), step(mean, coupled)
        np.testing.assert_allclose(mean, other, rtol=1e-12)
        np.testing.assert_allclose(kalman.couple(covariance), coupled, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_box_survives_the_round_trip(name: str, rng: np.random.Generator) -> None:
    boxes = random_boxes(rng, 20)
    np.testing.assert_allclose(MODELS[name].boxes(MODELS[name].measure(boxes)), boxes, rtol=1e-12)


def test_noise_as_published() -> None:
    """A box of 40 x 100: the standard deviations that DeepSORT, BoT-SORT and SORT give it."""
    xyah, xywh, xysr = (MODELS[n] for n in ("xyah", "xywh", "xysr"))
    at = np.array([[0.0], [0.0], [0.4], [100.0]])
    assert np.sqrt(xyah.initial_variance(at))[..., 0].ravel() == pytest.approx(
        [10, 10, 1e-2, 10, 6.25, 6.25, 1e-5, 6.25]
    )
    assert np.sqrt(xyah.process_variance(at))[..., 0].ravel() == pytest.approx(
        [5, 5, 1e-2, 5, 0.625, 0.625, 1e-5, 0.625]
    )
    assert np.sqrt(xyah.measurement_variance(at))[:, 0] == pytest.approx([5, 5, 1e-1, 5])
    at = np.array([[0.0], [0.0], [40.0], [100.0]])
    assert np.sqrt(xywh.initial_variance(at))[..., 0].ravel() == pytest.approx([4, 10, 4, 10, 2.5, 6.25, 2.5, 6.25])
    assert np.sqrt(xywh.process_variance(at))[..., 0].ravel() == pytest.approx([2, 5, 2, 5, 0.25, 0.625, 0.25, 0.625])
    assert np.sqrt(xywh.measurement_variance(at))[:, 0] == pytest.approx([2, 5, 2, 5])
    assert xysr.initial_variance(at)[..., 0].ravel() == pytest.approx([10, 10, 10, 10, 1e4, 1e4, 1e4, 0])
    assert xysr.process_variance(at)[..., 0].ravel() == pytest.approx([1, 1, 1, 1, 1e-2, 1e-2, 1e-4, 0])
    assert xysr.measurement_variance(at)[:, 0] == pytest.approx([1, 1, 10, 10])


def test_area_never_becomes_negative() -> None:
    mean = np.array([[[0.0], [0.0], [100.0], [0.5]], [[1.0], [1.0], [-120.0], [0.0]]])
    assert MODELS["xysr"].possible(mean)[1, :, 0].tolist() == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("form", ["independent", "coupled"])
def test_no_tracks_is_legal(form: str) -> None:
    model = MODELS["xywh"]
    none = np.zeros((4, 0))
    mean, covariance = kalman.initiate(none, model.initial_variance(none))
    couple: Callable[[Floats], Floats] = kalman.couple if form == "coupled" else lambda c: c
    mean, covariance = kalman.predict(mean, couple(covariance), model.process_variance(none))
    mean, covariance = kalman.warp(mean, covariance, model.warp_blocks(ROTATION), np.zeros(2))
    mean, covariance = kalman.update(mean, covariance, none, model.measurement_variance(none))
    assert mean.shape == (2, 4, 0)
    assert covariance.shape == (3, 2, 2, 2, 0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
