"""`samebits bench model`: what models cost, and how long they take beside a budget of time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samebits import _core, kernels
from samebits.errors import InvalidArgument
from samebits.evaluation.benchmarks.kernels_samebits import prepared
from samebits.evaluation.benchmarks.layers import TWELVE_BITS, Conv, Layer, random_layer
from samebits.evaluation.benchmarks.model_cost import ModelCost, count_model
from samebits.evaluation.benchmarks.peers import Missing, installed_versions
from samebits.evaluation.machine import Machine, this_command, this_commit, this_machine
from samebits.evaluation.time_codec import (
    CodecTiming,
    Configuration,
    Measured,
    TimingPlan,
    own_configurations,
    time_configurations,
)

BUDGET_KMAC = 50.0
"""Multiply-accumulates a pixel that the budget of time is for, in thousands."""
BUDGET_LAYER = Conv(128, 128, 1)
BUDGET_SCALE = 8  # the layer runs at 1/8 of the picture's width and height
BUDGET = f"budget: {BUDGET_KMAC:.0f} kMAC/px of 1×1 layers"
UNTRAINED = "untrained: files and the range coder's share of the times are not a trained model's"


@dataclass(frozen=True)
class Candidate:
    """A weights file that is measured; the note says what a reader of its times has to know."""

    name: str
    weights: Path
    note: str = ""


@dataclass(frozen=True)
class ModelTimes:
    """Of one model with one number of threads.

    Attributes
    ----------
    threads : int
    encode, decode : CodecTiming
    decode_to_budget, fastest_decode_to_budget : float
        The median decode against the median budget, and the fastest ones.
    cpu_decode_to_budget : float or None
        The medians of the processor time: the ratio to believe on a machine that others use.
    """

    threads: int
    encode: CodecTiming
    decode: CodecTiming
    decode_to_budget: float
    fastest_decode_to_budget: float
    cpu_decode_to_budget: float | None


@dataclass(frozen=True)
class ModelResult:
    """A model: `times` by number of threads, none if only counted."""

    cost: ModelCost
    note: str
    times: tuple[ModelTimes, ...]


@dataclass(frozen=True)
class ModelBenchmark:
    """All models of one run, and what they ran on.

    Attributes
    ----------
    picture : str
    width, height, quality : int
    target : str
        Kernels in use.
    models : tuple of ModelResult
    budgets : tuple of CodecTiming
        One for each number of threads: `BUDGET_KMAC` a pixel of plain 1×1 layers, weights packed.
    missing : tuple of Missing
        Always empty.
    """

    command: str
    commit: str | None
    machine: Machine
    versions: dict[str, str]
    picture: str
    width: int
    height: int
    quality: int
    target: str
    models: tuple[ModelResult, ...]
    budgets: tuple[CodecTiming, ...]
    missing: tuple[Missing, ...] = ()


def candidates_of_configs(configs: Sequence[Path], folder: Path, *, photo: Path) -> list[Candidate]:
    """Build and export an untrained model for each file of sizes, into `folder`. Needs torch.

    Parameters
    ----------
    configs : sequence of Path
        JSON files with fields of ``samebits.learn.models.ModelConfig``.
    folder : Path
    photo : Path
        Crops of it calibrate the integers.
    """
    try:
        # The one way from here into the torch ring, taken only if asked for.
        from samebits.learn.export.untrained import export_untrained
    except ImportError as error:
        raise InvalidArgument(
            f"--config builds a float model, which needs torch: {error}; "
            "pip install 'samebits[torch]'"
        ) from error
    candidates = []
    for n, config in enumerate(configs):
        weights = folder / f"{n}.safetensors"
        export_untrained(config, photo, weights)
        candidates.append(Candidate(config.stem, weights, UNTRAINED))
    return candidates


def measure_models(
    candidates: Sequence[Candidate],
    picture: Path,
    plan: TimingPlan,
    *,
    on_start: Callable[[int], object] = lambda passes: None,
    on_pass: Callable[[], object] = lambda: None,
) -> ModelBenchmark:
    """Count every model, then time all of them and the budget in turns.

    Parameters
    ----------
    candidates : sequence of Candidate
    picture : Path
    plan : TimingPlan
        With a size; its model is not read. Without thread counts, nothing is timed.
    on_start : callable
        Called with the number of passes when the counting is done.
    on_pass : callable
        Called whenever a configuration has been through a pass.
    """
    assert plan.size is not None, "the budget needs the picture's size"
    costs = [count_model(c.weights, name=c.name) for c in candidates]
    with tempfile.TemporaryDirectory() as folder:
        configurations = _budgets(plan)
        for n, candidate in enumerate(candidates):
            streams = Path(folder) / str(n)
            streams.mkdir()
            model_plan = TimingPlan(
                plan.quality, plan.targets, plan.threads, plan.repeats, plan.size, candidate.weights
            )
            configurations += own_configurations(picture, model_plan, streams, codec=candidate.name)
        on_start(len(configurations) * len(plan.repeats_of_passes))
        timings = time_configurations(configurations, plan, on_pass=on_pass)
    count = len(plan.threads)
    budgets, timings = timings[:count], timings[count:]
    results = []
    for n, (candidate, cost) in enumerate(zip(candidates, costs, strict=True)):
        own = timings[2 * count * n : 2 * count * (n + 1)]
        results.append(ModelResult(cost, candidate.note, _times(own, budgets)))
    return ModelBenchmark(
        command=this_command(),
        commit=this_commit(),
        machine=this_machine(),
        versions=installed_versions(("numpy",)),
        picture=picture.name,
        width=plan.size[0],
        height=plan.size[1],
        quality=plan.quality,
        target=plan.targets[0],
        models=tuple(results),
        budgets=tuple(budgets),
    )


def _times(
    timings: Sequence[CodecTiming], budgets: Sequence[CodecTiming]
) -> tuple[ModelTimes, ...]:
    return tuple(
        ModelTimes(
            threads=budget.threads,
            encode=encode,
            decode=decode,
            decode_to_budget=decode.median_s / budget.median_s,
            fastest_decode_to_budget=decode.fastest_s / budget.fastest_s,
            cpu_decode_to_budget=_ratio(decode.median_cpu_s, budget.median_cpu_s),
        )
        for encode, decode, budget in zip(timings[::2], timings[1::2], budgets, strict=True)
    )


def _ratio(a: float | None, b: float | None) -> float | None:
    return a / b if a and b else None


def _budgets(plan: TimingPlan) -> list[Configuration]:
    assert plan.size is not None
    width, height = plan.size
    rows, columns = (-(-side // BUDGET_SCALE) for side in (height, width))
    layer = Layer("1×1", rows, columns, (BUDGET_LAYER,))
    run = prepared(random_layer(layer, TWELVE_BITS), np.int16)
    macs = 1000 * BUDGET_KMAC * width * height
    calls = max(1, round(macs / layer.macs))
    share = macs / (calls * layer.macs)

    def measure(repeats: int, threads: int) -> Measured:
        threads_before, target_before = _core.thread_count(), kernels.target()
        try:
            kernels.set_target(plan.targets[0])
            _core.set_thread_count(threads)
            first, *calls_s = (_seconds(run, calls) for _ in range(1 + repeats))
        finally:
            kernels.set_target(target_before)
            _core.set_thread_count(threads_before)
        wall, cpu = zip(*calls_s, strict=True)
        return Measured(
            width,
            height,
            share * first[0],
            tuple(share * s for s in wall),
            cpu_seconds=tuple(share * s for s in cpu),
        )

    return [
        Configuration(
            f"{calls} layers of 128 channels",
            "budget",
            BUDGET,
            plan.targets[0],
            threads,
            lambda repeats, threads=threads: measure(repeats, threads),
            note="weights packed beforehand; int16",
        )
        for threads in plan.threads
    ]


def _seconds(run: Callable[[], object], calls: int) -> tuple[float, float]:
    """Wall clock and processor time."""
    begin, cpu_begin = time.perf_counter(), time.process_time()
    for _ in range(calls):
        run()
    return time.perf_counter() - begin, time.process_time() - cpu_begin
