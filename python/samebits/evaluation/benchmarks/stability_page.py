"""The page and the lines of `samebits bench stability`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from samebits.evaluation.benchmarks.bars import Bar, Chart
from samebits.evaluation.benchmarks.page import Origin, Table, bench_page
from samebits.evaluation.benchmarks.stability import (
    EnvironmentResult,
    MethodResult,
    StabilityBenchmark,
)

LEAD = (
    "The same streams, decoded in environments of one machine whose floating-point arithmetic "
    "differs. The float codec fails where a row of a probability table is chosen otherwise, and "
    "shows other pixels where they are rounded otherwise; methods repair that, at a cost. The "
    "integer codec needs none."
)
ENVIRONMENT_HEADS = (
    "environment",
    "what",
    "integer codec exact",
    "float rows: largest difference",
    "bits differ",
    "flips",
    "pictures",
    "float pixels: largest difference",
    "bits differ",
    "flips",
    "pictures",
)
METHOD_HEADS = (
    "method",
    "what",
    "exact",
    "rows bit/pixel",
    "pixels bit/pixel",
    "parameters",
    "BD-rate",
    "encode",
    "decode",
)


def stability_lines(benchmark: StabilityBenchmark) -> Iterator[str]:
    """For a terminal: environments, then methods, then which decodes where."""
    for precision in benchmark.precisions:
        yield (
            f"largest difference in {precision.arithmetic} precision: rows {precision.rows:.3g}, "
            f"pixels {precision.pixels:.3g}"
        )
    yield from _lines(
        ENVIRONMENT_HEADS[:1] + ENVIRONMENT_HEADS[2:], _without_words(_environments(benchmark))
    )
    yield ""
    yield from _lines(METHOD_HEADS[:1] + METHOD_HEADS[2:], _without_words(_methods(benchmark)))
    yield ""
    yield from _lines(_exact_heads(benchmark), _exact(benchmark))


def stability_page(benchmark: StabilityBenchmark) -> str:
    """The whole page."""
    bars = tuple(
        Bar(
            label=method.name,
            maker="samebits",
            value=_share(method),
            low=_share(method),
            high=_share(method),
            text=f"{_share(method):.1f} %, {_bpp(_sent(method))} bit/pixel",
        )
        for method in benchmark.methods
    )
    return bench_page(
        title="Numerical stability",
        lead=LEAD,
        charts=[Chart("Decoded exactly", "percent of pictures times environments", bars)],
        tables=[
            Table("Environments", ENVIRONMENT_HEADS, _environments(benchmark)),
            Table("Methods", METHOD_HEADS, _methods(benchmark)),
            Table("Pictures decoded exactly", _exact_heads(benchmark), _exact(benchmark)),
        ],
        missing=benchmark.missing,
        origin=Origin(
            benchmark.command,
            benchmark.commit,
            benchmark.machine,
            (
                f"model {benchmark.model}",
                f"{len(benchmark.pictures)} pictures",
                f"quality {benchmark.quality}, "
                f"BD-rates at {', '.join(map(str, benchmark.qualities))}",
            ),
        ),
    )


Rows = tuple[tuple[str, ...], ...]


def _environments(benchmark: StabilityBenchmark) -> Rows:
    return tuple(
        (
            one.name,
            one.about,
            f"{one.integer_exact} of {one.pictures}",
            *_kinds(one),
        )
        for one in benchmark.environments
    )


def _kinds(one: EnvironmentResult) -> tuple[str, ...]:
    return tuple(
        text
        for kind in (one.rows, one.pixels)
        for text in (
            f"{kind.largest:.2g}",
            f"{kind.bits_percent:.1f} %",
            str(kind.flips),
            str(kind.flipped_pictures),
        )
    )


def _methods(benchmark: StabilityBenchmark) -> Rows:
    return tuple(
        (
            method.name,
            method.about,
            f"{_share(method):.1f} %",
            _bpp(method.row_bpp),
            _bpp(method.pixel_bpp),
            _bpp(method.parameter_bpp),
            f"{method.bd_rate_percent:+.2f} %".replace("-", "−"),
            f"{method.encode_times:.2f}×",
            f"{method.decode_times:.2f}×",
        )
        for method in benchmark.methods
    )


def _share(method: MethodResult) -> float:
    """Percent of pictures times environments that are exact."""
    counts = [count for count in method.exact.values() if count is not None]
    return 100 * sum(counts) / (len(counts) * method.pictures) if counts else 0.0


def _sent(method: MethodResult) -> float:
    return method.row_bpp + method.pixel_bpp + method.parameter_bpp


def _bpp(value: float) -> str:
    return "0" if value == 0 else f"{value:.5f}"


def _exact_heads(benchmark: StabilityBenchmark) -> tuple[str, ...]:
    return ("method", *(one.name for one in benchmark.environments))


def _exact(benchmark: StabilityBenchmark) -> Rows:
    return tuple(
        (
            method.name,
            *("–" if n is None else str(n) for n in method.exact.values()),
        )
        for method in benchmark.methods
    )


def _without_words(rows: Rows) -> Rows:
    return tuple((first, *rest) for first, _, *rest in rows)


def _lines(heads: Sequence[str], rows: Rows) -> Iterator[str]:
    """Columns as wide as they need to be; long heads in lines of their own."""
    names = [head.split(": ")[-1] for head in heads]
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    for row in (names, *rows):
        first, *rest = (
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *rest])
