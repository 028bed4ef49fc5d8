"""The evaluation as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from pathlib import Path
from string import Template

from samebits.evaluation.bd_rate import METRICS, BdRate
from samebits.evaluation.curves import Curve
from samebits.evaluation.results import Evaluation

TEMPLATE = Path(__file__).parent / "assets" / "eval_page.html"


def eval_page(evaluation: Evaluation, *, psnr_svg: bytes, ms_ssim_svg: bytes) -> str:
    """The page's text, plots inlined."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        dataset=html.escape(evaluation.dataset),
        summary=html.escape(_summary(evaluation)),
        psnr_plot=_data_uri(psnr_svg),
        ms_ssim_plot=_data_uri(ms_ssim_svg),
        bd_rates=_bd_table(evaluation),
        curves="\n".join(_curve_table(evaluation, curve) for curve in evaluation.curves),
        sources=_sources(evaluation.anchors),
        provenance=html.escape(_provenance(evaluation)),
    )


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


def _data_uri(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def _bd_table(evaluation: Evaluation) -> str:
    """Rows are what is compared with; columns the measured codecs, by PSNR and by MS-SSIM."""
    rates = {(r.metric, r.test, r.anchor): r for r in evaluation.bd_rates}
    if not rates:
        return "<p>No two curves overlap.</p>"
    columns = [(metric, test) for metric in METRICS for test in evaluation.curves]
    span = len(evaluation.curves)
    groups = (
        f'<tr><td></td><th scope="colgroup" colspan="{span}">by PSNR (RGB)</th>'
        f'<th scope="colgroup" colspan="{span}">by MS-SSIM</th></tr>'
    )
    heads = ["<th>against</th>", *(f"<th>{html.escape(test.label)}</th>" for _, test in columns)]
    sections = [("Measured in this run", evaluation.curves)]
    if evaluation.anchors:
        sections.append((f"Published for {evaluation.anchor_set}", evaluation.anchors))
    rows = []
    for title, anchors in sections:
        rows.append([f'<th scope="rowgroup" colspan="{1 + 2 * span}">{html.escape(title)}</th>'])
        for anchor in anchors:
            found = [rates.get((metric, test.name, anchor.name)) for metric, test in columns]
            if any(found):
                head = f'<th scope="row">{html.escape(anchor.label)}</th>'
                rows.append([head, *(_bd_cell(rate) for rate in found)])
    return _table(heads, rows, above=groups)


def _bd_cell(rate: BdRate | None) -> str:
    if rate is None:
        return '<td class="none">–</td>'
    kind = "good" if rate.pchip_percent < 0 else "bad"
    detail = (
        f"Akima {_signed(rate.akima_percent)} %, over {rate.low_db:.2f} to {rate.high_db:.2f} dB"
    )
    return f'<td class="{kind}" title="{detail}">{_signed(rate.pchip_percent)} %</td>'


def _signed(percent: float) -> str:
    return f"{percent:+.1f}".replace("-", "−")


def _curve_table(evaluation: Evaluation, curve: Curve) -> str:
    heads = ["quality", "bpp", "PSNR", "PSNR of mean MSE", "MS-SSIM", "encode", "decode"]
    rows = [
        [
            f'<th scope="row">{point.quality}</th>',
            f"<td>{point.bpp:.4f}</td>",
            f"<td>{_number(point.psnr_db, 3, ' dB')}</td>",
            f"<td>{_number(point.psnr_of_mean_mse_db, 3, ' dB')}</td>",
            f"<td>{_number(point.ms_ssim, 5, '')}</td>",
            f"<td>{_number(point.encode_s * 1000, 1, ' ms')}</td>",
            f"<td>{_number(point.decode_s * 1000, 1, ' ms')}</td>",
        ]
        for point in curve.points
    ]
    settings = html.escape(evaluation.settings.get(curve.name, ""))
    table = _table([f"<th>{head}</th>" for head in heads], rows)
    opened = " open" if curve.name == "samebits" else ""
    summary = f"<summary>{html.escape(curve.label)} <small>{settings}</small></summary>"
    return f"<details{opened}>{summary}{table}</details>"


def _number(value: float, digits: int, unit: str) -> str:
    return f"{value:.{digits}f}{unit}" if math.isfinite(value) else "–"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, above: str = "") -> str:
    body = "\n".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    head = f"<thead>{above}<tr>{''.join(heads)}</tr></thead>"
    return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'


def _sources(anchors: Sequence[Curve]) -> str:
    if not anchors:
        return ""
    items = "\n".join(
        f"<li>{html.escape(c.label)}: {html.escape(c.source or 'unknown')}</li>" for c in anchors
    )
    return f"<details><summary>Sources of the published curves</summary><ul>{items}</ul></details>"
