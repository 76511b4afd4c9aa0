"""Write docs/configuration.md, the reference of every key of every command, from the dataclasses.

python tools/make_docs.py
"""

import sys
from pathlib import Path

from smiletrack.engine.ablate import AblateConfig
from smiletrack.engine.benchmarks.association import AssociationBenchmarkConfig
from smiletrack.engine.benchmarks.metrics import MetricsBenchmarkConfig
from smiletrack.engine.compare import CompareConfig
from smiletrack.engine.demo import DemoConfig
from smiletrack.engine.eval_detector import EvalDetectorConfig
from smiletrack.engine.eval_mot import EvalConfig
from smiletrack.engine.eval_slm import EvalSLMConfig
from smiletrack.engine.export import ExportConfig
from smiletrack.engine.import_weights import ImportConfig
from smiletrack.engine.make_world import MakeWorldConfig
from smiletrack.engine.prepare_data import PrepareDataConfig
from smiletrack.engine.quickstart import QuickstartConfig
from smiletrack.engine.reference import configuration_reference
from smiletrack.engine.report import ReportConfig
from smiletrack.engine.show_data import ShowDataConfig
from smiletrack.engine.show_tracks import ShowConfig
from smiletrack.engine.submit import SubmitConfig
from smiletrack.engine.track import TrackConfig
from smiletrack.engine.train_detector import TrainDetectorConfig
from smiletrack.engine.train_slm import TrainSLMConfig
from smiletrack.engine.tune import TuneConfig
from smiletrack.files import atomic_write

COMMANDS = {
    "quickstart": QuickstartConfig,
    "track": TrackConfig,
    "eval_mot": EvalConfig,
    "compare": CompareConfig,
    "report": ReportConfig,
    "show_tracks": ShowConfig,
    "demo": DemoConfig,
    "submit": SubmitConfig,
    "tune": TuneConfig,
    "make_world": MakeWorldConfig,
    "prepare_data": PrepareDataConfig,
    "show_data": ShowDataConfig,
    "train_slm": TrainSLMConfig,
    "eval_slm": EvalSLMConfig,
    "train_detector": TrainDetectorConfig,
    "eval_detector": EvalDetectorConfig,
    "import_weights": ImportConfig,
    "export": ExportConfig,
    "ablate": AblateConfig,
    "benchmark association": AssociationBenchmarkConfig,
    "benchmark metrics": MetricsBenchmarkConfig,
}


def main() -> None:
    """Write the file; with --check only tell, by the exit status, whether it is up to date."""
    path = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"
    text = configuration_reference(COMMANDS)
    if "--check" in sys.argv[1:]:
        current = path.read_text(encoding="utf-8") if path.is_file() else ""
        sys.exit(0 if current == text else f"{path.name} is out of date: python tools/make_docs.py writes it")
    with atomic_write(path) as stream:
        stream.write(text)


if __name__ == "__main__":
    main()
