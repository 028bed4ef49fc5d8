"""Pictures refined for the integer codec, by its weights file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from samebits import _core
from samebits.errors import InvalidArgument
from samebits.refinement import RefineStep

from .search import Distortion, mean_squared_error, refine_latents
from .weights_model import WeightsModel

METHOD = "sga"


def search_latents(
    rgb: np.ndarray,
    model_file: Path,
    *,
    quality: int,
    schedule: _core.ScheduleSpec,
    steps: int,
    weights: np.ndarray | None = None,
    on_step: Callable[[RefineStep], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Latents of an (H, W, 3) uint8 picture: y (int16) and the symbols of z (int32).

    ``weights`` (H, W) uint16: 256 where an error counts once.
    """
    model = WeightsModel(model_file, quality=quality, schedule=schedule)
    if model.lmbda is None:
        raise InvalidArgument(
            f"{model_file} does not say what distortion weighs (lmbda), so it cannot refine"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float()
    refined = refine_latents(
        model.to(device),
        x.to(device),
        lmbda=model.lmbda,
        method=METHOD,
        steps=steps,
        distortion=mean_squared_error if weights is None else weighted_error(weights, device),
        progress=on_step,
    )
    return model.integers({name: value.cpu() for name, value in refined.latents.items()})


def weighted_error(weights: np.ndarray, device: str) -> Distortion:
    """The mean squared error with a weight for each pixel, in 1/256."""
    factor = torch.from_numpy(weights.astype(np.float32) / 256)[None, None].to(device)

    def distortion(x: Tensor, x_hat: Tensor) -> Tensor:
        return ((x - x_hat).square() * factor).mean((1, 2, 3))

    return distortion
