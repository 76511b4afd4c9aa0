"""Track people in your own video, folder of images or camera, and see it: boxes, identities, trails, speed by stage.

    python tools/demo.py street.mp4 --detector onnx:yolox_nano_416x416.onnx
    python tools/demo.py street.mp4 --detector runs/detector/best.safetensors --slm runs/slm/best.safetensors
    python tools/demo.py 0 --detector onnx:yolox_nano_416x416.onnx --show              # the first camera, in a window
    python tools/demo.py frames/ --detector onnx:FILE --tracker bytetrack --camera-motion flow --save out.mp4

Any video that ffmpeg reads is taken. The tracks are written beside the video as .txt in MOTChallenge format. Lost
tracks stay dashed for a second. Ctrl-C ends early and keeps what was made.
"""

from smiletrack.engine.cli import main
from smiletrack.engine.demo import DemoConfig, demo

if __name__ == "__main__":
    main(demo, DemoConfig, __doc__, positional="source")
