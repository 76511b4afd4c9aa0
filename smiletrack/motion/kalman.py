"""A constant-velocity Kalman filter for boxes. Compiled; every function works on one track, in place.

The state of a track is four coordinates (their meaning: `motion.box_states`) and their velocities. Row i of each array
is one track:

* `means` (N, 2, 4): positions, then velocities.
* `covariances` (N, 3, 2, 2, 2): the blocks P (position and position), C (position, on the rows, and velocity) and V
  (velocity and velocity) of the 8 x 8 covariance, each for the coordinates 0-1 and for the coordinates 2-3, rows,
  columns. A warp of the image with rotation or shear mixes x with y, and the third with the fourth coordinate, and
  nothing ever mixes these two pairs: still exact, still no 8 x 8 matrix.
* `coupled`: whether any warp has mixed coordinates. Until then the blocks are diagonal, transition, noise and
  measurement keep them so, and a coordinate is filtered by its own three numbers.

Source of the filter: R. E. Kalman, 1960; its use for boxes: arXiv 1602.00763 (SORT).
"""

import numpy as np

from smiletrack.compiled import leaf
from smiletrack.motion.box_states import Four
from smiletrack.types import Floats

CHI2_95 = {1: 3.8415, 2: 5.9915, 3: 7.8147, 4: 9.4877}
"""0.95 quantile of chi-square by degrees of freedom: the usual gates on a squared Mahalanobis distance."""


@leaf
def initiate(means: Floats, covariances: Floats, i: int, position: Four, variances: tuple[Four, Four]) -> None:
    """Start track i at rest at `position`; `variances` of its position and its velocity."""
    for k in range(24):
        covariances[i, k // 8, k // 4 % 2, k // 2 % 2, k % 2] = 0.0
    for k in range(4):
        means[i, 0, k], means[i, 1, k] = position[k], 0.0
        covariances[i, 0, k // 2, k % 2, k % 2] = variances[0][k]
        covariances[i, 2, k // 2, k % 2, k % 2] = variances[1][k]


@leaf
def predict(means: Floats, covariances: Floats, i: int, step: float, noise: tuple[Four, Four], coupled: bool) -> None:
    """Move track i on by `step` frames, 1 or less; `noise` are the variances a frame adds to position and velocity.

    x' = F x, P' = F P F^T + step Q with F = [[1, step], [0, 1]] per coordinate.
    """
    for k in range(4):
        means[i, 0, k] += step * means[i, 1, k]
    for pair in range(2):
        if coupled:
            _predict_pair(covariances[i], pair, step)
        for c in range(2):
            if not coupled:
                covariances[i, 0, pair, c, c] += step * covariances[i, 1, pair, c, c]
                covariances[i, 1, pair, c, c] += step * covariances[i, 2, pair, c, c]
                covariances[i, 0, pair, c, c] += step * covariances[i, 1, pair, c, c]  # P + 2 s C + s^2 V
            covariances[i, 0, pair, c, c] += step * noise[0][2 * pair + c]
            covariances[i, 2, pair, c, c] += step * noise[1][2 * pair + c]


@leaf
def _predict_pair(covariance: Floats, pair: int, step: float) -> None:
    """F P F^T for two coordinates that hang together."""
    P, C, V = covariance[0, pair], covariance[1, pair], covariance[2, pair]
    upper, lower = C[0, 1], C[1, 0]
    for row in range(2):
        for column in range(2):
            transposed = lower if row < column else upper if row > column else C[row, row]
            P[row, column] += step * C[row, column]
            C[row, column] += step * V[row, column]
            P[row, column] += step * C[row, column]
            P[row, column] += step * (transposed - (C[row, column] - step * V[row, column]))  # P + s (C + C^T) + s^2 V


@leaf
def update(means: Floats, covariances: Floats, i: int, measured: Four, noise: Four, coupled: bool) -> None:
    """Correct track i by its measured position; `noise` is the measurement variance.

    S = P + R, K = [P, C] / S, x' = x + K (z - H x), P' = (I - K H) P.
    """
    if coupled:
        for pair in range(2):
            _update_pair(means[i], covariances[i], pair, measured, noise)
        return
    for k in range(4):
        pair, c = k // 2, k % 2
        P, C = covariances[i, 0, pair, c, c], covariances[i, 1, pair, c, c]
        innovation = measured[k] - means[i, 0, k]
        position_gain, velocity_gain = P / (P + noise[k]), C / (P + noise[k])
        means[i, 0, k] += position_gain * innovation
        means[i, 1, k] += velocity_gain * innovation
        covariances[i, 2, pair, c, c] -= velocity_gain * C
        covariances[i, 0, pair, c, c] -= position_gain * P
        covariances[i, 1, pair, c, c] -= position_gain * C


@leaf
def _update_pair(mean: Floats, covariance: Floats, pair: int, measured: Four, noise: Four) -> None:
    """The same for two coordinates that hang together."""
    P, C, V = covariance[0, pair], covariance[1, pair], covariance[2, pair]
    first, second = 2 * pair, 2 * pair + 1
    a, b, c, d = inverse(P[0, 0] + noise[first], P[0, 1], P[1, 0], P[1, 1] + noise[second])
    step = measured[first] - mean[0, first], measured[second] - mean[0, second]
    P0, P1, C0, C1 = (P[0, 0], P[0, 1]), (P[1, 0], P[1, 1]), (C[0, 0], C[0, 1]), (C[1, 0], C[1, 1])
    for row in range(2):
        at = P1 if row else P0
        position_gain = at[0] * a + at[1] * c, at[0] * b + at[1] * d
        velocity_gain = C0[row] * a + C1[row] * c, C0[row] * b + C1[row] * d
        mean[0, first + row] += position_gain[0] * step[0] + position_gain[1] * step[1]
        mean[1, first + row] += velocity_gain[0] * step[0] + velocity_gain[1] * step[1]
        for column in range(2):
            P[row, column] -= position_gain[0] * P0[column] + position_gain[1] * P1[column]
            C[row, column] -= position_gain[0] * C0[column] + position_gain[1] * C1[column]
            V[row, column] -= velocity_gain[0] * C0[column] + velocity_gain[1] * C1[column]


@leaf
def inverse(a: float, b: float, c: float, d: float) -> Four:
    """Return the inverse of the matrix [[a, b], [c, d]]."""
    determinant = a * d - b * c
    return d / determinant, -b / determinant, -c / determinant, a / determinant


@leaf
def mahalanobis(means: Floats, covariances: Floats, i: int, measured: Four, noise: Four, coupled: bool) -> float:
    """Return the squared Mahalanobis distance of track i to a measured position; compare with `CHI2_95[4]`."""
    total = 0.0
    for pair in range(2):
        P = covariances[i, 0, pair]
        first, second = 2 * pair, 2 * pair + 1
        x, y = measured[first] - means[i, 0, first], measured[second] - means[i, 0, second]
        if coupled:
            a, b, c, d = inverse(P[0, 0] + noise[first], P[0, 1], P[1, 0], P[1, 1] + noise[second])
            total += x * a * x + x * b * y + (y * c * x + y * d * y)
        else:
            total += x * x / (P[0, 0] + noise[first])
            total += y * y / (P[1, 1] + noise[second])
    return total


@leaf
def warp(
    means: Floats, covariances: Floats, i: int, blocks: tuple[Four, Four], shift_x: float, shift_y: float, coupled: bool
) -> None:
    """Carry track i along with a camera motion x -> A x + t of the image.

    `blocks` maps coordinates 0-1 and 2-3 (`box_states.warp_blocks`), positions and velocities alike; the
    shift moves the centre. x' = B x + t, P' = B P B^T. `coupled`: whether these blocks, or any before, couple.
    """
    for pair in range(2):
        a, b, c, d = blocks[pair]
        for order in range(2):
            x, y = means[i, order, 2 * pair], means[i, order, 2 * pair + 1]
            means[i, order, 2 * pair] = a * x + b * y
            means[i, order, 2 * pair + 1] = c * x + d * y
        for moment in range(3):
            X = covariances[i, moment, pair]
            if coupled:
                # B X, then times B^T
                top = a * X[0, 0] + b * X[1, 0], a * X[0, 1] + b * X[1, 1]
                low = c * X[0, 0] + d * X[1, 0], c * X[0, 1] + d * X[1, 1]
                X[0, 0], X[0, 1] = top[0] * a + top[1] * b, top[0] * c + top[1] * d
                X[1, 0], X[1, 1] = low[0] * a + low[1] * b, low[0] * c + low[1] * d
            else:
                X[0, 0] *= a * a
                X[1, 1] *= d * d
    means[i, 0, 0] += shift_x
    means[i, 0, 1] += shift_y


@leaf
def is_coupling(blocks: tuple[Four, Four]) -> bool:
    """Tell whether a warp by these blocks mixes coordinates."""
    mixing = abs(blocks[0][1]) + abs(blocks[0][2]) + abs(blocks[1][1]) + abs(blocks[1][2])
    return mixing != 0.0


@leaf
def copy_state(means: Floats, covariances: Floats, to_means: Floats, to_covariances: Floats, i: int) -> None:
    """Copy track i of some arrays over track i of others."""
    for k in range(8):
        to_means[i, k // 4, k % 4] = means[i, k // 4, k % 4]
    for k in range(24):
        at = k // 8, k // 4 % 2, k // 2 % 2, k % 2
        to_covariances[i, at[0], at[1], at[2], at[3]] = covariances[i, at[0], at[1], at[2], at[3]]


def dense(means: Floats, covariances: Floats) -> tuple[Floats, Floats]:
    """Return (N, 8) means and (N, 8, 8) covariances in the textbook order: four positions, then four velocities."""
    full = np.zeros((len(means), 8, 8))
    for pair in (0, 1):
        at, speed = slice(2 * pair, 2 * pair + 2), slice(4 + 2 * pair, 6 + 2 * pair)
        full[:, at, at] = covariances[:, 0, pair]
        full[:, at, speed] = covariances[:, 1, pair]
        full[:, speed, at] = covariances[:, 1, pair].transpose(0, 2, 1)
        full[:, speed, speed] = covariances[:, 2, pair]
    return means.reshape(-1, 8).copy(), full
