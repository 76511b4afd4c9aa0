"""Train the Similarity Learning Module (SLM) on identity tables, MOTChallenge folders, or the synthetic demo world.

Writes model.safetensors (what the tracker uses), history.json, tensorboard/ and last.pt (for --resume) into OUTPUT.
Without --train it makes the demo world and learns from that.

  python tools/train_slm.py
  python tools/train_slm.py --config configs/slm/mot17-half-small.yaml
  python tools/train_slm.py --train datasets/MOT17/train,datasets/identities.csv --val datasets/MOT17/train@val_half \\
      --output runs/slm-mot17 fit.epochs=20 network.channels=[32,64,128,256]
  torchrun --nproc-per-node 4 tools/train_slm.py --config configs/slm/mot17-half-large.yaml
"""

from functools import partial

from smiletrack.engine.cli import main
from smiletrack.engine.train_slm import TrainSLMConfig, train_slm
from smiletrack.training.launch import launch

if __name__ == "__main__":
    main(partial(launch, train_slm), TrainSLMConfig, __doc__)
