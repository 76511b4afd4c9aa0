"""Score a similarity network: rank-1, rank-5, mAP, verification AUC and equal error rate, by time gap and visibility.

Beside it, on the same crops and in the same run, any other network or ONNX re-identification file, speed included.
Writes summary.json and a picture of the hardest pairs into OUTPUT. Without --data it uses the demo world.

  python tools/eval_slm.py
  python tools/eval_slm.py --checkpoint runs/slm/model.safetensors --data datasets/MOT17/train@val_half \\
      --against osnet_x0_25.onnx
"""

from smiletrack.engine.cli import main
from smiletrack.engine.eval_slm import EvalSLMConfig, eval_slm

if __name__ == "__main__":
    main(eval_slm, EvalSLMConfig, __doc__)
