"""Judge detectors: COCO's AP, AP50, AP75 and AP by size, precision and recall at the tracker's score, images a second.

python tools/eval_detector.py runs/detector/best.safetensors --data datasets/MOT17/train@val_half
python tools/eval_detector.py nano.safetensors tiny.safetensors onnx:yolox_nano.onnx --data datasets/world/val
"""

from smiletrack.engine.cli import main
from smiletrack.engine.eval_detector import EvalDetectorConfig, eval_detector

if __name__ == "__main__":
    main(eval_detector, EvalDetectorConfig, __doc__, positional="detectors")
