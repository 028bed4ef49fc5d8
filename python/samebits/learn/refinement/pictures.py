"""Pictures refined for the integer codec, by its weights file."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from samebits import _core
from samebits.errors import InvalidArgument
from samebits.refinement import MS_SSIM_SCALE, Latents, RefinePlan, RefineStep, check_method

from .search import LEARNING_RATES, Distortion, mean_squared_error, refine_latents
from .weights_model import WeightsModel

ANNEALED = ("sga", "sga+")
MOST_RATE, LEAST_RATE = 0.015, 0.005
"""Learning rates of annealed methods, for short and long searches."""
LATENT_STRIDE, HYPER_STRIDE = 16, 4
MOST_TILE = 96
"""Latents of a tile, in each direction; larger pictures are searched in several."""
AROUND = 4
"""Latents around a tile that are searched with it and left to its neighbours; whole z."""
MS_SSIM_SMALLEST = 161


def search_latents(
    rgb: np.ndarray,
    start: Latents,
    model_file: Path,
    *,
    quality: int,
    schedule: _core.ScheduleSpec,
    plan: RefinePlan,
    weights: np.ndarray | None = None,
    on_step: Callable[[RefineStep], None] | None = None,
) -> Latents:
    """Better latents of an (H, W, 3) uint8 picture than ``start``, for the integer encoder.

    ``weights`` (H, W) uint16: 256 where an error counts once.
    """
    model = WeightsModel(model_file, quality=quality, schedule=schedule)
    if model.lmbda is None:
        raise InvalidArgument(
            f"{model_file} does not say what distortion weighs (lmbda), so it cannot refine"
        )
    if plan.distortion == "ms-ssim" and min(rgb.shape[:2]) < MS_SSIM_SMALLEST:
        raise InvalidArgument(
            f"a picture of {rgb.shape[1]} x {rgb.shape[0]} pixels is too small for MS-SSIM, which "
            f"needs {MS_SSIM_SMALLEST} of each"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device)
    y, z = (a.copy() for a in start)
    tiles = tiles_of(*y.shape[:2])
    for number, (inner, outer) in enumerate(tiles):
        x = torch.from_numpy(rgb[outer.pixels].copy()).permute(2, 0, 1)[None].float()
        refined = refine_latents(
            model,
            x.to(device),
            lmbda=model.lmbda,
            method=plan.method,
            steps=plan.steps,
            learning_rate=learning_rate(plan.method, plan.steps),
            distortion=_distortion(
                plan.distortion, None if weights is None else weights[outer.pixels], device
            ),
            start=model.from_integers(start[0][outer.latents], start[1][outer.hyper_latents]),
            progress=_heard_of(on_step, number, len(tiles), rgb.size / x.numel()),
        )
        found_y, found_z = model.integers(refined.latents)
        y[inner.latents] = found_y[inner.within(outer).latents]
        z[inner.hyper_latents] = found_z[inner.within(outer).hyper_latents]
    return y, z


def learning_rate(method: str, steps: int) -> float:
    """That of a method for a budget: annealed ones take smaller steps the more they have."""
    check_method(method)
    if method not in ANNEALED:
        return LEARNING_RATES[method]
    return min(max(0.18 / math.sqrt(steps), LEAST_RATE), MOST_RATE)


class Box(NamedTuple):
    """A rectangle of latents; top and left are whole hyper-latents."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def latents(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def hyper_latents(self) -> tuple[slice, slice]:
        n = HYPER_STRIDE
        return slice(self.top // n, -(-self.bottom // n)), slice(
            self.left // n, -(-self.right // n)
        )

    @property
    def pixels(self) -> tuple[slice, slice]:
        n = LATENT_STRIDE
        return slice(self.top * n, self.bottom * n), slice(self.left * n, self.right * n)

    def within(self, outer: Box) -> Box:
        """The same latents, counted from the corner of another box."""
        top, left = outer.top, outer.left
        return Box(self.top - top, self.left - left, self.bottom - top, self.right - left)


def tiles_of(height: int, width: int) -> list[tuple[Box, Box]]:
    """Latents of a picture in tiles: each with the box that is searched, which is larger."""
    return [
        (
            Box(top, left, bottom, right),
            Box(
                max(top - AROUND, 0),
                max(left - AROUND, 0),
                min(bottom + AROUND, height),
                min(right + AROUND, width),
            ),
        )
        for top, bottom in _intervals(height)
        for left, right in _intervals(width)
    ]


def _intervals(size: int) -> list[tuple[int, int]]:
    """About equal parts of at most MOST_TILE, that begin at hyper-latents."""
    count = -(-size // MOST_TILE)
    ends = [
        min(-(-size * n // (count * HYPER_STRIDE)) * HYPER_STRIDE, size) for n in range(count + 1)
    ]
    return list(pairwise(ends))


def _distortion(name: str, weights: np.ndarray | None, device: str) -> Distortion:
    if name == "ms-ssim":
        return structural_error
    return mean_squared_error if weights is None else weighted_error(weights, device)


def structural_error(x: Tensor, x_hat: Tensor) -> Tensor:
    """(B,): 1 - MS-SSIM, in the size of a mean squared error."""
    from pytorch_msssim import ms_ssim

    return MS_SSIM_SCALE * (1 - ms_ssim(x, x_hat, data_range=255.0, size_average=False))


def weighted_error(weights: np.ndarray, device: str) -> Distortion:
    """The mean squared error with a weight for each pixel, in 1/256."""
    factor = torch.from_numpy(weights.astype(np.float32) / 256)[None, None].to(device)

    def distortion(x: Tensor, x_hat: Tensor) -> Tensor:
        return ((x - x_hat).square() * factor).mean((1, 2, 3))

    return distortion


def _heard_of(
    on_step: Callable[[RefineStep], None] | None, tile: int, tiles: int, larger: float
) -> Callable[[RefineStep], None] | None:
    """Says steps of a tile as steps of the picture, which is larger."""
    if on_step is None or tiles == 1:
        return on_step
    return lambda step: on_step(
        replace(
            step,
            step=step.step + tile * step.planned,
            planned=step.planned * tiles,
            bits=step.bits * larger,
            loss=step.loss * larger,
            first_loss=step.first_loss * larger,
        )
    )
