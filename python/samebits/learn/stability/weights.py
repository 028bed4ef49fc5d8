"""Weights of sums of products, with what does not depend on inputs kept for the next call (S5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from samebits.errors import InvalidArgument

from .scaling import INT16_MAX
from .totals import power_of_two, stable_total

ROUNDS = 3
"""Scaling channels of inputs changes those of outputs, and the other way round."""
MOST_EXPONENT = 40


@dataclass(frozen=True)
class IntegerWeights:
    """Weights scaled and rounded.

    Attributes
    ----------
    values : (outputs, ...) integers; int16 if they fit, else float64.
    largest : the largest magnitude.
    sums : the largest sum of magnitudes of an output.
    """

    values: Tensor
    largest: int
    sums: int
    layouts: dict[Any, Any] = field(default_factory=dict, repr=False)

    def layout(self, key: Any, make: Callable[[Tensor], Any]) -> Any:
        """``make(values)``, made once for a key."""
        if key not in self.layouts:
            self.layouts[key] = make(self.values)
        return self.layouts[key]


class Weights:
    """Weights (outputs, C / groups, ...) and what bounds their sums.

    With ``balance``, channels of inputs and outputs are scaled by powers of two, which is exact, so
    that weights of all channels are of about one size: less is lost where they are rounded.

    Attributes
    ----------
    values : float64, scaled.
    inputs : (C,) float64, what inputs are to be multiplied with; None for ones.
    outputs : (outputs,) float64, what sums are to be divided by; None for ones.
    largest : the largest magnitude; 1 where all are zero.
    terms : of a sum.
    by_magnitudes : by how many of the largest weight those of an output are bounded, at most terms.

    Raises
    ------
    InvalidArgument
        A weight is not finite.
    """

    def __init__(self, values: Tensor, *, groups: int = 1, balance: bool = True) -> None:
        self.values = values.detach().double()
        largest = finite_max(self.values, "a weight")
        self.inputs: Tensor | None = None
        self.outputs: Tensor | None = None
        if balance and largest > 0:
            self.values, self.inputs, self.outputs = _balanced(self.values, groups)
            largest = float(self.values.abs().max())
        rows = self.values.flatten(1)
        self.largest = largest if largest > 0 else 1.0
        self.terms = rows.shape[1]
        # Of a total that is the same for any order of additions, a little more.
        total = float(stable_total(rows.abs(), [1], keepdim=False).max()) * (1 + 2.0**-30)
        self.by_magnitudes = total / largest if largest > 0 else 1.0
        self.rounded: tuple[tuple[float, int | None], IntegerWeights] | None = None

    def integers(self, beta: float, *, most: int | None = None) -> IntegerWeights:
        """Weights times beta, rounded, and cut off at ``most``; the last ones are kept."""
        if self.rounded is None or self.rounded[0] != (beta, most):
            values = torch.round(self.values * beta)
            values = values if most is None else torch.clamp(values, -most, most)
            magnitudes = values.abs().flatten(1)
            largest = int(magnitudes.max())
            found = IntegerWeights(
                values.to(torch.int16) if largest <= INT16_MAX else values,
                largest,
                int(magnitudes.sum(1).max()),  # of integers, exact in any order
            )
            self.rounded = (beta, most), found
        return self.rounded[1]


@dataclass(frozen=True)
class _Kept:
    copy: Tensor
    weights: Weights


_kept: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def kept_weights(
    weight: Tensor,
    *,
    groups: int = 1,
    balance: bool = True,
    arrange: Callable[[Tensor], Tensor] | None = None,
) -> Weights:
    """``Weights(arrange(weight))``, kept as long as the tensor that owns the memory lives and the
    values are what they were, which is compared: no change of a model goes unnoticed."""
    owner = weight if weight._base is None else weight._base
    places: dict[tuple, _Kept] = _kept.setdefault(owner, {})  # pyright: ignore
    memory = (tuple(weight.shape), weight.stride(), weight.storage_offset())
    place = (*memory, groups, balance, arrange is None)
    found = places.get(place)
    if found is None or not torch.equal(found.copy, weight):
        copy = weight.detach().clone()
        values = copy if arrange is None else arrange(copy)
        found = _Kept(copy, Weights(values, groups=groups, balance=balance))
        places[place] = found
    return found.weights


def _balanced(values: Tensor, groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, and powers of two for channels of inputs and outputs, see :class:`Weights`."""
    grouped = values.abs().reshape(groups, len(values) // groups, values.shape[1], -1)
    inputs = torch.ones_like(grouped[:, :1, :, :1])
    outputs = torch.ones_like(grouped[:, :, :1, :1])
    for _ in range(ROUNDS):
        # Half of the exponent: the other half of what an input's weights differ by is assumed to be
        # in the inputs.
        largest = (grouped * outputs).amax((1, 3), keepdim=True)
        inputs = power_of_two(_exponent(largest) // 2)
        sums = stable_total(grouped / inputs, [2, 3], keepdim=True)
        outputs = power_of_two(-_exponent(sums))
    around = (*values.shape[:2], *[1] * (values.ndim - 2))
    scale = (outputs / inputs).reshape(around)
    return values * scale, inputs.flatten(), outputs.flatten()


def _exponent(values: Tensor) -> Tensor:
    """Of numbers in binary; 0 for 0."""
    return torch.clamp(torch.frexp(values)[1], -MOST_EXPONENT, MOST_EXPONENT)


def finite_max(values: Tensor, what: str) -> float:
    """The largest magnitude.

    Raises
    ------
    InvalidArgument
        A value is not finite.
    """
    largest = float(values.detach().abs().max())
    if not math.isfinite(largest):
        raise InvalidArgument(f"{what} of a network is not finite")
    return largest
