"""The tables of a report, as HTML."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from statistics import median

from samebits.evaluation.bd_rate import BdRate
from samebits.evaluation.curves import Curve
from samebits.evaluation.measure import Measurement
from samebits.evaluation.quality_metrics import QualityMetric, metrics_of
from samebits.evaluation.results import Evaluation


def bd_tables(evaluation: Evaluation) -> str:
    """A table for each metric: rows are what is compared with, columns the measured codecs."""
    if not evaluation.bd_rates:
        return "<p>No two curves have four points each and a range of quality in common.</p>"
    metrics = metrics_of(evaluation.curves)
    tables = "\n".join(_bd_table(evaluation, metric) for metric in metrics)
    return f'<div class="tables">{tables}</div>'


def _bd_table(evaluation: Evaluation, metric: QualityMetric) -> str:
    rates = {(r.test, r.anchor): r for r in evaluation.bd_rates if r.metric == metric.name}
    heads = ["against", *(curve.label for curve in evaluation.curves)]
    sections = [("This run", evaluation.curves), ("Published", evaluation.anchors)]
    rows = []
    for title, anchors in sections:
        section = []
        for anchor in anchors:
            found = [rates.get((test.name, anchor.name)) for test in evaluation.curves]
            if any(found):
                cells = [_bd_cell(rate, unit=metric.unit) for rate in found]
                section.append([_row_head(anchor.label), *cells])
        if section:
            # The title stays in sight when the table is scrolled, hence a cell of its own.
            rest = f'<td colspan="{len(evaluation.curves)}"></td>'
            rows += [[f'<th scope="rowgroup">{html.escape(title)}</th>', rest], *section]
    return f"<div><h3>by {metric.label}</h3>{_table(heads, rows)}</div>"


def _bd_cell(rate: BdRate | None, *, unit: str) -> str:
    if rate is None:
        return '<td class="none">–</td>'
    kind = "good" if rate.pchip_percent < 0 else "bad"
    covered = f"over {rate.low:.2f} to {rate.high:.2f} {unit}".rstrip()
    return (
        f'<td class="{kind}" title="{covered}">'
        f"{_signed(rate.pchip_percent)} %<small>{_signed(rate.akima_percent)} %</small></td>"
    )


def _signed(percent: float) -> str:
    return f"{percent:+.1f}".replace("-", "−")


def times_table(evaluation: Evaluation) -> str:
    """Medians of the times of all files of a codec, and its peak memory."""
    megapixels = {p.name: p.width * p.height / 1e6 for p in evaluation.pictures}
    peaks = {(m.codec, m.operation): m for m in evaluation.memory}
    heads = ["", "encode", "decode", "encode, per megapixel", "decode, per megapixel"]
    if peaks:
        heads += ["peak memory, encode", "peak memory, decode"]
    rows = []
    for curve in evaluation.curves:
        files = [m for p in evaluation.pictures for m in p.measurements if m.codec == curve.name]
        rows.append([_row_head(curve.label), *_times_cells(files, megapixels)])
        for operation in ("encode", "decode") if peaks else ():
            peak = peaks.get((curve.name, operation))
            rows[-1].append(
                f"<td>{_mebibytes(peak.peak_bytes)}"
                f"<small>{_mebibytes(peak.baseline_bytes)} before</small></td>"
                if peak
                else '<td class="none">–</td>'
            )
    return _table(heads, rows)


def _times_cells(files: Sequence[Measurement], megapixels: dict[str, float]) -> list[str]:
    def cell(seconds: Callable[[Measurement], float]) -> str:
        return f"<td>{_number(1000 * median(seconds(m) for m in files), 1, ' ms')}</td>"

    return [
        cell(lambda m: m.encode_s),
        cell(lambda m: m.decode_s),
        cell(lambda m: m.encode_s / megapixels[m.picture]),
        cell(lambda m: m.decode_s / megapixels[m.picture]),
    ]


def times_note(evaluation: Evaluation) -> str:
    """What the numbers of `times_table` are."""
    note = (
        f"Times are medians over all files of a codec, wall clock, {evaluation.threads} thread(s), "
        f"{evaluation.jobs} picture(s) at a time."
    )
    if evaluation.memory:
        first = evaluation.memory[0]
        qualities = {m.codec: m.quality for m in evaluation.memory}
        listed = ", ".join(f"{c.label} {qualities[c.name]}" for c in evaluation.curves)
        note += (
            f" Memory is the largest resident size of a process of its own that codes "
            f"{first.picture} once (qualities: {listed}), Python and libraries included; below "
            f"it, small, what the process had taken before."
        )
    return note


def points_tables(evaluation: Evaluation) -> str:
    """A table for each measured codec, its points from the smallest files to the largest."""
    return "\n".join(_points_table(evaluation, curve) for curve in evaluation.curves)


def _points_table(evaluation: Evaluation, curve: Curve) -> str:
    heads = ["quality", "bpp", "PSNR", "PSNR of mean MSE", "MS-SSIM", "SSIMULACRA 2"]
    heads += ["encode", "decode"]
    rows = [
        [
            _row_head(str(point.quality)),
            f"<td>{point.bpp:.4f}</td>",
            f"<td>{_number(point.psnr_db, 3, ' dB')}</td>",
            f"<td>{_number(point.psnr_of_mean_mse_db, 3, ' dB')}</td>",
            f"<td>{_number(point.ms_ssim, 5, '')}</td>",
            f"<td>{_number(point.ssimulacra2, 2, '')}</td>",
            f"<td>{_number(point.encode_s * 1000, 1, ' ms')}</td>",
            f"<td>{_number(point.decode_s * 1000, 1, ' ms')}</td>",
        ]
        for point in curve.points
    ]
    settings = html.escape(evaluation.settings.get(curve.name, ""))
    opened = " open" if curve.name == "samebits" else ""
    summary = f"<summary>{html.escape(curve.label)} <small>{settings}</small></summary>"
    return f"<details{opened}>{summary}{_table(heads, rows)}</details>"


def sources_list(anchors: Sequence[Curve]) -> str:
    """Where the published curves are from."""
    if not anchors:
        return ""
    items = "\n".join(
        f"<li>{html.escape(c.label)}: {html.escape(c.source or 'unknown')}</li>" for c in anchors
    )
    return f"<details><summary>Sources of the published curves</summary><ul>{items}</ul></details>"


def _row_head(text: str) -> str:
    return f'<th scope="row">{html.escape(text)}</th>'


def _number(value: float, digits: int, unit: str) -> str:
    return f"{value:.{digits}f}{unit}".replace("-", "−") if math.isfinite(value) else "–"


def _mebibytes(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.0f} MiB"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # A box that scrolls must be reachable by keyboard.
    head = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in heads)
    body = "\n".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return (
        '<div class="scroll" tabindex="0" role="group" aria-label="Table">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
