"""Rate-distortion curves: averages over a set of pictures, one point per quality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from samebits.evaluation.measure import Measurement
from samebits.evaluation.metrics import psnr_db


@dataclass(frozen=True)
class RatePoint:
    """Averages over all pictures at one quality.

    Attributes
    ----------
    quality : int or None
        None for published curves.
    bpp : float
        Mean over pictures of bits per pixel.
    psnr_db : float
        Mean over pictures of each picture's PSNR (the usual convention for Kodak).
    psnr_of_mean_mse_db : float
        PSNR of the mean squared error averaged over pictures, never larger than `psnr_db`; NaN if
        unknown.
    ms_ssim : float
        Mean over pictures; NaN if unknown.
    encode_s, decode_s : float
        Mean over pictures of wall-clock seconds; NaN if unknown.
    ssimulacra2 : float
        Mean over pictures; NaN if unknown, or if one picture has none.
    """

    quality: int | None
    bpp: float
    psnr_db: float
    psnr_of_mean_mse_db: float = math.nan
    ms_ssim: float = math.nan
    encode_s: float = math.nan
    decode_s: float = math.nan
    ssimulacra2: float = math.nan


@dataclass(frozen=True)
class Curve:
    """A named curve; `source` tells where a published one is from, empty for a measured one."""

    name: str
    label: str
    points: tuple[RatePoint, ...]
    source: str = ""


def average(name: str, label: str, measurements: Sequence[Measurement]) -> Curve:
    """The curve of codec `name` from the measurements of all pictures."""
    by_quality: dict[int, list[Measurement]] = {}
    for measurement in measurements:
        if measurement.codec == name:
            by_quality.setdefault(measurement.quality, []).append(measurement)
    return Curve(name, label, tuple(_point(q, group) for q, group in sorted(by_quality.items())))


def _point(quality: int, group: Sequence[Measurement]) -> RatePoint:
    def mean(values: list[float]) -> float:
        # Infinite (lossless) and missing (NaN) values show in the mean instead of being skipped.
        return sum(values) / len(values)

    return RatePoint(
        quality=quality,
        bpp=mean([m.bpp for m in group]),
        psnr_db=mean([m.psnr_db for m in group]),
        psnr_of_mean_mse_db=psnr_db(mean([m.mse for m in group])),
        ms_ssim=mean([m.ms_ssim for m in group]),
        encode_s=mean([m.encode_s for m in group]),
        decode_s=mean([m.decode_s for m in group]),
        ssimulacra2=mean([m.ssimulacra2 for m in group]),
    )
