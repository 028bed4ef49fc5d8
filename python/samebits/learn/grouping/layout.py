"""From clusters of channels to groups in coding order.

Channels of one group do not see each other in mode 2 and in the diagonal order, so what depends on
each other should be ``apart`` there: each cluster is dealt out over all groups. In mode 4 a channel
sees its own group only, so a cluster should stay ``together``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .group_file import Grouping, even_sizes

USES = ("apart", "together")


def grouping_of(
    labels: np.ndarray,
    importance: np.ndarray,
    *,
    use: str,
    method: str,
    sizes: Sequence[int] | None = None,
) -> Grouping:
    """Groups of a clustering, the most important first.

    Parameters
    ----------
    labels : (M,) cluster of each channel. importance : (M,) mean absolute activations.
    use : ``apart`` or ``together``.
    sizes : of the groups; not given, ``together`` keeps the clusters' own, and ``apart`` deals
        into as many nearly equal groups as there are clusters.

    Raises
    ------
    ValueError
        The sizes do not add up to the channels, or the use is unknown.
    """
    clusters = sorted_clusters(labels, importance)
    order = np.concatenate(clusters)
    if sizes is not None and (min(sizes) < 1 or sum(sizes) != len(order)):
        raise ValueError(
            f"group sizes {list(sizes)} must be above 0 and add up to the {len(order)} channels"
        )
    if use == "together":
        sizes = sizes or [len(cluster) for cluster in clusters]
        parts = np.split(order, np.cumsum(sizes)[:-1])
    elif use == "apart":
        parts = dealt(order, sizes or even_sizes(len(order), len(clusters)))
    else:
        raise ValueError(f"use is {use!r}, must be one of {', '.join(USES)}")
    groups = (part[np.argsort(-importance[part], kind="stable")] for part in parts)
    return Grouping(tuple(tuple(int(c) for c in g) for g in groups), method=method, use=use)


def sorted_clusters(labels: np.ndarray, importance: np.ndarray) -> list[np.ndarray]:
    """Channels of each cluster; channels and clusters (by their mean) most important first."""
    clusters = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    clusters = [c[np.argsort(-importance[c], kind="stable")] for c in clusters]
    return sorted(clusters, key=lambda c: -float(importance[c].mean()))


def dealt(order: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    """Deal channels out one after another, each to the group that is furthest from its share.

    Neighbors of ``order`` so go to different groups; with equal sizes this is one to each in turn.
    """
    target = np.asarray(sizes, np.float64) / len(order)
    hands: list[list[int]] = [[] for _ in sizes]
    for n, channel in enumerate(order):
        have = np.array([len(hand) for hand in hands])
        lack = np.where(have < np.asarray(sizes), target * (n + 1) - have, -np.inf)
        hands[int(np.argmax(lack))].append(int(channel))
    return [np.array(hand, np.int64) for hand in hands]
