"""Paint a run over the images of its sequences, with truth every mistake marked: one H.264 video a sequence.

    python tools/show_tracks.py runs/track                           # RUN/show/<sequence>.mp4
    python tools/show_tracks.py runs/mine --gt datasets/MOT17/train --sequences MOT17-09-FRCNN
    python tools/show_tracks.py runs/mine --marks tracks --format images --output pictures

Thin boxes are matches in the colour of their identity, dashed red ones misses, orange ones false alarms, thick magenta
ones identity switches (before > after). Without ground truth identities and their trails are shown.
"""

from smiletrack.engine.cli import main
from smiletrack.engine.show_tracks import ShowConfig, show_tracks

if __name__ == "__main__":
    main(show_tracks, ShowConfig, __doc__, positional="run")
