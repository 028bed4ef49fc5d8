"""Differentiable stand-ins for rounding, by name (requirement R1 and what came after it).

A relaxation is made for a share of the budget that is used up (0 ... 1) and maps values in units of
the quantization step to relaxed symbols of the same shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from samebits.refinement import check_method

from ..models.likelihood import rounding_noise
from ..models.network import ste_round

Quantize = Callable[[Tensor], Tensor]

HIGHEST_TEMPERATURE = 0.5
LOWEST_TEMPERATURE = 0.2
HELD_SHARE = 0.3
"""Of the budget: how long the temperature stays at its highest."""
SIGMOID_SCALE = 2.3
SMALLEST_DISTANCE = 1e-5


def temperature(used: float) -> float:
    """Of the annealed relaxations: held, then falling geometrically to the end of the budget."""
    falling = min(max((used - HELD_SHARE) / (1 - HELD_SHARE), 0.0), 1.0)
    ratio = math.log(LOWEST_TEMPERATURE / HIGHEST_TEMPERATURE)
    return HIGHEST_TEMPERATURE * math.exp(ratio * falling)


def add_noise(value: Tensor) -> Tensor:
    """Uniform noise in place of rounding: the document's own stand-in (R1)."""
    return value + rounding_noise(value)


def round_up_or_down(value: Tensor, *, tau: float, logits: Callable[[Tensor], Tensor]) -> Tensor:
    """A random mixture of the two neighbours, differentiable (Gumbel-softmax, temperature tau).

    ``logits`` gives the log-weight of a neighbour from its distance, 0 ... 1; it is divided by
    ``tau`` as well.
    """
    low = torch.floor(value).detach()
    distance = (value - low).clamp(SMALLEST_DISTANCE, 1 - SMALLEST_DISTANCE)
    both = torch.stack([logits(distance), logits(1 - distance)]) / tau
    gumbel = -torch.log(-torch.log(torch.rand_like(both).clamp(1e-9, 1 - 1e-7)))
    up = torch.softmax((both + gumbel) / tau, 0)[1]
    return low + up


def _atanh(distance: Tensor) -> Tensor:
    return -torch.atanh(distance)


def _scaled_sigmoid(distance: Tensor) -> Tensor:
    return torch.nn.functional.logsigmoid(-SIGMOID_SCALE * torch.logit(distance))


def relaxation(method: str, used: float) -> Quantize:
    """The stand-in of a method after a share ``used`` (0 ... 1) of the budget.

    Raises
    ------
    InvalidArgument
        There is no such method.
    """
    check_method(method)
    if method == "noise":
        return add_noise
    if method == "ste":
        return ste_round
    tau = temperature(used)
    logits = _atanh if method == "sga" else _scaled_sigmoid
    return lambda value: round_up_or_down(value, tau=tau, logits=logits)
