"""The evaluation as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from samebits.evaluation.bd_rate import BdRate
from samebits.evaluation.quality_metrics import metrics_of
from samebits.evaluation.results import Evaluation


def summary_text(evaluation: Evaluation) -> str:
    """The averaged curves, then the BD-rates of Samebits (of the first codec without it)."""
    lines = [*_curve_lines(evaluation), *_estimate_lines(evaluation), *_bd_rate_lines(evaluation)]
    return "\n".join(lines)


def _curve_lines(evaluation: Evaluation) -> Iterator[str]:
    pictures, threads = len(evaluation.pictures), evaluation.threads
    yield f"{evaluation.dataset}: averages over {pictures} picture(s), {threads} thread(s)"
    width = max(10, *(len(curve.name) + 2 for curve in evaluation.curves))
    yield (
        f"{'codec':<{width}}{'quality':>8}{'bpp':>9}{'PSNR dB':>9}{'MS-SSIM':>9}"
        f"{'SSIMULACRA 2':>14}{'encode ms':>11}{'decode ms':>11}"
    )
    for curve in evaluation.curves:
        for p in curve.points:
            yield (
                f"{curve.name:<{width}}{p.quality:>8}{p.bpp:>9.4f}{_cell(p.psnr_db, 9, 3)}"
                f"{_cell(p.ms_ssim, 9, 5)}{_cell(p.ssimulacra2, 14, 2)}"
                f"{_cell(1000 * p.encode_s, 11, 1)}{_cell(1000 * p.decode_s, 11, 1)}"
            )


def _estimate_lines(evaluation: Evaluation) -> Iterator[str]:
    gap = evaluation.estimate_gap
    if gap is not None:
        yield (
            f"Samebits files are {gap.mean_percent:+.2f} % against the entropy model's estimate, "
            f"at most 1 % and {gap.worst_bytes_above_1_percent:.0f} bytes above it"
        )


def _bd_rate_lines(evaluation: Evaluation) -> Iterator[str]:
    test = next((c for c in evaluation.curves if c.name == "samebits"), evaluation.curves[0])
    by_anchor: dict[str, dict[str, BdRate]] = {}
    for rate in evaluation.bd_rates:
        if rate.test == test.name:
            by_anchor.setdefault(rate.anchor, {})[rate.metric] = rate
    if not by_anchor:
        return
    yield ""
    yield f"BD-rate of {test.label} on the averaged curves in percent (negative: fewer bits)"
    metrics = metrics_of(evaluation.curves)
    yield " " * 22 + "".join(f"{'by ' + metric.label:>20}" for metric in metrics)
    yield f"{'against':<22}" + f"{'pchip':>11}{'Akima':>9}" * len(metrics)
    for anchor, rates in by_anchor.items():
        yield f"{anchor:<22}" + "".join(_bd_cells(rates.get(metric.name)) for metric in metrics)


def _bd_cells(rate: BdRate | None) -> str:
    if rate is None:
        return f"{'-':>11}{'-':>9}"
    return _cell(rate.pchip_percent, 11, 2) + _cell(rate.akima_percent, 9, 2)


def _cell(value: float, width: int, digits: int) -> str:
    return f"{value:>{width}.{digits}f}" if math.isfinite(value) else f"{'-':>{width}}"
