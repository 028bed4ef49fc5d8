"""Coding orders as masks, from the schedules that the coder itself uses (E3, E7)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ... import _core
from .config import ModelConfig

PHASES = 4
PHASE_NUMBERS = {"none": 0, "checkerboard": 1, "2x2": 2, "diagonal": 3}


@dataclass(frozen=True)
class View:
    """Elements that are coded together and see the same.

    Attributes
    ----------
    visible, target : (M, 4) bool, per channel and phase 2 * (i mod 2) + (j mod 2): what these
        elements see as true values, and which elements they are.
    """

    visible: np.ndarray
    target: np.ndarray

    def permuted(self, channels: np.ndarray) -> View:
        """The same view of a model whose channels stand in another order."""
        return View(self.visible[channels], self.target[channels])


@dataclass(frozen=True)
class Order:
    """A coding order: steps, each with one or more views (several in modes 4 to 6)."""

    steps: tuple[tuple[View, ...], ...]

    def permuted(self, channels: np.ndarray) -> Order:
        """The same order of a model whose channels stand in another order."""
        return Order(tuple(tuple(v.permuted(channels) for v in step) for step in self.steps))

    def masks(self, height: int, width: int, device: torch.device) -> list[Tensor]:
        """Masks (1, M, height, width) of the steps, for a loop in which all see what is known.

        Raises
        ------
        ValueError
            If some elements see less: modes 4 to 6 have views.
        """
        known = np.zeros_like(self.steps[0][0].target)
        masks = []
        for step in self.steps:
            if any((view.visible != known).any() for view in step):
                raise ValueError("an order with views cannot be run as one loop over masks")
            coded = np.any([view.target for view in step], axis=0)
            masks.append(spread(coded, height, width).to(device)[None])
            known = known | coded
        return masks


def spread(by_phase: np.ndarray, height: int, width: int) -> Tensor:
    """(M, 4) per channel and phase to a float mask (M, height, width)."""
    phase = 2 * (np.arange(height) % 2)[:, None] + (np.arange(width) % 2)[None]
    return torch.from_numpy(by_phase[:, phase].astype(np.float32))


@functools.lru_cache(maxsize=512)
def make_order(
    config: ModelConfig,
    *,
    mode: int,
    phases: str = "none",
    groups: tuple[int, ...] = (),
    first: int = 0,
) -> Order:
    """The order of a schedule; ``groups`` empty means the model's own (E3).

    Parameters
    ----------
    mode : 0 to 6. phases : ``none``, ``checkerboard``, ``2x2`` or ``diagonal``.
    groups : sizes that add up to M. first : subgroups in the first part of modes 5 and 6.
    """
    spec = _core.ScheduleSpec(
        mode=mode, phases=PHASE_NUMBERS[phases], groups=list(groups), first=first
    )
    model_groups = _core.ChannelGroups(
        latent_channels=config.latent_channels,
        groups=list(config.groups),
        phase_groups=list(config.phase_groups),
    )
    return order_of_steps(_core.schedule_steps(spec, model_groups), config.latent_channels)


def order_of_steps(steps: list, channels: int) -> Order:
    """The order of a list of steps of rectangles (channel begin, end, phase mask, view)."""
    known = np.zeros((channels, PHASES), bool)
    result = []
    for rectangles in steps:
        targets: dict[tuple | None, np.ndarray] = {}
        for begin, end, phase_mask, view in rectangles:
            key = None if view is None else tuple(tuple(part) for part in view)
            target = targets.setdefault(key, np.zeros_like(known))
            target[begin:end] |= [bool(phase_mask >> p & 1) for p in range(PHASES)]
        result.append(
            tuple(View(known & _channels(key, channels), t) for key, t in targets.items())
        )
        for target in targets.values():
            known = known | target
    return Order(tuple(result))


def _channels(ranges: tuple | None, channels: int) -> np.ndarray:
    """(M, 1) bool: the channels of a view."""
    if ranges is None:
        return np.ones((channels, 1), bool)
    inside = np.zeros((channels, 1), bool)
    for begin, end in ranges:
        inside[begin:end] = True
    return inside


def default_order(config: ModelConfig) -> Order:
    """The order of files for which none is asked: diagonal, four steps."""
    return make_order(config, mode=2, phases="diagonal")


def random_view(channels: int, random: np.random.Generator) -> View:
    """A random part is known, all the rest is coded: single elements or whole channels (E7)."""
    columns = PHASES if random.random() < 0.5 else 1
    known = random.random((channels, columns)) < random.random()
    visible = np.repeat(known, PHASES // columns, axis=1)
    return View(visible, ~visible)
