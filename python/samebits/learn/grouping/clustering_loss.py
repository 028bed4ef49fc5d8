"""A k-means term in the training loss, and groups from a short training with it (E4).

As in deep clustering the loss is R + lambda D + w K, where K is the mean squared distance of every
channel to the nearest centroid. A channel is described by its magnitudes over all positions of a
fixed set of pictures, the probe, so that it means the same in every step.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor
from tqdm import trange

from ..models import PictureModel
from ..models.schedule import default_order
from ..models.transforms import PIXEL_UNIT
from ..training.loss import rate_distortion_loss


def channel_features(y: Tensor) -> Tensor:
    """(M, n) magnitudes of (B, M, h, w) latents, each row of mean 0 and length 1."""
    rows = y.abs().permute(1, 0, 2, 3).flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-9)


class ClusteringTerm:
    """k-means distance of the latent channels of a model while it is trained.

    Parameters
    ----------
    model : whose channels are clustered at the start. probe : (B, 3, H, W) uint8 pictures.
    count : clusters. seed : of the first k-means.
    """

    def __init__(self, model: PictureModel, probe: Tensor, *, count: int, seed: int) -> None:
        from sklearn.cluster import KMeans

        self.probe = (probe.float() - 128) / PIXEL_UNIT
        with torch.no_grad():
            features = channel_features(model.g_a(self.probe))
        means = KMeans(count, n_init=10, random_state=seed)  # type: ignore[arg-type]
        start = means.fit(features.cpu().numpy())
        self.centroids = torch.from_numpy(start.cluster_centers_).to(features)

    def __call__(self, model: PictureModel) -> Tensor:
        """Mean squared distance to the nearest centroid, between 0 and 1; differentiable.

        Centroids then move to the mean of their channels (Lloyd's step); an empty one stays.
        """
        features = channel_features(model.g_a(self.probe))
        distance = self._distances(features)
        labels = distance.argmin(1)
        loss = distance.gather(1, labels[:, None]).mean()
        moved = self.centroids.clone()  # the gradient still needs the old ones
        for label in labels.unique():
            moved[label] = features[labels == label].mean(0).detach()
        self.centroids = moved
        return loss

    @torch.no_grad()
    def labels(self, model: PictureModel) -> np.ndarray:
        """(M,) number of the nearest centroid of each channel."""
        return self._distances(channel_features(model.g_a(self.probe))).argmin(1).cpu().numpy()

    def _distances(self, features: Tensor) -> Tensor:
        products = features @ self.centroids.T
        squares = features.square().sum(1, keepdim=True) + self.centroids.square().sum(1)
        return (squares - 2 * products).clamp_min(0)


def labels_by_loss(
    model: PictureModel,
    crops: Tensor,
    *,
    count: int,
    seed: int,
    steps: int,
    weight: float = 1.0,
    learning_rate: float = 1e-4,
    batch: int = 4,
) -> tuple[np.ndarray, list[float]]:
    """Clusters of the channels after training the last layer of the analysis with the term.

    Everything else of a copy of ``model`` stays as it is; the copy is thrown away, so the groups
    are those that the channels take when they are pulled together, used with the model as it was.

    Parameters
    ----------
    crops : (N, 3, H, W) uint8, sizes multiples of 64; the first eight are the probe.

    Returns
    -------
    labels (M,), and the k-means term before each step.
    """
    tuned = copy.deepcopy(model).requires_grad_(False)
    last = tuned.g_a.layers[-1].requires_grad_(True)
    optimizer = torch.optim.Adam(last.parameters(), lr=learning_rate)
    term = ClusteringTerm(tuned, crops[:8], count=count, seed=seed)
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    config, (height, width) = model.config, crops.shape[-2:]
    masks = default_order(config).masks(height // 16, width // 16, crops.device)
    distances = []
    for _ in trange(steps, desc="clustering term"):
        x = crops[random.choice(len(crops), min(batch, len(crops)), replace=False)].float()
        quality = torch.from_numpy(random.uniform(0, 100, len(x))).float()
        terms = rate_distortion_loss(x, tuned(x, quality, masks), quality, config)
        distance = term(tuned)
        distances.append(distance.item())
        optimizer.zero_grad(set_to_none=True)
        (terms.loss + weight * distance).backward()
        optimizer.step()
    return term.labels(tuned), distances
