"""The page and the lines of `samebits bench codec`."""

from __future__ import annotations

from collections.abc import Sequence

from samebits.evaluation.benchmarks.bars import Bar, Chart
from samebits.evaluation.benchmarks.page import Origin, Table, bench_page
from samebits.evaluation.time_codec import CodecBenchmark, CodecTiming

LEAD = (
    "Megapixels a second of whole codecs, picture to bytes and back; longer is better. Bars are "
    "medians, the dark lines reach from the lower to the upper quartile. Samebits runs in a "
    "process of its own for each operation, because peak memory belongs to a process; all "
    "configurations take turns in several passes. × is the median time against that of Samebits' "
    "fastest target with as many threads."
)


def codec_page(benchmark: CodecBenchmark) -> str:
    """The whole page."""
    keys = dict.fromkeys((t.picture, t.width, t.height, t.operation) for t in benchmark.timings)
    groups = [
        (
            f"{operation}, {picture} {width} × {height}",
            [
                t
                for t in benchmark.timings
                if (t.picture, t.width, t.height, t.operation)
                == (picture, width, height, operation)
            ],
        )
        for picture, width, height, operation in keys
    ]
    versions = [f"{name} {version}" for name, version in benchmark.versions.items()]
    return bench_page(
        title="Whole codecs",
        lead=LEAD,
        charts=[timings_chart(title, timings) for title, timings in groups],
        tables=[timings_table(title, timings) for title, timings in groups],
        missing=benchmark.missing,
        origin=Origin(
            benchmark.command,
            benchmark.commit,
            benchmark.machine,
            (*versions, f"quality {benchmark.quality}"),
        ),
    )


def timing_line(timing: CodecTiming) -> str:
    """One timing as a line for a terminal."""
    speed = timing.width * timing.height / timing.median_s / 1e6
    memory = "" if timing.peak_bytes is None else f", peak {timing.peak_bytes / 2**20:.0f} MiB"
    note = f" ({timing.note})" if timing.note else ""
    return (
        f"{timing.picture} {timing.width}x{timing.height} {timing.codec} {timing.operation} "
        f"{timing.target} {timing.threads} thread(s): median {1000 * timing.median_s:.1f} ms, "
        f"fastest {1000 * timing.fastest_s:.1f} ms, {speed:.2f} MP/s{memory}{note}"
    )


def timings_chart(title: str, timings: Sequence[CodecTiming]) -> Chart:
    """Bars of megapixels a second, the fastest first."""
    bars = []
    for timing in sorted(timings, key=lambda t: t.median_s):
        megapixels = timing.width * timing.height / 1e6
        bars.append(
            Bar(
                label=_label(timing),
                maker=timing.codec.split()[0].lower(),
                value=megapixels / timing.median_s,
                low=megapixels / timing.upper_quartile_s,
                high=megapixels / timing.lower_quartile_s,
                text=_speed(timing, timings),
                note=timing.note,
            )
        )
    notes = dict.fromkeys(f"{t.codec.split()[0]}: {t.note}" for t in timings if t.note)
    return Chart(title, "; ".join(["megapixels a second", *notes]), tuple(bars))


def _speed(timing: CodecTiming, timings: Sequence[CodecTiming]) -> str:
    megapixels = timing.width * timing.height / 1e6
    text = f"{megapixels / timing.median_s:.2f} · {1000 * timing.median_s:.0f} ms"
    own = [t.median_s for t in timings if t.codec == "samebits" and t.threads == timing.threads]
    if timing.codec != "samebits" and own:
        text += f" · samebits {timing.median_s / min(own):.1f}×"
    return text


def _label(timing: CodecTiming) -> str:
    target = f" {timing.target}" if timing.codec == "samebits" else ""
    threads = "1 thread" if timing.threads == 1 else f"{timing.threads} threads"
    return f"{timing.codec}{target}, {threads}"


def timings_table(title: str, timings: Sequence[CodecTiming]) -> Table:
    """A row for each timing."""
    rows = [
        (
            _label(t),
            *(
                "–" if s is None else f"{1000 * s:.1f} ms"
                for s in (
                    t.first_s,
                    t.fastest_s,
                    t.lower_quartile_s,
                    t.median_s,
                    t.upper_quartile_s,
                )
            ),
            str(t.repeats),
            "–" if t.peak_bytes is None else f"{t.peak_bytes / 2**20:.0f} MiB",
            "–" if t.size_bytes is None else str(t.size_bytes),
            t.note,
        )
        for t in timings
    ]
    heads = (
        "codec",
        "first",
        "fastest",
        "lower quartile",
        "median",
        "upper quartile",
        "repeats",
        "peak memory",
        "bytes",
        "note",
    )
    return Table(title, heads, tuple(rows))
