"""Horizontal bars as SVG: a value, its quartiles, and what to say beside it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 840
LABEL_WIDTH = 300  # right-aligned labels end here
TEXT_WIDTH = 200  # for the value beside the longest bar
ROW_HEIGHT = 26
BAR_HEIGHT = 14
COLORS = {
    "samebits": "#d1495b",
    "torch": "#577590",
    "onnxruntime": "#edae49",
    "constriction": "#00798c",
    "compressai": "#6d597a",
    "torchac": "#8d96a3",
    "twin": "#577590",
}


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes
    ----------
    label, maker : str
        The maker (a library) decides on the color.
    value, low, high : float
        Median and quartiles, longer is better.
    text : str
        Written beside the bar.
    note : str
        Shown when the pointer rests on the row.
    """

    label: str
    maker: str
    value: float
    low: float
    high: float
    text: str
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """Bars with one scale, which begins at zero."""

    title: str
    subtitle: str
    bars: tuple[Bar, ...]


def bars_svg(bars: Sequence[Bar]) -> str:
    """An SVG element for an HTML page; its style comes from the page."""
    longest = max((bar.high for bar in bars), default=0.0) or 1.0
    scale = (WIDTH - LABEL_WIDTH - TEXT_WIDTH) / longest
    rows = [_row(bar, n * ROW_HEIGHT, scale) for n, bar in enumerate(bars)]
    height = len(bars) * ROW_HEIGHT
    axis = f'<line class="axis" x1="{LABEL_WIDTH}" x2="{LABEL_WIDTH}" y1="0" y2="{height}"/>'
    return (
        f'<svg class="bars" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Bars; the numbers are in the table below">{"".join(rows)}{axis}</svg>'
    )


def _row(bar: Bar, top: float, scale: float) -> str:
    middle = top + ROW_HEIGHT / 2
    low, value, high = (LABEL_WIDTH + scale * x for x in (bar.low, bar.value, bar.high))
    kind = "own" if bar.maker == "samebits" else "peer"
    return (
        f'<g class="{kind}"><title>{html.escape(bar.note or bar.label)}</title>'
        f'<text class="label" x="{LABEL_WIDTH - 10}" y="{middle}">{html.escape(bar.label)}</text>'
        f'<rect x="{LABEL_WIDTH}" y="{middle - BAR_HEIGHT / 2}" width="{value - LABEL_WIDTH:.1f}" '
        f'height="{BAR_HEIGHT}" rx="2" fill="{COLORS.get(bar.maker, "#8d96a3")}"/>'
        f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
        f'<text class="value" x="{max(high, value) + 8:.1f}" y="{middle}">{html.escape(bar.text)}'
        "</text></g>"
    )
