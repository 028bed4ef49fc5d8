"""Ambiguous intervals: which outputs of a network another machine may round otherwise (S0).

A network's floating-point outputs become integers: pixels by rounding (scenario 1), or an index of
a table by thresholds (scenario 2). Two machines' outputs differ by at most a precision d. What lies
within d of a boundary on the decoder's machine is ambiguous there; all of that lies within 2 d on
the encoder's (EP 4 156 691).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from samebits.errors import CorruptStream, InvalidArgument


class Boundaries(Protocol):
    """Where outputs become other integers."""

    def index(self, values: np.ndarray) -> np.ndarray:
        """int64 of the values' shape."""
        ...

    def neighbour(self, values: np.ndarray) -> np.ndarray:
        """The integer on the other side of the nearest boundary, int64."""
        ...

    def distance(self, values: np.ndarray) -> np.ndarray:
        """To the nearest boundary, float64, infinite where there is none."""
        ...


@dataclass(frozen=True)
class Rounding:
    """Half up, to integers ``low`` ... ``high``, where values beyond are cut off."""

    low: int = 0
    high: int = 255

    def _lower(self, values: np.ndarray) -> np.ndarray:
        """The integer below the nearest boundary."""
        below = np.floor(np.asarray(values, np.float64))
        return np.clip(below, self.low, self.high - 1).astype(np.int64)

    def index(self, values: np.ndarray) -> np.ndarray:
        rounded = np.floor(np.asarray(values, np.float64) + 0.5)
        return np.clip(rounded, self.low, self.high).astype(np.int64)

    def neighbour(self, values: np.ndarray) -> np.ndarray:
        return 2 * self._lower(values) + 1 - self.index(values)

    def distance(self, values: np.ndarray) -> np.ndarray:
        return np.abs(np.asarray(values, np.float64) - (self._lower(values) + 0.5))


@dataclass(frozen=True, eq=False)
class Thresholds:
    """The number of thresholds that a value has reached: an index of a table."""

    values: np.ndarray

    def __post_init__(self) -> None:
        thresholds = np.asarray(self.values, np.float64)
        if thresholds.ndim != 1 or len(thresholds) == 0 or not (np.diff(thresholds) > 0).all():
            raise InvalidArgument("thresholds must be increasing numbers, at least one")
        object.__setattr__(self, "values", thresholds)

    def _nearest(self, values: np.ndarray) -> np.ndarray:
        middles = (self.values[1:] + self.values[:-1]) / 2
        return np.searchsorted(middles, np.asarray(values, np.float64), side="right")

    def index(self, values: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.values, np.asarray(values, np.float64), side="right")

    def neighbour(self, values: np.ndarray) -> np.ndarray:
        return 2 * self._nearest(values) + 1 - self.index(values)

    def distance(self, values: np.ndarray) -> np.ndarray:
        return np.abs(np.asarray(values, np.float64) - self.values[self._nearest(values)])


PIXELS = Rounding()


@dataclass(frozen=True)
class Precision:
    """How far outputs of two machines may lie apart: ``offset + slope * abs(value)``.

    A slope of 0 is a fixed precision. Chosen once, or for each input and sent (8 bytes).
    """

    offset: float
    slope: float = 0.0

    def __post_init__(self) -> None:
        for value in (self.offset, self.slope):
            if not 0 <= value < math.inf:
                raise InvalidArgument(f"a precision is {value}, must be a number from 0 on")

    def of(self, values: np.ndarray) -> np.ndarray:
        """float64, of the values' shape."""
        values = np.asarray(values, np.float64)
        if not np.isfinite(values).all():
            raise InvalidArgument("outputs must be finite")
        return self.offset + self.slope * np.abs(values)

    def at_decoder(self, values: np.ndarray, boundaries: Boundaries = PIXELS) -> np.ndarray:
        """Which outputs are ambiguous where a stream is decoded, bool."""
        precision = self.of(values)
        return boundaries.distance(values) <= precision

    def at_encoder(self, values: np.ndarray, boundaries: Boundaries = PIXELS) -> np.ndarray:
        """Which outputs may be ambiguous to a decoder: those within twice the precision, bool."""
        # The decoder's own value, and so its precision, may be larger by the precision itself.
        precision = self.of(values)
        return boundaries.distance(values) <= precision * (2 + self.slope)

    def to_bytes(self) -> bytes:
        """Two float32, rounded up so that nothing ambiguous is left out."""
        return struct.pack("<2f", *(_float32_above(value) for value in (self.offset, self.slope)))

    @staticmethod
    def from_bytes(content: bytes) -> Precision:
        """What :meth:`to_bytes` wrote.

        Raises
        ------
        CorruptStream
            The numbers are not finite, or below 0.
        """
        if len(content) != 8:
            raise CorruptStream(f"a precision of {len(content)} bytes, must be 8")
        try:
            return Precision(*struct.unpack("<2f", content))
        except InvalidArgument as error:
            raise CorruptStream(str(error)) from error


def _float32_above(value: float) -> np.float32:
    nearest = np.float32(value)
    return nearest if float(nearest) >= value else np.nextafter(nearest, np.float32(np.inf))


def estimate_precision(
    outputs: Iterable[tuple[np.ndarray, np.ndarray]], *, margin: float = 2.0
) -> Precision:
    """A fixed precision for pairs of one network's outputs on two machines, or in two environments.

    Parameters
    ----------
    outputs : pairs of arrays of one shape.
    margin : factor on the largest difference seen; machines not seen may differ by more.
    """
    largest = 0.0
    for one, other in outputs:
        difference = np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64))
        largest = max(largest, float(difference.max(initial=0.0)))
    return Precision(largest * margin)
