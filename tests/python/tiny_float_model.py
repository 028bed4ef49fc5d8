"""A float model small enough for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from samebits.learn.export.calibration import calibrate
from samebits.learn.export.exporter import export_model, write_exported
from samebits.learn.models import ModelConfig, PictureModel

TINY_CONFIG = ModelConfig(
    width=16,
    analysis_blocks=1,
    synthesis_blocks=1,
    latent_blocks=1,
    latent_channels=16,
    hyper_channels=8,
    hyper_features=8,
    context_channels=16,
    entropy_width=16,
    groups=(2, 6, 8),
    phase_groups=(4, 4, 4, 4),
)


def tiny_model(*, seed: int = 0, time_width: int = 0) -> PictureModel:
    """A random model whose residual branches are not zero, so that every layer matters."""
    torch.manual_seed(seed)
    model = PictureModel(replace(TINY_CONFIG, time_width=time_width))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 4 and not parameter.any():
                parameter.normal_(std=0.05)
    return model.eval()


def smooth_pictures(*, count: int, size: int, seed: int = 0) -> torch.Tensor:
    """(count, 3, size, size) uint8 pictures with structure: sums of waves and some noise."""
    random = np.random.default_rng(seed)
    i, j = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    pictures = np.zeros((count, 3, size, size))
    for n in range(count):
        for c in range(3):
            a, b, phase = random.uniform(-0.2, 0.2, 3)
            pictures[n, c] = 128 + 80 * np.sin(a * i + b * j + 6 * phase)
    pictures += random.normal(0, 4, pictures.shape)
    return torch.from_numpy(pictures.clip(0, 255).astype(np.uint8))


def tiny_weights_file(folder: Path) -> Path:
    """The weights file of :func:`tiny_model` in a folder."""
    model = tiny_model()
    exported = export_model(model, calibrate(model, smooth_pictures(count=4, size=64)))
    path = folder / "tiny.safetensors"
    write_exported(exported, path, name="tiny")
    return path
