"""Sums of products in integers: inputs and weights scaled, rounded, and added up exactly (S5).

With x scaled by alpha and w by beta, every sum and every part of one stays below 2**(S + 1), so the
order of additions does not matter: not in integers, and not in floating-point numbers that hold all
integers of that size. The factors are those of EP 4 156 691; what is rounded is cut off at the
products of factors and largest values, so that the inequality holds for the rounded numbers too.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from samebits.errors import CorruptStream, InvalidArgument

from .containers import Convolution, Operation, Rows, exact_sums, transposed_weight
from .scaling import INT16_MAX, Scaling, ScalingReport, factors_of
from .weights import IntegerWeights, Weights, finite_max, kept_weights

SMALLEST_INPUT = 2.0**-96
"""An input whose values are all smaller is scaled as if this were the largest."""


def scaled_sum(
    x: Tensor,
    weights: Weights,
    bias: Tensor | None,
    scaling: Scaling,
    operation: Operation,
    given: tuple[float, float] | None = None,
) -> tuple[Tensor, ScalingReport | None]:
    """``operation`` on x and weights, and a bias, by integers.

    Parameters
    ----------
    x : (B, ...). Every sample has factors of its own, so that it does not depend on the others.
    bias : (outputs,) or None.
    given : alpha and beta for all samples, in place of such factors.

    Returns
    -------
    (B, outputs, ...) of x's dtype, and the factors; None for an empty x.

    Raises
    ------
    InvalidArgument
        Values are not finite, or the bits are too few for so many terms.
    CorruptStream
        With the factors given, sums could overflow.
    """
    if x.numel() == 0:
        return operation.floating(x.double(), weights.values).to(x.dtype), None
    if scaling.factors == "joint" and len(x) > 1 and given is None:  # beta depends on the sample
        parts = [scaled_sum(one, weights, bias, scaling, operation) for one in x.split(1)]
        smallest = min((part for _, part in parts if part is not None), key=lambda one: one.alpha)
        return torch.cat([y for y, _ in parts]), smallest
    dtype = x.dtype
    # Integers of 16 bits are as exact from float32.
    x = x.detach().to(torch.float32 if scaling.short and dtype != torch.float64 else torch.float64)
    if weights.inputs is not None:
        x = x * weights.inputs.to(x.dtype).view(1, -1, *[1] * (x.ndim - 2))
    input_max = _input_max(x)
    room = scaling.room(has_bias=bias is not None)
    choose = _chosen if given is None else partial(_checked, given=given)
    alpha, beta, integers, most = choose(x.dtype, input_max, weights, scaling, room=room)
    shape = (-1, *[1] * (x.ndim - 1))
    x_q = (x * alpha.to(x.dtype).view(shape)).round_()
    if most is not None:
        bound = most.to(x.dtype).view(shape)
        x_q = x_q.clamp_(-bound, bound)
    total = exact_sums(operation, x_q, integers, scaling)
    factor = (alpha * beta).view(-1, *[1] * (total.ndim - 1))
    if weights.outputs is not None:
        factor = factor * weights.outputs.view(1, -1, *[1] * (total.ndim - 2))
    y = _scaled_back(total, factor, bias, float(room)).to(dtype)
    used = alpha[input_max > 0] if len(alpha) > 1 else alpha
    report = ScalingReport(
        operation.name,
        tuple(weights.values.shape),
        float((used if len(used) else alpha).min()),
        beta,
        weights.terms,
        math.log2(weights.terms / weights.by_magnitudes),
    )
    return y, report


Chosen = tuple[Tensor, float, IntegerWeights, Tensor | None]
"""Alpha (B,) float64, beta, the weights, and what rounded inputs are cut off at (B,)."""


def _chosen(
    dtype: torch.dtype, input_max: Tensor, weights: Weights, scaling: Scaling, *, room: int
) -> Chosen:
    """Factors of the document."""
    some = torch.clamp(input_max, min=SMALLEST_INPUT)
    alpha, betas = factors_of(
        scaling,
        terms=weights.by_magnitudes if scaling.bound == "l1" else float(weights.terms),
        input_max=torch.where(input_max > 0, some, torch.ones_like(some)),
        weight_max=weights.largest,
        room=room,
    )
    alpha, beta = alpha.to(dtype).double(), float(betas[0])
    integers = weights.integers(beta, most=math.floor(beta * weights.largest))
    most = torch.floor(alpha * torch.where(input_max > 0, some, torch.ones_like(some)))
    most = torch.clamp(most, max=float((room - 1) // max(_most_weights(integers, scaling), 1)))
    if scaling.short:
        most = torch.clamp(most, max=float(INT16_MAX))
    if beta * weights.largest < 1 or bool((most < 1).any()):
        raise InvalidArgument(
            f"{scaling.significant_bits} significant bits are too few for sums of "
            f"{weights.terms} products"
        )
    return alpha, beta, integers, most


def _checked(
    dtype: torch.dtype,
    input_max: Tensor,
    weights: Weights,
    scaling: Scaling,
    *,
    room: int,
    given: tuple[float, float],
) -> Chosen:
    """Factors from a stream, if no sum can overflow with them."""
    alpha = torch.full((1,), given[0], dtype=dtype, device=input_max.device)
    integers = weights.integers(given[1])
    most_x = float(torch.round(input_max.to(dtype) * alpha).max())
    bound = most_x * _most_weights(integers, scaling)  # may be infinite; exact where it matters
    if bound >= room or (scaling.short and max(most_x, integers.largest) > INT16_MAX):
        raise CorruptStream(
            f"overflow: with factors {given[0]:g} and {given[1]:g} sums of {weights.terms} "
            f"products could reach {bound:g}, inputs {most_x:g} and weights "
            f"{integers.largest:g}, which {scaling.significant_bits} significant bits do not hold"
        )
    return alpha.double(), given[1], integers, None


def _most_weights(integers: IntegerWeights, scaling: Scaling) -> int:
    """What the weights of a sum add up to at most."""
    if scaling.bound == "l1":
        return integers.sums
    return integers.values[0].numel() * integers.largest


def _input_max(x: Tensor) -> Tensor:
    """The largest magnitude of each sample, (B,) float64."""
    largest = x.abs().amax(list(range(1, x.ndim))).double()
    if not bool(torch.isfinite(largest).all()):
        raise InvalidArgument("an input of a network is not finite")
    return largest


def _scaled_back(total: Tensor, factor: Tensor, bias: Tensor | None, room: float) -> Tensor:
    """(total + bias * factor) / factor, float64, with the bias rounded."""
    wide = total.double()
    if bias is None:
        return wide.div_(factor.expand_as(wide))
    finite_max(bias, "a bias")
    # A bias within the half of the range that is left for it is part of the integers; a larger one
    # is added behind.
    wide_bias = bias.detach().double().view(1, -1, *[1] * (total.ndim - 2))
    scaled = wide_bias * factor
    fits = scaled.abs() <= room
    zero = torch.zeros_like(scaled)
    wide.add_(torch.where(fits, torch.round(scaled), zero)).div_(factor.expand_as(wide))
    return wide if bool(fits.all()) else wide.add_(torch.where(fits, zero, wide_bias))


def stable_convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
    scaling: Scaling,
    given: tuple[float, float] | None = None,
) -> tuple[Tensor, ScalingReport | None]:
    """As aten::convolution, of (B, C, W) or (B, C, H, W), every sample with a factor of its own."""
    if x.ndim == 3:  # one dimension less: a height of 1
        y, report = stable_convolution(
            x.unsqueeze(2),
            weight.unsqueeze(2),
            bias,
            [1, *stride],
            [0, *padding],
            [1, *dilation],
            transposed,
            [0, *output_padding],
            groups,
            scaling,
            given,
        )
        return y.squeeze(2), report
    if x.ndim != 4:
        raise InvalidArgument(f"a convolution of {x.ndim - 2} dimensions cannot be made exact yet")
    operation = Convolution(
        _pair(stride), _pair(padding), _pair(dilation), groups, transposed, _pair(output_padding)
    )
    arrange = partial(transposed_weight, groups=groups) if transposed else None
    balance = scaling.balance == "channels"
    weights = kept_weights(weight, groups=groups, balance=balance, arrange=arrange)
    return scaled_sum(x, weights, bias, scaling, operation, given)


def _pair(values: list[int]) -> tuple[int, int]:
    return values[0], values[-1]


def stable_rows(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    scaling: Scaling,
    given: tuple[float, float] | None = None,
    *,
    keep: bool = True,
) -> tuple[Tensor, ScalingReport | None]:
    """(n, k) times weights (outputs, k), every row with a factor of its own, so that rows do not
    depend on what else is in the batch.

    Factors are always separate, as joint ones would be other weights for every row; for the same
    reason a bias is added behind. ``keep`` : whether the weights will be used again; others are not
    balanced, which would take longer than it is worth.
    """
    if keep:
        weights = kept_weights(weight, balance=scaling.balance == "channels")
    else:
        weights = Weights(weight, balance=False)
    separate = replace(scaling, factors="separate")
    y, report = scaled_sum(x, weights, None, separate, Rows(), given)
    return (y if bias is None else y + bias.to(y.dtype)), report
