"""Crops per second of training, of one or two versions of the package, in turns in one run.

``python benchmarks/training/steps.py --data DIR --start-from CKPT [--before FOLDER] --out FILE``

Every round runs each way in a process of its own with one thread and times whole training steps:
crops drawn, forward and backward passes, the optimizer. ``--before`` is a folder to put on
PYTHONPATH in which an older package is installed; it trains for the squared error in float32.
Processor time is reported, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CHILD = """
import json, sys, time
from pathlib import Path
import torch
from samebits.learn.training.train import Trainer, TrainOptions
torch.set_num_threads(1)
words = json.loads(sys.argv[1])
steps, precision, distortion = words.pop("steps"), words.pop("way"), words.pop("distortion")
for name in ("data", "out", "start_from"):
    words[name] = Path(words[name])
if precision is not None:
    from samebits.learn.training.distortion import DISTORTIONS
    words |= {"precision": precision, "distortion": DISTORTIONS[distortion]}
trainer = Trainer(TrainOptions(**words))
if precision is not None:
    from samebits.learn.training.memory import keep_freed_memory
    keep_freed_memory()
    trainer._choose_precision()
for _ in range(3):
    trainer.train_step()
times = []
for _ in range(steps):
    begin = time.process_time()
    trainer.train_step()
    times.append(time.process_time() - begin)
print(json.dumps(times))
"""
WAYS = {
    "before: fp32, mse": (None, "mse"),
    "fp32, mse": ("fp32", "mse"),
    "bf16, mse": ("bf16", "mse"),
    "fp32, mix": ("fp32", "mix"),
    "bf16, mix": ("bf16", "mix"),
}


def step_times(way: str, arguments: argparse.Namespace) -> list[float]:
    """Processor seconds of the steps of one way, in a new process."""
    precision, distortion = WAYS[way]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if precision is None:
        environment["PYTHONPATH"] = str(arguments.before)
    with tempfile.TemporaryDirectory() as out:
        words = {"data": str(arguments.data), "out": out, "start_from": str(arguments.start_from)}
        words |= {"batch": arguments.batch, "crop": 192, "late_crop": 192, "limit": 60}
        words |= {"optimizer": "soap", "learning_rate": 1e-5, "device": "cpu", "minutes": 1e6}
        words |= {"steps": arguments.steps, "way": precision, "distortion": distortion}
        command = [sys.executable, "-c", CHILD, json.dumps(words)]
        done = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start-from", type=Path, required=True, metavar="CKPT")
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="holds an older samebits/")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10, help="timed steps per round and way")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    ways = [way for way in arguments.ways if WAYS[way][0] is not None or arguments.before]
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(arguments.rounds):
        for way in ways:
            times[way] += step_times(way, arguments)
    report(times, arguments)


def report(times: dict[str, list[float]], arguments: argparse.Namespace) -> None:
    """A line per way, and the JSON file."""
    from samebits.evaluation.machine import this_commit, this_machine

    first = statistics.median(next(iter(times.values())))
    rows = {}
    for way, seconds in times.items():
        median, least = statistics.median(seconds), min(seconds)
        rows[way] = {"median_s": median, "least_s": least, "crops_per_s": arguments.batch / median}
        print(
            f"{way:<20}{median:>8.3f} s a step (least {least:.3f}), "
            f"{arguments.batch / median:>6.2f} crops/s, {first / median:.2f} times the first"
        )
    if arguments.out:
        about = {"machine": vars(this_machine()), "commit": this_commit(), "batch": arguments.batch}
        arguments.out.write_text(json.dumps({**about, "ways": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
