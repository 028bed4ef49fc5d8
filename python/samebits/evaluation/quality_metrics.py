"""The measures of quality that curves, BD-rates, plots and pages are made for: one list for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from samebits.evaluation.metrics import ms_ssim_db
from samebits.evaluation.ssimulacra2 import ssimulacra2_installed

if TYPE_CHECKING:
    from samebits.evaluation.curves import Curve, RatePoint


@dataclass(frozen=True)
class QualityMetric:
    """One measure of quality.

    Attributes
    ----------
    name : str
        In results and page data.
    option : str
        On the command line (``--metrics``).
    label : str
        In tables and plots.
    unit : str
        "dB", or empty for a score.
    level : callable
        ``level(point) -> float``: what a curve is drawn over rate; NaN where it is unknown.
    """

    name: str
    option: str
    label: str
    unit: str
    level: Callable[[RatePoint], float]

    @property
    def axis(self) -> str:
        """The label with the unit."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    @property
    def file_stem(self) -> str:
        """The name of a plot's file, without suffix."""
        return self.option.replace("-", "_")


METRICS = {
    metric.name: metric
    for metric in (
        QualityMetric("psnr_db", "psnr", "PSNR (RGB)", "dB", lambda p: p.psnr_db),
        QualityMetric("ms_ssim_db", "ms-ssim", "MS-SSIM", "dB", lambda p: ms_ssim_db(p.ms_ssim)),
        QualityMetric("ssimulacra2", "ssimulacra2", "SSIMULACRA 2", "", lambda p: p.ssimulacra2),
    )
}
"""By name, in the order of tables."""


def installed_metrics() -> frozenset[str]:
    """Names of the metrics whose packages are installed."""
    return frozenset(name for name in METRICS if name != "ssimulacra2" or ssimulacra2_installed())


def metrics_of(curves: Iterable[Curve]) -> tuple[QualityMetric, ...]:
    """Those for which some curve has a finite level: the others were not computed."""
    points = [point for curve in curves for point in curve.points]
    return tuple(
        metric
        for metric in METRICS.values()
        if any(math.isfinite(metric.level(point)) for point in points)
    )
