"""`samebits bench kernels`: integer convolutions beside torch and ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from samebits.evaluation.benchmarks import kernels_onnx, kernels_torch, layers
from samebits.evaluation.benchmarks.kernels_onnx import onnx_sources
from samebits.evaluation.benchmarks.kernels_samebits import exact_output, samebits_sources
from samebits.evaluation.benchmarks.kernels_torch import FLOAT32, torch_sources
from samebits.evaluation.benchmarks.layers import Layer, LayerData
from samebits.evaluation.benchmarks.peers import Missing, gather, installed_versions
from samebits.evaluation.benchmarks.rounds import (
    Contender,
    RoundPlan,
    Spread,
    median_ratio,
    take_turns,
)
from samebits.evaluation.machine import Machine, this_command, this_commit, this_machine

INT8_PEERS = ("torch int8", "ONNX Runtime int8")


@dataclass(frozen=True)
class KernelTiming:
    """One contender on one layer.

    Attributes
    ----------
    layer, contender, maker : str
    spread : Spread
    gmac_per_s : float
        At the median, by the multiply-accumulates of the definition.
    ratio_to_float32 : float or None
        Median over rounds of torch's best float32 time divided by this one; None without torch.
    wrong_percent : float or None
        Of int8 libraries: outputs that differ from the exact result by more than one step, where
        rounding of halves cannot explain it (sums that saturated). None where not compared.
    note : str
    """

    layer: str
    contender: str
    maker: str
    spread: Spread
    gmac_per_s: float
    ratio_to_float32: float | None
    wrong_percent: float | None
    note: str


@dataclass(frozen=True)
class KernelBenchmark:
    """All timings of one run, and what they ran on."""

    command: str
    commit: str | None
    machine: Machine
    versions: dict[str, str]
    threads: int
    clock: str
    timings: tuple[KernelTiming, ...]
    missing: tuple[Missing, ...]


def time_kernels(
    plan: RoundPlan,
    *,
    threads: int,
    targets: Sequence[str],
    chosen_layers: Sequence[Layer] = layers.LAYERS,
    on_start: Callable[[str, int], object] = lambda layer, samples: None,
    on_sample: Callable[[], object] = lambda: None,
) -> KernelBenchmark:
    """Time every layer, by every library that is there.

    Parameters
    ----------
    plan : RoundPlan
    threads : int
        Of the peers. Samebits' own come from SAMEBITS_THREADS, read when its first work begins.
    targets : sequence of str
        Of Samebits, from `samebits.kernels.targets`.
    chosen_layers : sequence of Layer
    on_start : callable
        Called with a layer's name and its number of samples before it is timed.
    on_sample : callable
        Called after every sample.
    """
    _set_torch_threads(threads)
    timings: list[KernelTiming] = []
    missing: dict[str, Missing] = {}
    for layer in chosen_layers:
        twelve = layers.random_layer(layer, layers.TWELVE_BITS)
        eight = layers.random_layer(layer, layers.EIGHT_BITS)
        contenders, lacking = gather(
            [
                *samebits_sources(twelve, eight, targets),
                *torch_sources(eight),
                *onnx_sources(eight, threads),
            ]
        )
        missing |= {m.name: m for m in lacking}
        on_start(layer.name, plan.rounds * len(contenders))
        seconds = take_turns(contenders, plan, on_sample=on_sample)
        timings += _timings(eight, contenders, seconds)
    return KernelBenchmark(
        command=this_command(),
        commit=this_commit(),
        machine=this_machine(),
        versions=installed_versions(("numpy", "torch", "onnxruntime")),
        threads=threads,
        clock=plan.clock,
        timings=tuple(timings),
        missing=tuple(missing.values()),
    )


def _timings(
    data: LayerData, contenders: Sequence[Contender], seconds: Sequence[Sequence[float]]
) -> list[KernelTiming]:
    floats = [s for c, s in zip(contenders, seconds, strict=True) if c.name.startswith(FLOAT32)]
    reference = min(floats, key=np.median) if floats else None
    timings = []
    for contender, samples in zip(contenders, seconds, strict=True):
        spread = Spread.of(samples)
        timings.append(
            KernelTiming(
                layer=data.layer.name,
                contender=contender.name,
                maker=contender.maker,
                spread=spread,
                gmac_per_s=data.layer.macs / spread.median_s / 1e9,
                ratio_to_float32=None if reference is None else median_ratio(reference, samples),
                wrong_percent=_wrong_percent(data, contender),
                note=contender.note,
            )
        )
    return timings


def _wrong_percent(data: LayerData, contender: Contender) -> float | None:
    # After a second convolution a difference of one step in the first may have grown.
    if len(data.layer.convs) > 1 or not contender.name.startswith(INT8_PEERS):
        return None
    read = kernels_torch if contender.maker == "torch" else kernels_onnx
    output = read.integers_of(contender.run()).astype(np.int32)
    steps = np.abs(output - exact_output(data))
    return 100 * float(np.mean(steps > 1))


def _set_torch_threads(threads: int) -> None:
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(threads)
