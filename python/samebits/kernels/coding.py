"""CDF tables and the range coder over whole arrays (``docs/arithmetic.md`` sections 5 and 7)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from samebits import _core
from samebits.errors import InvalidArgument
from samebits.kernels import cdf_rows

CDF_BITS = 16

Scale: TypeAlias = "int | float | str | Fraction"


class CdfTables:
    """Integer probabilities for the range coder: up to 256 rows, chosen by a symbol's table index.

    A row is a cumulative distribution of n >= 2 entries: entry s < n-1 is the symbol
    ``offset + s``, entry n-1 is the escape, through which any other int32 value can be coded.
    Tables never change after they are made.

    Parameters
    ----------
    cdfs : sequence of array_like of int, each of shape (n + 1,)
        Cumulative counts of each row: 0 first, then strictly increasing, ``2**bits`` last, with
        bits from 1 to 16 (each row may have its own). Rows of fewer than 16 bits are multiplied by
        ``2**(16 - bits)``, which keeps their probabilities exactly.
    offsets : array_like of int, shape (rows,)
        Symbol of each row's entry 0.

    Raises
    ------
    InvalidArgument
        If a row is not as described.

    Examples
    --------
    >>> tables = CdfTables([[0, 2, 12, 14, 16]], offsets=[-1])
    >>> tables.starts.tolist(), tables.min_symbol.tolist()
    ([0, 8192, 49152, 57344], [-1])
    >>> stream = range_encode(np.array([0, 0, 1, 7], np.int32), np.zeros(4, np.uint8), tables)
    >>> range_decode(stream, np.zeros(4, np.uint8), tables)
    array([0, 0, 1, 7], dtype=int32)
    """

    def __init__(self, cdfs: Sequence[ArrayLike], offsets: ArrayLike):
        rows = [_starts_of_cdf(cdf, row) for row, cdf in enumerate(cdfs)]
        if not rows:
            raise InvalidArgument("cdfs is empty; at least one row is needed")
        self._set(
            np.concatenate(rows),
            np.cumsum([0, *map(len, rows)]),
            _int32_array(offsets, "offsets"),
        )

    @classmethod
    def from_arrays(
        cls,
        *,
        starts: ArrayLike,
        row_begin: ArrayLike,
        min_symbol: ArrayLike,
    ) -> CdfTables:
        """Take tables as a weights file stores them (``cdf.starts`` and so on).

        Parameters
        ----------
        starts : array_like of uint16, shape (entries,)
            All rows one after another, without the last value of each, 2**16.
        row_begin : array_like of int32, shape (rows + 1,)
            Row r is ``starts[row_begin[r]:row_begin[r + 1]]``.
        min_symbol : array_like of int32, shape (rows,)
            Symbol of each row's entry 0.
        """
        tables = cls.__new__(cls)
        tables._set(
            _int_array(starts, "starts", 0, 0xFFFF),
            _int32_array(row_begin, "row_begin"),
            _int32_array(min_symbol, "min_symbol"),
        )
        return tables

    @classmethod
    def gaussian(cls, scales: Sequence[Scale], *, bits: int = CDF_BITS) -> CdfTables:
        """One row per scale: a Gaussian of mean 0, integrated over [v - 1/2, v + 1/2].

        Rows are made without binary floating point and are the same on every machine; how their
        ends are cut and rounded is said in `samebits.kernels.cdf_rows`.

        Parameters
        ----------
        scales : sequence of int, float, str or Fraction
            Standard deviations, in symbols. Converted exactly; "1/3" and "0.1" are exact, too.
        bits : int
            Precision of the probabilities, 8 ... 16.

        Examples
        --------
        >>> CdfTables.gaussian(["0.5"]).cdf(0).tolist()
        [0, 88, 10397, 55138, 65447, 65535, 65536]
        """
        return cls._symmetric(scales, cdf_rows.gaussian_survival, bits)

    @classmethod
    def logistic(cls, scales: Sequence[Scale], *, bits: int = CDF_BITS) -> CdfTables:
        """As `gaussian`, for logistic distributions 1 / (1 + exp(-v / scale))."""
        return cls._symmetric(scales, cdf_rows.logistic_survival, bits)

    @classmethod
    def gaussian_octaves(
        cls, *, rows: int = 80, first: int = -28, per_octave: int = 8
    ) -> CdfTables:
        """Gaussian rows of the standard deviations ``2**((r + first) / per_octave)``.

        The defaults are the rows of the shipped models, 0.088 ... 83. Standard deviations are exact
        to 128 binary places.
        """
        if not 1 <= rows <= 256 or not 1 <= per_octave <= 64 or not -4096 <= first <= 4096:
            raise InvalidArgument(
                f"rows={rows}, first={first}, per_octave={per_octave}: rows must be 1 ... 256, "
                "first -4096 ... 4096, per_octave 1 ... 64"
            )
        return cls.gaussian(
            [cdf_rows.octave_scale(r + first, per_octave=per_octave) for r in range(rows)]
        )

    @classmethod
    def _symmetric(
        cls, scales: Sequence[Scale], survival: cdf_rows.Survival, bits: int
    ) -> CdfTables:
        if not 8 <= bits <= CDF_BITS:
            raise InvalidArgument(f"bits is {bits}, must be 8 ... {CDF_BITS}")
        rows = [cdf_rows.integer_row(_scale(s), survival, bits=bits) for s in scales]
        return cls([np.cumsum([0, *row]) for row in rows], [-(len(row) - 2) // 2 for row in rows])

    def _set(self, starts: np.ndarray, row_begin: np.ndarray, min_symbol: np.ndarray) -> None:
        self._starts = _frozen(starts, np.uint16)
        self._row_begin = _frozen(row_begin, np.int32)
        self._min_symbol = _frozen(min_symbol, np.int32)
        self._native = _core.CdfTables(self._starts, self._row_begin, self._min_symbol)

    @property
    def starts(self) -> np.ndarray:
        """All rows one after another, uint16, read-only."""
        return self._starts

    @property
    def row_begin(self) -> np.ndarray:
        """Where each row begins in `starts`, int32, shape (rows + 1,), read-only."""
        return self._row_begin

    @property
    def min_symbol(self) -> np.ndarray:
        """Symbol of each row's entry 0, int32, shape (rows,), read-only."""
        return self._min_symbol

    @property
    def max_symbol(self) -> np.ndarray:
        """Largest symbol of each row that needs no escape, int32, shape (rows,)."""
        return self._min_symbol + np.diff(self._row_begin) - 2

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self._min_symbol)

    def cdf(self, row: int) -> np.ndarray:
        """Cumulative counts of one row, int32, shape (n + 1,), from 0 to 2**16."""
        if not 0 <= row < self.rows:
            raise InvalidArgument(f"row {row} of tables with {self.rows} rows")
        starts = self._starts[self._row_begin[row] : self._row_begin[row + 1]]
        return np.append(starts.astype(np.int32), np.int32(1 << CDF_BITS))

    @property
    def sha256(self) -> str:
        """SHA-256 over row_begin, min_symbol and starts as little-endian bytes, in hexadecimal."""
        digest = hashlib.sha256()
        for array, dtype in (
            (self._row_begin, "<i4"),
            (self._min_symbol, "<i4"),
            (self._starts, "<u2"),
        ):
            digest.update(array.astype(dtype).tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CdfTables) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return (
            f"<CdfTables: {self.rows} rows, {len(self._starts)} entries, sha256 {self.sha256[:12]}>"
        )

    def __reduce__(self):
        return _restore, (self._starts, self._row_begin, self._min_symbol)


def range_encode(
    symbols: np.ndarray,
    table_index: np.ndarray,
    tables: CdfTables,
    *,
    lanes: int | None = None,
) -> bytes:
    """Code an array of symbols into bytes.

    Parameters
    ----------
    symbols : ndarray of int32, int16 or int8, any shape
        Any values; those outside of their row cost an escape (about 24 bits and more).
        The dtype is no part of the stream: `range_decode` gives int32.
    table_index : ndarray of uint8, shape of `symbols`
        Row of `tables` that gives each symbol's probabilities.
    tables : CdfTables
    lanes : int, optional
        Interleaved coders, 1, 2, 4, 8, 16 or 32: more decode faster and cost about 2 bytes each.
        By default about one for each 1500 bytes. Part of the stream, so `range_decode` needs no
        such argument.

    Returns
    -------
    bytes
        A payload as ``docs/arithmetic.md`` section 5 defines it. It does not say how many symbols
        it has, nor which tables were used: the decoder must know.

    Raises
    ------
    InvalidArgument
        For other dtypes, unequal shapes, or a table index beyond the tables.
    """
    _check_array(symbols, "symbols", np.int32, np.int16, np.int8)
    _check_index(table_index, tables)
    if symbols.shape != table_index.shape:
        raise InvalidArgument(
            f"symbols has shape {symbols.shape}, table_index has {table_index.shape}; "
            "they must be equal"
        )
    if lanes is not None and lanes not in (1, 2, 4, 8, 16, 32):
        raise InvalidArgument(f"lanes is {lanes!r}, must be 1, 2, 4, 8, 16 or 32")
    return _core.range_encode(
        _flat(symbols), _flat(table_index), tables._native, lanes=int(lanes or 0)
    )


def range_decode(
    stream: bytes | bytearray | memoryview | np.ndarray,
    table_index: np.ndarray,
    tables: CdfTables,
) -> np.ndarray:
    """Decode what `range_encode` made with the same `table_index` and equal `tables`.

    Parameters
    ----------
    stream : bytes-like
        The whole payload and nothing else.
    table_index : ndarray of uint8, any shape
        Row of `tables` for each symbol.
    tables : CdfTables

    Returns
    -------
    ndarray of int32, shape of `table_index`

    Raises
    ------
    Truncated
        If the payload ends too early.
    CorruptStream
        If the payload cannot have been made by an encoder. That finds most damage, not all of it;
        a container that must find every flipped bit needs a checksum.
    InvalidArgument
        For another dtype or a table index beyond the tables.
    """
    _check_index(table_index, tables)
    try:
        payload = memoryview(stream).cast("B")  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            f"stream is {type(stream).__name__}, must be bytes or a contiguous buffer of them"
        ) from error
    return _core.range_decode(payload, _flat(table_index), tables._native).reshape(
        table_index.shape
    )


def estimated_bits(symbols: np.ndarray, table_index: np.ndarray, tables: CdfTables) -> float:
    """Bits that the tables' probabilities ask for, escapes' bytes included.

    The payload is longer by a few bytes for its head, end mark and lanes. Computed in integers of
    1/65536 bit, so the same on every machine. Arguments as for `range_encode`.
    """
    _check_array(symbols, "symbols", np.int32)
    _check_index(table_index, tables)
    cost_q16 = _core.coding_cost_q16(_flat(symbols), _flat(table_index), tables._native)
    return cost_q16 / 65536


def _starts_of_cdf(cdf: ArrayLike, row: int) -> np.ndarray:
    """Starts at 16 bits of one row of cumulative counts that end in 2**bits."""
    name = f"cdfs[{row}]"
    bounds = _int_array(cdf, name, 0, 1 << CDF_BITS)
    if len(bounds) < 3:
        raise InvalidArgument(
            f"{name} has {len(bounds)} values; a row needs a symbol and the escape, 3 values"
        )
    total = int(bounds[-1])
    if total < 2 or total & (total - 1):
        raise InvalidArgument(
            f"{name} ends in {total}; the last value must be 2**bits, bits 1 ... {CDF_BITS} "
            "(append it if only the starts are given)"
        )
    if bounds[0] != 0 or np.any(np.diff(bounds) <= 0):
        raise InvalidArgument(f"{name} must start at 0 and increase strictly")
    return bounds[:-1] * ((1 << CDF_BITS) // total)


def _int_array(values: ArrayLike, name: str, low: int, high: int) -> np.ndarray:
    """One-dimensional int64 array of `values`, if they are integers in low ... high."""
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InvalidArgument(
            f"{name} is {array.dtype} of shape {array.shape}, must be a one-dimensional array "
            "of integers"
        )
    if array.size and (array.min() < low or array.max() > high):
        raise InvalidArgument(f"{name} has values outside of {low} ... {high}")
    return array.astype(np.int64)


def _int32_array(values: ArrayLike, name: str) -> np.ndarray:
    return _int_array(values, name, -(1 << 31), (1 << 31) - 1)


def _frozen(array: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
    array = np.array(array, dtype, order="C")
    array.flags.writeable = False
    return array


def _restore(starts: np.ndarray, row_begin: np.ndarray, min_symbol: np.ndarray) -> CdfTables:
    return CdfTables.from_arrays(starts=starts, row_begin=row_begin, min_symbol=min_symbol)


def _scale(value: Scale) -> Fraction:
    try:
        scale = Fraction(value.item() if isinstance(value, np.generic) else value)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise InvalidArgument(f"scale {value!r} is no finite number") from error
    if scale <= 0:
        raise InvalidArgument(f"scale {value!r} must be above 0")
    return scale


def _check_array(array: np.ndarray, name: str, *dtypes: type[np.generic]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype not in dtypes:
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        allowed = " or ".join(dtype.__name__ for dtype in dtypes)
        raise InvalidArgument(f"{name} is {kind}, must be a NumPy array of {allowed}")


def _check_index(table_index: np.ndarray, tables: CdfTables) -> None:
    if not isinstance(tables, CdfTables):
        raise InvalidArgument(f"tables is {type(tables).__name__}, must be CdfTables")
    _check_array(table_index, "table_index", np.uint8)


def _flat(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1)
