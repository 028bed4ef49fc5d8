"""Measure series: clips coded with earlier frames as context, against every frame on its own.

Every clip is coded at every quality in both ways, with real files; all frames are decoded. Times
are processor time per frame.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from samebits.cli.batch import positive

if TYPE_CHECKING:
    from samebits.evaluation.benchmarks.series import SeriesBenchmark

SUMMARY = "clips as series (size and time)"
QUALITIES = (10, 30, 50, 70, 90)
QUICK_FRAMES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits bench series``."""
    parser.add_argument(
        "clips", metavar="CLIP", type=Path, nargs="+", help=".y4m, animations; videos with PyAV"
    )
    parser.add_argument("--threads", metavar="N", type=positive, default=1, help="default 1")
    parser.add_argument("--model", metavar="FILE", help="weights file; default: the installed one")
    parser.add_argument(
        "--frames", metavar="N", type=positive, default=30, help="of each clip, default 30"
    )
    parser.add_argument("--key-every", metavar="N", type=positive, default=32, help="default 32")


def measure(arguments: argparse.Namespace) -> "SeriesBenchmark":
    """Measure, with a progress bar."""
    from tqdm import tqdm

    from samebits.evaluation.benchmarks.series import measure_series

    total = len(arguments.clips) * len(QUALITIES)
    with tqdm(total=total, disable=None, file=sys.stderr) as progress:
        return measure_series(
            arguments.clips,
            qualities=QUALITIES,
            threads=arguments.threads,
            most_frames=min(arguments.frames, QUICK_FRAMES if arguments.quick else 10**9),
            key_every=arguments.key_every,
            model=arguments.model,
            on_quality=progress.update,
        )


def lines(benchmark: "SeriesBenchmark") -> Iterator[str]:
    """For a terminal."""
    from samebits.evaluation.benchmarks.series_page import series_lines

    return series_lines(benchmark)


def page(benchmark: "SeriesBenchmark") -> str:
    """As HTML."""
    from samebits.evaluation.benchmarks.series_page import series_page

    return series_page(benchmark)
