"""The outcome of an evaluation as a value, and as JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from samebits.evaluation.bd_rate import BdRate
from samebits.evaluation.curves import Curve
from samebits.evaluation.machine import Machine
from samebits.evaluation.measure import MeasuredPicture, Measurement
from samebits.evaluation.peak_memory import PeakMemory


@dataclass(frozen=True)
class EstimateGap:
    """How far real files are above the entropy model's own estimate of their size.

    Attributes
    ----------
    mean_percent : float
        Of all files together.
    worst_bytes_above_1_percent : float
        The most bytes by which a file is larger than 1.01 times its estimate.
    """

    mean_percent: float
    worst_bytes_above_1_percent: float

    @staticmethod
    def of(measurements: Sequence[Measurement]) -> EstimateGap | None:
        """The gap of Samebits' files, None if there are none."""
        pairs = [(m.size_bytes, m.estimated_bytes) for m in measurements if m.codec == "samebits"]
        if not pairs:
            return None
        size, estimate = (sum(column) for column in zip(*pairs, strict=True))
        worst = max(size_bytes - 1.01 * estimated for size_bytes, estimated in pairs)
        return EstimateGap(100.0 * (size / estimate - 1.0), worst)


@dataclass(frozen=True)
class Evaluation:
    """Everything `samebits eval` measured, and what it was compared with.

    Attributes
    ----------
    dataset : str
        The folder's name.
    command, commit, machine
        Where the numbers come from; `commit` is None outside a git checkout.
    jobs, threads : int
        Pictures measured at a time, and threads of a codec: both shape the times, not the files.
    settings : dict
        Codec name to one line.
    pictures : tuple of MeasuredPicture
    curves : tuple of Curve
        Measured, averaged over all pictures.
    anchor_set : str or None
        Name of the set the anchors belong to.
    anchors : tuple of Curve
        Published.
    bd_rates : tuple of BdRate
    estimate_gap : EstimateGap or None
        None if no codec gave an estimate.
    memory : tuple of PeakMemory
        Measured for reports only.
    """

    dataset: str
    command: str
    commit: str | None
    machine: Machine
    jobs: int
    threads: int
    settings: dict[str, str]
    pictures: tuple[MeasuredPicture, ...]
    curves: tuple[Curve, ...]
    anchor_set: str | None
    anchors: tuple[Curve, ...]
    bd_rates: tuple[BdRate, ...]
    estimate_gap: EstimateGap | None
    memory: tuple[PeakMemory, ...] = ()


NOTES = {
    "bpp": "bits of the complete file per pixel; mean over pictures",
    "psnr_db": "RGB; from each picture's mean squared error, then the mean over pictures",
    "psnr_of_mean_mse_db": "RGB; from the mean squared error averaged over pictures",
    "ms_ssim": "mean over R, G, B and over pictures; in dB: -10 log10(1 - value)",
    "ssimulacra2": "mean over pictures; null if not computed or if a picture is too small for it",
    "times": "wall clock, array to file bytes and back; mean over pictures",
    "memory": "largest resident size of a process that encodes or decodes one picture, once",
    "bd_rates": "on the averaged curves, in percent, negative: the test codec needs less rate; "
    "low and high: the range of quality, in dB or in points of SSIMULACRA 2",
}


def to_json_value(value: Any) -> Any:
    """Dataclasses to objects, tuples to lists, NaN and infinity (which JSON lacks) to null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json_value(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_value(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """The whole evaluation as JSON values, with a note on every kind of number."""
    return {"format": 2, "notes": NOTES, **to_json_value(evaluation)}
