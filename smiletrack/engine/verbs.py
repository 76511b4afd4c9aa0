"""The verbs of `smiletrack`, from one table. The module of a command is loaded when the command is asked for."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from smiletrack.lazy import LazyModule

_launching = LazyModule("smiletrack.training.launch")


@dataclass(frozen=True)
class Verb:
    """A command. `function` is a name in `home`; so is `schema`, unless the configuration has a module of its own.

    The docstring of the schema is the command's help.

    positional: the field that words without a flag fill. config: the shipped configuration used where none is given.
    aliases: other names of flags. launched: whether it runs in as many processes as its configuration asks for.
    """

    summary: str
    home: LazyModule
    function: str
    schema: str
    settings: LazyModule | None = None
    positional: str | None = None
    config: str | None = None
    aliases: dict[str, str] = field(default_factory=dict)
    launched: bool = False

    def load_schema(self) -> type:
        """Return the dataclass that the command line is parsed into."""
        schema: type = getattr(self.settings or self.home, self.schema)
        return schema

    def load_function(self) -> Callable[[Any], object]:
        """Return what does the work."""
        function: Callable[[Any], object] = getattr(self.home, self.function)
        return partial(_launching.launch, function) if self.launched else function

    def description(self) -> str:
        """Return the help text: what the command reads and writes, and examples."""
        return inspect.getdoc(self.load_schema()) or self.summary


VERBS: dict[str, Verb] = {
    "quickstart": Verb(
        "the whole tour: a street scene, two networks trained on it, three trackers, a report",
        LazyModule("smiletrack.engine.quickstart"), "quickstart", "QuickstartConfig",
    ),
    "track": Verb(
        "track sequences, videos or a camera",
        LazyModule("smiletrack.engine.track"), "track", "TrackConfig",
    ),
    "eval": Verb(
        "score tracks: HOTA, MOTA, IDF1 ...",
        LazyModule("smiletrack.engine.eval_mot"), "eval_mot", "EvalConfig",
    ),
    "compare": Verb(
        "is one run better than another, or is it chance",
        LazyModule("smiletrack.engine.compare"), "compare_runs", "CompareConfig", positional="runs",
    ),
    "report": Verb(
        "one HTML page on runs, with every identity switch in pictures",
        LazyModule("smiletrack.engine.report"), "report", "ReportConfig", positional="runs",
    ),
    "show-tracks": Verb(
        "draw a run on its images, mistakes marked",
        LazyModule("smiletrack.engine.show_tracks"), "show_tracks", "ShowConfig", positional="run",
    ),
    "demo": Verb(
        "track people in a video or before a camera, and watch",
        LazyModule("smiletrack.engine.demo"), "demo", "DemoConfig", positional="source",
    ),
    "submit": Verb(
        "check a run and pack it for MOTChallenge",
        LazyModule("smiletrack.engine.submit"), "submit", "SubmitConfig", positional="run",
    ),
    "convert": Verb(
        "results and annotations from and for CVAT, KITTI, VisDrone, COCO, CSV",
        LazyModule("smiletrack.engine.convert"), "convert", "ConvertConfig", positional="source",
    ),
    "tune": Verb(
        "search for the parameters of a tracker",
        LazyModule("smiletrack.engine.tune"), "tune", "TuneConfig",
    ),
    "calibrate": Verb(
        "learn what a detector's scores are worth",
        LazyModule("smiletrack.engine.calibrate"), "calibrate_scores", "CalibrateConfig",
    ),
    "make-world": Verb(
        "render synthetic streets with known answers",
        LazyModule("smiletrack.engine.make_world"), "make_world", "MakeWorldConfig", config="world/demo",
    ),
    "prepare-data": Verb(
        "import a public data set",
        LazyModule("smiletrack.engine.prepare_data"), "prepare_data", "PrepareDataConfig", positional="data",
    ),
    "show-data": Verb(
        "look at annotated data",
        LazyModule("smiletrack.engine.show_data"), "show_data", "ShowDataConfig",
    ),
    "train-slm": Verb(
        "train a similarity network",
        LazyModule("smiletrack.engine.train_slm"), "train_slm", "TrainSLMConfig",
        settings=LazyModule("smiletrack.engine.settings.train_slm"), launched=True,
    ),
    "eval-slm": Verb(
        "score a similarity network",
        LazyModule("smiletrack.engine.eval_slm"), "eval_slm", "EvalSLMConfig",
        settings=LazyModule("smiletrack.engine.settings.eval_slm"),
    ),
    "train-detector": Verb(
        "train a detector",
        LazyModule("smiletrack.engine.train_detector"), "train_detector", "TrainDetectorConfig",
        settings=LazyModule("smiletrack.engine.settings.train_detector"), launched=True,
    ),
    "eval-detector": Verb(
        "score detectors",
        LazyModule("smiletrack.engine.eval_detector"), "eval_detector", "EvalDetectorConfig",
        settings=LazyModule("smiletrack.engine.settings.eval_detector"), positional="detectors",
    ),
    "import-weights": Verb(
        "convert a public checkpoint of a detector or an SLM",
        LazyModule("smiletrack.engine.import_weights"), "import_weights", "ImportConfig",
        settings=LazyModule("smiletrack.engine.settings.import_weights"), positional="checkpoint",
        aliases={"--as": "--architecture"},
    ),
    "export": Verb(
        "export a network to ONNX",
        LazyModule("smiletrack.engine.export"), "export", "ExportConfig",
        settings=LazyModule("smiletrack.engine.settings.export"), positional="network",
    ),
    "ablate": Verb(
        "the paper's ablation tables, and what embeddings are worth to trackers",
        LazyModule("smiletrack.engine.ablate"), "ablate", "AblateConfig",
    ),
    "benchmark association": Verb(
        "speed of the association against its fastest peer",
        LazyModule("smiletrack.engine.benchmarks.association"), "benchmark_association", "AssociationBenchmarkConfig",
    ),
    "benchmark metrics": Verb(
        "speed of the metrics against TrackEval and motrics",
        LazyModule("smiletrack.engine.benchmarks.metrics"), "benchmark_metrics", "MetricsBenchmarkConfig",
    ),
    "benchmark pipeline": Verb(
        "speed of a video's way through detector, SLM and tracker, stage by stage",
        LazyModule("smiletrack.engine.benchmarks.pipeline"), "benchmark_pipeline", "PipelineBenchmarkConfig",
    ),
}  # fmt: skip
