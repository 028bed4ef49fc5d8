"""Time the range coder beside constriction, torchac and CompressAI's rANS.

Symbols are rounded Gaussians of 64 scales, mixed to about 0.25, 1 and 4 bit each. Every coder is
called from Python, with arrays (where it takes them) in and out, on one thread; each stream is
decoded and compared before it is timed. The overhead over the entropy is that of a stream of at
least 100 kB.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from samebits.cli.batch import positive

if TYPE_CHECKING:
    from samebits.evaluation.benchmarks.coding import CodingBenchmark

SUMMARY = "the range coder"
ROUNDS, QUICK_ROUNDS = 15, 3
SAMPLE_S = 0.005


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits bench coding``."""
    parser.add_argument(
        "--symbols", metavar="N", type=positive, default=1 << 20, help="a stream (default 2^20)"
    )
    parser.add_argument(
        "--rounds", metavar="N", type=positive, help=f"samples of each (default {ROUNDS})"
    )
    parser.set_defaults(threads=1)


def measure(arguments: argparse.Namespace) -> "CodingBenchmark":
    """Time, with a progress bar."""
    from tqdm import tqdm

    from samebits.evaluation.benchmarks.coding import time_coding
    from samebits.evaluation.benchmarks.rounds import RoundPlan

    plan = RoundPlan.for_threads(
        1,
        rounds=arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS),
        sample_s=SAMPLE_S,
    )
    with tqdm(unit="sample", disable=None, file=sys.stderr) as progress:

        def start(stream: str, samples: int) -> None:
            progress.set_description(stream)
            progress.reset(total=samples)

        return time_coding(
            plan, symbols=arguments.symbols, on_start=start, on_sample=progress.update
        )


def lines(benchmark: "CodingBenchmark") -> Iterator[str]:
    """For a terminal."""
    from samebits.evaluation.benchmarks.coding_page import coding_lines

    return coding_lines(benchmark)


def page(benchmark: "CodingBenchmark") -> str:
    """As HTML."""
    from samebits.evaluation.benchmarks.coding_page import coding_page

    return coding_page(benchmark)
