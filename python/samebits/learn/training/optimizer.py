"""The optimizers of training, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from .soap import Soap


def _adam(parameters: Iterable[Tensor], rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=rate, fused=True)


OPTIMIZERS: dict[str, Callable[[Iterable[Tensor], float], torch.optim.Optimizer]] = {
    "adam": _adam,
    "soap": Soap,
}


def make_optimizer(
    name: str, parameters: Iterable[Tensor], learning_rate: float
) -> torch.optim.Optimizer:
    """The optimizer of that name, one of OPTIMIZERS."""
    return OPTIMIZERS[name](parameters, learning_rate)
