"""Residual blocks and pointwise layers in the package's own C++, for training on processors.

The same functions as layers of :mod:`samebits.learn.models.network`, forward and backward in one
pass each, on one thread. ``precision`` says how products are computed:

* ``"fp32"``: everything in float32.
* ``"bf16"``: both factors of a product are rounded to bfloat16, sums are float32, and so is the
  residual stream (x, m and out below, and their gradients). The depthwise convolution reads a
  rounded input and has float32 weights.

The same input gives the same bits, for one precision on one kind of processor. Tensors are float32
on the CPU. Gradients can be taken once, not twice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from samebits import _core
from samebits.errors import InvalidArgument

__all__ = ["BlockParameters", "depthwise_block", "pointwise", "precisions", "supports_block"]

CHANNEL_STEP = 16
KERNELS = (3, 5, 7)


class BlockParameters(NamedTuple):
    """Parameters of :func:`depthwise_block`, float32, for C channels and an inner width of E.

    Matrices may have the two trailing ones of a convolution: (C, C, 1, 1) for (C, C).

    Attributes
    ----------
    w1, b1 : (C, C), (C,)
    wd, bd : (C, 1, k, k) or (C, k, k), (C,)
    w2, b2 : (C, C), (C,)
    w3, b3 : (E, C), (E,)
    w4, b4 : (C, E), (C,)
    """

    w1: Tensor
    b1: Tensor
    wd: Tensor
    bd: Tensor
    w2: Tensor
    b2: Tensor
    w3: Tensor
    b3: Tensor
    w4: Tensor
    b4: Tensor


def precisions() -> list[str]:
    """Precisions that are fast with the target in use: of ``"fp32"`` and ``"bf16"``, or none.

    ``"bf16"`` needs the instructions AVX512-BF16. On other processors it runs in plain C++, which
    is only good for tests, and is not in this list.
    """
    return _core.training.fast_precisions()


def supports_block(*, channels: int, inner: int, kernel: int, precision: str) -> bool:
    """Whether :func:`depthwise_block` takes these widths and kernel, and is fast.

    Parameters
    ----------
    channels
        C, a multiple of 16.
    inner
        E, a multiple of 16.
    kernel
        Side of the depthwise kernel: 3, 5 or 7.
    precision
        ``"fp32"`` or ``"bf16"``.
    """
    widths = channels % CHANNEL_STEP == 0 and inner % CHANNEL_STEP == 0
    return widths and kernel in KERNELS and precision in precisions()


def depthwise_block(
    x: Tensor, parameters: BlockParameters, *, slope: float, precision: str
) -> Tensor:
    """A residual block of two branches.

    a = leaky(W1 x + b1), d = depthwise(a) + bd with zero padding, m = x + W2 d + b2;
    e = leaky(W3 m + b3), out = m + W4 e + b4.

    Parameters
    ----------
    x
        (B, C, H, W), float32. In the memory format ``torch.channels_last`` it is not copied.
    parameters
        See :class:`BlockParameters`; C and E are multiples of 16, k is 3, 5 or 7.
    slope
        Of leaky below 0, within 0 ... 1.
    precision
        ``"fp32"`` or ``"bf16"``; see :func:`precisions`.

    Returns
    -------
    Tensor
        (B, C, H, W), float32, channels-last.

    Raises
    ------
    InvalidArgument
        A shape, a type or a width is not as above.
    """
    _check(slope, x=x, **parameters._asdict())
    _check_axes(x)
    return _DepthwiseBlock.apply(x, slope, precision, *parameters)


def pointwise(
    x: Tensor, weight: Tensor, bias: Tensor, *, slope: float | None, precision: str
) -> Tensor:
    """A 1x1 convolution, and leaky unless the slope is None: leaky(W x + b).

    Parameters
    ----------
    x
        (B, I, H, W), float32. In the memory format ``torch.channels_last`` it is not copied, if I
        is a multiple of 16.
    weight
        (O, I) or (O, I, 1, 1), float32. Widths that are not multiples of 16 are padded with zeros.
    bias
        (O,), float32.
    slope
        Of leaky below 0, within 0 ... 1, or None.
    precision
        ``"fp32"`` or ``"bf16"``; see :func:`precisions`.

    Returns
    -------
    Tensor
        (B, O, H, W), float32, channels-last.

    Raises
    ------
    InvalidArgument
        A shape or a type is not as above.
    """
    _check(slope, x=x, weight=weight, bias=bias)
    _check_axes(x)
    outputs, inputs = weight.shape[0], x.shape[1]
    if weight.shape not in ((outputs, inputs), (outputs, inputs, 1, 1)) or bias.shape != (outputs,):
        raise InvalidArgument(
            f"weight has shape {tuple(weight.shape)} and bias {tuple(bias.shape)}, must be (O, I) "
            f"and (O,) for an input of {inputs} channels"
        )
    more_in, more_out = -inputs % CHANNEL_STEP, -outputs % CHANNEL_STEP
    if more_in:
        x = F.pad(x, (0, 0, 0, 0, 0, more_in))
    if more_in or more_out:
        weight = F.pad(weight.reshape(outputs, inputs), (0, more_in, 0, more_out))
        bias = F.pad(bias, (0, more_out))
    out = _Pointwise.apply(x, weight, bias, slope, precision)
    return out[:, :outputs] if more_out else out


def _check(slope: float | None, **tensors: Tensor) -> None:
    if slope is not None and not 0 <= slope <= 1:
        raise InvalidArgument(f"slope is {slope}, must be 0 to 1")
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            raise InvalidArgument(
                f"{name} is {tensor.dtype} on {tensor.device}, must be float32 on the CPU"
            )


def _check_axes(x: Tensor) -> None:
    if x.dim() != 4:
        raise InvalidArgument(f"x has shape {tuple(x.shape)}, must be (B, C, H, W)")


def _rows(x: Tensor) -> Tensor:
    """(B, C, H, W) as contiguous (B, H, W, C)."""
    return x.detach().permute(0, 2, 3, 1).contiguous()


def _empty_rows(batch: int, height: int, width: int, channels: int) -> Tensor:
    return torch.empty((batch, height, width, channels), dtype=torch.float32)


def _array(tensor: Tensor) -> np.ndarray:
    """The memory of a tensor, or of a contiguous copy, see `_core_shape`."""
    return _core_shape(tensor.detach().contiguous().numpy())


def _core_shape(array: np.ndarray) -> np.ndarray:
    """(O, I, 1, 1) as (O, I), (C, 1, k, k) as (C, k, k), anything else as it is."""
    if array.ndim == 4:
        shape = array.shape
        if shape[2:] == (1, 1):
            return array.reshape(shape[:2])
        if shape[1] == 1:
            return array.reshape(shape[:1] + shape[2:])
    return array


class _DepthwiseBlock(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float, precision: str, *parameters: Tensor) -> Tensor:
        if parameters[2].dim() < 3 or parameters[6].dim() < 2:
            raise InvalidArgument("wd must be (C, 1, k, k) and w3 (E, C)")
        rows = _rows(x)
        inner, kernel = parameters[6].shape[0], parameters[2].shape[-1]
        size = _core.training.block_saved_bytes(
            list(rows.shape), inner=inner, kernel=kernel, precision=precision
        )
        saved = torch.empty(size, dtype=torch.uint8)
        out = _empty_rows(*rows.shape)
        arrays = [_array(p) for p in parameters]
        _core.training.block_forward(
            rows.numpy(),
            arrays,
            out.numpy(),
            saved.numpy(),
            slope=slope,
            precision=precision,
        )
        ctx.slope, ctx.precision = slope, precision
        ctx.arrays = arrays  # the memory of the parameters, which saved_tensors watches
        ctx.save_for_backward(rows, saved, *parameters)
        return out.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        rows, saved, *parameters = ctx.saved_tensors
        grad_x = torch.empty_like(rows)
        gradients = [torch.empty(p.shape, dtype=torch.float32) for p in parameters]
        _core.training.block_backward(
            rows.numpy(),
            ctx.arrays,
            _rows(grad_out).numpy(),
            saved.numpy(),
            grad_x.numpy(),
            [_core_shape(gradient.numpy()) for gradient in gradients],
            slope=ctx.slope,
            precision=ctx.precision,
        )
        return grad_x.permute(0, 3, 1, 2), None, None, *gradients


class _Pointwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, slope: float | None, precision: str
    ) -> Tensor:
        rows = _rows(x)
        batch, height, width, inputs = rows.shape
        outputs = weight.shape[0]
        out = _empty_rows(batch, height, width, outputs)
        _core.training.pointwise_forward(
            rows.reshape(-1, inputs).numpy(),
            _array(weight),
            _array(bias),
            out.reshape(-1, outputs).numpy(),
            slope=slope,
            precision=precision,
        )
        ctx.slope, ctx.precision = slope, precision
        result = out.permute(0, 3, 1, 2)
        ctx.save_for_backward(rows, weight, None if slope is None else result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, out = ctx.saved_tensors
        outputs, inputs = weight.shape[0], rows.shape[-1]
        grad_x = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        grad_weight = torch.empty(weight.shape, dtype=torch.float32)
        grad_bias = torch.empty(outputs, dtype=torch.float32)
        _core.training.pointwise_backward(
            rows.reshape(-1, inputs).numpy(),
            _array(weight),
            None if out is None else _rows(out).reshape(-1, outputs).numpy(),
            _rows(grad_out).reshape(-1, outputs).numpy(),
            None if grad_x is None else grad_x.reshape(-1, inputs).numpy(),
            _core_shape(grad_weight.numpy()),
            grad_bias.numpy(),
            slope=ctx.slope,
            precision=ctx.precision,
        )
        return (
            None if grad_x is None else grad_x.permute(0, 3, 1, 2),
            grad_weight,
            grad_bias,
            None,
            None,
        )
