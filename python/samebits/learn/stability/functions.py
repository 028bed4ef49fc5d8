"""Functions that machines compute differently, from tables that are the same everywhere (S5).

Entries are made in decimal arithmetic of 40 digits, whose results do not depend on the machine.
Between them values are interpolated, by single IEEE 754 operations in double precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import cache

import torch
from torch import Tensor

from .totals import power_of_two

DIGITS = 40
SEGMENTS_PER_UNIT = 512
Function = Callable[[Decimal], Decimal]


def _sigmoid(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp())


def _tanh(x: Decimal) -> Decimal:
    return 1 - 2 / (1 + (2 * x).exp())


def _softplus(x: Decimal) -> Decimal:
    return (1 + x.exp()).ln()


def _erf(x: Decimal) -> Decimal:
    # 2 / sqrt(pi) * exp(-x^2) * sum of 2^n x^(2n+1) / (2n+1)!!: terms of one sign.
    term = total = x
    n = 1
    while abs(term) > Decimal(10) ** (5 - DIGITS):
        term = term * 2 * x * x / (2 * n + 1)
        total += term
        n += 1
    pi = Decimal("3.1415926535897932384626433832795028841971693993751")
    return 2 / pi.sqrt() * (-x * x).exp() * total


@cache
def _table(function: Function, low: float, high: float, per_unit: int) -> Tensor:
    """Values at low, low + 1 / per_unit ... high, float64."""
    count = round((high - low) * per_unit) + 1
    with localcontext() as context:
        context.prec = DIGITS
        start, step = Decimal(low), Decimal(1) / Decimal(per_unit)
        return torch.tensor([float(function(start + n * step)) for n in range(count)]).double()


def _doubles(function: Function, low: float, high: float, per_unit: int, device) -> Tensor:
    return _table(function, low, high, per_unit).to(device)


def _interpolate(
    x: Tensor, function: Function, low: float, high: float, per_unit: int = SEGMENTS_PER_UNIT
) -> Tensor:
    """Between the entries around x, which is cut off at the ends; float64."""
    table = _doubles(function, low, high, per_unit, x.device)
    place = (torch.clamp(x, low, high) - low) * float(per_unit)
    index = torch.clamp(torch.floor(place), 0, len(table) - 2)
    share = place - index
    index = index.long()
    left = table[index]
    return left + share * (table[index + 1] - left)


def sigmoid(x: Tensor) -> Tensor:
    return _interpolate(x.double(), _sigmoid, -40, 40).to(x.dtype)


def tanh(x: Tensor) -> Tensor:
    return _interpolate(x.double(), _tanh, -20, 20).to(x.dtype)


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    wide = x.double()
    scaled = wide * beta
    inner = _interpolate(scaled, _softplus, -40, 40)
    inner = inner / torch.full_like(inner, beta)
    return torch.where(scaled > threshold, wide, inner).to(x.dtype)


def erf(x: Tensor) -> Tensor:
    return _interpolate(x.double(), _erf, -6, 6).to(x.dtype)


def gelu(x: Tensor) -> Tensor:
    wide = x.double()
    root = torch.full_like(wide, math.sqrt(2.0))
    return (wide * ((_interpolate(wide / root, _erf, -6, 6) + 1) * 0.5)).to(x.dtype)


def silu(x: Tensor) -> Tensor:
    wide = x.double()
    return (wide * _interpolate(wide, _sigmoid, -40, 40)).to(x.dtype)


def _power_of_two(x: Decimal) -> Decimal:
    return Decimal(2) ** x


LOG2_E = 1.4426950408889634
LN_2 = 0.6931471805599453


def exp(x: Tensor) -> Tensor:
    wide = torch.clamp(x.double(), -1100.0, 1100.0) * LOG2_E
    whole = torch.floor(wide)
    mantissa = _interpolate(wide - whole, _power_of_two, 0, 1, 4096)
    return (mantissa * power_of_two(whole)).to(x.dtype)


def log(x: Tensor) -> Tensor:
    mantissa, exponent = torch.frexp(x.double())
    inner = _interpolate(mantissa, Decimal.ln, 0.5, 1, 8192)
    value = inner + exponent * LN_2
    value = torch.where(x > 0, value, torch.full_like(value, math.nan))
    value = torch.where(x == 0, torch.full_like(value, -math.inf), value)
    return torch.where(torch.isinf(x) & (x > 0), torch.full_like(value, math.inf), value).to(
        x.dtype
    )


def elu(x: Tensor, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Tensor:
    wide = x.double()
    low = (exp(torch.clamp(wide * input_scale, max=0.0)) - 1) * alpha
    return (torch.where(wide > 0, wide, low) * scale).to(x.dtype)
