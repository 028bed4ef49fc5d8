"""What the grouping methods know of the channels: activations on held pictures (E4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..models import PictureModel
from .coded_bits import HeldLatents, held_latents


@dataclass(frozen=True)
class ChannelActivations:
    """Latents of held pictures at sampled positions, in quantization steps.

    Attributes
    ----------
    values : (M, n) float64, one row a channel.
    """

    values: np.ndarray

    @property
    def channels(self) -> int:
        return len(self.values)

    @property
    def importance(self) -> np.ndarray:
        """(M,) mean absolute activation of each channel."""
        return np.abs(self.values).mean(1)

    @property
    def features(self) -> np.ndarray:
        """(M, n) magnitudes of each channel, mean 0 and length 1.

        Magnitudes, because a transform leaves little correlation of values, but where one channel
        is large others are, too, and that is what an entropy model can use.
        """
        return centered(np.abs(self.values))

    @property
    def correlation(self) -> np.ndarray:
        """(M, M), 0 ... 1: of values or of magnitudes, the stronger of both."""
        values, magnitudes = centered(self.values), self.features
        return np.maximum(np.abs(values @ values.T), np.abs(magnitudes @ magnitudes.T)).clip(0, 1)


def centered(rows: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and length 1; a constant row becomes 0."""
    rows = rows - rows.mean(1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def channel_activations(
    model: PictureModel, y: Tensor, *, quality: float, positions: int, seed: int
) -> ChannelActivations:
    """Sample ``positions`` of (N, M, h, w) latents, relative to what the hyperprior predicts."""
    held: HeldLatents = held_latents(model, y, quality=quality)
    steps = ((held.y - held.prediction) * held.gain).permute(1, 0, 2, 3).flatten(1)
    count = steps.shape[1]
    chosen = np.random.default_rng(seed).permutation(count)[: min(positions, count)]
    return ChannelActivations(steps[:, np.sort(chosen)].double().numpy())
