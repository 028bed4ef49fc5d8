"""The page and the lines of `samebits bench model`."""

from __future__ import annotations

from collections.abc import Iterator

from samebits.evaluation.benchmarks.codec_page import timings_chart, timings_table
from samebits.evaluation.benchmarks.model_cost import ModelCost, OrderCost, PartCost
from samebits.evaluation.benchmarks.models import BUDGET, ModelBenchmark, ModelResult
from samebits.evaluation.benchmarks.page import Origin, Table, bench_page

LEAD = (
    "Multiply-accumulates a pixel and parameters, counted from weights files, and times of one "
    "picture. The budget is what plain 1×1 layers of int16 take on this machine, in the same run; "
    "models and budget take turns in several passes. Winograd is not counted: the numbers are "
    "those of the definitions."
)
PART_HEADS = ("kMAC/px", "1×1", "depthwise", "dense 3×3", "3×3 stride 2", "parameters")


def model_lines(benchmark: ModelBenchmark) -> Iterator[str]:
    """For a terminal: the parts if there is one model, then a row for each model."""
    if len(benchmark.models) == 1:
        cost = benchmark.models[0].cost
        yield cost_text(cost)
        yield from table_lines(parts_table(cost))
        yield ""
    yield from table_lines(models_table(benchmark))
    for budget in benchmark.budgets:
        yield (
            f"{BUDGET}, {_threads(budget.threads)}: median {_ms(budget.median_s)} ms, "
            f"fastest {_ms(budget.fastest_s)} ms"
        )
    if benchmark.budgets:
        yield (
            f"times: median (fastest) of {benchmark.budgets[0].repeats}, {benchmark.width} × "
            f"{benchmark.height}, quality {benchmark.quality}, {benchmark.target}; "
            "/budget: decode against it, by CPU: by processor time"
        )
    for note in dict.fromkeys(model.note for model in benchmark.models if model.note):
        yield f"{', '.join(m.cost.name for m in benchmark.models if m.note == note)}: {note}"


def cost_text(cost: ModelCost) -> str:
    """A weights file in a line."""
    return (
        f"{cost.name} ({cost.model}): {cost.size_bytes / 1e6:.2f} MB, "
        f"{cost.deflated_bytes / 1e6:.2f} MB in a wheel, {cost.parameters:,} parameters"
    )


def table_lines(table: Table) -> Iterator[str]:
    """A table for a terminal: the first column to the left, the others to the right."""
    rows = [("", *table.heads[1:]), *table.rows]
    widths = [max(len(row[n]) for row in rows) for n in range(len(table.heads))]
    for row in rows:
        others = (f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join([f"{row[0]:<{widths[0]}}", *others])


def parts_table(cost: ModelCost) -> Table:
    """All parts of a model, and its sums."""
    g_a, h_a, h_s, g_s = (_part_row(part.name, part) for part in cost.networks)
    orders = [row for order in cost.orders for row in _order_rows(order)]
    optional = [_part_row(f"({part.name})", part) for part in cost.optional]
    sums = [_part_row(part.name, part) for part in (cost.encoder, cost.decoder)]
    return Table(
        cost_text(cost),
        ("part", *PART_HEADS),
        (g_a, h_a, h_s, *orders, g_s, *optional, *sums),
    )


def models_table(benchmark: ModelBenchmark) -> Table:
    """A row for each model."""
    heads = ["model", "encoder kMAC/px", "decoder kMAC/px", "M parameters", "MB"]
    for budget in benchmark.budgets:
        threads = _threads(budget.threads)
        heads += [f"encode ms, {threads}", f"decode ms, {threads}", "/budget", "by CPU"]
    if benchmark.budgets:
        heads.append("bpp")
    return Table("Models", tuple(heads), tuple(_model_row(model) for model in benchmark.models))


def models_page(benchmark: ModelBenchmark) -> str:
    """The whole page."""
    timings = [
        (f"{operation}, {_threads(budget.threads)}", [*found, budget])
        for n, budget in enumerate(benchmark.budgets)
        for operation in ("encode", "decode")
        for found in [[getattr(model.times[n], operation) for model in benchmark.models]]
    ]
    versions = [f"{name} {version}" for name, version in benchmark.versions.items()]
    return bench_page(
        title="Models",
        lead=LEAD,
        charts=[timings_chart(title, found) for title, found in timings],
        tables=[
            models_table(benchmark),
            *(parts_table(model.cost) for model in benchmark.models),
            *(timings_table(title, found) for title, found in timings),
        ],
        missing=benchmark.missing,
        origin=Origin(
            benchmark.command,
            benchmark.commit,
            benchmark.machine,
            (
                *versions,
                f"{benchmark.picture}, {benchmark.width} × {benchmark.height}, "
                f"quality {benchmark.quality}",
            ),
        ),
    )


def _order_rows(order: OrderCost) -> list[tuple[str, ...]]:
    whole = _part_row(f"entropy, {order.order}", PartCost.sum_of("", order.parts))
    return [whole, *(_part_row(f"  {part.name}", part) for part in order.parts)]


def _part_row(name: str, part: PartCost) -> tuple[str, ...]:
    kinds = part.by_kind
    numbers = (
        part.kmac_per_pixel, kinds.pointwise, kinds.depthwise, kinds.dense, kinds.strided
    )  # fmt: skip
    return (name, *(f"{number:.2f}" if number else "–" for number in numbers), _count(part))


def _count(part: PartCost) -> str:
    return f"{part.parameters:,}" if part.parameters else "–"


def _model_row(model: ModelResult) -> tuple[str, ...]:
    cost = model.cost
    row = [
        cost.name,
        f"{cost.encoder.kmac_per_pixel:.2f}",
        f"{cost.decoder.kmac_per_pixel:.2f}",
        f"{cost.parameters / 1e6:.2f}",
        f"{cost.size_bytes / 1e6:.2f}",
    ]
    for times in model.times:
        row += [f"{_ms(t.median_s)} ({_ms(t.fastest_s)})" for t in (times.encode, times.decode)]
        row.append(f"{times.decode_to_budget:.2f} ({times.fastest_decode_to_budget:.2f})")
        by_cpu = times.cpu_decode_to_budget
        row.append("–" if by_cpu is None else f"{by_cpu:.2f}")
    if model.times:
        coded = model.times[0].encode
        assert coded.size_bytes is not None, "an encode has a stream"
        row.append(f"{8 * coded.size_bytes / (coded.width * coded.height):.3f}")
    return tuple(row)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f}"


def _threads(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"
