"""Rate-distortion plots (matplotlib, extra ``samebits[eval]``)."""

from __future__ import annotations

import io

import numpy as np

from samebits.evaluation.bd_rate import rising_points
from samebits.evaluation.quality_metrics import METRICS
from samebits.evaluation.results import Evaluation

Line = tuple[np.ndarray, np.ndarray]  # rates and levels
MAX_RATE = 1.75  # bits per pixel; above, all codecs look alike
COLORS = {
    "samebits": "#d1495b",
    "samebits-before": "#e08e79",
    "samebits-fast": "#9c2c3c",
    "samebits-medium": "#70202b",
    "samebits-slow": "#45141a",
    "jpeg": "#8d96a3",
    "webp": "#edae49",
    "avif": "#00798c",
    "jxl": "#7b5ea7",
    "twin": "#222222",
}
# Anchors to draw, strongest first; the tables have them all, more lines would hide each other.
PLOTTED_ANCHORS = ("vtm", "bpg", "elic", "cheng2020-anchor", "mean-scale", "hyperprior")
ANCHOR_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 2)))
ANCHOR_COLORS = ("#3d405b", "#6d597a", "#52796f", "#7f5539", "#577590", "#9a8c98")


def draw(evaluation: Evaluation, *, metric: str, image_format: str) -> bytes:
    """One plot of all measured curves and a few anchors.

    Parameters
    ----------
    metric : str
        Of `METRICS`.
    image_format : str
        "png" or "svg".
    """
    import matplotlib
    from matplotlib.figure import Figure

    # A Figure of its own instead of pyplot: no display, no global state. Text is drawn as paths.
    with matplotlib.rc_context(
        {"font.size": 10.5, "svg.fonttype": "path", "svg.hashsalt": "samebits"}
    ):
        figure = Figure(figsize=(8.0, 6.4), layout="constrained")
        axes = figure.add_subplot()
        measured = _draw_measured(axes, evaluation, metric)
        published = _draw_anchors(axes, evaluation, metric)
        _set_range(axes, measured, published)
        axes.set_xlabel("bits per pixel (complete files)")
        axes.set_ylabel(METRICS[metric].axis)
        axes.set_title(
            f"{evaluation.dataset}: mean of {len(evaluation.pictures)} pictures", loc="left"
        )
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        title = "with dots: measured in this run; without: published"
        figure.legend(loc="outside lower center", ncols=3, frameon=False, title=title)
        buffer = io.BytesIO()
        metadata = {"Date": None} if image_format == "svg" else None
        figure.savefig(buffer, format=image_format, dpi=160, metadata=metadata)
    return buffer.getvalue()


def _draw_measured(axes, evaluation: Evaluation, metric: str) -> list[Line]:
    lines = []
    for curve in evaluation.curves:
        rates, levels = rising_points(curve, metric)
        if not len(rates):
            continue
        ours = curve.name == "samebits"
        axes.plot(
            rates,
            levels,
            marker="o",
            markersize=4.5 if ours else 3,
            linewidth=2.4 if ours else 1.4,
            color=COLORS.get(curve.name),
            label=curve.label,
            zorder=3 if ours else 2,
        )
        lines.append((rates, levels))
    return lines


def _draw_anchors(axes, evaluation: Evaluation, metric: str) -> list[Line]:
    by_name = {curve.name: curve for curve in evaluation.anchors}
    chosen = [by_name[name] for name in PLOTTED_ANCHORS if name in by_name]
    lines = []
    for curve, style, color in zip(
        chosen or evaluation.anchors, ANCHOR_STYLES, ANCHOR_COLORS, strict=False
    ):
        rates, levels = rising_points(curve, metric)
        if len(rates):
            axes.plot(rates, levels, linestyle=style, linewidth=1.1, color=color, label=curve.label)
            lines.append((rates, levels))
    return lines


def _set_range(axes, measured: list[Line], published: list[Line]) -> None:
    """From zero rate to what the measured codecs reach, at most `MAX_RATE`; all curves visible."""
    if not measured:
        return
    right = max(0.5, *(min(float(rates[-1]), MAX_RATE) for rates, _ in measured))
    bottom = min(float(levels[0]) for _, levels in measured)
    top = max(float(np.interp(right, rates, levels)) for rates, levels in [*measured, *published])
    margin = 0.03 * (top - bottom)
    axes.set_xlim(0.0, right)
    axes.set_ylim(bottom - margin, top + margin)
