"""What values of some channels at each phase add to the sums of a 3 x 3 layer.

A convolution of the whole tensor would multiply mostly zeros: a step of the default order codes a
quarter of the channels at each of the four phases. Here each value is multiplied by the weights
that lead from it to its nine neighbors, and the products are added where they belong.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

KERNEL = 3
PHASES = 4


def taps_of(weight: Tensor) -> Tensor:
    """The weights (C1, M, 3, 3) of a layer as rows per input channel, (M, 9 * C1)."""
    return weight.permute(1, 2, 3, 0).flatten(1)


def sparse_context(values: Tensor, channels: Tensor, taps: Tensor, size: tuple) -> Tensor:
    """Sums (B, C1, h, w) of a convolution with zero padding 1, float32, channels last in memory.

    Parameters
    ----------
    values : (4, N, n) of the positions of each phase, N = B * h/2 * w/2, as ``split_phases``.
    channels : (4, n) int64, the channels that the values belong to.
    taps : :func:`taps_of` the weights. size : (h, w), even.
    """
    if torch.is_autocast_enabled(values.device.type):
        low = torch.get_autocast_dtype(values.device.type)
        values, taps = values.to(low), taps.to(low)
    return _SparseContext.apply(values, channels, taps, size)


def _places(padded: Tensor, phase: int) -> list[Tensor]:
    """Where the products of a phase's values with each tap go in padded (B, h + 2, w + 2, C1)."""
    height, width = padded.shape[1] - 2, padded.shape[2] - 2
    rows = [slice(phase // 2 + 2 - k, phase // 2 + 2 - k + height, 2) for k in range(KERNEL)]
    columns = [slice(phase % 2 + 2 - k, phase % 2 + 2 - k + width, 2) for k in range(KERNEL)]
    return [padded[:, r, c] for r in rows for c in columns]


class _SparseContext(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values: Tensor, channels: Tensor, taps: Tensor, size: tuple) -> Tensor:
        height, width = size
        used = taps[channels]  # (4, n, 9 * C1)
        products = torch.bmm(values, used).unflatten(2, (KERNEL**2, -1))
        batch = values.shape[1] * PHASES // (height * width)
        padded = products.new_zeros(
            (batch, height + 2, width + 2, products.shape[-1]),
            dtype=torch.promote_types(values.dtype, torch.float32),
        )
        for phase, one in enumerate(products):
            by_tap = one.unflatten(0, (batch, height // 2, width // 2)).unbind(3)
            for place, product in zip(_places(padded, phase), by_tap, strict=True):
                place.add_(product)
        ctx.save_for_backward(values, channels, used)
        ctx.inputs = len(taps)
        return padded[:, 1:-1, 1:-1].permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):  # type: ignore[override]
        values, channels, used = ctx.saved_tensors
        rows = gradient.permute(0, 2, 3, 1).to(values.dtype)
        padded = torch.nn.functional.pad(rows, (0, 0, 1, 1, 1, 1))
        count, outputs = values.shape[1], padded.shape[-1]
        products = values.new_empty(PHASES, count, KERNEL**2, outputs)
        for phase, one in enumerate(products):
            by_tap = one.view(*(rows.shape[0], rows.shape[1] // 2, rows.shape[2] // 2), -1, outputs)
            for tap, place in enumerate(_places(padded, phase)):
                by_tap[:, :, :, tap].copy_(place)
        products = products.flatten(2)
        of_values = torch.bmm(products, used.transpose(1, 2))
        of_used = torch.bmm(values.transpose(1, 2), products)
        of_taps = of_used.new_zeros(ctx.inputs, used.shape[-1])
        of_taps.index_add_(0, channels.flatten(), of_used.flatten(0, 1))
        return of_values, None, of_taps, None
