"""Bits of symbols under the Gaussian rows of the coder (docs/arithmetic.md 3)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .network import ste_round

LOG2_SCALE_LOW = -3.5
"""log2 of the smallest standard deviation of the shipped CDF rows (row 0)."""
SCALE_ROWS = 80
ROWS_PER_OCTAVE = 8
LOG2_SCALE_HIGH = LOG2_SCALE_LOW + (SCALE_ROWS - 1) / ROWS_PER_OCTAVE


def gaussian_bits(value: Tensor, log2_scale: Tensor) -> Tensor:
    """Bits of ``value`` (noisy or rounded symbols) under N(0, 2**log2_scale) integrated over +-1/2.

    Elementwise; gradients pass the clamp of the scale when they point back inside.
    """
    log2_scale = clamp_with_gradient(log2_scale, LOG2_SCALE_LOW, LOG2_SCALE_HIGH)
    inverse = torch.exp2(-log2_scale) * math.sqrt(0.5)
    magnitude = value.abs()
    upper = torch.erfc((magnitude - 0.5) * inverse)
    lower = torch.erfc((magnitude + 0.5) * inverse)
    mass = 0.5 * (upper - lower)
    floor = 2.0**-17
    bits = -torch.log2(mass.clamp_min(floor))
    # Beyond the table an escape costs its own row entry and a few bytes that grow with log2.
    excess = (mass < floor) * (magnitude * inverse)
    return bits + torch.log2(1 + excess)


class _ClampWithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, low: float, high: float) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(x)
        ctx.bounds = (low, high)
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[override]
        (x,) = ctx.saved_tensors
        low, high = ctx.bounds
        keep = ((x > low) | (gradient < 0)) & ((x < high) | (gradient > 0))
        return gradient * keep, None, None


def clamp_with_gradient(x: Tensor, low: float, high: float) -> Tensor:
    """Clamp whose gradient is kept where a descent step would lead back into the range."""
    return _ClampWithGradient.apply(x, low, high)  # type: ignore[no-any-return]


def code_values(
    y: Tensor,
    mean: Tensor,
    log2_scale: Tensor,
    gain: Tensor,
    *,
    noise: Tensor | None,
    quantize: Callable[[Tensor], Tensor] = ste_round,
) -> tuple[Tensor, Tensor]:
    """Symbols of y around ``mean``, and bits of all elements (with ``noise`` added, if given).

    All of the shape of y; ``noise`` (:func:`rounding_noise`) stands for the rounding where bits are
    counted, and ``quantize`` for the rounding itself.
    """
    scaled = (y - mean) * gain
    rounded = quantize(scaled)
    measured = rounded if noise is None else scaled + noise
    return rounded, gaussian_bits(measured, log2_scale + torch.log2(gain))


def rounding_noise(like: Tensor) -> Tensor:
    """Uniform noise in -1/2 ... 1/2."""
    return torch.rand_like(like) - 0.5
