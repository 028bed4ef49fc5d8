"""The step loop for training: the same values, but nothing is computed that no step codes.

Positions of a tensor (B, C, h, w) are split by phase, 2 * (i mod 2) + (j mod 2), into (4, N, C),
N = B * h/2 * w/2. A step that codes n channels at each of P phases is then a dense (P, N, n).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from .likelihood import code_values
from .network import ste_round
from .sparse_context import sparse_context, taps_of

if TYPE_CHECKING:
    from .entropy_model import EntropyModel

PHASES = 4


@dataclass(frozen=True)
class CodedCells:
    """What a step codes: ``phases`` (P of them) and for each the ``channels``, (P, n)."""

    phases: tuple[int, ...]
    channels: Tensor

    @classmethod
    def of_mask(cls, mask: Tensor) -> CodedCells | None:
        """The step of a mask (1, M, h, w); None if a phase codes more channels than another."""
        if mask.shape[-2] % 2 or mask.shape[-1] % 2:
            return None
        by_phase = mask[0, :, :2, :2].reshape(-1, PHASES).T > 0
        counts = by_phase.sum(1).tolist()
        phases = tuple(p for p in range(PHASES) if counts[p])
        if len({counts[p] for p in phases}) != 1:
            return None
        return cls(phases, torch.stack([by_phase[p].nonzero()[:, 0] for p in phases]))

    @property
    def everywhere(self) -> bool:
        """Something is coded at every position."""
        return len(self.phases) == PHASES

    def take(self, split: Tensor) -> Tensor:
        """(P, N, n) of a tensor (4, N, M)."""
        chosen = split if self.everywhere else split[list(self.phases)]
        return chosen.gather(2, self._index(split.shape[1]))

    def put(self, values: Tensor, channels: int) -> Tensor:
        """(4, N, M): ``values`` (P, N, n) where the step codes, 0 elsewhere."""
        count = values.shape[1]
        spread = values.new_zeros(len(self.phases), count, channels)
        spread = spread.scatter(2, self._index(count), values)
        if self.everywhere:
            return spread
        rows = torch.tensor(self.phases, device=values.device)
        return values.new_zeros(PHASES, count, channels).index_copy(0, rows, spread)

    def _index(self, count: int) -> Tensor:
        return self.channels[:, None].expand(-1, count, -1)


def split_phases(x: Tensor) -> Tensor:
    """(B, C, h, w), h and w even, to (4, B * h/2 * w/2, C)."""
    batch, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2, channels)
    return rows.permute(2, 4, 0, 1, 3, 5).reshape(PHASES, -1, channels)


def join_phases(split: Tensor, height: int, width: int) -> Tensor:
    """Inverse of :func:`split_phases`, channels last in memory."""
    rows = split.reshape(2, 2, -1, height // 2, width // 2, split.shape[-1])
    rows = rows.permute(2, 3, 0, 4, 1, 5).reshape(-1, height, width, split.shape[-1])
    return rows.permute(0, 3, 1, 2)


class CellLoop:
    """The loop over the steps of a batch; arguments as of ``EntropyModel.forward``."""

    def __init__(
        self,
        model: EntropyModel,
        y: Tensor,
        prediction: Tensor,
        features: Tensor,
        bias: Tensor,
        gain: Tensor,
        inverse_gain: Tensor,
        *,
        quantize: Callable[[Tensor], Tensor] = ste_round,
    ) -> None:
        self.model = model
        self.quantize = quantize
        self.size = y.shape[-2:]
        self.w_proxy, self.w_mask, w_features = model.split_context()
        self.taps = taps_of(self.w_proxy)
        self.base = F.conv2d(features, w_features, padding=1) + bias
        self.y, self.prediction = split_phases(y), split_phases(prediction)
        ones = y.new_ones(len(y), 1, *self.size)
        self.gain = split_phases(gain * ones)
        self.inverse_gain = split_phases(inverse_gain * ones)

    def run(
        self, steps: list[Tensor], cells: list[CodedCells], *, noise: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """y_hat, bits and symbols, (B, M, h, w) each; ``noise`` as of ``code_values``."""
        noise = None if noise is None else split_phases(noise)
        incremental = all(cell.everywhere for cell in cells)
        proxy, known = self.prediction, torch.zeros_like(steps[0])
        sums = self._all_sums(self.base, proxy) if incremental else self.base
        bits, symbols = torch.zeros_like(proxy), torch.zeros_like(proxy)
        channels = proxy.shape[-1]
        for n, (step, cell) in enumerate(zip(steps, cells, strict=True)):
            seen = split_phases(sums) if incremental else self._sums_at(cell, proxy, known)
            rounded, step_bits, change = self._code(cell, seen, noise=noise)
            bits = bits + cell.put(step_bits, channels)
            symbols = symbols + cell.put(rounded, channels)
            spread = cell.put(change, channels)
            proxy, known = proxy + spread, known + step
            if incremental and n + 1 < len(steps):
                sums = sums + self._added_sums(cell, change) + conv_periodic(step, self.w_mask)
        y_hat, bits, symbols = (join_phases(x, *self.size) for x in (proxy, bits, symbols))
        return y_hat, bits, symbols

    def _all_sums(self, sums: Tensor, change: Tensor) -> Tensor:
        return sums + F.conv2d(join_phases(change, *self.size), self.w_proxy, padding=1)

    def _added_sums(self, cell: CodedCells, change: Tensor) -> Tensor:
        """What the values of a step add to the sums of the context layer, everywhere."""
        return sparse_context(change, cell.channels, self.taps, tuple(self.size))

    def _sums_at(self, cell: CodedCells, proxy: Tensor, known: Tensor) -> Tensor:
        """Sums (P, N, C1) of the context layer at the phases of a step."""
        joined = join_phases(proxy, *self.size)
        base = self.base + conv_periodic(known, self.w_mask)
        sums = []
        for p in cell.phases:
            here = (..., slice(p // 2, None, 2), slice(p % 2, None, 2))
            value = base[here] + _conv_at_phase(joined, self.w_proxy, p)
            sums.append(value.permute(0, 2, 3, 1).flatten(0, 2))
        return torch.stack(sums)

    def _code(
        self, cell: CodedCells, sums: Tensor, *, noise: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Symbols, bits and what the proxy changes by, (P, N, n) each."""
        prediction, gain = cell.take(self.prediction), cell.take(self.gain)
        delta, log2_scale = self._parameters(cell, sums)
        mean = prediction + delta
        uniform = None if noise is None else cell.take(noise)
        rounded, bits = code_values(
            cell.take(self.y), mean, log2_scale, gain, noise=uniform, quantize=self.quantize
        )
        return rounded, bits, delta + rounded * cell.take(self.inverse_gain)

    def _parameters(self, cell: CodedCells, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Mean correction and log2 scale (P, N, n) by the 1x1 layers of the head."""
        slope = 2.0**-self.model.config.leaky
        x = F.leaky_relu(sums, slope)
        if self.model.tap is not None:
            x = self.model.tap(x)
        layers = list(self.model.head.layers)
        for layer in layers[:-1]:
            x = F.leaky_relu(F.linear(x, layer.weight[:, :, 0, 0], layer.bias), slope)
        last = layers[-1]
        rows = torch.cat([cell.channels, cell.channels + self.prediction.shape[-1]], 1)
        weight, bias = last.weight[:, :, 0, 0][rows], last.bias[rows]
        delta, log2_scale = torch.baddbmm(bias[:, None], x, weight.transpose(1, 2)).chunk(2, -1)
        return delta, log2_scale


def _conv_at_phase(x: Tensor, weight: Tensor, phase: int) -> Tensor:
    """A 3 x 3 convolution (zero padding 1) at the positions of a phase only."""
    return F.conv2d(F.pad(x, (1, 1, 1, 1))[..., phase // 2 :, phase % 2 :], weight, stride=2)


def conv_periodic(mask: Tensor, weight: Tensor) -> Tensor:
    """A 3 x 3 convolution (zero padding 1) of a mask that repeats every 2 x 2 positions."""
    rows, columns = (_period(side) for side in mask.shape[-2:])
    small = F.conv2d(mask[..., : max(rows) + 1, : max(columns) + 1], weight, padding=1)
    return small[..., rows, :][..., columns]


def _period(side: int) -> list[int]:
    """Where a small result (4 positions) holds what stands at each position of a side, even."""
    if side <= 4:
        return list(range(side))
    return [0, *(1 + n % 2 for n in range(side - 2)), 3]
