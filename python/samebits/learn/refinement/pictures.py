"""Pictures refined for the integer codec, by its weights file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from samebits import _core
from samebits.errors import InvalidArgument
from samebits.refinement import RefineStep

from .search import refine_latents
from .weights_model import WeightsModel

METHOD = "sga"


def search_latents(
    rgb: np.ndarray,
    weights: Path,
    *,
    quality: int,
    schedule: _core.ScheduleSpec,
    steps: int,
    on_step: Callable[[RefineStep], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Latents of an (H, W, 3) uint8 picture: y (int16) and the symbols of z (int32)."""
    model = WeightsModel(weights, quality=quality, schedule=schedule)
    if model.lmbda is None:
        raise InvalidArgument(
            f"{weights} does not say what distortion weighs (lmbda), so it cannot refine"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float()
    refined = refine_latents(
        model.to(device),
        x.to(device),
        lmbda=model.lmbda,
        method=METHOD,
        steps=steps,
        progress=on_step,
    )
    return model.integers({name: value.cpu() for name, value in refined.latents.items()})
