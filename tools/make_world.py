"""Make a synthetic street with a known answer: MOTChallenge folders with pictures, truth, detections, camera motion.

Writes OUTPUT/train, OUTPUT/val (other people) and OUTPUT/known (scripted situations), each <seq>/{seqinfo.ini,img1,
gt/gt.txt,det/det.txt,gmc/gmc.txt,known.json}. The same seed gives the same bytes; what is there already is left alone,
what a stopped run left half made is made again.

  python tools/make_world.py
  python tools/make_world.py --config configs/world/tiny.yaml --output datasets/tiny
  python tools/make_world.py --config configs/world/crowd.yaml --output datasets/crowd --seed 3
  python tools/make_world.py --output datasets/night scene.light=0.5 scene.people=20 detector.false_alarms=2
"""

from smiletrack.config import CONFIG_ROOT
from smiletrack.engine.cli import main
from smiletrack.engine.make_world import MakeWorldConfig, make_world

if __name__ == "__main__":
    main(make_world, MakeWorldConfig, __doc__, config=str(CONFIG_ROOT / "world" / "demo.yaml"))
