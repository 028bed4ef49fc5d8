"""Training steps per second at several batch sizes, as ``samebits train --hot`` computes them.

    PYTHONPATH=python python benchmarks/gpu/training_speed.py --data photos --start-from hot.ckpt \\
        --batches 16,64,128 --json training.json

The median of the steps after two that are not counted; each is waited for. Gpx are 10^9 pixels of
crops.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from samebits.evaluation.machine import this_commit, this_machine
from samebits.learn.models import ModelConfig
from samebits.learn.training.precision import Precision
from samebits.learn.training.train import Trainer, TrainOptions

WARM_UP, LEAST = 2, 3
PICTURES = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start-from", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder for a run's files")
    parser.add_argument("--batches", default="16,64,128")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=6, help="for each batch size")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    trainer = trainer_of(arguments)
    report = {
        "command": " ".join(["python", *sys.argv]),
        "commit": this_commit(),
        "machine": asdict(this_machine()),
        "device": device_name(trainer.device),
        "torch": torch.__version__,
        "precision": trainer.precision.name,
        "crop": arguments.crop,
        "rows": [],
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    for batch in map(int, arguments.batches.split(",")):
        report["rows"].append(row_of(trainer, batch, seconds=arguments.seconds))
        print(report["rows"][-1])
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


def trainer_of(arguments: argparse.Namespace) -> Trainer:
    """A trainer in a folder of its own, in the precision that a run there would take."""
    arguments.work.mkdir(parents=True, exist_ok=True)
    config = None
    if arguments.config is not None:
        config = ModelConfig.from_dict(json.loads(arguments.config.read_text()))
    options = TrainOptions(
        data=arguments.data,
        out=Path(tempfile.mkdtemp(dir=arguments.work)),
        start_from=arguments.start_from,
        crop=arguments.crop,
        late_crop=arguments.crop,
        optimizer="soap",
        device=arguments.device,
        limit=PICTURES,
        hot=True,
    )
    trainer = Trainer(options, config)
    kind = trainer.device.type
    trainer.precision = Precision("bf16" if kind == "cuda" else "fp32", kind)
    trainer.precision.use(trainer.model)
    return trainer


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def row_of(trainer: Trainer, batch: int, *, seconds: float) -> dict[str, float]:
    """Speed and memory of a batch size."""
    trainer.options = replace(trainer.options, batch=batch)
    on_gpu = trainer.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < WARM_UP + LEAST:
        begin = time.perf_counter()
        trainer.train_step()
        if on_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    step = statistics.median(times[WARM_UP:])
    crops = batch / step
    row = {"batch": batch, "step_s": round(step, 4), "steps": len(times) - WARM_UP}
    row |= {"crops_per_s": round(crops, 2)}
    row |= {"gpx_per_h": round(crops * trainer.options.crop**2 * 3600 / 1e9, 3)}
    if on_gpu:
        row["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return row


if __name__ == "__main__":
    main()
