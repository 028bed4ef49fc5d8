"""The length of a run, in steps or in minutes, and its learning rate."""

from __future__ import annotations

import math

from .options import TrainOptions

WARM_UP_STEPS = 200
LAST_RATE = 0.01
"""Learning rate at the end, as a part of the first."""


def progress_of(options: TrainOptions, *, steps_done: int, elapsed: float) -> float:
    """What part of a run is done, 0 ... 1; of a hot run always 0.

    A run counted in steps does not look at the clock.
    """
    if options.hot:
        return 0.0
    if options.steps is not None:
        return min(1.0, steps_done / options.steps)
    return min(1.0, elapsed / (60 * options.minutes))


def learning_rate_at(
    progress: float, *, first: float, decay_share: float, steps_done: int
) -> float:
    """Short warm-up, then constant, then a cosine down to 1 % over the last ``decay_share``.

    ``steps_done`` are those of the optimizer's state, which a branch takes over.
    """
    warm = min(1.0, (steps_done + 1) / WARM_UP_STEPS)
    falling = max(0.0, progress - (1 - decay_share)) / decay_share
    cosine = 0.5 * (1 + math.cos(math.pi * falling))
    return first * warm * (LAST_RATE + (1 - LAST_RATE) * cosine)
