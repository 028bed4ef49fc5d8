"""The page and the lines of `samebits bench series`."""

from __future__ import annotations

from collections.abc import Iterator

from samebits.evaluation.benchmarks.bars import Bar, Chart
from samebits.evaluation.benchmarks.page import Origin, Table, bench_page
from samebits.evaluation.benchmarks.series import ClipPoint, ClipResult, SeriesBenchmark

LEAD = (
    "Clips coded as series, each frame with the latents of the two before it as context, against "
    "every frame on its own; the same weights, whole files, all frames decoded and compared."
)
HEADS = (
    "quality",
    "series, bpp",
    "alone, bpp",
    "saved",
    "series, dB",
    "alone, dB",
    "encode, ms a frame",
    "decode, ms a frame",
    "alone",
)


def series_lines(benchmark: SeriesBenchmark) -> Iterator[str]:
    """For a terminal: one line a clip and quality."""
    for clip in benchmark.clips:
        yield f"{_title(clip)}: BD-rate {_percent(clip.bd_rate_percent)}"
        for point in clip.points:
            yield (
                f"  q {point.quality:3}  {point.series.bpp:.4f} bpp against {point.alone.bpp:.4f} "
                f"({point.saved_percent:4.1f} % saved), {point.series.psnr_db:.2f} dB against "
                f"{point.alone.psnr_db:.2f}, decode {1000 * point.series.decode_s:.1f} ms a frame "
                f"against {1000 * point.alone.decode_s:.1f}"
            )


def series_page(benchmark: SeriesBenchmark) -> str:
    """The whole page."""
    bars = tuple(
        Bar(
            label=_title(clip),
            maker="samebits",
            value=max(0.0, -clip.bd_rate_percent),
            low=max(0.0, -clip.bd_rate_percent),
            high=max(0.0, -clip.bd_rate_percent),
            text=_percent(clip.bd_rate_percent),
        )
        for clip in benchmark.clips
    )
    return bench_page(
        title="Series",
        lead=LEAD,
        charts=[Chart("Saved against single frames", "percent at equal PSNR", bars)],
        tables=[
            Table(_title(clip), HEADS, tuple(_row(point) for point in clip.points))
            for clip in benchmark.clips
        ],
        missing=benchmark.missing,
        origin=Origin(
            benchmark.command,
            benchmark.commit,
            benchmark.machine,
            (
                f"model {benchmark.model}",
                f"a key picture every {benchmark.key_every}",
                f"{benchmark.threads} thread(s), processor time",
            ),
        ),
    )


def _title(clip: ClipResult) -> str:
    return f"{clip.clip}, {clip.frames} frames of {clip.width} × {clip.height}"


def _percent(value: float) -> str:
    return f"{value:+.1f} %".replace("-", "−")


def _row(point: ClipPoint) -> tuple[str, ...]:
    series, alone = point.series, point.alone
    return (
        str(point.quality),
        f"{series.bpp:.4f}",
        f"{alone.bpp:.4f}",
        f"{point.saved_percent:.1f} %",
        f"{series.psnr_db:.2f}",
        f"{alone.psnr_db:.2f}",
        f"{1000 * series.encode_s:.1f}",
        f"{1000 * series.decode_s:.1f}",
        f"{1000 * alone.encode_s:.1f}, {1000 * alone.decode_s:.1f}",
    )
