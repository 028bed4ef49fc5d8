"""Random crops: numbers drawn first, alike for any pictures, then places, then pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

NUMBERS = 5
"""Of a crop: picture, top, left, flip, turn."""
FLIPPED, TURNED = 0.5, 0.25


@dataclass(frozen=True)
class CropPlaces:
    """Where crops are cut, all arrays (count,). ``turned`` crops swap rows and columns, after
    ``flipped`` ones have swapped left and right."""

    size: int
    picture: np.ndarray
    top: np.ndarray
    left: np.ndarray
    flipped: np.ndarray
    turned: np.ndarray

    def __len__(self) -> int:
        return len(self.picture)


def draw_crops(count: int, random: np.random.Generator) -> np.ndarray:
    """(count, 5) numbers in [0, 1). Drawing takes as much from ``random`` for any pictures, so that
    the generators of processes with pictures of their own stay alike."""
    return random.random((count, NUMBERS))


def place_crops(pictures: list[np.ndarray], numbers: np.ndarray, *, size: int) -> CropPlaces:
    """Places of (count, 5) ``numbers``; larger pictures are chosen more often.

    Raises
    ------
    ValueError
        If no picture is as large as a crop.
    """
    sides = np.array([picture.shape[:2] for picture in pictures])
    usable = np.flatnonzero(sides.min(1) >= size)
    if not len(usable):
        raise ValueError(f"no picture has {size} pixels in both directions: give a smaller crop")
    areas = np.cumsum(sides[usable].prod(1))
    place = np.searchsorted(areas, numbers[:, 0] * areas[-1], side="right")
    chosen = usable[np.minimum(place, len(usable) - 1)]
    top, left = (numbers[:, 1:3] * (sides[chosen] - size + 1)).astype(np.int64).T
    return CropPlaces(size, chosen, top, left, numbers[:, 3] < FLIPPED, numbers[:, 4] < TURNED)


def take_crops(pictures: list[np.ndarray], places: CropPlaces) -> Tensor:
    """(count, 3, size, size) uint8, channels last in memory."""
    size = places.size
    crops = np.empty((len(places), size, size, 3), dtype=np.uint8)
    for n, index in enumerate(places.picture):
        top, left = places.top[n], places.left[n]
        crop = pictures[index][top : top + size, left : left + size]
        if places.flipped[n]:
            crop = crop[:, ::-1]
        if places.turned[n]:
            crop = crop.transpose(1, 0, 2)
        crops[n] = crop
    return torch.from_numpy(crops).permute(0, 3, 1, 2)
