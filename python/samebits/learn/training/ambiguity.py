"""Outputs kept off the boundaries of rounding, in training and for one picture (S2, S4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TRAINING_DISTANCE = 0.05
"""In steps of 8 bits; wider than machines differ, so that the gradient reaches enough outputs."""


def ambiguity(outputs: Tensor, distance: float) -> Tensor:
    """F of EP 4 156 691: max(d - abs(abs(y - round(y)) - 0.5), 0), of every output.

    0 where an output is at least ``distance`` away from the next boundary, and ``distance`` on it.
    """
    to_boundary = ((outputs - torch.round(outputs)).abs() - 0.5).abs()
    return torch.clamp(distance - to_boundary, min=0)


@dataclass(frozen=True)
class AmbiguityTerm:
    """``weight`` times F of the pixels, averaged, in shares of the distance."""

    weight: float
    distance: float = TRAINING_DISTANCE

    def __call__(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """(B,) for pictures (B, 3, H, W) in 0 ... 255, before they are rounded; differentiable."""
        return self.weight * (ambiguity(x_hat, self.distance) / self.distance).mean((1, 2, 3))
