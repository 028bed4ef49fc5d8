"""Encode and decode times and peak memory, for every target and thread count."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebits.errors import SamebitsError
from samebits.evaluation.machine import Machine


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
        "samebits" or "twin", the float model in torch.
    target : str
        Of Samebits' kernels; "torch" for the twin.
    threads, repeats : int
    first_s : float or None
        The first call in the process: loads the weights and starts the threads.
    fastest_s, median_s : float
        Of the `repeats` calls after it.
    size_bytes : int or None
        Of the stream.
    baseline_bytes, peak_bytes : int or None
        Peak resident memory of the process before the first call (interpreter, NumPy, reading the
        input) and after the last.
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
    median_s: float
    size_bytes: int | None
    baseline_bytes: int | None
    peak_bytes: int | None


@dataclass(frozen=True)
class CodecBenchmark:
    """All timings of one run, with machine, commit and command."""

    command: str
    commit: str | None
    machine: Machine
    quality: int
    timings: tuple[CodecTiming, ...]


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


def time_codec(
    picture: Path,
    plan: TimingPlan,
    *,
    on_timing: Callable[[CodecTiming], None] = lambda timing: None,
) -> list[CodecTiming]:
    """Time encoding and decoding of one picture in every configuration of the plan."""
    timings = []
    with tempfile.TemporaryDirectory() as folder:
        for target in plan.targets:
            for threads in plan.threads:
                for operation in ("encode", "decode"):
                    request = {
                        "operation": operation,
                        "picture": str(picture),
                        "size": plan.size,
                        "quality": plan.quality,
                        "model": None if plan.model is None else str(plan.model),
                        "stream_file": str(Path(folder) / "timed.same"),
                        "target": target,
                        "threads": threads,
                        "repeats": plan.repeats,
                    }
                    timings.append(_timing(picture.name, request, _ask_child(request)))
                    on_timing(timings[-1])
    return timings


def summarize_seconds(seconds: Sequence[float]) -> tuple[float, float]:
    """Fastest and median."""
    return min(seconds), statistics.median(seconds)


def _timing(picture: str, request: dict[str, Any], reply: dict[str, Any]) -> CodecTiming:
    fastest, median = summarize_seconds(reply["seconds"])
    return CodecTiming(
        picture=picture,
        width=reply["width"],
        height=reply["height"],
        operation=request["operation"],
        codec="samebits",
        target=request["target"],
        threads=request["threads"],
        repeats=request["repeats"],
        first_s=reply["first_s"],
        fastest_s=fastest,
        median_s=median,
        size_bytes=reply["size_bytes"],
        baseline_bytes=reply["baseline_bytes"],
        peak_bytes=reply["peak_bytes"],
    )


def _ask_child(request: dict[str, Any]) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-m", "samebits.evaluation.time_child"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    what = f"{request['operation']} of {request['picture']} with target {request['target']}"
    if result.returncode != 0:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise SamebitsError(f"timing {what} ended with exit code {result.returncode}: {last}")
    reply = json.loads(result.stdout)
    if "error" in reply:
        raise SamebitsError(f"timing {what}: {reply['error']}")
    return reply
