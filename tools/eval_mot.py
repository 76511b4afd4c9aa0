"""Score tracking results against ground truth: HOTA, MOTA, IDF1 and the rest, equal to the official evaluator.

  python tools/eval_mot.py                                                  # the last run of track.py
  python tools/eval_mot.py --results runs/botsort                           # another run
  python tools/eval_mot.py --gt datasets/MOT17/train --results my_results --benchmark MOT17 --json scores.json
  python tools/eval_mot.py --gt datasets/MOT17/train --results my_results --split val_half --cross-check

Results are one file a sequence, SEQUENCE.txt, with frame,id,x,y,w,h,score lines; the data set is as downloaded. The
table is in percent; --json has every figure at full precision under TrackEval's names. docs/metrics.md explains them.
"""

from smiletrack.engine.cli import main
from smiletrack.engine.eval_mot import EvalConfig, eval_mot

if __name__ == "__main__":
    main(eval_mot, EvalConfig, __doc__)
