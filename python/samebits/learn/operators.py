"""The integer convolution and the range coder as torch operators, for eager code and torch.compile.

They are `samebits.kernels` over CPU tensors: same definition (``docs/arithmetic.md``), same bits.
Tensors are handed over without copying where they are contiguous. Integers have no gradient.

Layout is the kernels' own: activations (N, H, W, C), weights (O, kernel height, kernel width,
C / groups). A torch tensor (N, C, H, W) in the memory format `torch.channels_last` lies that way
already: ``x.permute(0, 2, 3, 1)`` is a view and costs nothing. Any other tensor is copied.

The operators are also ``torch.ops.samebits.conv2d`` and so on. Each has a fake kernel, which knows
the shape of the result without data, for `torch.compile(fullgraph=True)`, `torch.export` and meta
tensors.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, library

from samebits import kernels
from samebits.errors import InvalidArgument

__all__ = [
    "CdfTensors",
    "conv2d",
    "conv2d_requantized",
    "range_decode",
    "range_encode",
]

INT16_LO, INT16_HI = -32768, 32767


class CdfTensors(NamedTuple):
    """CDF tables as int32 tensors, the last three arguments of the coding operators.

    Tensors, because an operator takes nothing else and because they can be buffers of a module.
    All are one-dimensional; see `samebits.kernels.CdfTables.from_arrays` for what they hold.

    Examples
    --------
    >>> tables = CdfTensors.of(kernels.CdfTables([[0, 2, 12, 14, 16]], offsets=[-1]))
    >>> index = torch.zeros(4, dtype=torch.uint8)
    >>> stream = range_encode(torch.tensor([0, 0, 1, 7], dtype=torch.int32), index, *tables)
    >>> range_decode(stream, index, *tables)
    tensor([0, 0, 1, 7], dtype=torch.int32)
    """

    starts: Tensor
    row_begin: Tensor
    min_symbol: Tensor

    @classmethod
    def of(cls, tables: kernels.CdfTables) -> CdfTensors:
        """Copy tables to tensors."""
        arrays = (tables.starts, tables.row_begin, tables.min_symbol)
        return cls(*(torch.from_numpy(array.astype(np.int32)) for array in arrays))


@library.custom_op("samebits::conv2d", mutates_args=())
def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> Tensor:
    """Convolve integers exactly, as `samebits.kernels.conv2d`.

    Parameters
    ----------
    x : Tensor of int16 or uint8, shape (N, H, W, C)
    weight : Tensor of int16 or int8, shape (O, kernel height, kernel width, C / groups)
    bias : Tensor of int32, shape (O,), optional
    stride, padding, groups : int

    Returns
    -------
    Tensor of int32, shape (N, OH, OW, O)

    Raises
    ------
    InvalidArgument
        If an argument is not as described or not on the CPU, or if a sum could leave int32.
    """
    _check_conv(x, weight, bias)
    return torch.from_numpy(
        kernels.conv2d(
            x.numpy(),
            weight.numpy(),
            bias=None if bias is None else bias.numpy(),
            stride=stride,
            padding=padding,
            groups=groups,
        )
    )


@conv2d.register_fake
def _(x, weight, bias=None, stride=1, padding=0, groups=1):
    _check_conv(x, weight, bias)
    return x.new_empty(_conv_shape(x, weight, stride, padding), dtype=torch.int32)


@library.custom_op("samebits::conv2d_requantized", mutates_args=())
def conv2d_requantized(
    x: Tensor,
    weight: Tensor,
    multiplier: Tensor,
    shift: Tensor,
    bias: Tensor | None = None,
    leaky: int | None = None,
    lo: int = INT16_LO,
    hi: int = INT16_HI,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> Tensor:
    """Convolve and bring the sums back to int16, as `samebits.kernels.conv2d_requantized`.

    Parameters
    ----------
    x, weight, bias, stride, padding, groups
        See `conv2d`.
    multiplier : Tensor of int32, shape (O,)
        0 ... 65535.
    shift : Tensor of int32, shape (O,)
        1 ... 46.
    leaky : int, optional
        Negative values are divided by ``2**leaky``, 0 ... 15.
    lo, hi : int
        Smallest and largest output, within int16.

    Returns
    -------
    Tensor of int16, shape (N, OH, OW, O)

    Raises
    ------
    InvalidArgument
        If an argument is not as described or not on the CPU, or if a sum could leave int32.
    """
    _check_requantized(x, weight, bias, multiplier, shift)
    return torch.from_numpy(
        kernels.conv2d_requantized(
            x.numpy(),
            weight.numpy(),
            multiplier=multiplier.numpy(),
            shift=shift.numpy(),
            bias=None if bias is None else bias.numpy(),
            leaky=leaky,
            clamp=(lo, hi),
            stride=stride,
            padding=padding,
            groups=groups,
        )
    )


@conv2d_requantized.register_fake
def _(
    x,
    weight,
    multiplier,
    shift,
    bias=None,
    leaky=None,
    lo=INT16_LO,
    hi=INT16_HI,
    stride=1,
    padding=0,
    groups=1,
):
    _check_requantized(x, weight, bias, multiplier, shift)
    return x.new_empty(_conv_shape(x, weight, stride, padding), dtype=torch.int16)


@library.custom_op("samebits::range_encode", mutates_args=())
def range_encode(
    symbols: Tensor,
    table_index: Tensor,
    starts: Tensor,
    row_begin: Tensor,
    min_symbol: Tensor,
    lanes: int | None = None,
) -> Tensor:
    """Code symbols into bytes, as `samebits.kernels.range_encode`.

    Parameters
    ----------
    symbols : Tensor of int32, any shape
    table_index : Tensor of uint8, shape of `symbols`
    starts, row_begin, min_symbol : Tensor of int32
        The tables, see `CdfTensors`. The last few used are kept ready, found by their content.
    lanes : int, optional
        Interleaved coders, 1, 2, 4, 8, 16 or 32; by default as many as suit the size.

    Returns
    -------
    Tensor of uint8, shape (bytes,)
        Its size depends on the data.

    Raises
    ------
    InvalidArgument
        If an argument is not as described or not on the CPU.
    """
    _check_coding(symbols, torch.int32, "symbols", table_index, starts, row_begin, min_symbol)
    payload = kernels.range_encode(
        symbols.numpy(),
        table_index.numpy(),
        _tables(starts, row_begin, min_symbol),
        lanes=lanes,
    )
    # torch has no read-only tensors: bytes, which never change, are copied once.
    return torch.frombuffer(bytearray(payload), dtype=torch.uint8)


@range_encode.register_fake
def _(symbols, table_index, starts, row_begin, min_symbol, lanes=None):
    _check_coding(symbols, torch.int32, "symbols", table_index, starts, row_begin, min_symbol)
    size = library.get_ctx().new_dynamic_size()
    return symbols.new_empty([size], dtype=torch.uint8)


@library.custom_op("samebits::range_decode", mutates_args=())
def range_decode(
    stream: Tensor,
    table_index: Tensor,
    starts: Tensor,
    row_begin: Tensor,
    min_symbol: Tensor,
) -> Tensor:
    """Decode what `range_encode` made, as `samebits.kernels.range_decode`.

    Parameters
    ----------
    stream : Tensor of uint8, shape (bytes,)
        The whole payload and nothing else.
    table_index : Tensor of uint8, any shape
    starts, row_begin, min_symbol : Tensor of int32
        The tables, see `CdfTensors`.

    Returns
    -------
    Tensor of int32, shape of `table_index`

    Raises
    ------
    Truncated, CorruptStream
        If the stream ends too early, or cannot have been made by an encoder.
    InvalidArgument
        If an argument is not as described or not on the CPU.
    """
    _check_coding(stream, torch.uint8, "stream", table_index, starts, row_begin, min_symbol)
    symbols = kernels.range_decode(
        stream.contiguous().numpy(),
        table_index.numpy(),
        _tables(starts, row_begin, min_symbol),
    )
    return torch.from_numpy(symbols)


@range_decode.register_fake
def _(stream, table_index, starts, row_begin, min_symbol):
    _check_coding(stream, torch.uint8, "stream", table_index, starts, row_begin, min_symbol)
    return table_index.new_empty(table_index.shape, dtype=torch.int32)


def _check_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    _check(x, "x", (torch.int16, torch.uint8), dimensions=4)
    _check(weight, "weight", (torch.int16, torch.int8), dimensions=4)
    if bias is not None:
        _check(bias, "bias", (torch.int32,), dimensions=1)


def _check_requantized(
    x: Tensor, weight: Tensor, bias: Tensor | None, multiplier: Tensor, shift: Tensor
) -> None:
    _check_conv(x, weight, bias)
    _check(multiplier, "multiplier", (torch.int32,), dimensions=1)
    _check(shift, "shift", (torch.int32,), dimensions=1)


def _check_coding(
    data: Tensor, dtype: torch.dtype, name: str, table_index: Tensor, *tables: Tensor
) -> None:
    _check(data, name, (dtype,), dimensions=1 if name == "stream" else None)
    _check(table_index, "table_index", (torch.uint8,), dimensions=None)
    for tensor, field in zip(tables, CdfTensors._fields, strict=True):
        _check(tensor, field, (torch.int32,), dimensions=1)


def _check(
    tensor: Tensor, name: str, dtypes: tuple[torch.dtype, ...], *, dimensions: int | None
) -> None:
    """What is known of a tensor without its data; the kernels check the rest."""
    if tensor.device.type not in ("cpu", "meta"):
        raise InvalidArgument(
            f"{name} is on {tensor.device}; Samebits' operators take CPU tensors, use {name}.cpu()"
        )
    if tensor.dtype not in dtypes:
        raise InvalidArgument(
            f"{name} has dtype {tensor.dtype}; it must be {' or '.join(map(str, dtypes))}"
        )
    if dimensions is not None and tensor.ndim != dimensions:
        raise InvalidArgument(
            f"{name} has {tensor.ndim} dimensions (shape {tuple(tensor.shape)}); "
            f"it must have {dimensions}"
        )


def _conv_shape(x: Tensor, weight: Tensor, stride: int, padding: int) -> list[int]:
    batch, height, width, _ = x.shape
    out_channels, kernel_height, kernel_width, _ = weight.shape
    return [
        batch,
        (height + 2 * padding - kernel_height) // stride + 1,
        (width + 2 * padding - kernel_width) // stride + 1,
        out_channels,
    ]


def _tables(starts: Tensor, row_begin: Tensor, min_symbol: Tensor) -> kernels.CdfTables:
    return _tables_of_bytes(*(t.numpy().tobytes() for t in (starts, row_begin, min_symbol)))


# Making the coder's tables takes longer than coding a small array. Keyed by content: a tensor may
# change in place, or another one take its address.
@lru_cache(maxsize=8)
def _tables_of_bytes(starts: bytes, row_begin: bytes, min_symbol: bytes) -> kernels.CdfTables:
    return kernels.CdfTables.from_arrays(
        starts=np.frombuffer(starts, np.int32),
        row_begin=np.frombuffer(row_begin, np.int32),
        min_symbol=np.frombuffer(min_symbol, np.int32),
    )
