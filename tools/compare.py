"""Compare two runs: does the second track better than the first, or is it chance?

    python tools/compare.py runs/a runs/b
    python tools/compare.py results/a results/b --gt datasets/MOT17/train --split val_half

Both runs are scored on the same sequences. The intervals come from a paired bootstrap that draws
sequences, and blocks of frames inside each; a difference whose interval leaves out zero has a star.
"""

from smiletrack.engine.cli import main
from smiletrack.engine.compare import CompareConfig, compare_runs

if __name__ == "__main__":
    main(compare_runs, CompareConfig, __doc__, positional="runs")
