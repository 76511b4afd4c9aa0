"""IDF1: how much of the truth one fixed identity a person explains (Ristani et al., ECCVW 2016, arXiv:1609.01775)."""

from collections.abc import Sequence

import numpy as np

from smiletrack.metrics.assignment import heaviest
from smiletrack.metrics.preprocess import Comparison

Fields = dict[str, float]


def identity(comparison: Comparison, threshold: float = 0.5) -> Fields:
    """Return IDTP, IDFN, IDFP, IDR, IDP and IDF1; a box is explained where IoU >= threshold.

    Truth and result identities are paired one to one so that most boxes are explained (IDTP). TrackEval minimises
    IDFN + IDFP with a dummy for every identity; that is the same, since each explained box saves one of both.
    """
    close = comparison.pair_identities[comparison.pairs.iou >= threshold]
    frames = np.bincount(close, minlength=len(comparison.identity_pairs))
    explained = frames > 0
    rows, columns = comparison.identity_pairs[explained].T
    paired = heaviest(rows, columns, frames[explained].astype(np.float64))
    idtp = int(frames[explained][paired].sum())
    return _finish({"IDTP": idtp, "IDFN": len(comparison.truth_ids) - idtp, "IDFP": len(comparison.result_ids) - idtp})


def combine_identity(sequences: Sequence[Fields]) -> Fields:
    """Return the fields over all sequences: counts are summed, ratios follow from them."""
    return _finish({name: sum(s[name] for s in sequences) for name in ("IDTP", "IDFN", "IDFP")})


def _finish(fields: Fields) -> Fields:
    idtp, idfn, idfp = fields["IDTP"], fields["IDFN"], fields["IDFP"]
    fields["IDR"] = idtp / max(1.0, idtp + idfn)
    fields["IDP"] = idtp / max(1.0, idtp + idfp)
    fields["IDF1"] = idtp / max(1.0, idtp + 0.5 * idfp + 0.5 * idfn)
    return fields
