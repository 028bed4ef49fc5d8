"""Integer convolutions over NumPy arrays (``docs/arithmetic.md`` section 2)."""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samebits import _core
from samebits.errors import InvalidArgument

INT16_RANGE = (-32768, 32767)


def target() -> str:
    """Name of the kernels in use, for example ``"avx2"``.

    At first the fastest of `targets`, or what the environment variable SAMEBITS_TARGET says.
    """
    return _core.target()


def targets() -> list[str]:
    """Names of the kernels this machine can run; all give the same bits, ``"scalar"`` is first.

    There are ``"scalar"``, ``"avx2"``, ``"avx512"`` (AVX-512 with VNNI), ``"neon"`` (64-bit ARM)
    and ``"cuda"``.
    """
    return _core.targets()


def set_target(name: str) -> None:
    """Choose the kernels, by a name from `targets`.

    Raises
    ------
    InvalidArgument
        If there is no such target on this machine; the message lists what there is.
    """
    if not isinstance(name, str):
        raise InvalidArgument(f"target must be a str, not {type(name).__name__}")
    _core.set_target(name)


def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    *,
    bias: ArrayLike | None = None,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    algorithm: str = "auto",
) -> NDArray[np.int32]:
    """Convolve integers exactly: ``bias[o] + sum(weight[o, ky, kx, i] * x[..., i])`` in int32.

    Parameters
    ----------
    x : array of int16 or uint8, shape (N, H, W, C) or (H, W, C)
        Any strides and byte order; what is not contiguous is copied.
    weight : array of int16 or int8, shape (O, kernel height, kernel width, C / groups)
    bias : array of int32, shape (O,), optional
    stride : int
        Distance of outputs in inputs, in both directions.
    padding : int
        Rows and columns of zeros on each side.
    groups : int
        Output channel o reads the channels of group ``o // (O / groups)`` only.
    algorithm : str
        How the sums are made; their values are the same. ``"auto"`` takes the fastest that is
        proven exact for the values of `x` and `weight`; the others are ``"direct"`` and the
        Winograd algorithms below.

    Returns
    -------
    array of int32, shape (N, OH, OW, O) or (OH, OW, O)
        ``OH = (H + 2 * padding - kernel height) // stride + 1``.

    Raises
    ------
    InvalidArgument
        If an argument is not as described, or if a sum could leave int32. That is decided by
        ``max(abs(x)) * sum(abs(weight[o])) + abs(bias[o]) < 2**31``. Also if `algorithm` names a
        Winograd algorithm that is not proven exact here; the message says why.

    Notes
    -----
    Square kernels of size 1 and 3 with padding 0 and 1, stride 1 or 2, and groups 1 or O = C run on
    the vector kernels of `target`; everything else gives the same sums by plain code.

    The Winograd algorithms are for dense 3 x 3 kernels with stride 1 and padding 1. The values of
    `x`, with 0, must be within so many neighboring integers; weights up to the number given are
    small enough, and sums must stay below the limit, counted from the middle of the values of `x`.
    The target ``"cuda"`` has algorithms of its own.

    =============  ======  =====================  ======  ======  =====
    `algorithm`    tile    multiplications saved  values  weight  sums
    =============  ======  =====================  ======  ======  =====
    "winograd2"    2 x 2   2.25 times             16384   3640    2**29
    "winograd2x3"  2 x 3   2.7                    5462    1560    2**29
    "winograd2x4"  2 x 4   3                      3277    1560    2**27
    "winograd3"    3 x 3   3.24                   1821    668     2**29
    "winograd3x4"  3 x 4   3.6                    1093    668     2**27
    "winograd4"    4 x 4   4                      656     668     2**25
    =============  ======  =====================  ======  ======  =====

    Examples
    --------
    >>> x = np.arange(6, dtype=np.int16).reshape(1, 3, 2)
    >>> conv2d(x, np.array([[[[1, 10]]]], np.int16)).tolist()
    [[[10], [32], [54]]]
    """
    x, squeeze = _input(x)
    weight, bias = _weights(weight, bias)
    out = _core.conv2d(
        x, weight, bias, algorithm=_algorithm(algorithm), **_geometry(stride, padding, groups)
    )
    return out[0] if squeeze else out


def conv2d_requantized(
    x: ArrayLike,
    weight: ArrayLike,
    *,
    multiplier: ArrayLike,
    shift: ArrayLike,
    bias: ArrayLike | None = None,
    leaky: int | None = None,
    clamp: tuple[int, int] = INT16_RANGE,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    algorithm: str = "auto",
) -> NDArray[np.int16]:
    """Convolve as `conv2d` and bring the sums back to int16, as the codec's own layers do.

    For a sum ``acc`` of output channel o::

        v = (acc * multiplier[o] + 2**(shift[o] - 1)) >> shift[o]
        v = max(v, v >> leaky)  # unless leaky is None
        out = min(max(v, clamp[0]), clamp[1])

    Parameters
    ----------
    x, weight, bias, stride, padding, groups, algorithm
        See `conv2d`.
    multiplier : int or array of int, shape (O,)
        0 ... 65535.
    shift : int or array of int, shape (O,)
        1 ... 46.
    leaky : int, optional
        Negative values are divided by ``2**leaky``, 0 ... 15.
    clamp : (int, int)
        Smallest and largest output, within int16.

    Returns
    -------
    array of int16, shape (N, OH, OW, O) or (OH, OW, O)

    Examples
    --------
    >>> x = np.array([[[100], [-100]]], np.int16)
    >>> one = np.array([[[[1]]]], np.int8)
    >>> conv2d_requantized(x, one, multiplier=1, shift=1, leaky=2).ravel().tolist()
    [50, -13]
    """
    x, squeeze = _input(x)
    weight, bias = _weights(weight, bias)
    lo, hi = _pair(clamp)
    out = _core.conv2d_requantized(
        x,
        weight,
        bias,
        multiplier=_per_channel(multiplier, weight.shape[0], "multiplier"),
        shift=_per_channel(shift, weight.shape[0], "shift"),
        leaky=-1 if leaky is None else _int(leaky, "leaky", 0, 15),
        lo=lo,
        hi=hi,
        algorithm=_algorithm(algorithm),
        **_geometry(stride, padding, groups),
    )
    return out[0] if squeeze else out


def _input(x: ArrayLike) -> tuple[NDArray[np.int16] | NDArray[np.uint8], bool]:
    """Give x as contiguous int16 or uint8 (N, H, W, C), and whether it had no N."""
    x = np.asarray(x)
    dtype = x.dtype.newbyteorder("=")
    if dtype not in (np.int16, np.uint8):
        raise InvalidArgument(f"x has dtype {x.dtype}; it must be int16 or uint8")
    if x.ndim not in (3, 4):
        raise InvalidArgument(f"x has shape {x.shape}; it must be (N, H, W, C) or (H, W, C)")
    if 0 in x.shape:
        raise InvalidArgument(f"x has shape {x.shape}, which is empty")
    squeeze = x.ndim == 3
    return np.ascontiguousarray(x[None] if squeeze else x, dtype), squeeze


def _weights(
    weight: ArrayLike, bias: ArrayLike | None
) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    weight = np.asarray(weight)
    if weight.dtype.newbyteorder("=") not in (np.int16, np.int8):
        raise InvalidArgument(f"weight has dtype {weight.dtype}; it must be int16 or int8")
    if weight.ndim != 4 or 0 in weight.shape:
        raise InvalidArgument(
            f"weight has shape {weight.shape}; it must be (O, kernel height, kernel width, "
            "C / groups) and not empty"
        )
    if bias is None:
        bias = np.zeros(weight.shape[0], np.int32)
    bias = np.asarray(bias)
    if bias.dtype.newbyteorder("=") != np.int32 or bias.shape != weight.shape[:1]:
        raise InvalidArgument(
            f"bias has dtype {bias.dtype} and shape {bias.shape}; it must be int32 of shape "
            f"{weight.shape[:1]}, one for each output channel"
        )
    return np.ascontiguousarray(weight, np.int16), np.ascontiguousarray(bias, np.int32)


def _per_channel(values: ArrayLike, channels: int, name: str) -> NDArray[np.int32]:
    values = np.asarray(values)
    if values.dtype.kind not in "iu" or values.shape not in ((), (channels,)):
        raise InvalidArgument(
            f"{name} has dtype {values.dtype} and shape {values.shape}; it must be integers, one "
            f"for all or {channels}, one for each output channel"
        )
    if np.any(values < 0) or np.any(values > 65535):
        raise InvalidArgument(f"{name} has values outside 0..65535")
    return np.ascontiguousarray(np.broadcast_to(values.astype(np.int32), channels))


def _geometry(stride: int, padding: int, groups: int) -> dict[str, int]:
    return {
        "stride": _int(stride, "stride", 1, 4096),
        "padding": _int(padding, "padding", 0, 1 << 20),
        "groups": _int(groups, "groups", 1, 65536),
    }


def _algorithm(name: str) -> str:
    if not isinstance(name, str):
        raise InvalidArgument(f"algorithm must be a str, not {type(name).__name__}")
    return name


def _pair(clamp: tuple[int, int]) -> tuple[int, int]:
    try:
        lo, hi = clamp
    except (TypeError, ValueError):
        raise InvalidArgument(f"clamp is {clamp!r}; it must be a pair (lo, hi)") from None
    return _int(lo, "clamp[0]", *INT16_RANGE), _int(hi, "clamp[1]", *INT16_RANGE)


def _int(value: int, name: str, lo: int, hi: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgument(f"{name} is {value!r}; it must be an integer") from None
    if not lo <= number <= hi:
        raise InvalidArgument(f"{name} is {number}; it must be in {lo}..{hi}")
    return number
