"""Small worlds whose mistakes are known, written as letters."""

from collections.abc import Callable

import numpy as np
import pytest

from smiletrack.types import TrackTable
from smiletrack.view.error_analysis import Matching


@pytest.fixture(scope="session")
def world() -> Callable[..., Matching]:
    """Each truth identity and, frame by frame, the letter of the result that covers it: `.` missed, blank absent."""

    def make(covers: dict[int, str], extra: int = 0) -> Matching:
        truth, results, partner, close = [], [], [], []
        for frame in range(1, max(map(len, covers.values())) + 1):
            for person, letters in covers.items():
                letter = letters[frame - 1 : frame] or " "
                if letter == " ":
                    continue
                if letter != ".":
                    close.append((len(truth), len(results)))
                    results.append((frame, ord(letter)))
                partner.append(len(results) - 1 if letter != "." else -1)
                truth.append((frame, person))
        results += [(99, 1000 + i) for i in range(extra)]
        tables = [
            TrackTable(np.array([r[0] for r in rows]), np.array([r[1] for r in rows]), np.zeros((len(rows), 4)))
            for rows in (truth, results)
        ]
        return Matching(*tables, np.array(partner, np.int64), np.array(close, np.int64).reshape(-1, 2))

    return make
