"""All metrics of a sequence, their combination over sequences, and the lines that TrackEval prints of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from smiletrack.metrics.clear import clear, combine_clear
from smiletrack.metrics.hota import combine_hota, hota
from smiletrack.metrics.identity import combine_identity, identity
from smiletrack.metrics.preprocess import Comparison

COMBINED = "COMBINED"
"""The name of the row over all sequences."""

Measures = dict[str, dict[str, Any]]
"""Metric family (HOTA, CLEAR, Identity, Count) -> field -> value; fields are named as in TrackEval."""

_WHOLE = "CLR_TP CLR_FN CLR_FP IDSW MT PT ML Frag IDTP IDFN IDFP Dets GT_Dets IDs GT_IDs Frames"
_SUMMED = (*_WHOLE.split(), "HOTA_TP", "HOTA_FN", "HOTA_FP", "CLR_Frames")


def measure(comparison: Comparison, threshold: float = 0.5) -> Measures:
    """Return all fields of one sequence; `threshold` is the IoU that CLEAR and Identity ask of a match."""
    return {
        "HOTA": hota(comparison),
        "CLEAR": clear(comparison, threshold),
        "Identity": identity(comparison, threshold),
        "Count": {
            "Dets": len(comparison.result_ids),
            "GT_Dets": len(comparison.truth_ids),
            "IDs": comparison.num_result_ids,
            "GT_IDs": comparison.num_truth_ids,
            "Frames": comparison.num_frames,
        },
    }


def combine(sequences: Mapping[str, Measures]) -> Measures:
    """Return all fields over several sequences: from summed counts, never the mean of ratios."""
    parts = [sequences[name] for name in sorted(sequences)]
    return {
        "HOTA": combine_hota([part["HOTA"] for part in parts]),
        "CLEAR": combine_clear([part["CLEAR"] for part in parts]),
        "Identity": combine_identity([part["Identity"] for part in parts]),
        "Count": {name: sum(part["Count"][name] for part in parts) for name in parts[0]["Count"]},
    }


def mean_over_classes(classes: Mapping[str, Measures]) -> Measures:
    """Return all fields of several classes together: counts are summed, all else is the mean, as TrackEval has it."""
    parts = list(classes.values())
    return {
        family: {
            name: sum(part[family][name] for part in parts)
            if name in _SUMMED
            else np.mean([part[family][name] for part in parts], axis=0)
            for name in parts[0][family]
        }
        for family in parts[0]
    }


def cell(field: str, value: Any) -> str:
    """Return a value as TrackEval prints it: counts whole, all else in percent with five digits, means over alphas."""
    return f"{value:.0f}" if field in _WHOLE.split() else f"{100 * np.mean(value):1.5g}"
