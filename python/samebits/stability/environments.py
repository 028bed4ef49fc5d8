"""Environments: ways in which one machine computes the same network differently.

Each is a process of its own, since most of what makes a difference is read when libraries are
loaded. A job is a function that is given the environment's way of computing and gives back what can
be pickled::

    run_in(ENVIRONMENTS["channels-last"], "my_module:decode_all", {"path": "photo.bin"})

    # my_module.py
    def decode_all(*, way, path):
        model = load_model()
        way.prepare(model)
        return way.run(model, read(path)).numpy()
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samebits.errors import DeviceError, InvalidArgument

LAST_LINES = 4
"""Of what a process printed, in the message of its failure."""


@dataclass(frozen=True)
class Environment:
    """How networks are computed.

    Attributes
    ----------
    name : of the table's row. about : in words.
    way : one of :data:`samebits.learn.stability.ways.WAYS`.
    threads : of torch and of Samebits. variables : of the process.
    keeps_operations : torch computes operation by operation, so that exact arithmetic can take
        their place (S5). has_double : networks can be computed in double precision.
    epsilon : of the way "perturbed": the largest noise, as a share of the largest output of
        its channel.
    """

    name: str
    about: str
    way: str = "plain"
    threads: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)
    keeps_operations: bool = True
    has_double: bool = True
    epsilon: float = 0.0


REFERENCE = Environment("reference", "one thread, oneDNN, contiguous tensors")
ENVIRONMENTS: dict[str, Environment] = {
    one.name: one
    for one in (
        REFERENCE,
        Environment("threads-2", "two threads", threads=2),
        Environment("threads-4", "four threads", threads=4),
        Environment(
            "onednn-sse41",
            "oneDNN without AVX (Samebits: scalar)",
            variables={"ONEDNN_MAX_CPU_ISA": "SSE41", "SAMEBITS_TARGET": "scalar"},
        ),
        Environment(
            "onednn-avx",
            "oneDNN without AVX2 and FMA",
            variables={"ONEDNN_MAX_CPU_ISA": "AVX"},
        ),
        Environment(
            "aten-plain",
            "torch's own loops without AVX2",
            variables={"ATEN_CPU_CAPABILITY": "default"},
        ),
        Environment("no-onednn", "oneDNN switched off", way="no_onednn"),
        Environment(
            "mkl-compatible",
            "oneDNN off, MKL's loops for any processor",
            way="no_onednn",
            variables={"MKL_CBWR": "COMPATIBLE"},
        ),
        Environment("channels-last", "tensors in channels-last format", way="channels_last"),
        Environment("batch-2", "the picture in a batch of two", way="batch"),
        Environment("compiled", "torch.compile", way="compiled", keeps_operations=False),
        Environment(
            "onnxruntime",
            "ONNX Runtime",
            way="onnxruntime",
            keeps_operations=False,
            has_double=False,
        ),
        Environment("float64", "double precision", way="float64", keeps_operations=False),
        Environment(
            "perturbed",
            "noise of 1e-6 of a channel's largest output",
            way="perturbed",
            keeps_operations=False,
            epsilon=1e-6,
        ),
        Environment("cuda", "a GPU", way="cuda"),
        Environment("cuda-tf32", "a GPU, products in TF32", way="cuda_tf32"),
        Environment(
            "cuda-bf16",
            "a GPU, bfloat16",
            way="cuda_bf16",
            keeps_operations=False,
            has_double=False,
        ),
    )
}


class EnvironmentUnavailable(DeviceError):
    """This machine does not have what an environment needs."""


@dataclass(frozen=True)
class Job:
    """What a process is asked for: ``function`` is "module:name", found on ``path``."""

    environment: Environment
    function: str
    arguments: dict[str, Any]
    path: list[str]


def run_in(environment: Environment, function: str, arguments: dict[str, Any]) -> Any:
    """A function's result in an environment, in a process of its own.

    Parameters
    ----------
    function : "module:name"; called with ``way`` (samebits.learn.stability.ways.Way) and the
        arguments, all by keyword. Arguments and result go through pickle.

    Raises
    ------
    EnvironmentUnavailable
        There is no GPU, or a library is not installed; the message says which.
    InvalidArgument
        The function failed; the message ends with what it printed last.
    """
    if function.count(":") != 1:
        raise InvalidArgument(f"function is {function!r}, must be 'module:name'")
    with tempfile.TemporaryDirectory(prefix="samebits-environment-") as folder:
        job, result = Path(folder, "job"), Path(folder, "result")
        job.write_bytes(pickle.dumps(Job(environment, function, arguments, sys.path)))
        process = subprocess.run(
            [sys.executable, "-m", "samebits.learn.stability.environment_process", job, result],
            env=_variables(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if process.returncode != 0 or not result.exists():
            last = " / ".join(process.stderr.strip().splitlines()[-LAST_LINES:])
            raise InvalidArgument(
                f"{function} failed in the environment {environment.name}: {last}"
            )
        unavailable, value = pickle.loads(result.read_bytes())
    if unavailable:
        raise EnvironmentUnavailable(f"{environment.name} is not available: {unavailable}")
    return value


def _variables(environment: Environment) -> dict[str, str]:
    threads = str(environment.threads)
    package = str(Path(__file__).resolve().parents[2])
    return {
        **os.environ,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "passive",  # threads that spin slow other processes down
        "SAMEBITS_THREADS": threads,
        "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")]).rstrip(
            os.pathsep
        ),
        **environment.variables,
    }
