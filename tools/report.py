"""Put runs into one self-contained HTML page: tables, curves, timelines, and every identity switch in pictures.

    python tools/report.py                                # the last run below runs/
    python tools/report.py runs/bytetrack runs/smiletrack --output compare.html
    python tools/report.py runs/mine --gt datasets/MOT17/train --split val_half

The page needs no network. The first run is what the others are compared with. Without images, without ground truth or
with an unfinished run the page shows what there is and names what is missing.
"""

from smiletrack.engine.cli import main
from smiletrack.engine.report import ReportConfig, report

if __name__ == "__main__":
    main(report, ReportConfig, __doc__, positional="runs")
