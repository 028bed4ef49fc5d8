"""Six ways to cluster the latent channels (E4). Each is deterministic with its seed.

A clustering says which channels belong together; :mod:`.layout` makes groups of it. The way with a
term in the training loss is in :mod:`.clustering_loss`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .activations import ChannelActivations

MOST_CLUSTERS = 16
"""Most clusters that the spectral method chooses by itself."""

Method = Callable[..., np.ndarray]


def by_importance(activations: ChannelActivations, *, count: int, seed: int) -> np.ndarray:
    """Bins of a histogram of the channels' mean absolute activations.

    The bins are equally wide on a logarithmic scale, because a few channels are very much more
    active than most; empty ones vanish. Nothing is random.
    """
    del seed
    importance = np.log2(np.maximum(activations.importance, 1e-6))
    edges = np.linspace(importance.min(), importance.max(), count + 1)
    return np.digitize(importance, edges[1:-1])


def by_clustering(activations: ChannelActivations, *, count: int, seed: int) -> np.ndarray:
    """k-means (vector quantization) of the channels' activations over the sampled positions."""
    return _k_means(activations.features, count=count, seed=seed)


def by_correlation(activations: ChannelActivations, *, count: int, seed: int) -> np.ndarray:
    """Agglomerative clustering of the correlation matrix, complete linkage; nothing is random."""
    from sklearn.cluster import AgglomerativeClustering

    del seed
    distance = 1 - activations.correlation
    np.fill_diagonal(distance, 0)
    model = AgglomerativeClustering(count, metric="precomputed", linkage="complete")
    return model.fit_predict(distance)


def by_projection(
    activations: ChannelActivations, *, count: int, seed: int, dimensions: int = 16
) -> np.ndarray:
    """k-means after a random projection of the activations to a few dimensions."""
    from sklearn.random_projection import GaussianRandomProjection

    projection = GaussianRandomProjection(dimensions, random_state=seed)  # type: ignore[arg-type]
    return _k_means(projection.fit_transform(activations.features), count=count, seed=seed)


def by_spectrum(activations: ChannelActivations, *, count: int | None, seed: int) -> np.ndarray:
    """k-means among the eigenvectors of the channel graph's normalized Laplacian.

    Edges are the correlations. Without ``count`` the largest gap between eigenvalues decides.
    """
    adjacency = activations.correlation.copy()
    np.fill_diagonal(adjacency, 0)
    root = 1 / np.sqrt(np.maximum(adjacency.sum(1), 1e-9))
    laplacian = np.eye(len(adjacency)) - root[:, None] * adjacency * root[None]
    values, vectors = np.linalg.eigh(laplacian)
    count = count or largest_gap(values)
    rows = vectors[:, :count]
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return _k_means(rows, count=count, seed=seed)


def largest_gap(eigenvalues: np.ndarray) -> int:
    """Number of clusters, at least 2: small eigenvalues before the largest gap, from below."""
    gaps = np.diff(eigenvalues[: MOST_CLUSTERS + 1])
    return 2 + int(np.argmax(gaps[1:])) if len(gaps) > 1 else 1


def _k_means(rows: np.ndarray, *, count: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    return KMeans(count, n_init=10, random_state=seed).fit_predict(rows)  # type: ignore[arg-type]


METHODS: dict[str, Method] = {
    "importance": by_importance,
    "clustering": by_clustering,
    "correlation": by_correlation,
    "projection": by_projection,
    "spectral": by_spectrum,
}
"""The methods that look at a trained model's activations only."""
