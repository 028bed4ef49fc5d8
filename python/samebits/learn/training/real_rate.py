"""Bits by the integer tables of the coder for rounded symbols: what the loss's estimate omits.

The row of the table, probabilities of 16 bits, escapes and their bytes (arithmetic.md 3 and 5).
What is left out are the integer networks, a few bytes of the range coder's ends, and the header.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from samebits.kernels import CdfTables

from ..models import PictureModel
from ..models.transforms import PIXEL_UNIT
from .coded_steps import coded_steps, scale_rows

CDF_BITS = 16
BYTE_BITS, PLACES_PER_BYTE, MOST_BYTES = 8, 7, 5
"""Of a LEB128 number, which holds the value of an escape."""


class RealRate:
    """The shipped CDF rows on a device."""

    def __init__(self, device: torch.device) -> None:
        tables = CdfTables.gaussian_octaves()
        costs, begins, least = [], [0], []
        for row in range(tables.rows):
            costs.append(CDF_BITS - np.log2(np.diff(tables.cdf(row))))
            begins.append(begins[-1] + len(costs[-1]))
            least.append(int(tables.min_symbol[row]))
        self.costs = torch.from_numpy(np.concatenate(costs)).float().to(device)
        self.begins = torch.tensor(begins, device=device)
        self.least = torch.tensor(least, device=device)

    def bits(self, symbols: Tensor, rows: Tensor) -> Tensor:
        """Bits of every rounded symbol with its CDF row (int64), same shape."""
        symbols = symbols.long()
        begin, least = self.begins[rows], self.least[rows]
        escape = self.begins[rows + 1] - begin - 1
        entry = symbols - least
        inside = (entry >= 0) & (entry < escape)
        cost = self.costs[begin + torch.where(inside, entry, escape)]
        number = torch.where(entry < 0, 2 * (-entry - 1) + 1, 2 * (entry - escape))
        more = sum(number >= 2 ** (PLACES_PER_BYTE * n) for n in range(1, MOST_BYTES))
        return cost + ~inside * BYTE_BITS * (1 + more)


@lru_cache(maxsize=4)
def real_rate_on(device: torch.device) -> RealRate:
    """The tables on a device, made once."""
    return RealRate(device)


@torch.no_grad()
def real_bpp(model: PictureModel, x: Tensor, quality: Tensor, steps: list[Tensor]) -> float:
    """Mean bits per pixel of pictures (B, 3, H, W) in 0 ... 255, coded by ``steps``."""
    rate = real_rate_on(x.device)
    y = model.g_a((x - 128) / PIXEL_UNIT)
    z_symbols = model.hyper(y, quality, noise=False)[2]
    z_rows = scale_rows(model.at_quality(model.log2_z_scale, quality)).expand_as(z_symbols)
    total = rate.bits(z_symbols, z_rows).sum(dtype=torch.float64)
    for step in coded_steps(model, y, quality, steps):
        total += (rate.bits(step.symbols, step.rows) * step.coded).sum(dtype=torch.float64)
    return total.item() / (x.shape[0] * x.shape[-2] * x.shape[-1])
