"""Import a public data set as it was downloaded, or mix imported ones.

Writes OUTPUT/annotations/SPLIT.json (COCO, for detectors) and OUTPUT/identities/SPLIT.csv (who is in which box, for
similarity networks). Images stay where they are. At the end the counts stand beside the published ones.

  python tools/prepare_data.py mot17 --source datasets/MOT17 --output datasets/imported/mot17
  python tools/prepare_data.py crowdhuman --source datasets/CrowdHuman --output datasets/imported/crowdhuman
  python tools/prepare_data.py mix-ablation --output datasets/imported/mix-ablation

Sets: mot15 mot16 mot17 mot20 dancetrack crowdhuman citypersons ethz caltech caltech-jde cuhk-sysu cuhk-sysu-jde
prw prw-jde market1501. Mixes: mix-ablation mix-mot17-test mix-mot20-test. Each is a file in configs/data.
"""

from smiletrack.engine.cli import main
from smiletrack.engine.prepare_data import PrepareDataConfig, prepare_data

if __name__ == "__main__":
    main(prepare_data, PrepareDataConfig, __doc__, positional="data")
