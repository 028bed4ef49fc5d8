"""Sums of products in integers: inputs and weights scaled, rounded, and added up exactly (S5).

With x scaled by alpha and w by beta, no sum and no part of one exceeds 2**(S + 1), so the order of
additions does not matter: not in integers, and not in floating-point numbers that hold all integers
of that size. The factors are those of EP 4 156 691; what is rounded is cut off at the products of
factors and largest values, so that the inequality holds for the rounded numbers too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from samebits.errors import InvalidArgument

FLOAT64_BITS, FLOAT32_BITS = 52, 23
"""The largest S whose integers up to 2**(S + 1) these numbers hold."""
Product = Callable[[Tensor, Tensor], Tensor]
FACTORS = ("separate", "joint")
BOUNDS = ("l1", "worst")


@dataclass(frozen=True)
class Scaling:
    """How factors are chosen.

    Attributes
    ----------
    significant_bits : S, 8 ... 52. Up to 23 sums fit float32, above they are made in float64.
    factors : "joint": alpha = beta. "separate": alpha and beta such that the largest input and the
        largest weight get integers of about one size.
    bound : "worst": k*k*C times the largest weight bounds the weights of a sum, as in the document.
        "l1": the largest sum of magnitudes of an output's weights does, which is never more (X2).
    """

    significant_bits: int = FLOAT64_BITS
    factors: str = "separate"
    bound: str = "l1"

    def __post_init__(self) -> None:
        if not 8 <= self.significant_bits <= FLOAT64_BITS:
            raise InvalidArgument(
                f"significant_bits is {self.significant_bits}, must be 8 to {FLOAT64_BITS}"
            )
        if self.factors not in FACTORS:
            raise InvalidArgument(f"factors is {self.factors!r}, must be one of {FACTORS}")
        if self.bound not in BOUNDS:
            raise InvalidArgument(f"bound is {self.bound!r}, must be one of {BOUNDS}")


@dataclass(frozen=True)
class ScalingReport:
    """Factors of one operation.

    ``alpha`` : of the first sample. ``gained_bits`` : what the bound by magnitudes gains over the
    worst case.
    """

    alpha: float
    beta: float
    terms: int
    gained_bits: float


def factors_of(
    scaling: Scaling, *, terms: float, input_max: Tensor, weight_max: float, has_bias: bool
) -> tuple[Tensor, Tensor]:
    """Alpha and beta (B,) for sums of so many products, which leave room for a bias.

    ``input_max`` (B,) float64. Double precision, by operations that IEEE 754 rounds correctly.
    """
    limit = _limit(scaling, has_bias=has_bias)
    if scaling.factors == "joint":
        alpha = beta = torch.sqrt(limit / (input_max * weight_max * terms))
    else:
        root = math.sqrt(limit / terms)
        alpha, beta = root / input_max, torch.full_like(input_max, root / weight_max)
    return alpha, beta


def _limit(scaling: Scaling, *, has_bias: bool) -> int:
    """What sums of products may not exceed; with a bias, it may be as large again."""
    return 2 ** (scaling.significant_bits + (0 if has_bias else 1))


def scaled_sum(
    x: Tensor, weight: Tensor, bias: Tensor | None, scaling: Scaling, *, product: Product
) -> tuple[Tensor, ScalingReport | None]:
    """``product(x, weight)`` and a bias, by integers.

    Parameters
    ----------
    x : (B, ...). Every sample has factors of its own, so that it does not depend on the others.
    weight : (outputs, ...): a sum has at most the weights of one output.
    bias : (outputs,) or None.
    product : the exact operation on rounded values, (B, outputs, ...); linear in both.

    Raises
    ------
    InvalidArgument
        Values are not finite, or the bits are too few for so many terms.
    """
    if scaling.factors == "joint" and len(x) > 1:  # beta depends on the sample
        parts = [scaled_sum(one, weight, bias, scaling, product=product) for one in x.split(1)]
        return torch.cat([y for y, _ in parts]), parts[0][1]
    wide_x, wide_w = x.detach().double(), weight.detach().double()
    rows = wide_w.flatten(1)
    weight_max = _largest(rows, "a weight")
    if weight_max == 0 or x.numel() == 0:
        y = product(torch.zeros_like(wide_x), torch.zeros_like(wide_w))
        return _plus_bias(y, bias).to(x.dtype), None
    _largest(wide_x, "an input")
    input_max = wide_x.abs().flatten(1).amax(1)
    input_max = torch.where(input_max > 0, input_max, torch.ones_like(input_max))
    terms = rows.shape[1]
    # By how many of the largest weight the weights of an output are bounded.
    by_l1 = _sum_of_magnitudes(rows) / weight_max
    alpha, beta = factors_of(
        scaling,
        terms=by_l1 if scaling.bound == "l1" else float(terms),
        input_max=input_max,
        weight_max=weight_max,
        has_bias=bias is not None,
    )
    limit = _limit(scaling, has_bias=bias is not None)
    most_w = math.floor(float(beta[0]) * weight_max)
    w_q = torch.clamp(torch.round(wide_w * beta[0]), -most_w, most_w)
    # A sum of integers, exact in any order.
    sums = int(w_q.abs().flatten(1).sum(1).max())
    most_sum = sums if scaling.bound == "l1" else terms * most_w
    most_x = torch.clamp(torch.floor(alpha * input_max), max=float(limit // max(most_sum, 1)))
    if most_w < 1 or bool((most_x < 1).any()):
        raise InvalidArgument(
            f"{scaling.significant_bits} significant bits are too few for sums of {terms} products"
        )
    shape = (-1, *[1] * (x.ndim - 1))
    most_x = most_x.view(shape)
    x_q = torch.round(wide_x * alpha.view(shape))
    x_q = torch.minimum(torch.maximum(x_q, -most_x), most_x)
    fits_float32 = scaling.significant_bits <= FLOAT32_BITS and _float32_is_exact()
    container = torch.float32 if fits_float32 else torch.float64
    total = product(x_q.to(container), w_q.to(container)).double()
    factor = (alpha * beta).view(-1, *[1] * (total.ndim - 1))
    if bias is None:
        y = total / factor.expand_as(total)
    else:
        # A bias within the half of the range that is left for it is part of the integers; a larger
        # one is added behind.
        fits = factor * _largest(bias, "a bias") <= float(limit)
        wide = bias.detach().double().view(1, -1, *[1] * (total.ndim - 2)).expand_as(total)
        nothing = torch.zeros_like(wide)
        total = total + torch.where(fits, torch.round(wide * factor), nothing)
        y = total / factor.expand_as(total) + torch.where(fits, nothing, wide)
    y = y.to(x.dtype)
    return y, ScalingReport(float(alpha[0]), float(beta[0]), terms, math.log2(terms / by_l1))


def _plus_bias(y: Tensor, bias: Tensor | None) -> Tensor:
    return y if bias is None else y + bias.to(y.dtype).view(1, -1, *[1] * (y.ndim - 2))


def _largest(values: Tensor, what: str) -> float:
    largest = float(values.detach().abs().max())
    if not math.isfinite(largest):
        raise InvalidArgument(f"{what} of a network is not finite")
    return largest


def _sum_of_magnitudes(rows: Tensor) -> float:
    """The largest sum of magnitudes of a row, at least; the same for any order of additions."""
    return float(stable_total(rows.abs(), [1], keepdim=False).max()) * (1 + 2.0**-30)


def _float32_is_exact() -> bool:
    return torch.get_float32_matmul_precision() == "highest"


def convolution(
    x: Tensor,
    weight: Tensor,
    *,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    """2-d convolution of (B, C, H, W) as a product of matrices, which is only sums of products;
    other algorithms (Winograd's, Fourier's) go through numbers that are no integers."""
    outputs, per_group, height, width = weight.shape
    if (height, width) == (1, 1) and stride == [1, 1] and padding == [0, 0]:
        columns = x.flatten(2)
        out = list(x.shape[-2:])
    else:
        columns = F.unfold(x, (height, width), dilation=dilation, padding=padding, stride=stride)
        out = [
            (x.shape[2 + n] + 2 * padding[n] - dilation[n] * (weight.shape[2 + n] - 1) - 1)
            // stride[n]
            + 1
            for n in (0, 1)
        ]
    columns = columns.view(len(x), groups, per_group * height * width, -1)
    matrices = weight.reshape(groups, outputs // groups, -1)
    return torch.matmul(matrices, columns).view(len(x), outputs, *out)


def transposed_convolution(
    x: Tensor,
    weight: Tensor,
    *,
    stride: list[int],
    padding: list[int],
    output_padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    """The same for a transposed one: zeros between the inputs, then a convolution. ``weight`` is
    (outputs, C / groups, k, k), flipped already, see :func:`transposed_weight`."""
    batch, channels, height, width = x.shape
    spread = x.new_zeros(batch, channels, (height - 1) * stride[0] + 1, (width - 1) * stride[1] + 1)
    spread[:, :, :: stride[0], :: stride[1]] = x
    around = [dilation[n] * (weight.shape[2 + n] - 1) - padding[n] for n in (0, 1)]
    spread = F.pad(
        spread,
        (around[1], around[1] + output_padding[1], around[0], around[0] + output_padding[0]),
    )
    return convolution(
        spread, weight, stride=[1, 1], padding=[0, 0], dilation=dilation, groups=groups
    )


def transposed_weight(weight: Tensor, groups: int) -> Tensor:
    """(C, outputs / groups, k, k) of a transposed convolution as that of a convolution."""
    channels, outputs = weight.shape[:2]
    grouped = weight.view(groups, channels // groups, outputs, *weight.shape[2:])
    flipped = grouped.transpose(1, 2).flip(-1, -2)
    return flipped.reshape(groups * outputs, channels // groups, *weight.shape[2:])


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
) -> tuple[Tensor, ScalingReport | None]:
    """As aten::convolution, of (B, C, W) or (B, C, H, W), every sample with a factor of its own."""
    if x.ndim == 3:  # one dimension less: a height of 1
        wide = partial(_with_height, transposed=transposed)
        y, report = stable_convolution(
            x.unsqueeze(2),
            weight.unsqueeze(2),
            bias,
            *wide(stride=stride, padding=padding, dilation=dilation, output_padding=output_padding),
            groups,
            scaling,
        )
        return y.squeeze(2), report
    if x.ndim != 4:
        raise InvalidArgument(f"a convolution of {x.ndim - 2} dimensions cannot be made exact yet")
    options: dict = {
        "stride": _pair(stride),
        "padding": _pair(padding),
        "dilation": _pair(dilation),
        "groups": groups,
    }
    if transposed:
        weight = transposed_weight(weight, groups)
        product = partial(transposed_convolution, output_padding=_pair(output_padding), **options)
    else:
        product = partial(convolution, **options)
    return scaled_sum(x, weight, bias, scaling, product=product)


def _pair(values: list[int]) -> list[int]:
    return list(values) * 2 if len(values) == 1 else list(values)


def _with_height(*, stride, padding, dilation, output_padding, transposed: bool) -> tuple:
    return [1, *stride], [0, *padding], [1, *dilation], transposed, [0, *output_padding]


def stable_matmul(
    a: Tensor, b: Tensor, bias: Tensor | None, scaling: Scaling
) -> tuple[Tensor, ScalingReport | None]:
    """(n, k) times (k, m), every row of ``a`` with a factor of its own, so that rows do not depend
    on what else is in the batch. Factors are always separate: ``b`` would have joint ones for every
    row."""
    separate = replace(scaling, factors="separate")
    return scaled_sum(a, b.t(), bias, separate, product=lambda x, w: x @ w.t())


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
