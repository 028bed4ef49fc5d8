"""An evaluation as one HTML page that needs nothing else: curves, tables, pictures side by side."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from PIL import Image

from samebits.evaluation.bd_rate import rising_points
from samebits.evaluation.curves import Curve
from samebits.evaluation.plot import PLOTTED_ANCHORS
from samebits.evaluation.quality_metrics import METRICS, QualityMetric, metrics_of
from samebits.evaluation.report_pictures import TARGETS_BPP, ShownPicture
from samebits.evaluation.report_tables import (
    bd_tables,
    points_tables,
    sources_list,
    times_note,
    times_table,
)
from samebits.evaluation.results import Evaluation, to_json_value

ASSETS = Path(__file__).parent / "assets"
WEBP_EFFORT = 4  # of lossless files; 6 takes twice as long for 1 % less


def report_page(evaluation: Evaluation, pictures: Sequence[ShownPicture]) -> str:
    """The page's text; without `pictures` it has no viewer."""
    return Template(_asset("report_page.html")).substitute(
        style=_asset("report_page.css"),
        dataset=html.escape(evaluation.dataset),
        summary=html.escape(_summary(evaluation)),
        charts=_charts(evaluation),
        bd_rates=bd_tables(evaluation),
        viewer=_viewer(pictures) if pictures else "",
        times_note=html.escape(times_note(evaluation)),
        times=times_table(evaluation),
        points=points_tables(evaluation),
        sources=sources_list(evaluation.anchors),
        provenance=html.escape(_provenance(evaluation)),
        curves_data=_script_json(_curves_data(evaluation)),
        pictures_data="\n".join(
            f'<script type="application/json" id="picture-{i}">'
            f"{_script_json(_picture_data(picture))}</script>"
            for i, picture in enumerate(pictures)
        ),
        curves_script=_asset("report_curves.js"),
        viewer_script=_asset("report_viewer.js"),
    )


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _summary(evaluation: Evaluation) -> str:
    pixels = sum(picture.width * picture.height for picture in evaluation.pictures)
    files = sum(len(picture.measurements) for picture in evaluation.pictures)
    return (
        f"{len(evaluation.pictures)} pictures, {pixels / 1e6:.1f} megapixels, "
        f"{files} files written and read back"
    )


def _provenance(evaluation: Evaluation) -> str:
    machine = evaluation.machine
    return (
        f"{evaluation.command} · commit {evaluation.commit or 'unknown'} · {machine.cpu}, "
        f"{machine.logical_cores} cores, {machine.system}, {machine.python} · "
        f"{evaluation.jobs} picture(s) at a time, {evaluation.threads} thread(s) each"
    )


def _charts(evaluation: Evaluation) -> str:
    """The places of the curves, one for each metric."""
    published = metrics_of(evaluation.anchors)
    notes = {
        metric: " <small>published curves do not have it</small>"
        for metric in metrics_of(evaluation.curves)
        if evaluation.anchors and metric not in published
    }
    return "\n".join(_chart(m, notes.get(m, "")) for m in metrics_of(evaluation.curves))


def _chart(metric: QualityMetric, note: str) -> str:
    """The place of one metric's curves, filled by the page's script."""
    return (
        f'<figure data-metric="{metric.name}" data-unit="{metric.unit}">'
        f"<figcaption>{metric.axis}{note}</figcaption>"
        f'<svg role="img" aria-label="{metric.axis}, over bits per pixel; '
        f'the numbers are in the tables below"></svg><output>&nbsp;</output></figure>'
    )


def _curves_data(evaluation: Evaluation) -> dict[str, Any]:
    """Every curve's points as [bpp, level, quality]; the first few anchors are drawn at first."""
    known = {anchor.name for anchor in evaluation.anchors} & set(PLOTTED_ANCHORS)
    first = known or {anchor.name for anchor in evaluation.anchors[: len(PLOTTED_ANCHORS)]}
    curves = [_curve_data(curve, measured=True, shown=True) for curve in evaluation.curves]
    curves += [
        _curve_data(anchor, measured=False, shown=anchor.name in first)
        for anchor in sorted(evaluation.anchors, key=lambda anchor: anchor.name not in first)
    ]
    return {"curves": curves, "published": evaluation.anchor_set}


def _curve_data(curve: Curve, *, measured: bool, shown: bool) -> dict[str, Any]:
    qualities = {point.bpp: point.quality for point in curve.points}
    points = {}
    for metric in METRICS:
        rates, levels = rising_points(curve, metric)
        points[metric] = [
            [round(bpp, 5), round(level, 4), qualities[bpp]]
            for bpp, level in zip(rates.tolist(), levels.tolist(), strict=True)
        ]
    return {
        "name": curve.name,
        "label": curve.label,
        "measured": measured,
        "shown": shown,
        **points,
    }


def _viewer(pictures: Sequence[ShownPicture]) -> str:
    options = "".join(
        f'<option value="{i}">{html.escape(picture.name)}</option>'
        for i, picture in enumerate(pictures)
    )
    about = (
        "Drag on the picture to move the line; when enlarged, drag the line or the picture. Shown "
        "are the decoders' own pixels (embedded as lossless WebP); bits per pixel, PSNR and "
        "SSIMULACRA 2 are of the complete file and picture. Sizes are as near as a whole number "
        "for the quality gets."
    )
    template = Template(_asset("report_viewer.html"))
    return template.substitute(about=html.escape(about), pictures=options)


def _picture_data(picture: ShownPicture) -> dict[str, Any]:
    height, width = picture.original.shape[:2]
    whole = (width, height) == (picture.width, picture.height)
    data = {
        "name": picture.name,
        "width": picture.width,
        "height": picture.height,
        "shown": {"width": width, "height": height},
        "part": None if whole else f"the middle {width} × {height}",
        "targets_bpp": TARGETS_BPP,
        "original": _data_uri(picture.original),
        "versions": [
            {
                "codec": version.codec,
                "label": version.label,
                "quality": version.quality,
                "bpp": version.bpp,
                "psnr_db": version.psnr_db,
                "ssimulacra2": version.ssimulacra2,
                "image": _data_uri(version.pixels),
            }
            for version in picture.versions
        ],
    }
    return to_json_value(data)


def _data_uri(pixels: np.ndarray) -> str:
    """The pixels (uint8, (H, W, 3)) as a lossless WebP file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, quality=75, method=WEBP_EFFORT)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _script_json(data: dict[str, Any]) -> str:
    # "</" would end the script element that holds the data, "<!--" could hide its end.
    return json.dumps(data, allow_nan=False).replace("<", "\\u003c")
