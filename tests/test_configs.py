"""Every shipped configuration loads, strictly, and says what it is for."""

import re
from pathlib import Path

import pytest

from smiletrack.config import CONFIG_ROOT, load_config
from smiletrack.engine.ablate import AblateConfig
from smiletrack.engine.make_world import MakeWorldConfig
from smiletrack.engine.prepare_data import DataConfig
from smiletrack.engine.settings.train_detector import TrainDetectorConfig
from smiletrack.engine.settings.train_slm import TrainSLMConfig
from smiletrack.engine.tune import TuneConfig
from smiletrack.tracking.config import TrackerConfig

SCHEMAS = {
    "ablate": AblateConfig,
    "data": DataConfig,
    "detector": TrainDetectorConfig,
    "slm": TrainSLMConfig,
    "tracker": TrackerConfig,
    "tune": TuneConfig,
    "world": MakeWorldConfig,
}
FILES = sorted(CONFIG_ROOT.rglob("*.yaml"))


def test_there_are_some() -> None:
    assert {file.parent.name for file in FILES} == set(SCHEMAS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CONFIG_ROOT)))
def test_it_loads_and_starts_with_its_purpose(file: Path) -> None:
    load_config(SCHEMAS[file.parent.name], file)
    assert file.read_text(encoding="utf-8").startswith("# ")


def test_data_lie_where_the_readme_says() -> None:
    """Sets lie right below datasets/, as `datasets/README.md` has them; nothing reads a folder of one machine."""
    for file in FILES:
        read = re.findall(r"(?<=[ :,\[])/?[\w.-]+/[\w./-]*", file.read_text(encoding="utf-8"))
        assert not [path for path in read if path.startswith(("/", "datasets/real", "runs/real"))], file
