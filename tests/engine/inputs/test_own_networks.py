"""Classes of one's own as detector and embedder: the example of the docs, and what goes wrong."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import cv2
import numpy as np
import pytest

from smiletrack.data.video import VideoWriter
from smiletrack.engine.inputs.networks import load_networks
from smiletrack.engine.inputs.own_networks import is_own_class
from smiletrack.errors import InputError

DOCS = Path(__file__).resolve().parents[3] / "docs" / "detectors.md"


def example() -> str:
    """The module in the docs."""
    return next(
        block for block in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S) if "class Moving" in block
    )


def street(path: Path) -> Path:
    """Two patches that cross an empty street, one above the other."""
    with VideoWriter(path, 25) as writer:
        for i in range(40):
            frame = np.full((240, 320, 3), 90, np.uint8)
            if i > 3:
                cv2.rectangle(frame, (10 + 6 * i, 30), (40 + 6 * i, 100), (0, 0, 200), -1)
                cv2.rectangle(frame, (280 - 6 * i, 130), (310 - 6 * i, 200), (0, 200, 0), -1)
            writer.write(frame)
    return path


def test_the_example_of_the_docs_tracks(tmp_path: Path, run_tool: Callable[..., "CompletedProcess[str]"]) -> None:
    assert len([line for line in example().splitlines() if line.strip()]) < 32
    (tmp_path / "mine.py").write_text(example())
    street(tmp_path / "street.mp4")
    words = ["--source", "street.mp4", "--detector", "mine:Moving", "--slm", "mine:Colours", "--output", "run"]
    done = run_tool("track", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = np.loadtxt(tmp_path / "run" / "tracks" / "street.txt", delimiter=",")
    lower = rows[:, 3] > 110
    assert len(rows) > 40 and len(set(rows[lower, 1]) & set(rows[~lower, 1])) == 0
    (tmp_path / "mine.py").write_text(example().replace("moving 1", "moving 2"))
    again = run_tool("track", *words, cwd=tmp_path)
    assert again.returncode == 2 and "made with detector mine:Moving moving 1, not mine:Moving moving 2" in again.stderr


OWN = """
import numpy as np
from smiletrack import Detections

class Rows:
    fingerprint = "rows"
    def detect(self, frame): return np.zeros((3, 6))
    def embed(self, frame, boxes): return np.zeros(3)

class Nan(Rows):
    def embed(self, frame, boxes): return np.full((len(boxes), 4), np.nan)

class Nameless:
    def detect(self, frame): return Detections(np.zeros((0, 4)), np.zeros(0))

class Wants(Rows):
    def __init__(self, weights): pass

class Broken(Rows):
    def __init__(self): self.absent
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("own_networks_here.py").write_text(OWN)
    Path("needs_another.py").write_text("import no_such_module_at_all\n")
    sys.modules.pop("own_networks_here", None)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("absent_module:Thing", "no module 'absent_module' in"),
        ("own_networks_here.inner:Rows", "no module 'own_networks_here.inner' in"),
        ("own_networks_here:Row", r"own_networks_here has no Row \(did you mean 'Rows'\?\)"),
        ("own_networks_here:Wants", "is made without arguments"),
        ("own_networks_here:Nameless", "has no fingerprint; docs/detectors.md shows"),
    ],
)
def test_classes_that_cannot_be_used_are_one_line(own: None, spec: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        load_networks(spec, "none")
    assert "\n" not in str(caught.value) and spec in str(caught.value)


def test_mistakes_inside_a_class_keep_their_traceback(own: None) -> None:
    with pytest.raises(AttributeError, match="absent"):
        load_networks("own_networks_here:Broken", "none")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        load_networks("needs_another:Thing", "none")


def test_answers_of_another_form_are_told(own: None) -> None:
    frame, boxes = np.zeros((9, 9, 3), np.uint8), np.zeros((2, 4))
    detector, embedder = load_networks("own_networks_here:Rows", "own_networks_here:Rows")
    assert detector is not None and embedder is not None
    with pytest.raises(InputError, match=r"detect must return smiletrack\.Detections, not ndarray"):
        detector.detect(frame)
    with pytest.raises(InputError, match=r"one row of finite numbers a box, \(2, D\), not \(3,\)"):
        embedder.embed(frame, boxes)
    with pytest.raises(InputError, match="finite numbers"):
        load_networks("", "own_networks_here:Nan")[1].embed(frame, boxes)  # type: ignore[union-attr]


def test_what_is_a_class_and_what_a_file(own: None) -> None:
    assert is_own_class("package.module:Class")
    for spec in ("onnx:yolo", "openvino:model", "file:det", "model.onnx", "C:\\models\\x", "a/b:c", "yolo.onnx@bgr255"):
        assert not is_own_class(spec)
    Path("some:thing").touch()
    assert not is_own_class("some:thing")
