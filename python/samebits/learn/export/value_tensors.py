"""The tensors of a probability per value besides its network (docs/arithmetic.md 9)."""

from __future__ import annotations

import math

import numpy as np
import torch

from ..models.value_head import ValueHead
from .quantize import ACCUMULATOR_LIMIT, Proof
from .scales import FULL_LIMIT

LOGIT_SCALE = 256
"""Integer steps of a logit per octave."""
LOGIT_LIMIT = 2**14
SHAPE_LIMIT = 2**15 - 1
MAX_SHIFT = 30


def add_value_head(
    tensors: dict[str, np.ndarray],
    proofs: list[Proof],
    head: ValueHead,
    coefficient_scale: np.ndarray,
) -> None:
    """Add base, shapes, shift and rows; the proof of the sums goes to ``proofs``.

    Parameters
    ----------
    coefficient_scale : (J,), integer steps per unit of each coefficient.
    """
    per_step = head.shapes.detach().double().numpy() * LOGIT_SCALE / coefficient_scale
    shapes, shift, bound = quantize_shapes(per_step, limit=FULL_LIMIT)
    worst = shapes.shape[1] * float(np.abs(shapes).max()) * FULL_LIMIT
    proofs.append(Proof("values.shapes", math.log2(bound), math.log2(max(worst, bound))))
    log2_mass = torch.log_softmax(head.base.detach().double() * math.log(2), 1) / math.log(2)
    base = np.floor(log2_mass.numpy() * LOGIT_SCALE + 0.5)
    tensors["values.base"] = np.clip(base, -LOGIT_LIMIT, LOGIT_LIMIT - 1).astype(np.int16)
    tensors["values.shapes"] = shapes
    tensors["values.shift"] = np.array([shift], np.int32)
    tensors["values.rows"] = np.array([head.first_row, head.end_row], np.int32)


def quantize_shapes(per_step: np.ndarray, *, limit: int) -> tuple[np.ndarray, int, int]:
    """Integer shapes (n, J), their shift, and the proven bound of every sum over coefficients.

    Parameters
    ----------
    per_step : (n, J), what a step of each coefficient adds to each logit.
    limit : bound of the coefficients.

    Raises
    ------
    ValueError
        If even without a shift the sums do not fit 31 bits.
    """
    for shift in range(MAX_SHIFT, -1, -1):
        shapes = np.floor(per_step * 2.0**shift + 0.5)
        half = 1 << (shift - 1) if shift else 0
        bound = int(np.abs(shapes).sum(1).max()) * limit + half
        if np.abs(shapes).max() <= SHAPE_LIMIT and bound <= ACCUMULATOR_LIMIT:
            return shapes.astype(np.int16), shift, max(bound, 1)
    raise ValueError("values.shapes: the sums over the coefficients do not fit 31 bits")
