"""Train a detector (PRB-Net or YOLOX) on COCO files, MOTChallenge folders, mixes of them, or the synthetic demo world.

Writes best.safetensors and model.safetensors (what the tracker uses), history.json, tensorboard/ (curves and pictures
of predictions) and last.pt (for --resume) into OUTPUT. Without --train it learns from the demo world.

  python tools/train_detector.py --config configs/detector/prb-nano-demo.yaml
  python tools/train_detector.py --train datasets/MOT17/train@train_half --val datasets/MOT17/train@val_half \\
      --weights prb-fpn6-2py.safetensors network.architecture=prb-fpn6-2py network.height=736 network.width=1280
  torchrun --nproc-per-node 4 tools/train_detector.py --config configs/detector/prb-2py-mot17-half.yaml
"""

from functools import partial

from smiletrack.engine.cli import main
from smiletrack.engine.train_detector import TrainDetectorConfig, train_detector
from smiletrack.training.launch import launch

if __name__ == "__main__":
    main(partial(launch, train_detector), TrainDetectorConfig, __doc__)
