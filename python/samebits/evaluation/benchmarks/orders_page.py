"""The page and the lines of `samebits bench orders`."""

from __future__ import annotations

from collections.abc import Iterator

from samebits.evaluation.benchmarks.bars import Bar, Chart
from samebits.evaluation.benchmarks.orders import OrderBenchmark, OrderResult
from samebits.evaluation.benchmarks.page import Origin, Table, bench_page

LEAD = (
    "One model, one set of weights: coding orders by the size of whole files and by time, against "
    "coding everything in one step. The decoded pictures have nearly the same quality, so size is "
    "compared at equal PSNR (BD-rate)."
)
HEADS = (
    "order",
    "mode",
    "phases",
    "steps",
    "BD-rate",
    "encode",
    "",
    "decode",
    "",
    "step loop",
    "of a full pass",
)


def order_lines(benchmark: OrderBenchmark) -> Iterator[str]:
    """For a terminal: one line an order."""
    yield f"{'order':28}{'steps':>6}{'BD-rate':>10}{'encode':>20}{'decode':>20}{'loop':>10}"
    for order in benchmark.orders:
        yield (
            f"{order.name:28}{order.steps:6}{_percent(order):>10}"
            f"{_time(order.encode_s, order.encode_times):>20}"
            f"{_time(order.decode_s, order.decode_times):>20}"
            f"{order.loop_times:>9.2f}×"
        )


def orders_page(benchmark: OrderBenchmark) -> str:
    """The whole page."""
    saved = tuple(
        Bar(
            label=f"{order.name}, {order.steps} steps",
            maker="samebits",
            value=max(0.0, -order.bd_rate_percent),
            low=max(0.0, -order.bd_rate_percent),
            high=max(0.0, -order.bd_rate_percent),
            text=f"{_percent(order)}, decode {order.decode_times:.2f}×",
        )
        for order in benchmark.orders
    )
    rows = tuple(
        (
            order.name,
            str(order.mode),
            order.phases,
            str(order.steps),
            _percent(order),
            f"{1000 * order.encode_s:.0f} ms",
            f"{order.encode_times:.2f}×",
            f"{1000 * order.decode_s:.0f} ms",
            f"{order.decode_times:.2f}×",
            f"{1000 * order.loop_s:.0f} ms",
            f"{order.loop_times:.2f}×",
        )
        for order in benchmark.orders
    )
    return bench_page(
        title="Coding orders",
        lead=LEAD,
        charts=[Chart("Saved against one step", "percent of the file at equal PSNR", saved)],
        tables=[
            Table(f"{len(benchmark.pictures)} pictures, {benchmark.threads} thread(s)", HEADS, rows)
        ],
        missing=benchmark.missing,
        origin=Origin(
            benchmark.command,
            benchmark.commit,
            benchmark.machine,
            (f"model {benchmark.model}", f"qualities {', '.join(map(str, benchmark.qualities))}"),
        ),
    )


def _percent(order: OrderResult) -> str:
    return f"{order.bd_rate_percent:+.2f} %".replace("-", "−")


def _time(seconds: float, times: float) -> str:
    return f"{1000 * seconds:.0f} ms {times:.2f}×"
