"""The page and the lines of `samebits bench kernels`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from samebits.evaluation.benchmarks.bars import Bar, Chart
from samebits.evaluation.benchmarks.kernels import KernelBenchmark, KernelTiming
from samebits.evaluation.benchmarks.page import Origin, Table, bench_page
from samebits.evaluation.benchmarks.rounds import Spread

LEAD = (
    "Billions of multiply-accumulates a second, counted by the definition of the convolution; "
    "longer is better. Bars are medians, the dark lines reach from the lower to the upper "
    "quartile, and × is the speed against the best float32 layout of torch in the same rounds. "
    "All take turns in one process. Weights have 8 bits. An int8 library that is marked wrong "
    "lets sums saturate on this machine: that share of its outputs is off by more than a step."
)
SPREAD_HEADS = ("fastest", "lower quartile", "median", "upper quartile", "samples")


def kernels_page(benchmark: KernelBenchmark) -> str:
    """The whole page."""
    layers = list(dict.fromkeys(timing.layer for timing in benchmark.timings))
    of_layer = {name: [t for t in benchmark.timings if t.layer == name] for name in layers}
    versions = [f"{name} {version}" for name, version in benchmark.versions.items()]
    return bench_page(
        title="Integer convolutions",
        lead=LEAD,
        charts=[_chart(name, timings, benchmark.threads) for name, timings in of_layer.items()],
        tables=[_table(name, timings) for name, timings in of_layer.items()],
        missing=benchmark.missing,
        origin=Origin(
            benchmark.command,
            benchmark.commit,
            benchmark.machine,
            (*versions, f"{benchmark.threads} thread(s), {benchmark.clock} clock"),
        ),
    )


def kernels_lines(benchmark: KernelBenchmark) -> Iterator[str]:
    """For a terminal."""
    layer = None
    for timing in benchmark.timings:
        if timing.layer != layer:
            layer = timing.layer
            yield layer
        yield (
            f"  {timing.contender:<46}{_speed(timing):>28}  median "
            f"{1000 * timing.spread.median_s:.2f} ms, fastest {1000 * timing.spread.fastest_s:.2f}"
        )


def spread_cells(spread: Spread) -> tuple[str, ...]:
    """The cells under `SPREAD_HEADS`, in milliseconds."""
    seconds = (
        spread.fastest_s,
        spread.lower_quartile_s,
        spread.median_s,
        spread.upper_quartile_s,
    )
    return (*(f"{1000 * s:.3f} ms" for s in seconds), str(spread.samples))


def _chart(layer: str, timings: Sequence[KernelTiming], threads: int) -> Chart:
    bars = []
    for timing in sorted(timings, key=lambda t: -t.gmac_per_s):
        work = timing.gmac_per_s * timing.spread.median_s
        bars.append(
            Bar(
                label=timing.contender,
                maker=timing.maker,
                value=timing.gmac_per_s,
                low=work / timing.spread.upper_quartile_s,
                high=work / timing.spread.lower_quartile_s,
                text=_speed(timing),
                note=timing.note,
            )
        )
    return Chart(layer, f"GMAC/s, {threads} thread(s)", tuple(bars))


def _speed(timing: KernelTiming) -> str:
    text = f"{timing.gmac_per_s:.1f}"
    if timing.ratio_to_float32 is not None:
        text += f" · {timing.ratio_to_float32:.2f}×"
    if timing.wrong_percent:
        text += f" · {timing.wrong_percent:.0f} % wrong"
    return text


def _table(layer: str, timings: Sequence[KernelTiming]) -> Table:
    rows = [
        (
            t.contender,
            f"{t.gmac_per_s:.1f}",
            "–" if t.ratio_to_float32 is None else f"{t.ratio_to_float32:.2f}",
            "–" if t.wrong_percent is None else f"{t.wrong_percent:.3g} %",
            *spread_cells(t.spread),
        )
        for t in timings
    ]
    heads = ("contender", "GMAC/s", "× float32", "wrong", *SPREAD_HEADS)
    return Table(layer, heads, tuple(rows))
