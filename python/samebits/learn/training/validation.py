"""Losses on pictures that were never trained on: rounded symbols, the default order."""

from __future__ import annotations

import torch
from pytorch_msssim import ms_ssim
from torch import Tensor

from ..models import PictureModel
from ..models.schedule import default_order
from .distortion import MS_SSIM_SMALLEST, Distortion
from .loss import rate_distortion_loss
from .real_rate import real_bpp
from .ssimulacra2_loss import score, ssimulacra2_sum

VALIDATION_QUALITIES = (10.0, 30.0, 50.0, 70.0, 90.0)


@torch.no_grad()
def validation_losses(model: PictureModel, x: Tensor, distortion: Distortion) -> dict[str, float]:
    """A row of the log.

    Parameters
    ----------
    x : crops (B, 3, H, W), float32 in 0 ... 255.

    Returns
    -------
    dict
        ``validation_loss``, the mean over the qualities; and of each quality Q: ``bpp_Q`` (the
        loss's estimate), ``bpp_real_Q`` (by the integer tables), ``psnr_Q`` (dB, mean over
        crops), ``ms_ssim_Q`` (if the crops are large enough for it) and
        ``ssimulacra2_Q``, the mean score. The last three are of pixels rounded to 8 bits.
    """
    height, width = x.shape[-2:]
    steps = default_order(model.config).masks(height // 16, width // 16, x.device)
    row: dict[str, float] = {}
    total = 0.0
    for value in VALIDATION_QUALITIES:
        quality = torch.full((len(x),), value, device=x.device)
        coded = model(x, quality, steps, noise=False)
        terms = rate_distortion_loss(x, coded, quality, model.config, distortion=distortion)
        total += terms.loss.item() / len(VALIDATION_QUALITIES)
        row[f"bpp_{value:.0f}"] = round(terms.bpp.item(), 5)
        row[f"bpp_real_{value:.0f}"] = round(real_bpp(model, x, quality, steps), 5)
        for name, figure in _figures(x, coded.x_hat.clamp(0, 255).round()).items():
            row[f"{name}_{value:.0f}"] = figure
    return {"validation_loss": round(total, 5), **row}


def _figures(x: Tensor, x_hat: Tensor) -> dict[str, float]:
    mse = (x - x_hat).square().mean((1, 2, 3)).clamp_min(1e-9)
    figures = {"psnr": round(10 * torch.log10(255.0**2 / mse).mean().item(), 3)}
    if min(x.shape[-2:]) >= MS_SSIM_SMALLEST:
        similarity = ms_ssim(x, x_hat, data_range=255.0)
        figures["ms_ssim"] = round(similarity.item(), 5)
    figures["ssimulacra2"] = round(score(ssimulacra2_sum(x, x_hat)).mean().item(), 2)
    return figures
