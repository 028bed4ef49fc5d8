"""The page and the lines of `samebits bench coding`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from samebits.evaluation.benchmarks.bars import Bar, Chart
from samebits.evaluation.benchmarks.coding import CodingBenchmark, CodingTiming, StreamInfo
from samebits.evaluation.benchmarks.kernels_page import SPREAD_HEADS, spread_cells
from samebits.evaluation.benchmarks.page import Origin, Table, bench_page

LEAD = (
    "Millions of symbols a second on one core, from arrays to bytes and back; longer is better. "
    "Bars are medians, the dark lines reach from the lower to the upper quartile, and × says how "
    "many times faster Samebits is in the same rounds. Symbols are rounded Gaussians of 64 scales "
    "in no order. The percentage beside an encoder is what it writes beyond their entropy, in a "
    "payload of at least 100 kB (torchac: of the symbols it is timed with)."
)


def coding_page(benchmark: CodingBenchmark) -> str:
    """The whole page."""
    versions = [f"{name} {version}" for name, version in benchmark.versions.items()]
    groups = [
        (stream, operation, _group(benchmark, stream, operation))
        for stream in benchmark.streams
        for operation in ("decode", "encode")
    ]
    return bench_page(
        title="Entropy coding",
        lead=LEAD,
        charts=[_chart(*group) for group in groups],
        tables=[_table(*group) for group in groups],
        missing=benchmark.missing,
        origin=Origin(
            benchmark.command,
            benchmark.commit,
            benchmark.machine,
            (*versions, f"target {benchmark.target}, {benchmark.clock} clock"),
        ),
    )


def coding_lines(benchmark: CodingBenchmark) -> Iterator[str]:
    """For a terminal."""
    for stream in benchmark.streams:
        for operation in ("encode", "decode"):
            yield f"{_title(stream, operation)} ({stream.bits_per_symbol:.3f} bit per symbol)"
            for timing in _group(benchmark, stream, operation):
                yield f"  {timing.coder:<32}{_speed(timing):>24}  {_overhead(timing)}"


def _group(benchmark: CodingBenchmark, stream: StreamInfo, operation: str) -> list[CodingTiming]:
    return [t for t in benchmark.timings if (t.stream, t.operation) == (stream.name, operation)]


def _title(stream: StreamInfo, operation: str) -> str:
    return f"{operation}, {stream.name}"


def _chart(stream: StreamInfo, operation: str, timings: Sequence[CodingTiming]) -> Chart:
    bars = []
    for timing in sorted(timings, key=lambda t: -t.msymbol_per_s):
        text = _speed(timing)
        if operation == "encode":
            text += f" · {timing.overhead_percent:+.3f} %"
        bars.append(
            Bar(
                label=timing.coder,
                maker=timing.maker,
                value=timing.msymbol_per_s,
                low=timing.symbols / timing.spread.upper_quartile_s / 1e6,
                high=timing.symbols / timing.spread.lower_quartile_s / 1e6,
                text=text,
                note=f"{_overhead(timing)}; {timing.note}",
            )
        )
    subtitle = f"million symbols a second; {stream.bits_per_symbol:.3f} bit per symbol"
    return Chart(_title(stream, operation), subtitle, tuple(bars))


def _speed(timing: CodingTiming) -> str:
    text = f"{timing.msymbol_per_s:.1f}"
    if timing.maker != "samebits":
        text += f" · samebits {timing.speedup_of_samebits:.1f}×"
    return text


def _overhead(timing: CodingTiming) -> str:
    return f"{timing.overhead_percent:+.3f} % at {timing.overhead_bytes} bytes"


def _table(stream: StreamInfo, operation: str, timings: Sequence[CodingTiming]) -> Table:
    rows = [
        (
            t.coder,
            f"{t.msymbol_per_s:.1f}",
            f"{t.speedup_of_samebits:.2f}",
            f"{t.overhead_percent:+.4f} %",
            str(t.symbols),
            *spread_cells(t.spread),
        )
        for t in timings
    ]
    heads = ("coder", "Msymbol/s", "samebits ×", "overhead", "symbols", *SPREAD_HEADS)
    return Table(_title(stream, operation), heads, tuple(rows))
