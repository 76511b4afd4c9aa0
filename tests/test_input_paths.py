"""What a configuration names and is not there."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from smiletrack.input_paths import InputPath, missing_paths
from smiletrack.ranges import Checked


@dataclass(frozen=True)
class Inner(Checked):
    weights: InputPath = ""


@dataclass(frozen=True)
class Outer(Checked):
    data: tuple[InputPath, ...] = ()
    network: InputPath = "none"
    name: str = "no path"
    inner: Inner = field(default_factory=Inner)
    maybe: Inner | None = None


def test_each_missing_path_is_told_with_its_key(tmp_path: Path) -> None:
    there = str(tmp_path)
    assert not list(missing_paths(Outer()))
    forms = (there, f"{there}@val_half", f"onnx:{there}", "package.module:Class", "rtsp://camera/1")
    assert not list(missing_paths(Outer(forms, there, maybe=Inner(there))))
    config = Outer((there, "a.csv", f"{there}-not@val"), "onnx:b.onnx", inner=Inner("c"), maybe=Inner("d"))
    assert list(missing_paths(config)) == [
        "data: a.csv: no such file or folder",
        f"data: {there}-not@val: no such file or folder",
        "network: onnx:b.onnx: no such file or folder",
        "inner.weights: c: no such file or folder",
        "maybe.weights: d: no such file or folder",
    ]


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("train-slm --train none.csv --val none.csv", "train"),
        ("train-slm --weights none.safetensors", "weights"),
        ("train-detector --train none.json --val none.json", "train"),
        ("train-detector --weights none.safetensors", "weights"),
        ("eval-slm --checkpoint none.pt", "checkpoint"),
        ("eval-detector none.safetensors --data x.json", "detectors"),
        ("import-weights none.pth --as yolox-x", "checkpoint"),
        ("export slm --checkpoint none.safetensors", "checkpoint"),
        ("track --detector none.onnx --source 0", "detector"),
        ("demo x.mp4 --detector none.onnx", "detector"),
        ("ablate --table 5 on.slm=none.onnx", "on.slm"),
    ],
)
def test_commands_tell_it_without_loading_networks(words: str, key: str) -> None:
    code = (
        "import sys\nfrom smiletrack.engine.cli import run\n"
        f"try: run({words.split()})\nexcept SystemExit as stop: print(stop.code)\n"
        "print(sorted({'torch', 'onnxruntime', 'onnx', 'av', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["2", "[]"], done.stdout + done.stderr
    assert f" error: {key}: " in done.stderr and "no such file or folder" in done.stderr
