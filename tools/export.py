"""Export a trained network to ONNX and check it against the checkpoint with ONNX Runtime.

python tools/export.py slm --checkpoint runs/slm/model.safetensors --format onnx
"""

from smiletrack.engine.cli import main
from smiletrack.engine.export import ExportConfig, export

if __name__ == "__main__":
    main(export, ExportConfig, __doc__, positional="network")
