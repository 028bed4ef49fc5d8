"""Time the codec on this machine.

bench codec  encode and decode times (first call, fastest and median of N) and peak memory of a
             process that does nothing else, for every target and thread count; with --checkpoint
             beside the float twin in torch

examples:
  samebits bench
  samebits bench codec photo.jpg --size 4000x3000 --out benchmarks/results/codec.json
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from samebits.cli.batch import positive
from samebits.io.files import write_bytes

if TYPE_CHECKING:
    from samebits.evaluation.time_codec import CodecBenchmark, CodecTiming


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits bench``."""
    parser.add_argument("what", nargs="?", choices=("codec",), default="codec", help="what to time")
    parser.add_argument(
        "pictures", metavar="PICTURE", type=Path, nargs="*", help="default: the demo photo"
    )
    parser.add_argument("--quality", "-q", metavar="Q", type=int, default=50, help="default 50")
    parser.add_argument(
        "--size", metavar="WxH", type=width_x_height, help="repeat or cut pictures to this size"
    )
    parser.add_argument(
        "--threads", metavar="N,N,...", type=positives, default=(1, 2), help="default 1,2"
    )
    parser.add_argument(
        "--targets", metavar="NAME,...", help="default: all that this machine can run"
    )
    parser.add_argument("--repeats", "-n", metavar="N", type=positive, default=5, help="default 5")
    parser.add_argument("--model", metavar="FILE", type=Path, help="weights file")
    parser.add_argument(
        "--checkpoint", metavar="FILE", type=Path, help="time the float twin of this checkpoint too"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--out", "-o", metavar="FILE", help="write the results as JSON")


def width_x_height(word: str) -> tuple[int, int]:
    """An argparse type: "4000x3000" to (4000, 3000)."""
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", word)
    if not match:
        raise argparse.ArgumentTypeError(f"{word!r} is not a size such as 4000x3000")
    return int(match[1]), int(match[2])


def positives(word: str) -> tuple[int, ...]:
    """An argparse type: integers of at least 1, separated by commas."""
    return tuple(positive(number) for number in word.split(","))


def run(arguments: argparse.Namespace) -> int:
    """Time; returns the exit code."""
    from samebits.evaluation.results import to_json_value

    benchmark = _time_codec(arguments)
    text = json.dumps(to_json_value(benchmark), indent=1)
    if arguments.json:
        print(text)
    if arguments.out:
        write_bytes(arguments.out, f"{text}\n".encode(), overwrite=True)
        print(f"wrote {arguments.out}", file=sys.stderr)
    return 0


def _time_codec(arguments: argparse.Namespace) -> "CodecBenchmark":
    from samebits import kernels
    from samebits.evaluation.demo import DEMO_PHOTO
    from samebits.evaluation.machine import this_command, this_commit, this_machine
    from samebits.evaluation.time_codec import CodecBenchmark, TimingPlan, time_codec
    from samebits.evaluation.time_twin import time_twin

    targets = arguments.targets.split(",") if arguments.targets else kernels.targets()
    plan = TimingPlan(
        quality=arguments.quality,
        targets=tuple(targets),
        threads=arguments.threads,
        repeats=arguments.repeats,
        size=arguments.size,
        model=arguments.model,
    )

    def show(timing: "CodecTiming") -> None:
        # With --json stdout holds the JSON alone.
        print(timing_line(timing), file=sys.stderr if arguments.json else sys.stdout, flush=True)

    timings = []
    for picture in arguments.pictures or [DEMO_PHOTO]:
        timings += time_codec(picture, plan, on_timing=show)
        if arguments.checkpoint:
            twins = time_twin(picture, plan, checkpoint=arguments.checkpoint)
            for timing in twins:
                show(timing)
            timings += twins
    return CodecBenchmark(
        command=this_command(),
        commit=this_commit(),
        machine=this_machine(),
        quality=arguments.quality,
        timings=tuple(timings),
    )


def timing_line(timing: "CodecTiming") -> str:
    """One timing as a line for a terminal."""
    speed = timing.width * timing.height / timing.median_s / 1e6
    memory = "" if timing.peak_bytes is None else f", peak {timing.peak_bytes / 2**20:.0f} MiB"
    return (
        f"{timing.picture} {timing.width}x{timing.height} {timing.codec} {timing.operation} "
        f"{timing.target} {timing.threads} thread(s): median {1000 * timing.median_s:.1f} ms, "
        f"fastest {1000 * timing.fastest_s:.1f} ms, {speed:.2f} MP/s{memory}"
    )
