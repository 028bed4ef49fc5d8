"""Latents of many pictures, computed once: while the analysis is fixed they do not change."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..models import PictureModel
from ..models.transforms import PIXEL_UNIT

STRIDE = 16


@torch.inference_mode()
def latents_of(
    model: PictureModel, pictures: list[np.ndarray], *, device: torch.device, quiet: bool = False
) -> list[np.ndarray]:
    """y of every picture, (M, h, w) float16; sizes are cut to multiples of 16 pixels."""
    latents = []
    for picture in tqdm(
        pictures, desc="analysis of the pictures", disable=quiet or len(pictures) < 8
    ):
        height, width = (side // STRIDE * STRIDE for side in picture.shape[:2])
        x = torch.from_numpy(picture[:height, :width].copy()).permute(2, 0, 1)[None]
        x = x.to(device).float().contiguous(memory_format=torch.channels_last)
        latents.append(model.g_a((x - 128) / PIXEL_UNIT)[0].half().cpu().numpy())
    return latents


def random_latent_crops(
    latents: list[np.ndarray], *, count: int, size: int, random: np.random.Generator
) -> Tensor:
    """(count, M, size, size) float32 crops; larger pictures are drawn more often."""
    areas = np.array([y.shape[1] * y.shape[2] for y in latents], dtype=np.float64)
    crops = []
    for index in random.choice(len(latents), size=count, p=areas / areas.sum()):
        y = latents[index]
        top = random.integers(y.shape[1] - size + 1)
        left = random.integers(y.shape[2] - size + 1)
        crops.append(y[:, top : top + size, left : left + size])
    return torch.from_numpy(np.stack(crops)).float().contiguous(memory_format=torch.channels_last)
