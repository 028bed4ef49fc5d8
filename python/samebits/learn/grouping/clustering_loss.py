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

PROBE_PICTURES = 4
TRAINED_SIZE = 128
"""Side of the crops that the loss is computed on."""


def channel_features(y: Tensor) -> Tensor:
    """(M, n) magnitudes of (B, M, h, w) latents, each row of mean 0 and length 1."""
    rows = y.abs().permute(1, 0, 2, 3).flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-9)


class ClusteringTerm:
    """k-means distance of the latent channels of a model while it is trained.

    Parameters
    ----------
    y : (B, M, h, w) latents of the probe before training. count : clusters.
    seed : of the first k-means.
    """

    def __init__(self, y: Tensor, *, count: int, seed: int) -> None:
        from sklearn.cluster import KMeans

        features = channel_features(y.detach())
        means = KMeans(count, n_init=10, random_state=seed)  # type: ignore[arg-type]
        start = means.fit(features.cpu().numpy())
        self.centroids = torch.from_numpy(start.cluster_centers_).to(features)

    def __call__(self, y: Tensor) -> Tensor:
        """Mean squared distance to the nearest centroid for the probe's y now; differentiable.

        Centroids then move to the mean of their channels (Lloyd's step); an empty one stays.
        """
        features = channel_features(y)
        distance = self._distances(features)
        labels = distance.argmin(1)
        moved = self.centroids.clone()  # the gradient still needs the old ones
        for label in labels.unique():
            moved[label] = features[labels == label].mean(0).detach()
        self.centroids = moved
        return distance.gather(1, labels[:, None]).mean()

    @torch.no_grad()
    def labels(self, y: Tensor) -> np.ndarray:
        """(M,) number of the nearest centroid of each channel, for the probe's y."""
        return self._distances(channel_features(y)).argmin(1).cpu().numpy()

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
    crops : (N, 3, H, W) uint8, sizes multiples of 64; the first few are the probe.

    Returns
    -------
    labels (M,), and the k-means term before each step.
    """
    tuned = copy.deepcopy(model).requires_grad_(False)
    last = tuned.g_a.layers[-1].requires_grad_(True)
    optimizer = torch.optim.Adam(last.parameters(), lr=learning_rate)
    probe = _input_of_last_layer(tuned, crops[:PROBE_PICTURES])
    term = ClusteringTerm(last(probe), count=count, seed=seed)
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    config, size = model.config, min(TRAINED_SIZE, *crops.shape[-2:])
    masks = default_order(config).masks(size // 16, size // 16, crops.device)
    distances = []
    for _ in trange(steps, desc="clustering term"):
        x = _smaller_crops(crops, count=batch, size=size, random=random)
        quality = torch.from_numpy(random.uniform(0, 100, len(x))).float()
        terms = rate_distortion_loss(x, tuned(x, quality, masks), quality, config)
        distance = term(last(probe))
        distances.append(distance.item())
        optimizer.zero_grad(set_to_none=True)
        (terms.loss + weight * distance).backward()
        optimizer.step()
    return term.labels(last(probe)), distances


@torch.no_grad()
def _input_of_last_layer(model: PictureModel, x: Tensor) -> Tensor:
    """What the last layer of the analysis sees of (B, 3, H, W) uint8 pictures."""
    seen: dict[int, Tensor] = {}
    model.g_a.tap = lambda op, value: seen.setdefault(op.dst, value)
    try:
        model.g_a((x.float() - 128) / PIXEL_UNIT)
    finally:
        model.g_a.tap = None
    return seen[model.g_a.ops[-1].src]


def _smaller_crops(crops: Tensor, *, count: int, size: int, random: np.random.Generator) -> Tensor:
    """(count, 3, size, size) float, from random places of random pictures."""
    chosen = random.choice(len(crops), min(count, len(crops)), replace=False)
    tops = random.integers(crops.shape[-2] - size + 1, size=len(chosen))
    lefts = random.integers(crops.shape[-1] - size + 1, size=len(chosen))
    parts = [
        crops[n, :, top : top + size, left : left + size]
        for n, top, left in zip(chosen, tops, lefts, strict=True)
    ]
    return torch.stack(parts).float()
