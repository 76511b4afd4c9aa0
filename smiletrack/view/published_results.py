"""Figures that the SMILEtrack paper (AAAI 2024) prints in its Tables 1 and 2: grey reference points of the report.

They are quoted, not measured here: test sets, other detectors, other machines. Rows without HOTA or FPS are left out.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedResult:
    """A row of the paper's table: HOTA in percent, frames a second."""

    method: str
    hota: float
    frames_per_second: float


TABLES = {
    "MOT17": (
        PublishedResult("TubeTK", 48.0, 3.0),
        PublishedResult("CenterTrack", 52.2, 17.5),
        PublishedResult("QuasiDense", 53.9, 20.3),
        PublishedResult("MAT", 53.8, 9.0),
        PublishedResult("FairMOT", 59.3, 25.9),
        PublishedResult("CSTrack", 59.3, 15.8),
        PublishedResult("TransTrack", 54.1, 10.0),
        PublishedResult("CorrTracker", 60.7, 15.6),
        PublishedResult("StrongSORT++", 64.4, 7.1),
        PublishedResult("ByteTrack", 63.1, 29.6),
        PublishedResult("BoT-SORT", 64.6, 6.6),
        PublishedResult("SMILEtrack without Re-ID", 65.0, 37.5),
        PublishedResult("BoT-SORT-R", 65.0, 4.5),
        PublishedResult("SMILEtrack", 65.3, 5.6),
    ),
    "MOT20": (
        PublishedResult("FairMOT", 54.6, 13.2),
        PublishedResult("CSTrack", 54.0, 4.5),
        PublishedResult("TransTrack", 48.5, 7.2),
        PublishedResult("GSDT", 53.6, 0.9),
        PublishedResult("RelationTrack", 56.5, 2.7),
        PublishedResult("MAATrack", 57.3, 14.7),
        PublishedResult("ByteTrack", 61.3, 17.5),
        PublishedResult("BoT-SORT", 62.6, 6.6),
        PublishedResult("SMILEtrack without Re-ID", 63.0, 22.9),
        PublishedResult("BoT-SORT-R", 63.3, 2.4),
        PublishedResult("SMILEtrack", 63.4, 7.2),
    ),
}
"""Benchmark -> rows of the table of its test set, in the order of the paper."""
