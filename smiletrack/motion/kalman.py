"""A constant-velocity Kalman filter over many boxes at once: pure functions, no state.

The state of a track is four coordinates (their meaning: `motion.box_states`) and their velocities. Arrays carry the
track on the last axis:

* `mean` (2, 4, N): positions, then velocities.
* `covariance` (3, 4, N), *independent* form: per coordinate the position's variance P, the covariance C of position and
  velocity, the velocity's variance V. Transition, noise and measurement never mix two coordinates, so this is the exact
  8 x 8 covariance of each track, without its zeros.
* `covariance` (3, 2, 2, 2, N), *coupled* form: a warp of the image with rotation or shear mixes x with y, and the
  third with the fourth coordinate, and nothing ever mixes these two pairs. P, C, V are then 2 x 2 blocks (C with the
  position on its rows), one for each pair: axes (P/C/V, row, column, pair, track). Still exact, still no 8 x 8 matrix.

Every function takes both forms. Source of the filter: R. E. Kalman, 1960; its use for boxes: arXiv 1602.00763 (SORT).
"""

import numpy as np

from smiletrack.types import Floats

CHI2_95 = {1: 3.8415, 2: 5.9915, 3: 7.8147, 4: 9.4877}
"""0.95 quantile of chi-square by degrees of freedom: the usual gates on a squared Mahalanobis distance."""

_EYE = np.eye(2)[:, :, None, None]


def initiate(position: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Return mean (2, 4, N) and independent covariance (3, 4, N) of tracks at rest at `position` (4, N).

    `variance` (2, 4, N) holds the variances of positions and velocities.
    """
    mean = np.zeros((2, *position.shape))
    mean[0] = position
    covariance = np.zeros((3, *position.shape))
    covariance[::2] = variance
    return mean, covariance


def predict(mean: Floats, covariance: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Move every track on by one frame; `noise` (2, 4, N) or (2, 4, 1) is the process variance.

    x' = F x, P' = F P F^T + Q with F = [[1, 1], [0, 1]] per coordinate.
    """
    mean, covariance = mean.copy(), covariance.copy()
    mean[0] += mean[1]
    P, C, V = covariance
    if covariance.ndim == 3:
        P += C
        C += V
        P += C  # P + 2 C + V
        covariance[::2] += noise
    else:
        transposed = C.swapaxes(0, 1).copy()
        P += C
        C += V
        P += C
        P += transposed - (C - V)  # P + C + C^T + V
        _diagonal(covariance[::2])[...] += _pairs(noise)
    return mean, covariance


def update(mean: Floats, covariance: Floats, measurement: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Correct every track by its measured position (4, N); `noise` (4, N) or (4, 1) is the measurement variance.

    S = P + R, K = [P, C] / S, x' = x + K (z - H x), P' = (I - K H) P.
    """
    innovation = measurement - mean[0]
    if covariance.ndim == 3:
        gain = covariance[:2] / (covariance[0] + noise)
        mean = mean + gain * innovation
        covariance = covariance.copy()
        covariance[2] -= gain[1] * covariance[1]
        covariance[:2] -= gain[0] * covariance[:2]
        return mean, covariance
    P, C, V = covariance
    inverse = _inverse(P + _EYE * _pairs(noise))
    position_gain, velocity_gain = _product(P, inverse), _product(C.swapaxes(0, 1), inverse)
    step = _pairs(innovation)
    moved = np.stack([(K * step[None]).sum(axis=1) for K in (position_gain, velocity_gain)])
    mean = mean + moved.swapaxes(1, 2).reshape(mean.shape)
    return mean, np.stack(
        (P - _product(position_gain, P), C - _product(position_gain, C), V - _product(velocity_gain, C))
    )


def mahalanobis(mean: Floats, covariance: Floats, measurement: Floats, noise: Floats, dimensions: int = 4) -> Floats:
    """Return the squared Mahalanobis distance (N,) of each track to the measured position (4, N) beside it.

    `noise` (4, N) is the measurement variance; `dimensions` 2 looks at the centre only. Compare with
    `CHI2_95[dimensions]`.
    """
    innovation = measurement - mean[0]
    if covariance.ndim == 3:
        normal = innovation * innovation / (covariance[0] + noise)
        return np.asarray(normal[:dimensions].sum(axis=0))
    step = _pairs(innovation)
    inverse = _inverse(covariance[0] + _EYE * _pairs(noise))
    terms = (step[:, None] * inverse * step[None]).sum(axis=(0, 1))  # one for each pair
    return np.asarray(terms[: dimensions // 2].sum(axis=0))


def warp(mean: Floats, covariance: Floats, blocks: Floats, translation: Floats) -> tuple[Floats, Floats]:
    """Carry every track along with a camera motion x -> A x + t of the image.

    `blocks` (2, 2, 2) maps coordinates 0-1 and 2-3 (`BoxModel.warp_blocks`), positions and velocities alike;
    `translation` (2,) moves the centre. x' = B x + t, P' = B P B^T. The covariance comes back independent where
    `blocks` are diagonal and it was, else coupled.
    """
    shape = mean.shape
    pairs = mean.reshape(2, 2, 2, mean.shape[-1])  # position/velocity, pair, coordinate, track
    mean = (blocks[:, :, :, None] * pairs[:, :, None]).sum(axis=3).reshape(shape)
    mean[0, :2] += translation[:, None]
    diagonal = np.diagonal(blocks, axis1=1, axis2=2)
    if covariance.ndim == 3 and np.count_nonzero(blocks) == np.count_nonzero(diagonal):
        return mean, np.asarray(covariance * (diagonal**2).reshape(4, 1))
    B = blocks.transpose(1, 2, 0)[..., None]  # row, column, pair, track
    blocked = couple(covariance)
    return mean, np.stack([_product(_product(B, X), B.swapaxes(0, 1)) for X in blocked])


def couple(covariance: Floats) -> Floats:
    """Return the coupled form (3, 2, 2, 2, N) of a covariance of either form."""
    if covariance.ndim == 5:
        return covariance
    coupled = np.zeros((3, 2, 2, 2, covariance.shape[-1]))
    _diagonal(coupled)[...] = _pairs(covariance)
    return coupled


def dense(mean: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Return (N, 8) means and (N, 8, 8) covariances in the textbook order: four positions, then four velocities."""
    P, C, V = couple(covariance)
    full = np.zeros((mean.shape[-1], 8, 8))
    for pair in (0, 1):
        at, speed = slice(2 * pair, 2 * pair + 2), slice(4 + 2 * pair, 6 + 2 * pair)
        full[:, at, at] = P[:, :, pair].transpose(2, 0, 1)
        full[:, at, speed] = C[:, :, pair].transpose(2, 0, 1)
        full[:, speed, at] = C[:, :, pair].transpose(2, 1, 0)
        full[:, speed, speed] = V[:, :, pair].transpose(2, 0, 1)
    return mean.reshape(8, mean.shape[-1]).T.copy(), full


def _pairs(values: Floats) -> Floats:
    """(..., 4, N) -> (..., 2, 2, N): coordinate in the pair, pair, track. A view."""
    return np.swapaxes(values.reshape(*values.shape[:-2], 2, 2, values.shape[-1]), -2, -3)


def _diagonal(blocks: Floats) -> Floats:
    """(k, 2, 2, 2, N) -> (k, 2, 2, N): a view of the main diagonals, coordinate in the pair before the pair."""
    k, row, column, pair, track = blocks.strides
    shape = (blocks.shape[0], 2, 2, blocks.shape[-1])
    return np.lib.stride_tricks.as_strided(blocks, shape, (k, row + column, pair, track))


def _product(a: Floats, b: Floats) -> Floats:
    """Matrix product over the first two axes (2, 2, ...), elementwise over the rest."""
    return np.asarray((a[:, :, None] * b[None]).sum(axis=1))


def _inverse(blocks: Floats) -> Floats:
    """Inverse of (2, 2, ...) matrices."""
    inverse = np.empty_like(blocks)
    inverse[0, 0], inverse[1, 1] = blocks[1, 1], blocks[0, 0]
    inverse[0, 1], inverse[1, 0] = -blocks[0, 1], -blocks[1, 0]
    return np.asarray(inverse / (blocks[0, 0] * blocks[1, 1] - blocks[0, 1] * blocks[1, 0]))
