"""Speed against the installed peers, on the same input in one run: medians of alternating turns, as ratios.

  python tools/benchmark.py association                   # ByteTrack against roboflow's, on the generated crowd
  python tools/benchmark.py association --data datasets/MOT17/train --split val_half --detections yolox_x
  python tools/benchmark.py metrics                       # HOTA + CLEAR + Identity against TrackEval
  python tools/benchmark.py metrics --rounds 3
  python tools/benchmark.py metrics --gt datasets/MOT17/train --results my_results

The peers come with `pip install 'smiletrack[bench]'`. Each benchmark has its own flags: benchmark.py metrics --help.
"""

import sys
from collections.abc import Callable
from typing import Any

from smiletrack.engine.benchmarks.association import AssociationBenchmarkConfig, benchmark_association
from smiletrack.engine.benchmarks.metrics import MetricsBenchmarkConfig, benchmark_metrics
from smiletrack.engine.cli import main

BENCHMARKS: dict[str, tuple[Callable[[Any], object], type]] = {
    "association": (benchmark_association, AssociationBenchmarkConfig),
    "metrics": (benchmark_metrics, MetricsBenchmarkConfig),
}

if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in BENCHMARKS:
        main(*BENCHMARKS[name], __doc__, argv=sys.argv[2:])
    elif name in ("-h", "--help"):
        print(__doc__)
    else:
        print(f"benchmark.py: error: no benchmark {name!r}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        sys.exit(2)
