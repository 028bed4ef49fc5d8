"""The symbols that `samebits bench coding` codes: rounded Gaussians of 64 scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from samebits.kernels import CdfTables

SCALES = 64
# Mean of the table index, which is a rounded Gaussian, too. Row r has the scale 2**((r - 28) / 8).
MIXTURES = {"0.25 bit": 6.74, "1 bit": 17.33, "4 bit": 43.6}
INDEX_DEVIATION = 8.0


@dataclass(frozen=True)
class Stream:
    """Symbols, with a table for each, in no order.

    Attributes
    ----------
    name : str
    symbols : ndarray of int32, shape (n,)
        Never an escape: what a table lacks is clamped to its last symbol, so that coders without
        escapes can take part.
    table_index : ndarray of uint8, shape (n,)
    tables : CdfTables
        64 rows, the same for every coder that takes tables.
    entropy_bits : float
        Sum of -log2 of the probabilities under the exact Gaussians.
    """

    name: str
    symbols: np.ndarray
    table_index: np.ndarray
    tables: CdfTables
    entropy_bits: float

    @property
    def size(self) -> int:
        """Number of symbols."""
        return len(self.symbols)

    @property
    def bits_per_symbol(self) -> float:
        """The entropy's."""
        return self.entropy_bits / self.size

    @cached_property
    def deviations(self) -> np.ndarray:
        """Standard deviation of each symbol's Gaussian, float64."""
        return _deviations()[self.table_index]

    def head(self, size: int) -> Stream:
        """Its first symbols, for coders that need much memory."""
        symbols, index = self.symbols[:size], self.table_index[:size]
        return Stream(self.name, symbols, index, self.tables, _entropy_bits(symbols, index))


def make_stream(name: str, size: int) -> Stream:
    """`size` symbols of one of `MIXTURES`, the same each time."""
    rng = np.random.default_rng(1)
    index = np.rint(rng.normal(MIXTURES[name], INDEX_DEVIATION, size))
    index = np.clip(index, 0, SCALES - 1).astype(np.uint8)
    tables = gaussian_tables()
    symbols = np.rint(rng.normal(0, _deviations()[index])).astype(np.int32)
    symbols = np.clip(symbols, tables.min_symbol[index], tables.max_symbol[index])
    return Stream(name, symbols, index, tables, _entropy_bits(symbols, index))


@lru_cache(maxsize=1)
def gaussian_tables() -> CdfTables:
    """The tables of all streams; making them takes a while."""
    return CdfTables.gaussian_octaves(rows=SCALES)


def _deviations() -> np.ndarray:
    return 2.0 ** ((np.arange(SCALES) - 28) / 8)


def _entropy_bits(symbols: np.ndarray, index: np.ndarray) -> float:
    """By counting equal pairs (scale, absolute value)."""
    sizes = np.abs(symbols)
    pairs, counts = np.unique(index.astype(np.int64) << 32 | sizes, return_counts=True)
    deviations = _deviations()
    total = 0.0
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        deviation, size = deviations[pair >> 32] * math.sqrt(2), pair & 0xFFFFFFFF
        # Twice the probability; of 0 from both sides, so that no digits cancel.
        twice = math.erfc((size - 0.5) / deviation) - math.erfc((size + 0.5) / deviation)
        total -= count * math.log2(twice / 2)
    return total
