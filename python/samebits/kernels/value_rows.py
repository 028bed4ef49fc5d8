"""A probability per value: integer softmax, and the range coder with a row for every symbol.

``docs/arithmetic.md`` sections 5 and 9.
"""

from __future__ import annotations

import numpy as np

from samebits import _core
from samebits.errors import InvalidArgument

MAX_ENTRIES: int = _core.MAX_VALUE_ENTRIES
MAX_LOGIT: int = _core.MAX_LOGIT


def softmax_rows(logits: np.ndarray) -> np.ndarray:
    """Rows of the range coder from fixed-point logits, the same integers on every machine.

    Parameters
    ----------
    logits : ndarray of int16, shape (..., n), n = 2 ... 64
        Logarithms to the base 2 of unnormalized probabilities, 256 units an octave, within
        -16384 ... 16383. The last entry is the escape.

    Returns
    -------
    ndarray of uint16, shape (..., n)
        Starts of the rows: 0 first, strictly increasing, so that every entry has a probability of
        at least ``2**-16``.

    Raises
    ------
    InvalidArgument
        For another dtype, shape, or a logit out of range.

    Examples
    --------
    >>> softmax_rows(np.array([0, 256, 0, -256], np.int16)).tolist()
    [0, 14564, 43690, 58254]
    """
    _check_array(logits, "logits", np.int16, dimensions=None)
    _check_entries(logits, "logits")
    if logits.size and (logits.min() < -MAX_LOGIT or logits.max() >= MAX_LOGIT):
        raise InvalidArgument(f"logits must be within {-MAX_LOGIT} ... {MAX_LOGIT - 1}")
    rows = np.ascontiguousarray(logits).reshape(-1, logits.shape[-1])
    return _core.softmax_rows(rows).reshape(logits.shape)


def range_encode_rows(
    symbols: np.ndarray, starts: np.ndarray, *, min_symbol: int, lanes: int | None = None
) -> bytes:
    """Code symbols that have a row each.

    Parameters
    ----------
    symbols : ndarray of int32, shape (N,)
        Any values; those outside of the rows cost an escape.
    starts : ndarray of uint16, shape (N, n), n = 2 ... 64
        Row of each symbol, as :func:`softmax_rows` gives them.
    min_symbol : int
        Symbol of entry 0; entry n - 1 is the escape.
    lanes : int, optional
        As in :func:`samebits.kernels.range_encode`.

    Returns
    -------
    bytes
        A payload as ``docs/arithmetic.md`` section 5 defines it.

    Raises
    ------
    InvalidArgument
        For other dtypes or shapes, and for starts that are no rows.
    """
    _check_array(symbols, "symbols", np.int32, dimensions=1)
    _check_array(starts, "starts", np.uint16, dimensions=2)
    _check_entries(starts, "starts")
    if len(symbols) != len(starts):
        raise InvalidArgument(f"{len(symbols)} symbols with {len(starts)} rows; one each is needed")
    if lanes is not None and lanes not in (1, 2, 4, 8, 16, 32):
        raise InvalidArgument(f"lanes is {lanes!r}, must be 1, 2, 4, 8, 16 or 32")
    return _core.range_encode_rows(
        np.ascontiguousarray(symbols),
        np.ascontiguousarray(starts),
        min_symbol=_int32(min_symbol),
        lanes=int(lanes or 0),
    )


def range_decode_rows(
    stream: bytes | bytearray | memoryview, starts: np.ndarray, *, min_symbol: int
) -> np.ndarray:
    """Decode what :func:`range_encode_rows` made with equal rows.

    Parameters
    ----------
    stream : bytes-like
        The whole payload and nothing else.
    starts, min_symbol
        As for :func:`range_encode_rows`.

    Returns
    -------
    ndarray of int32, shape (N,)

    Raises
    ------
    Truncated, CorruptStream
        As in :func:`samebits.kernels.range_decode`.
    InvalidArgument
        For starts that are no rows.
    """
    _check_array(starts, "starts", np.uint16, dimensions=2)
    _check_entries(starts, "starts")
    try:
        payload = memoryview(stream).cast("B")
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            f"stream is {type(stream).__name__}, must be bytes or a contiguous buffer of them"
        ) from error
    return _core.range_decode_rows(
        payload, np.ascontiguousarray(starts), min_symbol=_int32(min_symbol)
    )


def _check_array(
    array: np.ndarray, name: str, dtype: type[np.generic], *, dimensions: int | None
) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise InvalidArgument(f"{name} is {kind}, must be a NumPy array of {dtype.__name__}")
    if array.ndim == 0 or (dimensions is not None and array.ndim != dimensions):
        raise InvalidArgument(f"{name} has shape {array.shape}, must have {dimensions} dimensions")


def _check_entries(array: np.ndarray, name: str) -> None:
    if not 2 <= array.shape[-1] <= MAX_ENTRIES:
        raise InvalidArgument(
            f"{name} has rows of {array.shape[-1]} entries, must be 2 to {MAX_ENTRIES}"
        )


def _int32(value: int) -> int:
    if not -(2**31) <= value < 2**31:
        raise InvalidArgument(f"min_symbol is {value}, must be an int32")
    return int(value)
