"""Search for the tracker parameters that give the best mean HOTA over one or more data sets.

    python tools/tune.py --config configs/tune/example.yaml
    python tools/tune.py --config configs/tune/example.yaml trials=500 output=runs/tune-long

Trackers run on stored detections (and embeddings), so a trial takes seconds. Start the command in several
terminals to share one search. Sequences named in `held_out` are never read: report on them afterwards.
"""

from smiletrack.engine.cli import main
from smiletrack.engine.tune import TuneConfig, tune

if __name__ == "__main__":
    main(tune, TuneConfig, __doc__)
