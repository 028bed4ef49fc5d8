"""Float twin of the head that gives a probability per value (E5; docs/arithmetic.md 9)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ...kernels import CdfTables
from .config import ModelConfig
from .network import NetworkBuilder

ESCAPE_BITS = 8
"""Bits of a byte of an escape's value; every 7 bits of it ask for one."""
LEAST_MASS = 2.0**-16


def gaussian_base(radius: int, rows: tuple[int, int]) -> np.ndarray:
    """log2 of the probabilities of -radius ... radius and of the rest, by the shipped CDF rows.

    Returns
    -------
    ndarray of float64, shape (rows[1] - rows[0], 2 * radius + 2)
    """
    tables = CdfTables.gaussian_octaves()
    base = []
    for row in range(*rows):
        mass = np.diff(tables.cdf(row)) / 65536
        middle = len(mass) // 2 - 1  # of symbol 0; the last entry is the escape
        values = np.full(2 * radius + 1, LEAST_MASS)
        inside = min(radius, middle)
        values[radius - inside : radius + inside + 1] = mass[middle - inside : middle + inside + 1]
        base.append(np.log2([*values, max(1 - values.sum(), LEAST_MASS)]))
    return np.array(base)


def first_shapes(radius: int, coefficients: int) -> np.ndarray:
    """Shapes that a correction can be made of at first, (2 * radius + 2, coefficients).

    Zero or not, which sign, the magnitude, the value; then single values.
    """
    v = np.arange(-radius, radius + 2)
    inside = v <= radius
    columns = [
        (v == 0).astype(float),
        np.sign(v) * inside,
        np.abs(v) / 4,
        v * inside / 4,
        *[(v == sign * n).astype(float) for n in range(1, radius + 1) for sign in (1, -1)],
    ]
    return np.stack(columns[:coefficients], axis=1)


class ValueHead(nn.Module):
    """Logits of the values of every element, in octaves.

    A new head changes nothing: its coefficients are zero and its base is that of the CDF rows.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.radius = config.value_radius
        self.coefficients = config.value_coefficients
        self.first_row, self.end_row = config.value_rows
        net = NetworkBuilder(config.context_channels, config.leaky)
        hidden = net.conv(0, config.value_width, leaky=True)
        net.conv(hidden, config.latent_channels * self.coefficients, bound="full")
        self.network = net.build()
        nn.init.zeros_(self.network.layers[-1].weight)  # type: ignore[arg-type]
        base = gaussian_base(self.radius, config.value_rows)
        self.base = nn.Parameter(torch.from_numpy(base).float())
        shapes = first_shapes(self.radius, self.coefficients)
        self.shapes = nn.Parameter(torch.from_numpy(shapes).float())

    def has(self, row: Tensor) -> Tensor:
        """Which elements have a row of their own, by their CDF row."""
        return (row >= self.first_row) & (row < self.end_row)

    def logits(self, row: Tensor, coefficients: Tensor) -> Tensor:
        """Logits (K, n) of elements with rows (K,) of their own and coefficients (K, J)."""
        return self.base[row - self.first_row] + coefficients @ self.shapes.T

    def bits(self, row: Tensor, coefficients: Tensor, symbols: Tensor) -> Tensor:
        """Bits (K,) of rounded symbols (K,), escapes included."""
        log_mass = self.logits(row, coefficients) * float(np.log(2))
        log2_mass = torch.log_softmax(log_mass, -1) / float(np.log(2))
        beyond = symbols.abs() - self.radius  # above 0: an escape
        escape = 2 * self.radius + 1
        entry = torch.where(beyond > 0, escape, symbols + self.radius).long()
        bits = -log2_mass.gather(-1, entry[:, None])[:, 0]
        number = torch.where(symbols > 0, 2 * (beyond - 1), 2 * (beyond - 1) + 1)
        more = sum((number >= 2**places).to(bits.dtype) for places in (7, 14))
        return bits + (beyond > 0) * ESCAPE_BITS * (1 + more)
