"""Training with the k-means term switched on: ``samebits train --clustering WEIGHT`` (E4)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from ..models import ModelConfig
from ..models.transforms import PIXEL_UNIT
from ..training.loss import LossTerms
from ..training.train import Trainer, TrainOptions
from .clustering_loss import ClusteringTerm

PROBE_CROPS = 4


class ClusteringTrainer(Trainer):
    """Minimizes R + lambda D + ``weight`` times the k-means distance of the latent channels.

    ``count`` is the number of clusters, the model's number of groups if None. The centroids start
    where the channels are when training begins.
    """

    has_low_precision = False  # its passes move the centroids: none may be run to be timed
    can_branch = False

    def __init__(
        self,
        options: TrainOptions,
        config: ModelConfig | None = None,
        *,
        weight: float,
        count: int | None = None,
    ) -> None:
        super().__init__(options, config)
        if not weight > 0:
            raise ValueError(f"the weight of the clustering term is {weight}, must be above 0")
        random = np.random.default_rng(options.seed)
        probe = self.shared_crops(PROBE_CROPS, random)
        self.weight = weight
        self.probe = (probe.to(self.device).float() - 128) / PIXEL_UNIT
        self.term = ClusteringTerm(
            self.model.g_a(self.probe),
            count=count or len(self.config.groups),
            seed=options.seed,
        )
        if self.extra_state is not None:
            self.term.centroids = self.extra_state["centroids"].to(self.device)

    def saved_extra(self) -> dict:
        """The centroids."""
        return {"centroids": self.term.centroids}

    def forward_batch(self) -> LossTerms:
        """Losses of a new batch, the term included."""
        terms = super().forward_batch()
        return replace(terms, loss=terms.loss + self.weight * self.distance())

    def distance(self) -> Tensor:
        """The k-means distance now; it moves the centroids."""
        return self.term(self.model.g_a(self.probe))
