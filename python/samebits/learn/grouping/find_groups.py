"""Groups by the name of a method: what ``samebits group`` runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..models import PictureModel
from .activations import ChannelActivations, channel_activations
from .clustering_loss import labels_by_loss
from .coded_bits import latents_of_pictures
from .group_file import Grouping
from .layout import grouping_of
from .methods import METHODS

METHOD_NAMES = (*METHODS, "loss")
DEFAULT_COUNT = 4


@dataclass(frozen=True)
class FindOptions:
    """How groups are looked for.

    ``count`` is the number of clusters; None leaves it to the spectral method's eigenvalues and is
    four for the others. ``loss_steps`` is the length of the training with the clustering term.
    """

    count: int | None = None
    quality: float = 50.0
    positions: int = 4096
    seed: int = 0
    loss_steps: int = 100
    loss_weight: float = 1.0


class GroupFinder:
    """A model, pictures to look at, and clusterings that were already made.

    Parameters
    ----------
    crops : (N, 3, H, W) uint8 pictures, sizes multiples of 64.
    """

    def __init__(self, model: PictureModel, crops: Tensor, options: FindOptions) -> None:
        self.model, self.crops, self.options = model, crops, options
        self.activations: ChannelActivations = channel_activations(
            model,
            latents_of_pictures(model, crops),
            quality=options.quality,
            positions=options.positions,
            seed=options.seed,
        )
        self._labels: dict[str, np.ndarray] = {}

    def labels(self, method: str) -> np.ndarray:
        """(M,) cluster of each channel by a method of ``METHOD_NAMES``."""
        if method not in self._labels:
            self._labels[method] = self._find(method)
        return self._labels[method]

    def grouping(self, method: str, *, use: str, sizes: Sequence[int] | None = None) -> Grouping:
        """Groups by a method, laid out for a use (:func:`.layout.grouping_of`)."""
        importance = self.activations.importance
        return grouping_of(self.labels(method), importance, use=use, method=method, sizes=sizes)

    def _find(self, method: str) -> np.ndarray:
        options = self.options
        if method == "spectral":
            find = METHODS[method]
            return find(self.activations, count=options.count, seed=options.seed)
        count = options.count or DEFAULT_COUNT
        if method == "loss":
            labels, _ = labels_by_loss(
                self.model,
                self.crops,
                count=count,
                seed=options.seed,
                steps=options.loss_steps,
                weight=options.loss_weight,
            )
            return labels
        return METHODS[method](self.activations, count=count, seed=options.seed)


def use_threads(count: int) -> None:
    """Threads of torch in this process."""
    torch.set_num_threads(count)
