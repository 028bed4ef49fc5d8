"""What a run writes beside its checkpoints: log.jsonl, TensorBoard files, means of the losses."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter


class LossMeans:
    """Means of loss terms over steps. The sums stay on the device, which nothing waits for."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.steps = 0
        self.crops = 0

    def add(self, terms: Any, *, crops: int, weight: float) -> None:
        """Count a step's terms (a dataclass of scalar tensors) of ``crops`` crops."""
        for field in fields(terms):
            value = getattr(terms, field.name).detach().double() * weight
            self.sums[field.name] = self.sums.get(field.name, 0.0) + value
        self.steps += 1
        self.crops += crops

    def names(self) -> list[str]:
        return list(self.sums)

    def values(self) -> Tensor:
        """Means so far, float64 on the CPU, in the order of :meth:`names`."""
        return torch.stack(list(self.sums.values())).cpu() / self.steps


class RunLog:
    """log.jsonl and TensorBoard files of a run folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log.jsonl"
        self.board = SummaryWriter(str(folder / "tensorboard"))

    def note(self, row: dict[str, Any]) -> None:
        """Add a line that is not for TensorBoard."""
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def write(self, row: dict[str, float]) -> None:
        """Add a line; ``row["step"]`` is its place in TensorBoard."""
        self.note(row)
        for name, value in row.items():
            self.board.add_scalar(name, value, row["step"])
        self.board.flush()
