"""Count multiplications and parameters of models, and time them beside a budget.

By part, counted from weights files; then encode and decode of one picture, and what 50 kMAC a pixel
of plain 1×1 layers take on this machine in the same run. --config measures a design before it is
trained: sizes as JSON, {"width": 160, "synthesis_blocks": 5}, the rest as by default. The model is
built with torch and exported with random weights. Its networks take the time they will take;
the range coder's time depends on symbols, which are not those of a trained model.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from samebits.cli.batch import positive
from samebits.cli.bench_codec import positives, width_x_height

if TYPE_CHECKING:
    from samebits.evaluation.benchmarks.models import ModelBenchmark
    from samebits.evaluation.time_codec import TimingPlan

SUMMARY = "models (multiplications, parameters, time against a budget)"
REPEATS, QUICK_REPEATS = 9, 2
SIZE = (768, 512)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits bench model``."""
    parser.add_argument(
        "--model",
        metavar="FILE",
        type=Path,
        nargs="+",
        default=[],
        help="weights files; default: the installed one",
    )
    parser.add_argument(
        "--config",
        metavar="FILE.json",
        type=Path,
        nargs="+",
        default=[],
        help="sizes of models that are not trained yet (samebits[torch])",
    )
    parser.add_argument("--counts", action="store_true", help="count only, time nothing")
    parser.add_argument("--picture", metavar="FILE", type=Path, help="default: the demo photo")
    parser.add_argument(
        "--size",
        metavar="WxH",
        type=width_x_height,
        default=SIZE,
        help="the picture is repeated or cut to it (default 768x512)",
    )
    parser.add_argument("--quality", "-q", metavar="Q", type=int, default=50, help="default 50")
    parser.add_argument(
        "--threads", metavar="N,N,...", type=positives, help="default 1,2; --quick: 1"
    )
    parser.add_argument(
        "--repeats", "-n", metavar="N", type=positive, help=f"default {REPEATS}; --quick: 2"
    )


def measure(arguments: argparse.Namespace) -> "ModelBenchmark":
    """Count and time, with a progress bar."""
    from tqdm import tqdm

    from samebits import model_store
    from samebits.evaluation.benchmarks.models import (
        Candidate,
        candidates_of_configs,
        measure_models,
    )
    from samebits.evaluation.demo import DEMO_PHOTO

    weights = arguments.model or ([] if arguments.config else [model_store.default_path()])
    candidates = [Candidate(path.name, path) for path in weights]
    with tempfile.TemporaryDirectory() as folder:
        if arguments.config:
            candidates += candidates_of_configs(arguments.config, Path(folder), photo=DEMO_PHOTO)
        with tqdm(unit="pass", disable=None, file=sys.stderr) as progress:
            return measure_models(
                candidates,
                arguments.picture or DEMO_PHOTO,
                _plan(arguments),
                on_start=progress.reset,
                on_pass=progress.update,
            )


def _plan(arguments: argparse.Namespace) -> "TimingPlan":
    from samebits import kernels
    from samebits.evaluation.time_codec import TimingPlan

    threads = arguments.threads or ((1,) if arguments.quick else (1, 2))
    return TimingPlan(
        quality=arguments.quality,
        targets=(kernels.target(),),
        threads=() if arguments.counts else threads,
        repeats=arguments.repeats or (QUICK_REPEATS if arguments.quick else REPEATS),
        size=arguments.size,
    )


def lines(benchmark: "ModelBenchmark") -> Iterator[str]:
    """For a terminal."""
    from samebits.evaluation.benchmarks.models_page import model_lines

    return model_lines(benchmark)


def page(benchmark: "ModelBenchmark") -> str:
    """As HTML."""
    from samebits.evaluation.benchmarks.models_page import models_page

    return models_page(benchmark)
