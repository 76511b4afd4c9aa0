"""See what smiletrack does, from nothing: make a street scene, train a detector and a similarity network on it,
track people nobody was trained on, and print what the similarity network is good for.

    python tools/quickstart.py          (the same as `make demo`)

It takes under ten minutes on two CPU cores. A second run only does what is missing. The results lie in runs/demo:
report.html, show/*.mp4, and one run folder a tracker.
"""

from smiletrack.engine.cli import main
from smiletrack.engine.quickstart import QuickstartConfig, quickstart

if __name__ == "__main__":
    main(quickstart, QuickstartConfig, __doc__)
