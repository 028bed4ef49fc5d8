"""Rate-distortion loss D + lambda R in the form R + lambda D (C2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..models import ModelConfig
from ..models.picture_model import Coded
from .distortion import MSE, Distortion


@dataclass(frozen=True)
class LossTerms:
    """Means over the batch. ``loss`` is what is minimized; bpp is the differentiable estimate."""

    loss: Tensor
    bpp: Tensor
    z_bpp: Tensor
    mse: Tensor
    psnr_db: Tensor


def rate_distortion_loss(
    x: Tensor,
    coded: Coded,
    quality: Tensor,
    config: ModelConfig,
    *,
    distortion: Distortion = MSE,
    terms: Sequence[Callable[[Tensor, Tensor], Tensor]] = (),
) -> LossTerms:
    """Loss of a batch.

    Each picture counts by lambda**-0.5, so that a percent of bits weighs about alike at low and
    high qualities.
    What ``terms`` give for (x, x_hat), (B,), is added to the distortion.
    """
    pixels = x.shape[-1] * x.shape[-2]
    bpp = (coded.y_bits.float() + coded.z_bits.float()) / pixels
    x_hat = coded.x_hat.float()
    mse = (x - x_hat).square().mean((1, 2, 3))
    cost = distortion(x, x_hat, mse)
    for term in terms:
        cost = cost + term(x, x_hat)
    loss = (quality_weight(quality, config) * (bpp + lmbda_of(quality, config) * cost)).mean()
    psnr = 10 * torch.log10(255.0**2 / mse.clamp_min(1e-9))
    return LossTerms(
        loss, bpp.mean(), (coded.z_bits.float() / pixels).mean(), mse.mean(), psnr.mean()
    )


def lmbda_of(quality: Tensor, config: ModelConfig) -> Tensor:
    """Lambda of qualities (B,), as :meth:`ModelConfig.lmbda`."""
    ratio = math.log(config.lmbda_high / config.lmbda_low)
    return config.lmbda_low * torch.exp(ratio * quality / 100)


def quality_weight(quality: Tensor, config: ModelConfig) -> Tensor:
    """What a picture of a quality counts: lambda**-0.5, 1 at quality 50."""
    return (lmbda_of(quality, config) / config.lmbda(50)) ** -0.5
