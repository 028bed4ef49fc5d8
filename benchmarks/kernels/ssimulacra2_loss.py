"""The loss SSIMULACRA 2, forward and backward, in torch and in C++, on one thread of a CPU.

    PYTHONPATH=python python benchmarks/kernels/ssimulacra2_loss.py --json ssimulacra2_loss.json

Processor seconds for 8 crops, the best of some runs, the forms taking turns.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch

from samebits import kernels
from samebits.evaluation.machine import this_commit, this_machine
from samebits.learn.training.ssimulacra2_loss import ssimulacra2_sum, ssimulacra2_sum_cpu

CROPS = 8
SIZES = (192, 384)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    report = {
        "command": " ".join(["python", *sys.argv]),
        "commit": this_commit(),
        "machine": asdict(this_machine()),
        "torch": torch.__version__,
        "crops": CROPS,
        "cpu_seconds": {str(size): seconds(size, options.runs) for size in SIZES},
    }
    print(json.dumps(report, indent=1))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def seconds(size: int, runs: int) -> dict[str, float]:
    """Of torch and of each target, for crops of this side in the trainer's layout."""
    torch.manual_seed(0)
    x = torch.randint(0, 256, (CROPS, 3, size, size)).float()
    x_hat = (x + 9 * torch.randn_like(x)).contiguous(memory_format=torch.channels_last)
    targets = [target for target in kernels.targets() if target != "cuda"]
    best = dict.fromkeys(["torch", *targets], float("inf"))
    for _ in range(runs):
        for form in best:
            if form != "torch":
                kernels.set_target(form)
            found = once(ssimulacra2_sum if form == "torch" else ssimulacra2_sum_cpu, x, x_hat)
            best[form] = min(best[form], found)
    return {form: round(value, 4) for form, value in best.items()}


def once(form, x: torch.Tensor, x_hat: torch.Tensor) -> float:
    x_hat = x_hat.detach().requires_grad_()
    begin = time.process_time()
    form(x, x_hat).sum().backward()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
