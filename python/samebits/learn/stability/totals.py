"""Sums over dimensions, exact in any order of additions (S5)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from samebits.errors import InvalidArgument

from .scaling import FLOAT64_BITS


def stable_total(x: Tensor, dims: list[int], keepdim: bool, bits: int = FLOAT64_BITS) -> Tensor:
    """The sum over dimensions, exact on a grid that the largest magnitude gives; float64."""
    count = math.prod(x.shape[d] for d in dims)
    values = x.detach().double()
    largest = values.abs().amax(dims, keepdim=True)
    if not bool(torch.isfinite(largest).all()):
        raise InvalidArgument("a value of a network is not finite")
    # Powers of two: scaling by them is exact, and so is going back.
    _, exponent = torch.frexp(largest)
    shift = bits - math.ceil(math.log2(max(count, 1))) - exponent
    grid = torch.round(values * power_of_two(shift))
    total = grid.sum(dims, keepdim=True) * power_of_two(-shift)
    return total if keepdim else total.squeeze(dims)


def power_of_two(exponent: Tensor) -> Tensor:
    """2**exponent, float64, exact; exponents beyond those of normal numbers are cut off."""
    bits = torch.clamp(exponent.long(), -1022, 1023) + 1023
    return (bits << 52).view(torch.float64)
