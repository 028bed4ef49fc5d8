"""Training pictures where the crops are needed: decoded in GPU memory if they fit, else on the CPU.

On a GPU all pixels lie in one tensor behind each other, and a batch of crops is one gather with
indices computed there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .crops import CropPlaces, place_crops, take_crops

LARGEST_SHARE = 0.5
"""Of the free GPU memory that pictures may take; the rest is for training."""

CropSource = Callable[..., Tensor]
"""``source(numbers, size=size)``: crops (B, 3, size, size) uint8 on the device."""


def crop_source(
    pictures: list[np.ndarray], device: torch.device, *, quiet: bool = False
) -> CropSource:
    """Where a trainer on ``device`` gets its crops from."""
    if device.type != "cuda":
        return HeldPictures(pictures, device)
    size_bytes = sum(picture.size for picture in pictures)
    free, _ = torch.cuda.mem_get_info(device)
    fits = size_bytes < LARGEST_SHARE * free
    if not quiet:
        where = "GPU memory" if fits else "the memory of the CPU"
        print(
            f"pictures: {size_bytes / 2**30:.2f} GiB decoded, held in {where} "
            f"({free / 2**30:.1f} GiB free on the GPU)"
        )
    return DevicePictures(pictures, device) if fits else HeldPictures(pictures, device)


class HeldPictures:
    """Pictures (H, W, 3) uint8 in the CPU's memory; crops are copied to the device."""

    def __init__(self, pictures: list[np.ndarray], device: torch.device) -> None:
        self.pictures = pictures
        self.device = device

    def __call__(self, numbers: np.ndarray, *, size: int) -> Tensor:
        """Crops (B, 3, size, size) uint8 for (B, 5) numbers (`draw_crops`)."""
        places = place_crops(self.pictures, numbers, size=size)
        return take_crops(self.pictures, places).to(self.device)


class DevicePictures:
    """Pictures (H, W, 3) uint8 in the memory of ``device``; the same crops as `HeldPictures`."""

    def __init__(self, pictures: list[np.ndarray], device: torch.device) -> None:
        self.pictures = pictures  # their sizes decide where crops lie
        self.device = device
        self.widths = np.array([picture.shape[1] for picture in pictures])
        areas = np.array([picture.shape[0] * picture.shape[1] for picture in pictures])
        self.begins = np.cumsum(areas) - areas
        self.pixels = torch.empty((int(areas.sum()), 3), dtype=torch.uint8, device=device)
        for picture, begin, area in zip(pictures, self.begins, areas, strict=True):
            rows = torch.from_numpy(np.ascontiguousarray(picture)).view(-1, 3)
            self.pixels[begin : begin + area] = rows.to(device)

    def __call__(self, numbers: np.ndarray, *, size: int) -> Tensor:
        """Crops (B, 3, size, size) uint8 for (B, 5) numbers (`draw_crops`)."""
        places = place_crops(self.pictures, numbers, size=size)
        return self.pixels[self._indices(places)].permute(0, 3, 1, 2)

    def _indices(self, places: CropPlaces) -> Tensor:
        """(B, size, size) numbers of pixels."""
        width = self.widths[places.picture]
        corner = self.begins[places.picture] + places.top * width + places.left
        flipped, turned = places.flipped, places.turned
        # From one column of the picture to the next, and from one row to the next.
        across, down = np.where(flipped, -1, 1), width
        corner = corner + np.where(flipped, places.size - 1, 0)
        steps = np.stack([corner, np.where(turned, across, down), np.where(turned, down, across)])
        begin, by_row, by_column = torch.from_numpy(steps).to(self.device)[:, :, None, None]
        along = torch.arange(places.size, device=self.device)
        return begin + by_row * along[:, None] + by_column * along
