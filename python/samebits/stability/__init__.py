"""What makes outputs of floating-point networks the same on every machine (EP 4 156 691)."""

from samebits.stability.adjustment import Adjustment, choose_adjustment
from samebits.stability.identity import decode_outcome, encode_outcome
from samebits.stability.intervals import (
    PIXELS,
    Boundaries,
    Precision,
    Rounding,
    Thresholds,
    estimate_precision,
)

__all__ = [
    "PIXELS",
    "Adjustment",
    "Boundaries",
    "Precision",
    "Rounding",
    "Thresholds",
    "choose_adjustment",
    "decode_outcome",
    "encode_outcome",
    "estimate_precision",
]
