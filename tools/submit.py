"""Check a run and pack it as a MOTChallenge submission: names, detector copies, frame ranges, identities, columns.

    python tools/submit.py runs/test --benchmark MOT17        # RUN/MOT17-test.zip, or what is missing
    python tools/submit.py runs/test --benchmark MOT20
    python tools/submit.py runs/public --no-copies            # MOT17 with the three public detectors

The zip is uploaded at https://motchallenge.net. MOT17 asks for each sequence once a public detector; a tracker with its
own detector hands in the same result three times, which is what copying does. Nothing is packed while a fault is left.
"""

from smiletrack.engine.cli import main
from smiletrack.engine.submit import SubmitConfig, submit

if __name__ == "__main__":
    main(submit, SubmitConfig, __doc__, positional="run")
