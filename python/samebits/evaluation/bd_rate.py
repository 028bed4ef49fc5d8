"""Bjontegaard rates: how much more or less rate a codec needs for the same quality.

Computed on curves that are averages over all pictures, by the package ``bjontegaard``, with
piecewise cubic (pchip) and Akima interpolation of log-rate over quality, averaged within the range
that both curves cover.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import cast

import numpy as np

from samebits.evaluation.curves import Curve
from samebits.evaluation.quality_metrics import METRICS

# Piecewise cubic interpolation needs a few points to mean anything.
MIN_POINTS = 4


@dataclass(frozen=True)
class BdRate:
    """The BD-rate of `test` against `anchor`.

    Attributes
    ----------
    test, anchor : str
        Names of curves.
    metric : str
        Of `METRICS`.
    pchip_percent, akima_percent : float
        Negative: `test` needs less rate.
    low, high : float
        The range of quality both curves cover, over which the rates were averaged; in dB, or in
        points of SSIMULACRA 2.
    """

    test: str
    anchor: str
    metric: str
    pchip_percent: float
    akima_percent: float
    low: float
    high: float


def bd_rate(test: Curve, anchor: Curve, *, metric: str) -> BdRate | None:
    """BD-rate of `test` against `anchor`, or None where the curves cannot be compared.

    They cannot when one lacks the metric or has fewer than four usable points, or when their
    ranges do not overlap.
    """
    import bjontegaard

    test_rates, test_levels = rising_points(test, metric)
    anchor_rates, anchor_levels = rising_points(anchor, metric)
    if min(len(test_rates), len(anchor_rates)) < MIN_POINTS:
        return None
    low = max(test_levels[0], anchor_levels[0])
    high = min(test_levels[-1], anchor_levels[-1])
    if low >= high:
        return None

    def percent(method: str) -> float:
        with warnings.catch_warnings():
            # A small overlap is not hidden: low and high travel with the result.
            warnings.simplefilter("ignore")
            value = bjontegaard.bd_rate(
                anchor_rates,
                anchor_levels,
                test_rates,
                test_levels,
                method=method,
                require_matching_points=False,
                min_overlap=0,
            )
        return float(cast(float, value))

    return BdRate(
        test=test.name,
        anchor=anchor.name,
        metric=metric,
        pchip_percent=percent("pchip"),
        akima_percent=percent("akima"),
        low=float(low),
        high=float(high),
    )


def rising_points(curve: Curve, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Rates and levels of the points that rise: finite, more rate than the last, a better level.

    A point that costs more than another and is no better would never be chosen, and interpolation
    of rate over quality needs strictly rising levels.
    """
    rates: list[float] = []
    levels: list[float] = []
    for point in sorted(curve.points, key=lambda p: (p.bpp, -p.psnr_db)):
        level = METRICS[metric].level(point)
        if not math.isfinite(level) or point.bpp <= 0:
            continue
        if not levels or (level > levels[-1] and point.bpp > rates[-1]):
            rates.append(point.bpp)
            levels.append(level)
    return np.array(rates), np.array(levels)


def all_bd_rates(measured: list[Curve], anchors: list[Curve]) -> list[BdRate]:
    """Every measured codec against every other measured codec and every anchor, in every metric."""
    pairs = [
        (test, anchor)
        for test in measured
        for anchor in [*measured, *anchors]
        if test.name != anchor.name
    ]
    rates = [bd_rate(test, anchor, metric=metric) for metric in METRICS for test, anchor in pairs]
    return [rate for rate in rates if rate is not None]
