"""What decodes elsewhere, and what that costs: methods of numerical stability, by environment.

Streams are made in one environment (one thread, oneDNN) and decoded in others on this machine:
other instruction sets, threads, memory formats, libraries, precisions, a GPU where there is one.
The codec is the float twin of a weights file, with each method of docs/stability.md in turn; beside
it the integer codec. Codes are made for the precision that is measured first.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from samebits.cli.batch import positive

if TYPE_CHECKING:
    from samebits.evaluation.benchmarks.stability import StabilityBenchmark

SUMMARY = "methods of numerical stability: what decodes in other environments"
QUALITY = 50
QUALITIES = (10, 30, 50, 80)
QUICK_PICTURES = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits bench stability``."""
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, help="pictures, such as the Kodak set"
    )
    parser.add_argument("--limit", metavar="N", type=positive, help="only the first N pictures")
    parser.add_argument("--model", metavar="FILE", help="weights file; default: the installed one")
    parser.add_argument(
        "--environments", metavar="NAMES", type=_names, help="only these, with commas between"
    )
    parser.add_argument(
        "--methods", metavar="NAMES", type=_names, help="only these, with commas between"
    )
    parser.add_argument(
        "--tweak-steps",
        metavar="N",
        type=positive,
        default=0,
        help="also tweak latents (S2), by so many gradient steps; slow",
    )
    parser.add_argument(
        "--jobs", "-j", metavar="N", type=positive, default=1, help="processes at once; default 1"
    )
    parser.set_defaults(threads=None)  # every environment has its own


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def measure(arguments: argparse.Namespace) -> "StabilityBenchmark":
    """Measure, with a progress bar."""
    from tqdm import tqdm

    from samebits import model_store
    from samebits.evaluation.benchmarks.stability import measure_stability
    from samebits.evaluation.measure import find_pictures

    paths = find_pictures(arguments.folder)[: arguments.limit]
    if arguments.quick:
        paths = paths[:QUICK_PICTURES]
    with tqdm(unit="job", disable=None, file=sys.stderr) as progress:
        return measure_stability(
            paths,
            model=Path(arguments.model or model_store.default_path()),
            quality=QUALITY,
            qualities=QUALITIES,
            environments=arguments.environments,
            methods=arguments.methods,
            tweak_steps=arguments.tweak_steps,
            jobs=arguments.jobs,
            progress=progress,
        )


def lines(benchmark: "StabilityBenchmark") -> Iterator[str]:
    """For a terminal."""
    from samebits.evaluation.benchmarks.stability_page import stability_lines

    return stability_lines(benchmark)


def page(benchmark: "StabilityBenchmark") -> str:
    """As HTML."""
    from samebits.evaluation.benchmarks.stability_page import stability_page

    return stability_page(benchmark)
