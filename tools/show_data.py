"""Look at annotated data: contact sheets, people over time, and a page of statistics.

  python tools/show_data.py --data datasets/MOT17/train --sequences MOT17-09
  python tools/show_data.py --data datasets/imported/crowdhuman --split val --output runs/crowdhuman
  python tools/show_data.py --data datasets/imported/mix-ablation/annotations/train.json

Open OUTPUT/index.html: boxes a frame, visibility, sizes, lifetimes, and above them what looks wrong.
"""

from smiletrack.engine.cli import main
from smiletrack.engine.show_data import ShowDataConfig, show_data

if __name__ == "__main__":
    main(show_data, ShowDataConfig, __doc__)
