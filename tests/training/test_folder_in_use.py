"""A folder in which somebody trains is nobody else's."""

import os
import signal
from pathlib import Path

import pytest

from smiletrack.errors import InputError
from smiletrack.files import alone_in
from smiletrack.training.loop import FitConfig, fit
from tests.training.product_task import recipe


def train(folder: Path, epochs: int) -> None:
    fit(recipe(), FitConfig(epochs=epochs), folder, overwrite=True)


def test_nobody_else_trains_in_a_folder_at_the_same_time(tmp_path: Path) -> None:
    """Nor is anything there touched; when the other one is killed, the folder is free."""
    train(tmp_path, 1)
    reading, writing = os.pipe()
    other = os.fork()
    if not other:
        with alone_in(tmp_path):
            os.write(writing, b"there")
            signal.pause()
    assert os.read(reading, 5) == b"there"
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    with pytest.raises(InputError, match="another process is at work in it"):
        train(tmp_path, 2)
    assert {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before
    os.kill(other, signal.SIGKILL)
    os.waitpid(other, 0)
    train(tmp_path, 2)
    assert not (tmp_path / ".at-work.lock").exists()
