"""The process that :func:`samebits.stability.environments.run_in` starts."""

from __future__ import annotations

import importlib
import pickle
import sys
from pathlib import Path
from typing import Any

import torch

from samebits.stability.environments import EnvironmentUnavailable, Job

from .ways import way_of


def main(job_path: str, result_path: str) -> None:
    """Reads a job, writes (why it could not be done or "", the function's result)."""
    job: Job = pickle.loads(Path(job_path).read_bytes())
    sys.path[:] = list(dict.fromkeys([*sys.path, *job.path]))
    torch.set_num_threads(job.environment.threads)
    Path(result_path).write_bytes(pickle.dumps(_answer(job)))


def _answer(job: Job) -> tuple[str, Any]:
    try:
        way = way_of(job.environment)
    except EnvironmentUnavailable as error:
        return str(error), None
    module, name = job.function.split(":")
    return "", getattr(importlib.import_module(module), name)(way=way, **job.arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
