"""What groupings give in bits: one network for all, nothing retrained, on held pictures (E4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from samebits import _core

from ..models import ModelConfig, PictureModel
from .coded_bits import HeldLatents, Steps, schedule_bits
from .group_file import Grouping

ORDERS = {
    "mode 2": {"mode": 2, "phases": 0},
    "mode 2, 2x2": {"mode": 2, "phases": 2},
    "diagonal": {"mode": 2, "phases": 3},
    "mode 4": {"mode": 4, "phases": 0},
}
"""Orders that are compared, as fields of a schedule (bitstream.md 2)."""


@dataclass(frozen=True)
class OrderBits:
    """A grouping in one order: steps, and bits per pixel at each quality, hyper-latents included.

    ``change`` is the mean over the qualities of the difference to one step, as a share.
    """

    order: str
    steps: int
    bpp: tuple[float, ...]
    change: float


@dataclass(frozen=True)
class ComparedGrouping:
    """One line of the table."""

    method: str
    use: str
    sizes: tuple[int, ...]
    phase_sizes: tuple[int, ...]
    results: tuple[OrderBits, ...]

    def result(self, order: str) -> OrderBits:
        """The result of one of ``ORDERS``."""
        return next(result for result in self.results if result.order == order)


@dataclass(frozen=True)
class Layout:
    """An order of the channels and the group sizes that stand in a weights file with it."""

    method: str
    use: str
    order: np.ndarray
    sizes: tuple[int, ...]
    phase_sizes: tuple[int, ...]

    @classmethod
    def learned(cls, grouping: Grouping) -> Layout:
        """Of a grouping."""
        return cls(
            grouping.method, grouping.use, grouping.order, grouping.sizes, grouping.phase_sizes
        )

    @classmethod
    def as_trained(cls, config: ModelConfig) -> Layout:
        """The groups that the model has now."""
        order = np.arange(config.latent_channels)
        return cls("as trained", "", order, config.groups, config.phase_groups)

    @classmethod
    def at_random(cls, config: ModelConfig, *, seed: int) -> Layout:
        """The sizes that the model has now, with channels drawn by lot."""
        order = np.random.default_rng(seed).permutation(config.latent_channels)
        return cls("random", "", order, config.groups, config.phase_groups)

    def steps(self, order: str) -> Steps:
        """The schedule of one of ``ORDERS``."""
        groups = _core.ChannelGroups(
            latent_channels=len(self.order),
            groups=list(self.sizes),
            phase_groups=list(self.phase_sizes),
        )
        return _core.schedule_steps(_core.ScheduleSpec(**ORDERS[order]), groups)


class Comparison:
    """Held pictures at several qualities, and their bits in one step."""

    def __init__(self, model: PictureModel, held: Sequence[HeldLatents]) -> None:
        self.model, self.held = model, held
        channels = model.config.latent_channels
        one_step: Steps = [[(0, channels, 15, None)]]
        self.one_step_bpp = self._bpp(np.arange(channels), one_step)

    def measure(self, layout: Layout, orders: Sequence[str] = tuple(ORDERS)) -> ComparedGrouping:
        """Bits of a layout in some orders."""
        results = []
        for order in orders:
            steps = layout.steps(order)
            bpp = self._bpp(layout.order, steps)
            ratios = [a / b for a, b in zip(bpp, self.one_step_bpp, strict=True)]
            results.append(OrderBits(order, len(steps), bpp, sum(ratios) / len(ratios) - 1))
        return ComparedGrouping(
            layout.method, layout.use, layout.sizes, layout.phase_sizes, tuple(results)
        )

    def _bpp(self, order: np.ndarray, steps: Steps) -> tuple[float, ...]:
        numbers = torch.from_numpy(np.ascontiguousarray(order))
        return tuple(
            (schedule_bits(self.model.entropy, held, numbers, steps).sum().item() + held.z_bits)
            / held.pixels
            for held in self.held
        )


def table_text(rows: Sequence[ComparedGrouping]) -> str:
    """Bits beside one step, in percent, and the number of steps; the best of a column is marked."""
    orders = [result.order for result in rows[0].results]
    best = {order: min(row.result(order).change for row in rows) for order in orders}
    lines = ["method        use       " + "".join(f"{order:>20s}" for order in orders) + "  sizes"]
    for row in rows:
        cells = ""
        for result in row.results:
            mark = "*" if result.change == best[result.order] else " "
            cells += f"{100 * result.change:+11.2f} %{mark}{result.steps:6d}"
        sizes = ",".join(map(str, row.sizes))
        lines.append(f"{row.method:13s} {row.use:10s}{cells}  {sizes}")
    return "\n".join(lines)
