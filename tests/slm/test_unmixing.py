"""Rows told apart, against loops over people and directions."""

from pathlib import Path

import numpy as np
import pytest

from smiletrack.engine.inputs.networks import load_networks
from smiletrack.engine.inputs.unmixed_rows import Unmixed
from smiletrack.slm.unmixing import PRIOR, shares_under, unmixed
from smiletrack.types import Floats


def random_frame(number: int, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 100, (number, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 80, (number, 2))], 1)
    Z = rng.standard_normal((number, 6)) + 1
    return Z / np.linalg.norm(Z, axis=1, keepdims=True), boxes


def slowly(Z: Floats, boxes: Floats) -> Floats:
    """The documented steps, person by person; cover by counting pixels."""
    mean = sum(Z) / (len(Z) + PRIOR)
    own = [(z - mean) / np.linalg.norm(z - mean) for z in Z]
    answer = []
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        cover = np.zeros(len(boxes))
        for j, (a1, b1, a2, b2) in enumerate(boxes):
            if b2 > y2:
                inside = max(0, min(x2, a2) - max(x1, a1)) * max(0, min(y2, b2) - max(y1, b1))
                cover[j] = inside / ((x2 - x1) * (y2 - y1))
        j = int(cover.argmax())
        row = own[i] - cover[j] * max(0.0, own[i] @ own[j]) * own[j]
        answer.append(row / np.linalg.norm(row))
    return np.array(answer)


@pytest.mark.parametrize("number", [2, 3, 12])
def test_rows_lose_the_mean_and_the_direction_of_who_covers_them(number: int) -> None:
    Z, boxes = random_frame(number, number)
    np.testing.assert_allclose(unmixed(Z, boxes), slowly(Z, boxes), atol=1e-6)


def test_a_mixture_of_two_people_is_the_hidden_one_again() -> None:
    """A crop half of which shows the person before: what is left is the hidden person's own row."""
    people = np.eye(8)[:6]
    boxes = np.array([[0, 0, 10, 20], [5, 0, 15, 22.0], *([100 * k, 0, 100 * k + 10, 20] for k in range(1, 5))])
    seen = people.copy()
    seen[0] = (people[0] + people[1]) / np.sqrt(2)
    alone = unmixed(people, np.concatenate([boxes[:1] - 500, boxes[1:]]))
    before, after = seen[0] @ people[0], unmixed(seen, boxes)[0] @ alone[0]
    assert shares_under(boxes)[0].tolist() == [0, 0.5, 0, 0, 0, 0]
    assert after > before + 0.15


def test_one_box_stays_and_rows_of_zeros_are_nobody() -> None:
    Z, boxes = random_frame(4, 0)
    np.testing.assert_allclose(unmixed(Z[:1], boxes[:1]), Z[:1], atol=1e-6)
    Z[1], boxes[1] = 0, np.nan
    rows = unmixed(Z, boxes)
    others = [0, 2, 3]
    np.testing.assert_allclose(rows[others], unmixed(Z[others], boxes[others]), atol=1e-6)
    assert not rows[1].any() and rows.dtype == np.float32
    assert unmixed(Z[:0], boxes[:0]).shape == (0, 6)


def test_a_duplicate_of_a_box_leaves_no_noise_behind() -> None:
    Z = np.eye(5)[[0, 0, 1, 2]]
    boxes = np.array([[0, 0, 10, 20], [0, 0, 10, 21], [50, 0, 60, 20], [90, 0, 99, 20.0]])
    assert not unmixed(Z, boxes)[0].any()


def test_a_word_before_a_network_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "class Rows:\n"
        "    fingerprint = 'rows'\n"
        "    def embed(self, frame, boxes):\n"
        "        return np.cos(np.outer(boxes[:, 0], np.arange(1, 5)))\n"
    )
    monkeypatch.chdir(tmp_path)
    boxes, frame = random_frame(5, 1)[1], np.zeros((90, 90, 3), np.uint8)
    plain, apart = (load_networks("", word)[1] for word in ("mine:Rows", "unmixed:mine:Rows"))
    assert plain is not None and isinstance(apart, Unmixed)
    np.testing.assert_array_equal(apart.embed(frame, boxes), unmixed(plain.embed(frame, boxes), boxes))
    assert apart.fingerprint == f"unmixed:{plain.fingerprint}"
