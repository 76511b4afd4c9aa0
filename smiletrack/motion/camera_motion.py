"""Camera motion: the affine map from each frame to the next, estimated on what does not move by itself.

A warp is a (2, 3) float64 matrix W in pixels of the full frame; a still point at (x, y) in the frame before is at
W @ (x, y, 1) in this one. A sequence has one a frame, the identity for its first (the convention of BoT-SORT,
arXiv:2206.14651, section 3.1). The model is a similarity: rotation, one scale, translation, 4 parameters.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from smiletrack.lazy import LazyModule
from smiletrack.ranges import Checked, Count
from smiletrack.types import Floats

cv2 = LazyModule("cv2")

Image = NDArray[np.uint8]
Method = Literal["flow", "ecc", "orb"]


@dataclass(frozen=True)
class CameraMotionConfig(Checked):
    """How camera motion is estimated."""

    method: Method = "flow"
    """flow: corners tracked by pyramidal Lucas-Kanade. ecc: maximum correlation of all pixels. orb: matched ORB
    features, for large jumps."""

    height: Count = 0
    """Height in pixels to which frames are downscaled, approximately, by an integer factor; 0 = what suits the
    method."""

    max_features: Count = 0
    """Maximum number of corners or features in a frame; 0 = what suits the method."""

    min_inliers: Annotated[int, Ge(3)] = 12
    """Minimum number of points that agree on the warp; with fewer the estimate counts as failed."""

    max_scale: Annotated[float, Gt(1)] = 1.3
    """Maximum plausible zoom from one frame to the next; 1 / max_scale is the minimum."""

    max_shift: Annotated[float, Gt(0), Le(1)] = 0.5
    """Maximum plausible shift of the image centre, as a fraction of the diagonal."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.height < 32:
            raise ValueError(f"height must be 0 or at least 32 pixels, not {self.height}")
        if 0 < self.max_features < 4:
            raise ValueError(f"max_features must be 0 or at least 4, not {self.max_features}")


def skipping_warps(warps: Floats, stride: int) -> Floats:
    """Return the warps between frames 1, 1 + stride, 1 + 2 stride ..., those in between carried out one after another.

    (T, 2, 3) -> (ceil(T / stride), 2, 3).
    """
    count = -(-len(warps) // stride)
    full = np.concatenate((warps, np.broadcast_to([[[0.0, 0.0, 1.0]]], (len(warps), 1, 3))), axis=1)
    between = np.tile(np.eye(3), (max(count - 1, 0), 1, 1))
    for offset in range(1, stride + 1):
        between = full[offset::stride][: count - 1] @ between
    return np.concatenate((warps[:1], between[:, :2]))


@dataclass(frozen=True, eq=False)
class View:
    """One frame made ready: grey (h, w) uint8, scaled by `scale`; `mask` (h, w) is 0 on what moves, 255 else."""

    grey: Image
    mask: Image
    scale: float


class CameraMotion:
    """Estimates frame after frame. Its state is the view before and the number of frames where estimation failed."""

    def __init__(self, config: CameraMotionConfig) -> None:
        self.config = config
        self.previous: View | None = None
        self.num_failed = 0

    def step(self, frame: Image, boxes: Floats | None = None) -> Floats:
        """Return the (2, 3) warp from the frame of the last call to this one.

        frame: (H, W, 3) BGR or (H, W) grey, uint8. boxes: (N, 4) xyxy of what moves by itself; it is left out.
        The identity for the first frame, after a change of size, and where estimation fails (counted).
        """
        view = make_view(frame, boxes, self.config.height or _HEIGHT[self.config.method])
        previous, self.previous = self.previous, view
        if previous is None:
            return np.eye(2, 3)
        warp = estimate_warp(previous, view, self.config) if previous.grey.shape == view.grey.shape else None
        if warp is None:
            self.num_failed += 1
            return np.eye(2, 3)
        return warp


def make_view(frame: Image, boxes: Floats | None, height: int) -> View:
    """Make a frame grey, scale it to about `height` pixels (never up) and mask the boxes, a tenth larger on each side.

    The factor is a whole number: averaging whole blocks of pixels is ten times faster than any other ratio. Blocks of
    2 x 2 are faster still, in colour too, which is then made grey in a quarter of the time.
    """
    factor = max(1, round(frame.shape[0] / height))
    rows, columns = (side // factor for side in frame.shape[:2])
    small = frame[: rows * factor, : columns * factor]
    if factor % 2 == 0:
        small = cv2.resize(small, (columns * factor // 2, rows * factor // 2), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY) if small.ndim == 3 else small
    if grey.shape != (rows, columns):
        grey = cv2.resize(grey, (columns, rows), interpolation=cv2.INTER_AREA)
    scale = 1 / factor
    mask = np.full(grey.shape, 255, np.uint8)
    for x1, y1, x2, y2 in np.asarray(boxes if boxes is not None else np.empty((0, 4))) * scale:
        margin_x, margin_y = 0.1 * (x2 - x1), 0.1 * (y2 - y1)
        left, right = max(0, int(x1 - margin_x)), max(0, math.ceil(x2 + margin_x))
        top, bottom = max(0, int(y1 - margin_y)), max(0, math.ceil(y2 + margin_y))
        mask[top:bottom, left:right] = 0
    return View(np.asarray(grey, np.uint8), mask, scale)


def estimate_warp(previous: View, view: View, config: CameraMotionConfig) -> Floats | None:
    """Return the warp from one view to the next in pixels of the full frame, None where it cannot be told."""
    warp = _ESTIMATORS[config.method](previous, view, config)
    if warp is None:
        return None
    height, width = view.grey.shape
    full = to_full_size(warp, view.scale)
    return full if is_plausible(full, width / view.scale, height / view.scale, config) else None


def to_full_size(warp: Floats, scale: float) -> Floats:
    """Return the same warp for the frame before it was scaled by `scale`.

    Scaled pixel centres lie at x' = s x + c with c = (s - 1) / 2, so y' = A x' + t' is y = A x + (t' + A c - c) / s.
    """
    linear, shift = warp[:, :2], warp[:, 2]
    centre = np.full(2, (scale - 1) / 2)
    return np.column_stack((linear, (shift + linear @ centre - centre) / scale))


def is_plausible(warp: Floats, width: float, height: float, config: CameraMotionConfig) -> bool:
    """Tell whether a camera can have moved like this within one frame: finite, not singular, no absurd zoom or jump."""
    if not np.isfinite(warp).all():
        return False
    determinant = float(np.linalg.det(warp[:, :2]))
    if determinant <= 0 or not 1 / config.max_scale <= math.sqrt(determinant) <= config.max_scale:
        return False
    centre = np.array([width / 2, height / 2])
    moved = warp[:, :2] @ centre + warp[:, 2] - centre
    return math.hypot(*moved) <= config.max_shift * math.hypot(width, height)


def flow_warp(previous: View, view: View, config: CameraMotionConfig) -> Floats | None:
    """Follow corners of the frame before by pyramidal Lucas-Kanade, fit a similarity with RANSAC."""
    corners = _corners(previous, config.max_features or _FEATURES["flow"])
    if corners is None:
        return None
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        previous.grey, view.grey, corners, np.empty_like(corners), winSize=(13, 13), maxLevel=4
    )
    kept = found.ravel() == 1
    before, after = corners.reshape(-1, 2)[kept], moved.reshape(-1, 2)[kept]
    height, width = view.mask.shape
    columns = np.clip(after[:, 0].round().astype(int), 0, width - 1)
    rows = np.clip(after[:, 1].round().astype(int), 0, height - 1)
    still = view.mask[rows, columns] > 0
    return _fit_similarity(before[still], after[still], config)


def _corners(view: View, most: int) -> Any:
    """Return (N, 1, 2) float32 corners of what is still, None for none.

    They are looked for at half the size, in a quarter of the time, and lie on whole pixels: the flow from between two
    pixels is less exact (by half, against `gmc.txt` of MOT17-02).
    """
    half = cv2.resize(view.grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    still = np.ascontiguousarray(view.mask[::2, ::2][: half.shape[0], : half.shape[1]])
    found = cv2.goodFeaturesToTrack(half, most, qualityLevel=0.01, minDistance=6, mask=still, blockSize=3)
    return None if found is None else 2 * found


def orb_warp(previous: View, view: View, config: CameraMotionConfig) -> Floats | None:
    """Match ORB features of the two frames by the ratio test, fit a similarity with RANSAC."""
    orb = cv2.ORB.create(nfeatures=config.max_features or _FEATURES["orb"], fastThreshold=10)
    points_before, codes_before = orb.detectAndCompute(previous.grey, previous.mask)
    points_after, codes_after = orb.detectAndCompute(view.grey, view.mask)
    if codes_before is None or codes_after is None or len(codes_after) < 2:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(codes_before, codes_after, k=2)
    matches = [best for best, second in pairs if best.distance < 0.8 * second.distance]
    before = np.array([points_before[match.queryIdx].pt for match in matches], np.float32)
    after = np.array([points_after[match.trainIdx].pt for match in matches], np.float32)
    return _fit_similarity(before.reshape(-1, 2), after.reshape(-1, 2), config)


def ecc_warp(previous: View, view: View, config: CameraMotionConfig) -> Floats | None:
    """Maximise the correlation of all unmasked pixels over rotation and translation (Evangelidis and Psarakis 2008)."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    start = np.eye(2, 3, dtype=np.float32)
    try:
        _, warp = cv2.findTransformECC(
            previous.grey, view.grey, start, cv2.MOTION_EUCLIDEAN, criteria, view.mask, gaussFiltSize=5
        )
    except cv2.error:  # it does not converge, or nothing has texture
        return None
    return np.asarray(warp, np.float64)


_ESTIMATORS: dict[str, Callable[[View, View, CameraMotionConfig], Floats | None]] = {
    "flow": flow_warp,
    "ecc": ecc_warp,
    "orb": orb_warp,
}
_HEIGHT = {"flow": 540, "ecc": 270, "orb": 540}
_FEATURES = {"flow": 200, "orb": 400}


def _fit_similarity(
    before: NDArray[np.float32], after: NDArray[np.float32], config: CameraMotionConfig
) -> Floats | None:
    """(N, 2), (N, 2) points -> warp, None where fewer than `min_inliers` agree within a pixel (of the scaled frame)."""
    if len(before) < config.min_inliers:
        return None
    warp, inliers = cv2.estimateAffinePartial2D(
        before, after, method=cv2.RANSAC, ransacReprojThreshold=1.0, maxIters=500, confidence=0.995, refineIters=10
    )
    if warp is None or int(inliers.sum()) < config.min_inliers:
        return None
    return np.asarray(warp, np.float64)
