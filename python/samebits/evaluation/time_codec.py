"""Encode and decode times and peak memory, for every target and thread count."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebits.evaluation.benchmarks.peers import Missing
from samebits.evaluation.benchmarks.rounds import Spread
from samebits.evaluation.child_process import ask_child
from samebits.evaluation.machine import Machine

PASSES = 3


@dataclass(frozen=True)
class CodecTiming:
    """One operation on one picture in one configuration.

    Attributes
    ----------
    picture : str
    width, height : int
    operation : str
        "encode" (array to bytes) or "decode" (bytes to array).
    codec : str
        "samebits"; "twin", the float model in torch; or the name of another codec.
    target : str
        Of Samebits' kernels; "torch" for the others.
    threads, repeats : int
    first_s : float or None
        The first call of all: it loads the weights and starts the threads.
    fastest_s, lower_quartile_s, median_s, upper_quartile_s : float
        Of the `repeats` calls after it.
    size_bytes : int or None
        Of the stream.
    baseline_bytes, peak_bytes : int or None
        Peak resident memory of the process before the first call (interpreter, NumPy, reading the
        input) and after the last; None for what has no process of its own.
    note : str
    median_cpu_s : float or None
        Processor time of all threads, which does not count what other programs take; None where it
        was not measured.
    """

    picture: str
    width: int
    height: int
    operation: str
    codec: str
    target: str
    threads: int
    repeats: int
    first_s: float | None
    fastest_s: float
    lower_quartile_s: float
    median_s: float
    upper_quartile_s: float
    size_bytes: int | None
    baseline_bytes: int | None
    peak_bytes: int | None
    note: str = ""
    median_cpu_s: float | None = None


@dataclass(frozen=True)
class CodecBenchmark:
    """All timings of one run, with machine, commit and command."""

    command: str
    commit: str | None
    machine: Machine
    versions: dict[str, str]
    quality: int
    timings: tuple[CodecTiming, ...]
    missing: tuple[Missing, ...]


@dataclass(frozen=True)
class TimingPlan:
    """What to time.

    Attributes
    ----------
    quality : int
    targets : tuple of str
    threads : tuple of int
    repeats : int
    size : tuple of int (width, height), optional
        Pictures are repeated in mirror images, or cut, to this size.
    model : Path, optional
        Weights file; None for the installed one.
    """

    quality: int
    targets: tuple[str, ...]
    threads: tuple[int, ...]
    repeats: int
    size: tuple[int, int] | None = None
    model: Path | None = None

    @property
    def repeats_of_passes(self) -> tuple[int, ...]:
        """`repeats`, shared by at most `PASSES` passes over all configurations."""
        passes = min(PASSES, self.repeats)
        return tuple(
            self.repeats // passes + (turn < self.repeats % passes) for turn in range(passes)
        )


@dataclass(frozen=True)
class Measured:
    """What one pass over one configuration gave; fields as in `CodecTiming`."""

    width: int
    height: int
    first_s: float | None
    seconds: tuple[float, ...]
    size_bytes: int | None = None
    baseline_bytes: int | None = None
    peak_bytes: int | None = None
    cpu_seconds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Configuration:
    """Something to be timed: `measure(repeats)` does it that often, the first time once more."""

    picture: str
    operation: str
    codec: str
    target: str
    threads: int
    measure: Callable[[int], Measured]
    note: str = ""


def time_codec(
    picture: Path,
    plan: TimingPlan,
    *,
    others: Sequence[Configuration] = (),
    on_pass: Callable[[], object] = lambda: None,
) -> list[CodecTiming]:
    """Time encoding and decoding of one picture in every configuration of the plan.

    Parameters
    ----------
    picture : Path
    plan : TimingPlan
    others : sequence of Configuration
        Other codecs on the same picture, timed in the same passes.
    on_pass : callable
        Called whenever a configuration has been through a pass.
    """
    with tempfile.TemporaryDirectory() as folder:
        configurations = [*own_configurations(picture, plan, Path(folder)), *others]
        return time_configurations(configurations, plan, on_pass=on_pass)


def time_configurations(
    configurations: Sequence[Configuration],
    plan: TimingPlan,
    *,
    on_pass: Callable[[], object] = lambda: None,
) -> list[CodecTiming]:
    """Time each as often as the plan says, in its passes; one timing each, in their order.

    Passes, so that a noisy minute does not hit a single configuration.
    """
    measured: list[list[Measured]] = [[] for _ in configurations]
    for repeats in plan.repeats_of_passes:
        for configuration, results in zip(configurations, measured, strict=True):
            results.append(configuration.measure(repeats))
            on_pass()
    return [_timing(c, results) for c, results in zip(configurations, measured, strict=True)]


def count_own_configurations(plan: TimingPlan) -> int:
    """How many configurations of Samebits a plan has for each picture."""
    return 2 * len(plan.targets) * len(plan.threads)


def own_configurations(
    picture: Path, plan: TimingPlan, folder: Path, *, codec: str = "samebits"
) -> list[Configuration]:
    """Encode, then decode with every target and thread count; `folder` is for the streams only."""
    configurations = []
    for target in plan.targets:
        for threads in plan.threads:
            for operation in ("encode", "decode"):
                request = {
                    "operation": operation,
                    "picture": str(picture),
                    "size": plan.size,
                    "quality": plan.quality,
                    "model": None if plan.model is None else str(plan.model),
                    "stream_file": str(folder / "timed.same"),
                    "target": target,
                    "threads": threads,
                }
                configurations.append(
                    Configuration(
                        picture.name,
                        operation,
                        codec,
                        target,
                        threads,
                        lambda repeats, request=request: _measured({**request, "repeats": repeats}),
                    )
                )
    return configurations


def _timing(configuration: Configuration, passes: Sequence[Measured]) -> CodecTiming:
    seconds = [s for measured in passes for s in measured.seconds]
    cpu_seconds = [s for measured in passes for s in measured.cpu_seconds]
    spread = Spread.of(seconds)
    return CodecTiming(
        picture=configuration.picture,
        width=passes[0].width,
        height=passes[0].height,
        operation=configuration.operation,
        codec=configuration.codec,
        target=configuration.target,
        threads=configuration.threads,
        repeats=spread.samples,
        first_s=passes[0].first_s,
        fastest_s=spread.fastest_s,
        lower_quartile_s=spread.lower_quartile_s,
        median_s=spread.median_s,
        upper_quartile_s=spread.upper_quartile_s,
        size_bytes=passes[0].size_bytes,
        baseline_bytes=passes[0].baseline_bytes,
        peak_bytes=max((m.peak_bytes for m in passes if m.peak_bytes), default=None),
        note=configuration.note,
        median_cpu_s=Spread.of(cpu_seconds).median_s if cpu_seconds else None,
    )


def _measured(request: dict[str, Any]) -> Measured:
    reply = _ask_child(request)
    lists = {name: tuple(reply.get(name, ())) for name in ("seconds", "cpu_seconds")}
    return Measured(**{**reply, **lists})


def _ask_child(request: dict[str, Any]) -> dict[str, Any]:
    return ask_child(
        "samebits.evaluation.time_child",
        request,
        what=f"timing {request['operation']} of {request['picture']} "
        f"with target {request['target']}",
    )
