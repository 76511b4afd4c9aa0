"""Camera motion against worlds whose answer is known: one textured picture, moved by a warp that we choose."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from smiletrack.motion.camera_motion import (
    CameraMotion,
    CameraMotionConfig,
    Method,
    is_plausible,
    to_full_size,
)

WIDTH, HEIGHT = 640, 384


def similarity(degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    """Rotation and zoom about the picture's centre, then a shift in pixels."""
    warp = np.asarray(cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, scale), np.float64)
    warp[:, 2] += shift
    return warp


def texture(seed: int, height: int, width: int) -> np.ndarray:
    """Noise with structure at many sizes, like a street."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.uniform(0, 1, (height // n + 2, width // n + 2)), (width, height), interpolation=cv2.INTER_CUBIC)
        for n in (4, 12, 40)
    ]
    return np.clip(np.mean(layers, 0) * 400 - 70, 0, 255).astype(np.uint8)


def moved(picture: np.ndarray, warp: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(picture, warp, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def corner_error(warp: np.ndarray, truth: np.ndarray) -> float:
    """Largest distance, in pixels, between where the two warps put the corners of the picture."""
    corners = np.array([[0, 0, 1], [WIDTH, 0, 1], [0, HEIGHT, 1], [WIDTH, HEIGHT, 1]], float).T
    return float(np.linalg.norm((warp - truth) @ corners, axis=0).max())


WARPS = [
    similarity(0, 1, (0, 0)),
    similarity(0, 1, (5.5, -3.25)),
    similarity(0.8, 1.0, (2, 1)),
    similarity(-0.5, 1.02, (-6, 4)),
]


@pytest.mark.parametrize(
    ("method", "height", "tolerance", "truth"),
    [
        *(("flow", 0, 0.3, truth) for truth in WARPS),
        *(("flow", 192, 0.5, truth) for truth in WARPS),
        *(("orb", 0, 1.5, truth) for truth in WARPS),
        *(("ecc", 192, 0.5, truth) for truth in WARPS[:3]),  # the last one zooms, which ECC has no parameter for
    ],
)
def test_known_warp_is_found(method: Method, height: int, tolerance: float, truth: np.ndarray) -> None:
    motion = CameraMotion(CameraMotionConfig(method=method, height=height))
    picture = texture(1, HEIGHT, WIDTH)
    assert np.array_equal(motion.step(picture), np.eye(2, 3))
    warp = motion.step(cv2.cvtColor(moved(picture, truth), cv2.COLOR_GRAY2BGR))
    assert warp.shape == (2, 3) and warp.dtype == np.float64
    assert corner_error(warp, truth) < tolerance
    assert motion.num_failed == 0


@pytest.mark.parametrize("method", ["flow", "ecc", "orb"])
def test_masked_crowd_does_not_pull_the_warp(method: Method) -> None:
    """Two thirds of the picture walk to the right while the camera moves left and up."""
    truth, walk = similarity(0, 1, (-4, -3)), 7
    background, crowd = texture(2, HEIGHT, WIDTH), texture(3, HEIGHT, 460)
    before, after = background.copy(), moved(background, truth)
    before[40:300, 60:520], after[40:300, 60 + walk : 520 + walk] = crowd[:260], crowd[:260]
    boxes = [np.array([[60.0 + x, 40.0, 520.0 + x, 300.0]]) for x in (0, walk)]
    config = CameraMotionConfig(method=method, height=HEIGHT)
    masked, blind = CameraMotion(config), CameraMotion(config)
    masked.step(before, boxes[0]), blind.step(before)
    error = corner_error(masked.step(after, boxes[1]), truth)
    assert error < 1
    assert corner_error(blind.step(after), truth) > max(1, 2 * error), "without the mask the crowd pulls"


def test_a_warp_of_the_scaled_frame_is_that_of_the_full_one() -> None:
    """Pixel centres move with the scale: follow one through block means of 4 x 4 pixels, where x' = (x - 1.5) / 4."""
    small = np.array([[0.9, -0.2, 3.0], [0.2, 0.9, -1.0]])
    full = to_full_size(small, 1 / 4)
    for x, y in ((0.0, 0.0), (639.0, 17.0)):
        scaled = small @ np.array([(x - 1.5) / 4, (y - 1.5) / 4, 1])
        np.testing.assert_allclose(full @ np.array([x, y, 1]), scaled * 4 + 1.5, atol=1e-9)


@pytest.mark.parametrize("method", ["flow", "ecc", "orb"])
def test_failure_is_the_identity_and_counted(method: Method) -> None:
    flat, noise = np.full((HEIGHT, WIDTH, 3), 90, np.uint8), texture(4, HEIGHT, WIDTH)
    motion = CameraMotion(CameraMotionConfig(method=method))
    everything = np.array([[-50.0, -50.0, WIDTH + 50.0, HEIGHT + 50.0]])
    answers = [motion.step(flat), motion.step(flat), motion.step(noise, everything), motion.step(noise[:100])]
    assert all(np.array_equal(answer, np.eye(2, 3)) for answer in answers)
    assert motion.num_failed == 3, "the first frame has nothing to be compared with and is no failure"


def test_same_frames_same_warps() -> None:
    frames = [moved(texture(5, HEIGHT, WIDTH), similarity(0.1 * i, 1, (i, 0))) for i in range(4)]
    first, second = CameraMotion(CameraMotionConfig()), CameraMotion(CameraMotionConfig())
    # interleaved on purpose: one must not disturb the other
    for frame in frames:
        assert np.array_equal(first.step(frame), second.step(frame))


@pytest.mark.parametrize(
    ("warp", "plausible"),
    [
        (similarity(0, 1, (0, 0)), True),
        (similarity(8, 1.1, (30, 5)), True),
        (np.zeros((2, 3)), False),
        (np.array([[1.0, 2, 0], [0.5, 1, 0]]), False),
        (np.array([[-1.0, 0, WIDTH], [0, 1, 0]]), False),
        (np.full((2, 3), np.nan), False),
        (similarity(0, 3, (0, 0)), False),
        (similarity(0, 0.2, (0, 0)), False),
        (similarity(0, 1, (5000, 0)), False),
    ],
)
def test_plausible(warp: np.ndarray, plausible: bool) -> None:
    assert is_plausible(warp, WIDTH, HEIGHT, CameraMotionConfig()) is plausible


@pytest.mark.parametrize(
    "values", [{"height": 8}, {"max_features": 1}, {"min_inliers": 2}, {"max_scale": 1.0}, {"max_shift": 0.0}]
)
def test_impossible_settings_name_the_field(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(values))}"):
        CameraMotionConfig(**values)  # type: ignore[arg-type]


def test_real_frames_agree_with_a_published_estimate(shared: Path, real_data: Path) -> None:
    """MOT20-01 sways; BoT-SORT's own estimate (`gmc.txt`) is the reference: the error is far below the motion."""
    video = next((shared / "data" / "video").glob("*MOT20-01*"), None)
    if video is None:
        pytest.skip("no clip of MOT20-01")
    folder = real_data / "MOT20" / "train" / "MOT20-01"
    reference = np.loadtxt(folder / "gmc" / "gmc.txt")[:, 1:].reshape(-1, 2, 3)
    capture, motion, errors, motions = cv2.VideoCapture(str(video)), CameraMotion(CameraMotionConfig()), [], []
    for index in range(15):
        _, frame = capture.read()
        warp = motion.step(frame)
        centre = np.array([frame.shape[1] / 2, frame.shape[0] / 2, 1])
        errors.append(np.linalg.norm((warp - reference[index]) @ centre))
        motions.append(np.linalg.norm((np.eye(2, 3) - reference[index]) @ centre))
    assert np.median(errors[1:]) < 0.3 < 1 < np.median(motions[1:])
