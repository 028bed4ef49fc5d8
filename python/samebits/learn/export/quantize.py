"""Float convolutions to integer ones with a proof that no accumulator overflows (X2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

ACCUMULATOR_LIMIT = 2**31 - 1
WEIGHT_LIMIT = 3640
"""Largest weight magnitude: enough bits, and exact integer Winograd F(2x2) stays possible."""


@dataclass(frozen=True)
class IntegerConv:
    """Integers of one convolution, as docs/arithmetic.md 2 names them. Weight is OHWI."""

    weight: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    clamp: tuple[int, int]


@dataclass(frozen=True)
class Proof:
    """Bounds of one layer: the L1 bound in use and what k*k*C*m_i*m_k would have asked (S5)."""

    layer: str
    accumulator_bits: float
    worst_case_bits: float

    @property
    def bits_gained(self) -> float:
        return self.worst_case_bits - self.accumulator_bits


def multiplier_and_shift(ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers with multiplier / 2**shift nearest to ratio, multiplier below 2**16."""
    multiplier = np.zeros(ratio.shape, np.int32)
    shift = np.ones(ratio.shape, np.int32)
    for n, value in np.ndenumerate(ratio):
        if value <= 0:
            raise ValueError(f"scale ratio {value} is not positive")
        exponent = math.frexp(value)[1]  # value = f * 2**exponent, f in [0.5, 1)
        s = min(46, max(1, 16 - exponent))
        m = round(math.ldexp(value, s))
        if m > 65535:
            s, m = s - 1, round(math.ldexp(value, s - 1))
        if s < 1 or not 0 <= m <= 65535:
            raise ValueError(f"scale ratio {value} does not fit a 16-bit multiplier")
        multiplier[n], shift[n] = m, s
    return multiplier, shift


def weight_scales(
    weight: np.ndarray, input_limit: np.ndarray | int, bias_real: np.ndarray, input_scale: float
) -> np.ndarray:
    """Largest weight scale per output channel that keeps the proof and WEIGHT_LIMIT.

    ``weight`` (O, k, k, I) already is in units of integer inputs times ``input_scale``;
    ``input_limit`` (I,) bounds the integer inputs; ``bias_real`` (O,) or (Q, O) is in float units.
    """
    magnitude = np.abs(weight)
    per_unit = (magnitude * input_limit).sum((1, 2, 3)) + np.abs(bias_real).reshape(
        -1, len(weight)
    ).max(0) * input_scale
    rounding = weight[0].size * np.max(input_limit) * 0.5 + 1
    by_sum = (ACCUMULATOR_LIMIT - rounding) / np.maximum(per_unit, 1e-30)
    if (by_sum <= 0).any():
        raise ValueError("the inputs alone leave no room for weights in 31 bits")
    by_weight = WEIGHT_LIMIT / np.maximum(magnitude.max((1, 2, 3)), 1e-30)
    # A channel whose weights are all (nearly) zero needs no precision.
    return np.minimum(np.minimum(by_sum, by_weight), 2.0**24)


def quantize_conv(
    name: str,
    weight: np.ndarray,
    bias: np.ndarray,
    *,
    input_scale: float,
    input_limit: np.ndarray | int,
    output_scale: np.ndarray | float,
    clamp: tuple[int, int],
) -> tuple[IntegerConv, Proof]:
    """Integers of a float convolution.

    Parameters
    ----------
    weight : (O, k, k, I) float. bias : (O,) or (Q, O) float, one row per quality.
    input_scale : integer steps per float unit of the inputs.
    input_limit : bound of |x|, per channel.
    output_scale : integer steps per float unit of the output, a number or (O,).
    """
    weight = weight.astype(np.float64)
    limit = np.broadcast_to(np.asarray(input_limit, np.float64), (weight.shape[3],))
    scale = weight_scales(weight, limit, bias, input_scale)
    integers = np.floor(weight * scale[:, None, None, None] + 0.5).astype(np.int64)
    bias_integers = np.floor(bias.astype(np.float64) * scale * input_scale + 0.5).astype(np.int64)
    ratio = np.broadcast_to(np.asarray(output_scale, np.float64), scale.shape) / (
        scale * input_scale
    )
    multiplier, shift = multiplier_and_shift(np.maximum(ratio, 2.0**-46))
    proof = prove(name, integers, bias_integers, limit)
    conv = IntegerConv(
        integers.astype(np.int16), bias_integers.astype(np.int32), multiplier, shift, clamp
    )
    return conv, proof


def prove(name: str, weight: np.ndarray, bias: np.ndarray, limit: np.ndarray) -> Proof:
    """Check the no-overflow bound from the stored integers alone, and compare it with S5's."""
    sums = (np.abs(weight) * limit.astype(np.int64)).sum((1, 2, 3))
    sums = sums + np.abs(bias).reshape(-1, len(weight)).max(0)
    if sums.max() > ACCUMULATOR_LIMIT:
        channel = int(sums.argmax())
        raise ValueError(f"{name}: channel {channel} may reach {sums.max()}, above 2^31 - 1")
    worst = weight[0].size * float(limit.max()) * float(np.abs(weight).max())
    worst += float(np.abs(bias).max())
    return Proof(name, math.log2(max(1, int(sums.max()))), math.log2(max(1.0, worst)))
