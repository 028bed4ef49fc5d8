"""Measure coding orders: size at equal PSNR and time, against coding everything in one step.

Every picture is coded at every quality in every order, with real files; orders take turns. Times
are medians over pictures and qualities, × is the median against one step for the same picture. The
step loop alone is timed beside one full pass of the entropy network over the whole picture.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from samebits.cli.batch import positive

if TYPE_CHECKING:
    from samebits.evaluation.benchmarks.orders import OrderBenchmark

SUMMARY = "coding orders (size and time)"
QUALITIES = (10, 30, 50, 70, 90)
QUICK_PICTURES = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits bench orders``."""
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, help="pictures, such as the Kodak set"
    )
    parser.add_argument("--threads", metavar="N", type=positive, default=1, help="default 1")
    parser.add_argument("--limit", metavar="N", type=positive, help="only the first N pictures")
    parser.add_argument("--model", metavar="FILE", help="weights file; default: the installed one")
    parser.add_argument(
        "--values",
        action="store_true",
        help="two orders, each by mean and scale and by a probability per value",
    )
    parser.add_argument(
        "--repeats", "-n", metavar="N", type=positive, default=1, help="times are the fastest of N"
    )


def measure(arguments: argparse.Namespace) -> "OrderBenchmark":
    """Measure, with a progress bar."""
    from tqdm import tqdm

    from samebits.evaluation.benchmarks.orders import ORDERS, VALUES, measure_orders
    from samebits.evaluation.measure import find_pictures

    paths = find_pictures(arguments.folder)[: arguments.limit]
    if arguments.quick:
        paths = paths[:QUICK_PICTURES]
    with tqdm(total=len(paths), unit="picture", disable=None, file=sys.stderr) as progress:
        return measure_orders(
            paths,
            qualities=QUALITIES,
            threads=arguments.threads,
            orders=VALUES if arguments.values else ORDERS,
            model=arguments.model,
            repeats=arguments.repeats,
            on_picture=progress.update,
        )


def lines(benchmark: "OrderBenchmark") -> Iterator[str]:
    """For a terminal."""
    from samebits.evaluation.benchmarks.orders_page import order_lines

    return order_lines(benchmark)


def page(benchmark: "OrderBenchmark") -> str:
    """As HTML."""
    from samebits.evaluation.benchmarks.orders_page import orders_page

    return orders_page(benchmark)
