"""Figures that the SMILEtrack paper (AAAI 2024) prints in its Tables 1 and 2: grey reference points of the report.

They are quoted, not measured here: test sets, other detectors, other machines. Rows without HOTA or FPS are left out.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quoted:
    """A row of the paper's table: HOTA in percent, frames a second."""

    method: str
    hota: float
    frames_per_second: float


TABLES = {
    "MOT17": (
        Quoted("TubeTK", 48.0, 3.0),
        Quoted("CenterTrack", 52.2, 17.5),
        Quoted("QuasiDense", 53.9, 20.3),
        Quoted("MAT", 53.8, 9.0),
        Quoted("FairMOT", 59.3, 25.9),
        Quoted("CSTrack", 59.3, 15.8),
        Quoted("TransTrack", 54.1, 10.0),
        Quoted("CorrTracker", 60.7, 15.6),
        Quoted("StrongSORT++", 64.4, 7.1),
        Quoted("ByteTrack", 63.1, 29.6),
        Quoted("BoT-SORT", 64.6, 6.6),
        Quoted("SMILEtrack without Re-ID", 65.0, 37.5),
        Quoted("BoT-SORT-R", 65.0, 4.5),
        Quoted("SMILEtrack", 65.3, 5.6),
    ),
    "MOT20": (
        Quoted("FairMOT", 54.6, 13.2),
        Quoted("CSTrack", 54.0, 4.5),
        Quoted("TransTrack", 48.5, 7.2),
        Quoted("GSDT", 53.6, 0.9),
        Quoted("RelationTrack", 56.5, 2.7),
        Quoted("MAATrack", 57.3, 14.7),
        Quoted("ByteTrack", 61.3, 17.5),
        Quoted("BoT-SORT", 62.6, 6.6),
        Quoted("SMILEtrack without Re-ID", 63.0, 22.9),
        Quoted("BoT-SORT-R", 63.3, 2.4),
        Quoted("SMILEtrack", 63.4, 7.2),
    ),
}
"""Benchmark -> rows of the table of its test set, in the order of the paper."""
