"""Time integer convolutions beside torch and ONNX Runtime.

Layers that picture codecs are made of, with 12-bit and 8-bit activations and 8-bit weights. Peers
get the same layer in float32, bfloat16 and int8. SAMEBITS_TARGET, or --targets, choose the kernels
of Samebits; ONEDNN_MAX_CPU_ISA=AVX2 and FBGEMM_ENABLE_INSTRUCTIONS=AVX2 hold the peers to the same
instructions.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from samebits.cli.batch import positive

if TYPE_CHECKING:
    from samebits.evaluation.benchmarks.kernels import KernelBenchmark

SUMMARY = "integer convolutions"
ROUNDS, QUICK_ROUNDS = 25, 5
SAMPLE_S, QUICK_SAMPLE_S = 0.02, 0.005


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits bench kernels``."""
    parser.add_argument("--threads", metavar="N", type=positive, default=1, help="default 1")
    parser.add_argument(
        "--targets", metavar="NAME,...", help="kernels of Samebits (default: those in use)"
    )
    parser.add_argument(
        "--layers", metavar="TEXT", default="", help="only layers with this in their name"
    )
    parser.add_argument(
        "--rounds", metavar="N", type=positive, help=f"samples of each (default {ROUNDS})"
    )


def measure(arguments: argparse.Namespace) -> "KernelBenchmark":
    """Time, with a progress bar."""
    from tqdm import tqdm

    from samebits import kernels
    from samebits.errors import InvalidArgument
    from samebits.evaluation.benchmarks.kernels import time_kernels
    from samebits.evaluation.benchmarks.layers import LAYERS
    from samebits.evaluation.benchmarks.rounds import RoundPlan

    chosen = [layer for layer in LAYERS if arguments.layers in layer.name]
    if not chosen:
        names = "; ".join(layer.name for layer in LAYERS)
        raise InvalidArgument(f"--layers {arguments.layers!r}: there are {names}")
    plan = RoundPlan.for_threads(
        arguments.threads,
        rounds=arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS),
        sample_s=QUICK_SAMPLE_S if arguments.quick else SAMPLE_S,
    )
    targets = arguments.targets.split(",") if arguments.targets else [kernels.target()]
    for target in targets:
        kernels.set_target(target)  # an error now, not after the first layer
    with tqdm(unit="sample", disable=None, file=sys.stderr) as progress:

        def start(layer: str, samples: int) -> None:
            progress.set_description(layer)
            progress.reset(total=samples)

        return time_kernels(
            plan,
            threads=arguments.threads,
            targets=targets,
            chosen_layers=chosen,
            on_start=start,
            on_sample=progress.update,
        )


def lines(benchmark: "KernelBenchmark") -> Iterator[str]:
    """For a terminal."""
    from samebits.evaluation.benchmarks.kernels_page import kernels_lines

    return kernels_lines(benchmark)


def page(benchmark: "KernelBenchmark") -> str:
    """As HTML."""
    from samebits.evaluation.benchmarks.kernels_page import kernels_page

    return kernels_page(benchmark)
