"""Run the rows of one of the paper's ablation tables, or track with ever worse embeddings, and print the figures.

    python tools/ablate.py --table 3
    python tools/ablate.py --table 5 on.data=datasets/MOT17/train on.split=val on.detections=yolox_x \\
        on.slm=slm.safetensors
    python tools/ablate.py --table 4
    python tools/ablate.py --table robustness --json curve.json robustness.plot=curve.png \\
        on.data=datasets/MOT17/train on.split=val on.detections=yolox_x on.camera_motion=file

Robustness makes its embeddings from the ground truth, from perfect ones to noise, and shows which trackers gain and
which break. Without on.data the rows run on the generated crowd and its appearance vectors; table 4 trains a similarity
network for every patch layout on the demo world.
"""

from smiletrack.engine.ablate import AblateConfig, ablate
from smiletrack.engine.cli import main

if __name__ == "__main__":
    main(ablate, AblateConfig, __doc__)
