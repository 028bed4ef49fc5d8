"""Sums of products of integers, the same in every container (S5).

An operation computes its sums in floating-point numbers that hold them, by products of matrices, or
in int32 by the kernels of the codec. All sums and parts of them stay within the container, so they
are exact in any order; other algorithms (Winograd's, Fourier's) would go through numbers that are
no integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..operators import conv2d
from .scaling import FLOAT32_BITS, Scaling
from .weights import IntegerWeights

MAX_CHANNELS = 65536
"""Most inputs or outputs of a convolution by the kernels."""
PATCHES = 2**24
"""Most entries of inputs laid out for a product of matrices at a time."""
FEWEST_INPUTS = 16
"""Sums of groups of fewer inputs are not worth a product of matrices."""


class Operation(Protocol):
    """A sum of products, linear in inputs and weights."""

    @property
    def name(self) -> str:
        """For reports."""
        ...

    def floating(self, x: Tensor, w: Tensor) -> Tensor:
        """Sums (B, outputs, ...) of floating-point numbers."""
        ...

    def native(self, x: Tensor, weights: IntegerWeights) -> Tensor | None:
        """The same of int16, in int32, or None where the kernels do not compute it."""
        ...


def exact_sums(operation: Operation, x: Tensor, weights: IntegerWeights, scaling: Scaling):
    """Sums (B, outputs, ...) of integers ``x`` (any floating-point dtype), as int32, float32 or
    float64."""
    container = scaling.container
    by_kernels = scaling.short and container in ("auto", "int32") and x.device.type == "cpu"
    if by_kernels and x.numel() > 0:
        total = operation.native(x.to(torch.int16), weights)
        if total is not None:
            return total
    narrow = scaling.significant_bits <= FLOAT32_BITS and container in ("auto", "float32")
    dtype = torch.float32 if narrow and _float32_is_exact() else torch.float64
    # Zeros without a sign, as those of int32.
    return operation.floating(x.to(dtype), weights.values.to(dtype)).add_(0.0)


def _float32_is_exact() -> bool:
    return torch.get_float32_matmul_precision() == "highest"


class Rows:
    """Rows (n, k) times weights (outputs, k): a linear layer, or a product of matrices."""

    name = "product"

    def floating(self, x: Tensor, w: Tensor) -> Tensor:
        return x @ w.t()

    def native(self, x: Tensor, weights: IntegerWeights) -> Tensor | None:
        if max(weights.values.shape) > MAX_CHANNELS:
            return None
        return _product(x, weights.values.to(torch.int16).contiguous())


def _product(rows: Tensor, matrix: Tensor) -> Tensor:
    """(n, k) int16 times (outputs, k) int16: (n, outputs) int32."""
    return conv2d(rows.contiguous()[None, :, None], matrix[:, None, None])[0, :, 0]


@dataclass(frozen=True)
class Convolution:
    """Of (B, C, H, W) with weights (outputs, C / groups, k, k); pairs are (vertical, horizontal).

    A transposed one takes weights that :func:`transposed_weight` made.
    """

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    transposed: bool = False
    output_padding: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        return "transposed convolution" if self.transposed else "convolution"

    def floating(self, x: Tensor, w: Tensor) -> Tensor:
        if not self.transposed:
            return _unfolded(x, w, self)
        # Zeros between the inputs, then a convolution.
        batch, channels, height, width = x.shape
        down, across = self.stride
        spread = x.new_zeros(batch, channels, (height - 1) * down + 1, (width - 1) * across + 1)
        spread[:, :, ::down, ::across] = x
        (top, left), (below, right) = self._around(w.shape[2:]), self.output_padding
        spread = F.pad(spread, (left, left + right, top, top + below))
        return _unfolded(spread, w, replace(_PLAIN, dilation=self.dilation, groups=self.groups))

    def _around(self, kernel: Sequence[int]) -> tuple[int, int]:
        """Zeros around the spread inputs of a transposed convolution; may be negative."""
        around = [self.dilation[n] * (kernel[n] - 1) - self.padding[n] for n in (0, 1)]
        return around[0], around[1]

    def native(self, x: Tensor, weights: IntegerWeights) -> Tensor | None:
        if not self.transposed:
            weight = weights.layout("last", _channels_last)
            total = _native(_channels_last(x), weight, self)
        elif self.dilation == (1, 1):
            total = _phases(_channels_last(x), weights, self)
        else:
            return None
        return None if total is None else _channels_first(total)


_PLAIN = Convolution((1, 1), (0, 0))


def transposed_weight(weight: Tensor, groups: int) -> Tensor:
    """(C, outputs / groups, k, k) of a transposed convolution as that of a convolution."""
    channels, outputs = weight.shape[:2]
    grouped = weight.view(groups, channels // groups, outputs, *weight.shape[2:])
    flipped = grouped.transpose(1, 2).flip(-1, -2)
    return flipped.reshape(groups * outputs, channels // groups, *weight.shape[2:])


def _out_size(size: Sequence[int], kernel: Sequence[int], geometry: Convolution) -> list[int]:
    return [
        (size[n] + 2 * geometry.padding[n] - geometry.dilation[n] * (kernel[n] - 1) - 1)
        // geometry.stride[n]
        + 1
        for n in (0, 1)
    ]


def _unfolded(x: Tensor, weight: Tensor, geometry: Convolution) -> Tensor:
    """A convolution as a product of matrices."""
    outputs, per_group, *kernel = weight.shape
    if kernel == [1, 1] and geometry.stride == (1, 1) and geometry.padding == (0, 0):
        columns = x.flatten(2)
    else:
        columns = F.unfold(
            x,
            (kernel[0], kernel[1]),
            dilation=geometry.dilation,
            padding=geometry.padding,
            stride=geometry.stride,
        )
    groups = geometry.groups
    columns = columns.view(len(x), groups, per_group * math.prod(kernel), columns.shape[-1])
    matrices = weight.reshape(groups, outputs // groups, -1)
    sums = torch.matmul(matrices, columns)
    return sums.view(len(x), outputs, *_out_size(x.shape[2:], kernel, geometry))


def _channels_last(x: Tensor) -> Tensor:
    """(B, C, H, W) int16 as a contiguous (B, H, W, C)."""
    last = x.permute(0, 2, 3, 1)
    if last.is_contiguous():
        return last
    return _swapped(x.flatten(2)).view(last.shape)


def _channels_first(x: Tensor) -> Tensor:
    """(B, H, W, C) as a contiguous (B, C, H, W)."""
    return _swapped(x.flatten(1, 2)).view(len(x), x.shape[3], *x.shape[1:3])


def _swapped(x: Tensor) -> Tensor:
    """(B, n, m) as (B, m, n); torch transposes a matrix faster than anything else."""
    out = x.new_empty(len(x), x.shape[2], x.shape[1])
    for one, other in zip(out, x, strict=True):
        one.copy_(other.t())
    return out


def _native(x: Tensor, weight: Tensor, geometry: Convolution) -> Tensor | None:
    """(B, H, W, C) and (outputs, k, k, C / groups), int16; gives (B, OH, OW, outputs), int32."""
    outputs, height, width, per_group = weight.shape
    groups = geometry.groups
    simple = (
        geometry.dilation == (1, 1)
        and geometry.stride[0] == geometry.stride[1]
        and geometry.padding[0] == geometry.padding[1]
    )
    # What the vector kernels compute.
    fast = (
        simple
        and height == width
        and height in (1, 3)
        and geometry.padding[0] == height // 2
        and geometry.stride[0] <= 2
        and (groups == 1 or groups == outputs == x.shape[3])
    )
    inputs = height * width * per_group
    if not fast and inputs >= FEWEST_INPUTS and inputs <= MAX_CHANNELS >= outputs:
        return _by_patches(x, weight, geometry)
    if not simple or max(x.shape[3], outputs) > MAX_CHANNELS:
        return None
    return conv2d(x, weight, stride=geometry.stride[0], padding=geometry.padding[0], groups=groups)


def _by_patches(x: Tensor, weight: Tensor, geometry: Convolution) -> Tensor:
    """Inputs of each sum side by side, some rows of outputs at a time."""
    outputs, *kernel, per_group = weight.shape
    down, across = geometry.padding
    x = F.pad(x, (0, 0, across, across, down, down)).contiguous()
    rows, columns = _out_size(x.shape[1:3], kernel, replace(geometry, padding=(0, 0)))
    out = torch.empty(len(x), rows, columns, outputs, dtype=torch.int32)
    inputs = math.prod(kernel) * per_group
    step = max(1, PATCHES // (columns * inputs))
    of_group = outputs // geometry.groups
    for group in range(geometry.groups):
        chosen = slice(group * of_group, (group + 1) * of_group)
        matrix = weight[chosen].reshape(of_group, inputs)
        for sample, into in zip(x[..., group * per_group :], out, strict=True):
            patches = sample.as_strided(
                (rows, columns, *kernel, per_group),
                (
                    sample.stride(0) * geometry.stride[0],
                    sample.stride(1) * geometry.stride[1],
                    sample.stride(0) * geometry.dilation[0],
                    sample.stride(1) * geometry.dilation[1],
                    1,
                ),
            )
            for some, part in zip(patches.split(step), into.split(step), strict=True):
                sums = _product(some.reshape(-1, inputs), matrix)
                part[..., chosen] = sums.view(*part.shape[:2], of_group)
    return out


def _phases(x: Tensor, weights: IntegerWeights, geometry: Convolution) -> Tensor | None:
    """A transposed convolution: outputs at every stride-th place are an ordinary convolution of
    their own, with every stride-th weight."""
    size, kernel = x.shape[1:3], weights.values.shape[2:]
    around = geometry._around(kernel)
    out_size = [
        (size[n] - 1) * geometry.stride[n]
        + 2 * around[n]
        + geometry.output_padding[n]
        + 2
        - kernel[n]
        for n in (0, 1)
    ]
    out = torch.zeros(len(x), *out_size, len(weights.values), dtype=torch.int32)
    for down in range(geometry.stride[0]):
        for across in range(geometry.stride[1]):
            vertical, horizontal = (
                _phase(place, size[n], kernel[n], around[n], out_size[n], geometry.stride[n])
                for n, place in ((0, down), (1, across))
            )
            if vertical is None or horizontal is None:
                continue
            (v, top, bottom), (h, left, right) = vertical, horizontal
            weight = weights.layout((v.start, h.start), partial(_part, spans=(v, h)))
            padded = F.pad(x, (0, 0, left, right, top, bottom)).contiguous()
            total = _native(padded, weight, replace(_PLAIN, groups=geometry.groups))
            if total is None:
                return None
            out[:, down :: geometry.stride[0], across :: geometry.stride[1]] = total
    return out


def _phase(
    place: int, size: int, kernel: int, around: int, out_size: int, stride: int
) -> tuple[slice, int, int] | None:
    """In one dimension, for outputs at ``place`` and every stride-th from there: which weights, and
    how many zeros stand before and behind the inputs; None where there are no weights."""
    first = (around - place) % stride
    weights = len(range(first, kernel, stride))
    outputs = len(range(place, out_size, stride))
    if weights == 0 or outputs == 0:
        return None
    shift = (place + first - around) // stride  # of the first input, exact
    return slice(first, None, stride), -shift, outputs + weights - 1 + shift - size


def _part(values: Tensor, *, spans: tuple[slice, slice]) -> Tensor:
    """Some of the weights, (outputs, C / groups, k, k), with channels last."""
    return _channels_last(values[:, :, spans[0], spans[1]].contiguous())
