"""The float twin at work on whole pictures: what the integer codec is measured against."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .models import PictureModel
from .models.picture_model import Coded
from .models.schedule import default_order
from .training.checkpoint import model_from_checkpoint


@dataclass(frozen=True)
class TwinResult:
    """Decoded pixels (H, W, 3) uint8, estimated bits, seconds of the whole forward pass."""

    pixels: np.ndarray
    y_bits: float
    z_bits: float
    seconds: float


def load_twin(checkpoint: Path) -> PictureModel:
    """The averaged float model of a checkpoint, for CPU."""
    return model_from_checkpoint(checkpoint).to(memory_format=torch.channels_last)


@torch.inference_mode()
def run_float_twin(model: PictureModel, pixels: np.ndarray, *, quality: float) -> TwinResult:
    """Code (H, W, 3) uint8 pixels in floating point with rounded symbols, in the default order."""
    height, width = pixels.shape[:2]
    x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float()
    x = F.pad(x, (0, -width % 16, 0, -height % 16), mode="replicate")
    x = x.contiguous(memory_format=torch.channels_last)
    begin = time.perf_counter()
    steps = default_order(model.config).masks(x.shape[-2] // 16, x.shape[-1] // 16, x.device)
    coded: Coded = model(x, torch.tensor([float(quality)]), steps, noise=False)
    seconds = time.perf_counter() - begin
    x_hat = (coded.x_hat[0, :, :height, :width] + 0.5).floor().clamp(0, 255).to(torch.uint8)
    return TwinResult(
        x_hat.permute(1, 2, 0).numpy(), coded.y_bits.item(), coded.z_bits.item(), seconds
    )


@torch.inference_mode()
def time_float_twin_decode(
    model: PictureModel, pixels: np.ndarray, *, quality: float, threads: int, repeats: int = 3
) -> list[float]:
    """Seconds of the float decoder (hyper-synthesis, steps, synthesis), without range coding."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return [_decode_once(model, pixels, quality) for _ in range(repeats)]
    finally:
        torch.set_num_threads(before)


def _decode_once(model: PictureModel, pixels: np.ndarray, quality: float) -> float:
    h, w = -(-pixels.shape[0] // 16), -(-pixels.shape[1] // 16)
    config = model.config
    z_hat = torch.zeros(1, config.hyper_channels, -(-h // 4), -(-w // 4))
    y = torch.zeros(1, config.latent_channels, h, w).contiguous(memory_format=torch.channels_last)
    value = torch.tensor([float(quality)])
    begin = time.perf_counter()
    features, prediction = model.context_from(z_hat, h, w)
    gain = torch.exp2(model.at_quality(model.log2_gain, value))
    y_hat, _, _ = model.entropy(
        y,
        prediction,
        features,
        model.at_quality(model.entropy.quality_bias, value),
        gain,
        torch.exp2(model.at_quality(model.log2_inverse_gain, value)),
        default_order(config).masks(h, w, y.device),
        noise=False,
    )
    model.g_s(y_hat)
    return time.perf_counter() - begin
