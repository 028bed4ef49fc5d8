"""Time encoding and decoding of pictures, beside CompressAI's models and the float twin.

Samebits is timed for every target and thread count, each operation in a process of its own: first
call, fastest, median and quartiles of N, and peak memory. CompressAI's models code the same picture
with the same number of threads; with --checkpoint the float twin in torch decodes it, too.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from samebits.cli.batch import positive

if TYPE_CHECKING:
    from samebits.evaluation.benchmarks.peers import Missing
    from samebits.evaluation.time_codec import CodecBenchmark, Configuration, TimingPlan

SUMMARY = "whole pictures (time and memory)"
REPEATS, QUICK_REPEATS = 6, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits bench codec``."""
    parser.add_argument(
        "pictures", metavar="PICTURE", type=Path, nargs="*", help="default: the demo photo"
    )
    parser.add_argument("--quality", "-q", metavar="Q", type=int, default=50, help="default 50")
    parser.add_argument(
        "--size", metavar="WxH", type=width_x_height, help="repeat or cut pictures to this size"
    )
    parser.add_argument(
        "--threads", metavar="N,N,...", type=positives, help="default 1,2; --quick: 1"
    )
    parser.add_argument(
        "--targets",
        metavar="NAME,...",
        help="default: all that this machine can run; --quick: the one in use",
    )
    parser.add_argument(
        "--repeats", "-n", metavar="N", type=positive, help=f"default {REPEATS}; --quick: 2"
    )
    parser.add_argument("--model", metavar="FILE", type=Path, help="weights file")
    parser.add_argument(
        "--peers",
        metavar="NAME,...",
        default="all",
        help="models of CompressAI, all (default) or none: they are slow on large pictures",
    )
    parser.add_argument(
        "--checkpoint", metavar="FILE", type=Path, help="time the float twin of this checkpoint too"
    )


def width_x_height(word: str) -> tuple[int, int]:
    """An argparse type: "4000x3000" to (4000, 3000)."""
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", word)
    if not match:
        raise argparse.ArgumentTypeError(f"{word!r} is not a size such as 4000x3000")
    return int(match[1]), int(match[2])


def positives(word: str) -> tuple[int, ...]:
    """An argparse type: integers of at least 1, separated by commas."""
    return tuple(positive(number) for number in word.split(","))


def measure(arguments: argparse.Namespace) -> "CodecBenchmark":
    """Time, with a progress bar."""
    from tqdm import tqdm

    from samebits.evaluation.benchmarks.peers import installed_versions
    from samebits.evaluation.demo import DEMO_PHOTO
    from samebits.evaluation.machine import this_command, this_commit, this_machine
    from samebits.evaluation.time_codec import (
        CodecBenchmark,
        count_own_configurations,
        time_codec,
    )

    plan = _plan(arguments)
    models = chosen_models(arguments.peers)
    timings = []
    missing = {}
    for picture in arguments.pictures or [DEMO_PHOTO]:
        others, lacking = _others(picture, plan, models, arguments.checkpoint)
        missing |= {m.name: m for m in lacking}
        passes = (count_own_configurations(plan) + len(others)) * len(plan.repeats_of_passes)
        with tqdm(
            total=passes, desc=picture.name, unit="pass", disable=None, file=sys.stderr
        ) as progress:
            timings += time_codec(picture, plan, others=others, on_pass=progress.update)
    return CodecBenchmark(
        command=this_command(),
        commit=this_commit(),
        machine=this_machine(),
        versions=installed_versions(("numpy", "torch", "compressai")),
        quality=arguments.quality,
        timings=tuple(timings),
        missing=tuple(missing.values()),
    )


def chosen_models(peers: str) -> tuple[str, ...]:
    """Names of CompressAI's models, from the word of --peers."""
    from samebits.errors import InvalidArgument
    from samebits.evaluation.benchmarks.compressai_codecs import MODELS

    if peers in ("all", "none"):
        return MODELS if peers == "all" else ()
    names = tuple(peers.split(","))
    for name in names:
        if name not in MODELS:
            raise InvalidArgument(f"--peers {name!r}: there are all, none, {', '.join(MODELS)}")
    return names


def _plan(arguments: argparse.Namespace) -> "TimingPlan":
    from samebits import kernels
    from samebits.evaluation.time_codec import TimingPlan

    if arguments.targets:
        targets = arguments.targets.split(",")
    else:
        targets = [kernels.target()] if arguments.quick else kernels.targets()
    return TimingPlan(
        quality=arguments.quality,
        targets=tuple(targets),
        threads=arguments.threads or ((1,) if arguments.quick else (1, 2)),
        repeats=arguments.repeats or (QUICK_REPEATS if arguments.quick else REPEATS),
        size=arguments.size,
        model=arguments.model,
    )


def _others(
    picture: Path, plan: "TimingPlan", models: Sequence[str], checkpoint: Path | None
) -> "tuple[list[Configuration], list[Missing]]":
    from samebits.evaluation.benchmarks.compressai_codecs import compressai_configurations
    from samebits.evaluation.benchmarks.peers import INSTALL_COMPRESSAI, Source, gather
    from samebits.evaluation.time_twin import twin_configurations

    others, missing = gather(
        [
            Source(
                f"CompressAI {model}",
                INSTALL_COMPRESSAI,
                lambda model=model: compressai_configurations(picture, plan, model),
            )
            for model in models
        ]
    )
    if checkpoint:
        others += twin_configurations(picture, plan, checkpoint=checkpoint)
    return others, missing


def lines(benchmark: "CodecBenchmark") -> Iterator[str]:
    """For a terminal."""
    from samebits.evaluation.benchmarks.codec_page import timing_line

    return map(timing_line, benchmark.timings)


def page(benchmark: "CodecBenchmark") -> str:
    """As HTML."""
    from samebits.evaluation.benchmarks.codec_page import codec_page

    return codec_page(benchmark)
