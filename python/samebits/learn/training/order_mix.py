"""Draws the orders and views that training runs, by their expected use (E7)."""

from __future__ import annotations

import numpy as np

from ..models import ModelConfig
from ..models.schedule import Order, View, default_order, make_order, random_view

FEW_TARGETS = 64
"""Of a step with fewer elements per position, the next ones count too (they see as much)."""
NEXT_STEPS = 8


class OrderMix:
    """Random orders of a model.

    Parameters
    ----------
    config : sizes of the model.
    permuted : share of draws whose channels are shuffled first, so that the network serves any
        grouping (needed as long as the groups are not chosen).
    default_only : the default order and nothing else.
    """

    def __init__(
        self, config: ModelConfig, *, permuted: float = 0.0, default_only: bool = False
    ) -> None:
        self.config = config
        self.permuted = permuted
        self.default_only = default_only
        m = config.latent_channels
        self.layouts = [config.groups, config.phase_groups, _even(m, 8), _even(m, 2), _uneven(m)]
        halves = _even(m, 2)
        self.default = default_order(config)
        self.others = [
            (0.62, make_order(config, mode=2, phases="2x2")),
            (0.12, make_order(config, mode=0)),
            (0.06, make_order(config, mode=2, phases="diagonal", groups=halves)),
            (0.06, make_order(config, mode=0, phases="checkerboard")),
            (0.08, make_order(config, mode=0, phases="2x2")),
            (0.03, make_order(config, mode=2)),
            (0.03, make_order(config, mode=2, groups=config.phase_groups)),
        ]

    def order(self, random: np.random.Generator, *, default_share: float = 0.45) -> Order:
        """An order of few steps, to be run as in coding; the default one with its share."""
        if self.default_only or random.random() < default_share:
            order = self.default
        else:
            weights = np.array([weight for weight, _ in self.others])
            order = self.others[random.choice(len(weights), p=weights / weights.sum())][1]
        if random.random() < self.permuted:
            order = order.permuted(random.permutation(self.config.latent_channels))
        return order

    def view(self, random: np.random.Generator) -> View:
        """One step of any mode, phases and groups, or (a quarter) a random part of the elements."""
        kind = random.random()
        if kind < 0.5:
            view = self._step_of_a_mode(random)
        elif kind < 0.75:
            groups = self._random_groups(random)
            phases = ("none", "checkerboard", "2x2")[random.integers(3)]
            order = make_order(self.config, mode=2, phases=phases, groups=groups)
            view = order.steps[random.integers(len(order.steps))][0]
        else:
            view = random_view(self.config.latent_channels, random)
        if random.random() < self.permuted:
            view = view.permuted(random.permutation(self.config.latent_channels))
        return view

    def _step_of_a_mode(self, random: np.random.Generator) -> View:
        mode = int(random.choice([1, 2, 2, 2, 3, 4, 5, 6]))
        groups = self.layouts[random.integers(len(self.layouts))]
        first = int(random.integers(1, len(groups))) if mode in (5, 6) else 0
        phases = ("none", "checkerboard", "2x2")[random.integers(3)]
        order = make_order(self.config, mode=mode, phases=phases, groups=groups, first=first)
        step = int(random.integers(len(order.steps)))
        views = order.steps[step]
        view = views[random.integers(len(views))]
        if view.target.sum() >= FEW_TARGETS:
            return view
        target = view.target.copy()
        for later in order.steps[step + 1 : step + NEXT_STEPS]:
            for other in later:
                if (other.visible & view.visible).sum() == view.visible.sum():
                    target |= other.target
        return View(view.visible, target)

    def _random_groups(self, random: np.random.Generator) -> tuple[int, ...]:
        m = self.config.latent_channels
        count = int(random.integers(2, min(9, m)))
        cuts = np.sort(random.choice(np.arange(1, m), count - 1, replace=False))
        return tuple(int(size) for size in np.diff(np.r_[0, cuts, m]))


def _even(channels: int, count: int) -> tuple[int, ...]:
    return tuple(channels // count + (n < channels % count) for n in range(count))


def _uneven(channels: int) -> tuple[int, ...]:
    """Sizes that double: about 1/16, 1/16, 1/8, 1/4, 1/2."""
    sizes = [max(1, channels // 16), max(1, channels // 16), channels // 8, channels // 4]
    return (*sizes, channels - sum(sizes))
