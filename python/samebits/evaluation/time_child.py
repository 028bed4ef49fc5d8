"""The measured half of `samebits bench codec`: one operation in a process of its own.

A process of its own because peak memory belongs to a process, and because target and thread count
are read once.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from samebits.evaluation.child_process import answer_parent


def peak_memory_bytes() -> int:
    """The largest resident size this process has had.

    From /proc where there is one: `getrusage` would count what the parent had at the fork.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def load_enlarged(path: str, size: list[int] | None):
    """The picture, repeated in mirror images to width x height if `size` is given."""
    import numpy as np

    from samebits.evaluation.measure import load_rgb

    rgb = load_rgb(Path(path))
    if size is None:
        return rgb
    width, height = size
    missing_rows = max(height - rgb.shape[0], 0)
    missing_columns = max(width - rgb.shape[1], 0)
    larger = np.pad(rgb, ((0, missing_rows), (0, missing_columns), (0, 0)), mode="symmetric")
    return np.ascontiguousarray(larger[:height, :width])


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run the operation ("encode" or "decode") `repeats` times after a first, colder one."""
    from samebits import api

    model = request["model"]
    stream_file = Path(request["stream_file"])
    if request["operation"] == "encode":
        rgb = load_enlarged(request["picture"], request["size"])
        baseline = peak_memory_bytes()

        def operation() -> None:
            stream_file.write_bytes(api.encode(rgb, quality=request["quality"], model=model))
    else:
        stream = stream_file.read_bytes()
        baseline = peak_memory_bytes()

        def operation() -> None:
            api.decode(stream, model=model)

    seconds, cpu_seconds = [], []
    for _ in range(1 + request["repeats"]):
        start, cpu_start = time.perf_counter(), time.process_time()
        operation()
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    info = api.info(stream_file.read_bytes(), model=model)
    return {
        "width": info.width,
        "height": info.height,
        "size_bytes": stream_file.stat().st_size,
        "first_s": seconds[0],
        "seconds": seconds[1:],
        "cpu_seconds": cpu_seconds[1:],
        "baseline_bytes": baseline,
        "peak_bytes": peak_memory_bytes(),
    }


def answer_with_target(request: dict[str, Any]) -> dict[str, Any]:
    """`answer`, with target and thread count set before the core reads them."""
    os.environ["SAMEBITS_TARGET"] = request["target"]
    os.environ["SAMEBITS_THREADS"] = str(request["threads"])
    return answer(request)


if __name__ == "__main__":
    answer_parent(answer_with_target)
