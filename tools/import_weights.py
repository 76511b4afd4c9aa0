"""Convert a public detector checkpoint to this project's weights, without running code that the file may hold.

  python tools/import_weights.py bytetrack_x_mot17.pth.tar --as yolox-x
  python tools/import_weights.py prb-fpn6-2py.pt --as prb-fpn6-2py --output weights/prb.safetensors
  python tools/import_weights.py yolox_nano_416x416.onnx --as yolox-nano

The result names classes, input size, colours and normalisation; use it with --detector FILE or to start a training.
"""

import sys

from smiletrack.engine.cli import main
from smiletrack.engine.import_weights import ImportConfig, import_weights

if __name__ == "__main__":
    words = ["--architecture" if word == "--as" else word for word in sys.argv[1:]]
    main(import_weights, ImportConfig, __doc__, positional="checkpoint", argv=words)
