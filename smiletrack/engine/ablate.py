"""The paper's ablation tables, run on the data at hand and printed beside the paper's figures, and two of our own."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from smiletrack.config import load_config, preset_file
from smiletrack.console import say
from smiletrack.engine.settings.layouts import CompareLayoutsConfig
from smiletrack.engine.studies.appearance_table import AppearanceTableConfig, appearance_table
from smiletrack.engine.studies.layouts import compare_layouts
from smiletrack.engine.studies.paper_tables import NOTES, paper_table
from smiletrack.engine.studies.robustness import RobustnessConfig, robustness
from smiletrack.engine.studies.scored_sequences import ScoredDataConfig, ScoredSequence, read_sources
from smiletrack.errors import InputError
from smiletrack.files import write_json
from smiletrack.lazy import require_modules
from smiletrack.ranges import Checked
from smiletrack.tracking.config import TrackerConfig

GIVEN = "given"
"""Stands for the name of a network where the data brings its embeddings."""


@dataclass(frozen=True)
class AblateConfig(Checked):
    """Run the rows of one of the paper's ablation tables, or of two of our own, and print the figures.

    Reads data with ground truth; without on.data, the generated crowd and its embeddings. Table 4 trains a similarity
    network for every patch layout on the demo world. Robustness makes embeddings from the ground truth, from perfect
    ones to noise, and shows which trackers gain and which break. Appearance tells what real networks are worth to
    trackers, sequence by sequence, with intervals of the differences.

      smiletrack ablate --table 3
      smiletrack ablate --table 5 on.data=datasets/MOT17/train on.split=val on.detections=yolox_x on.slm=slm.safetensors
      smiletrack ablate --table 4
      smiletrack ablate --config configs/ablate/appearance.yaml
      smiletrack ablate --table robustness --json curve.json robustness.plot=curve.png \\
          on.data=datasets/MOT17/train on.split=val on.detections=yolox_x on.camera_motion=file
    """

    table: Literal[3, 4, 5, "robustness", "appearance"] = 3
    """Table of the paper: 3 (SLM, SMC and GATE switched on one by one), 4 (patch layouts) or 5 (similarity of each
    stage); robustness: HOTA and IDF1 over the quality of the embeddings; appearance: what each network is worth to each
    tracker."""
    on: ScoredDataConfig = field(default_factory=ScoredDataConfig)
    """Data of all tables but 4; but for robustness it needs embeddings (on.embeddings, or networks, or on.slm, and
    frames); empty = the generated crowd."""
    sources: tuple[ScoredDataConfig, ...] = ()
    """Data sets of several kinds instead of `on` (see configs/ablate/appearance.yaml). A sequence's name may be in one
    only."""
    networks: dict[str, str] = field(default_factory=dict)
    """Similarity networks, files by name, whose embeddings are tried one after another (see `slm` of `track`); empty =
    the embeddings of the data."""
    cache: str = "runs/appearance"
    """Folder in which the embeddings of each of `networks` are kept."""
    base: TrackerConfig = field(
        default_factory=lambda: load_config(TrackerConfig, preset_file("tracker", "smiletrack-paper"))
    )
    """Tables 3 and 5: the tracker whose parts are switched; by default the paper's."""
    layouts: CompareLayoutsConfig = field(default_factory=CompareLayoutsConfig)
    """Table 4: the layouts, their training and whom they are judged on."""
    robustness: RobustnessConfig = field(default_factory=RobustnessConfig)
    """Robustness: the qualities, the trackers and the plot."""
    appearance: AppearanceTableConfig = field(default_factory=AppearanceTableConfig)
    """Appearance: the trackers and the intervals."""
    json: str = ""
    """JSON file for all figures at full precision; empty = none."""


def ablate(config: AblateConfig) -> dict[str, Any]:
    """Run the rows of a table, print them beside the paper's, and return the figures by row.

    Tables 3 and 5 with several networks: by network, then by row.
    """
    if config.table == 4:
        figures: dict[str, Any] = dict(compare_layouts(config.layouts))
        say(f"Note: {NOTES[4]}")
    elif config.table == "robustness":
        require_modules(*(["matplotlib"] if config.robustness.plot else []))
        figures = asdict(robustness(config.robustness, read_sources(_sources(config))))
    elif config.table == "appearance":
        figures = appearance_table(config.appearance, _with_networks(config))
    else:
        figures = {}
        for network, problems in _with_networks(config).items():
            say(*([f"embeddings of {network}"] if config.networks else []))
            figures[network] = paper_table(config.table, config.base, problems)
        figures = figures if config.networks else figures[GIVEN]
    if config.json:
        write_json(Path(config.json), figures)
    return figures


def _sources(config: AblateConfig) -> tuple[ScoredDataConfig, ...]:
    return config.sources or (config.on,)


def _with_networks(config: AblateConfig) -> Mapping[str, list[ScoredSequence]]:
    """Return the sequences by network, with its embeddings; InputError where there are none."""
    if not config.networks:
        problems = read_sources(_sources(config))
        if not any(problem.given.embeddings.shape[1] for problem in problems):
            raise InputError("no embeddings: name on.embeddings, or networks, or on.slm, with frames in the data")
        return {GIVEN: problems}
    answer = {}
    for name, slm in config.networks.items():
        folder = str(Path(config.cache) / name)
        answer[name] = read_sources([replace(s, slm=slm, embeddings="", cache=folder) for s in _sources(config)])
    return answer
