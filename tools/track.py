"""Track the objects of MOTChallenge sequences from their detections.

Reads ROOT/<seq>/{seqinfo.ini,det/NAME.txt,gmc/gmc.txt}, writes OUTPUT/tracks/<seq>.txt in MOTChallenge format, beside
it the whole configuration, the environment and the time it took. Without --data it tracks a generated crowd.

  python tools/track.py
  python tools/track.py --data datasets/MOT17/train --split val_half --detections yolox_x --tracker bytetrack
  python tools/track.py --data datasets/MOT17/train --split val --detections yolox_x --tracker botsort \\
      --camera-motion file --output runs/botsort tracker.first.max_cost=0.7 interpolation.method=linear

Presets: bytetrack, botsort, botsort-reid, ocsort, sort, deepsort, strongsort, smiletrack, smiletrack-motion,
smiletrack-paper, smiletrack-released.
"""

from smiletrack.engine.cli import main
from smiletrack.engine.track import TrackConfig, track

if __name__ == "__main__":
    main(track, TrackConfig, __doc__)
