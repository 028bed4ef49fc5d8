"""A benchmark as one HTML page that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from samebits.evaluation.benchmarks.bars import Chart, bars_svg
from samebits.evaluation.benchmarks.peers import Missing
from samebits.evaluation.machine import Machine

TEMPLATE = Path(__file__).parent.parent / "assets" / "bench_page.html"


@dataclass(frozen=True)
class Table:
    """Heads and rows of text; the first cell of a row names it."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Origin:
    """What the numbers come from."""

    command: str
    commit: str | None
    machine: Machine
    details: tuple[str, ...]


def bench_page(
    *,
    title: str,
    lead: str,
    charts: Sequence[Chart],
    tables: Sequence[Table],
    missing: Sequence[Missing],
    origin: Origin,
) -> str:
    """The page's text."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        lead=html.escape(lead),
        machine=html.escape(
            f"{origin.machine.cpu}, {origin.machine.logical_cores} cores, {origin.machine.system}"
        ),
        missing=_missing(missing),
        charts="\n".join(_chart(chart) for chart in charts),
        tables="\n".join(_table(table) for table in tables),
        origin=html.escape(" · ".join(_origin_parts(origin))),
    )


def _chart(chart: Chart) -> str:
    return (
        f"<section><h2>{html.escape(chart.title)}</h2>"
        f'<p class="soft">{html.escape(chart.subtitle)}</p>{bars_svg(chart.bars)}</section>'
    )


def _missing(missing: Sequence[Missing]) -> str:
    if not missing:
        return ""
    items = "".join(f"<li>{html.escape(str(item))}</li>" for item in missing)
    return f'<div class="missing"><strong>Not measured</strong><ul>{items}</ul></div>'


def _table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(head)}</th>" for head in table.heads)
    body = "\n".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in table.rows
    )
    return (
        f"<details><summary>{html.escape(table.title)}</summary>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div></details>"
    )


def _origin_parts(origin: Origin) -> list[str]:
    machine = origin.machine
    return [
        origin.command,
        f"commit {origin.commit or 'unknown'}",
        f"{machine.cpu}, {machine.logical_cores} cores, {machine.system}, {machine.python}",
        *origin.details,
    ]
