"""The float model of a picture codec: transforms, gains per quality, entropy model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig
from .entropy_model import EntropyModel
from .likelihood import gaussian_bits, rounding_noise
from .network import ste_round
from .time_context import TimeContext
from .transforms import PIXEL_UNIT, analysis, hyper_analysis, hyper_synthesis, synthesis
from .value_head import ValueHead


@dataclass(frozen=True)
class Coded:
    """What a forward pass gives. Pictures are (B, 3, H, W) in 0 ... 255, bits per picture (B,)."""

    x_hat: Tensor
    y_bits: Tensor
    z_bits: Tensor
    y_hat: Tensor
    y_symbols: Tensor
    z_symbols: Tensor


class PictureModel(nn.Module):
    """One model for a continuous range of qualities (C1, C2, X4)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.g_a = analysis(config)
        self.g_s = synthesis(config)
        self.h_a = hyper_analysis(config)
        self.h_s = hyper_synthesis(config)
        self.entropy = EntropyModel(config)
        self.values = ValueHead(config) if config.value_width else None
        knots = torch.linspace(0, 100, config.gain_knots)
        # At high rates the best step size is sqrt(24 / lambda) in pixel levels.
        log2_gain = torch.tensor(
            [math.log2(PIXEL_UNIT / math.sqrt(24 / config.lmbda(float(q)))) for q in knots]
        )[:, None]
        y_shape = (config.gain_knots, config.latent_channels)
        z_shape = (config.gain_knots, config.hyper_channels)
        self.log2_gain = nn.Parameter(log2_gain.expand(y_shape).clone())
        self.log2_inverse_gain = nn.Parameter(-log2_gain.expand(y_shape).clone())
        self.log2_z_gain = nn.Parameter(
            0.5 * (log2_gain - log2_gain.mean()).expand(z_shape).clone()
        )
        self.log2_z_scale = nn.Parameter(torch.full(z_shape, 2.0))
        self.time = TimeContext(config) if config.time_width else None

    def at_quality(self, table: Tensor, quality: Tensor) -> Tensor:
        """Piecewise linear interpolation of a (knots, C) table: (B,) qualities to (B, C, 1, 1)."""
        position = quality.clamp(0, 100) / 100 * (self.config.gain_knots - 1)
        low = position.floor().long().clamp_max(self.config.gain_knots - 2)
        share = (position - low)[:, None]
        value = table[low] * (1 - share) + table[low + 1] * share
        return value[:, :, None, None]

    def hyper(self, y: Tensor, quality: Tensor, *, noise: bool) -> tuple[Tensor, Tensor, Tensor]:
        """z of y, its bits (B,), symbols and what the hyper-synthesis gets (z_hat)."""
        height, width = y.shape[-2:]
        padded = F.pad(y, (0, -width % 4, 0, -height % 4))
        gain = torch.exp2(self.at_quality(self.log2_z_gain, quality))
        scaled = self.h_a(padded) * gain
        rounded = ste_round(scaled)
        measured = scaled + rounding_noise(scaled) if noise else rounded
        bits = gaussian_bits(measured, self.at_quality(self.log2_z_scale, quality))
        return rounded / gain, bits.sum((1, 2, 3)), rounded

    def forward(
        self, x: Tensor, quality: Tensor, steps: list[Tensor], *, noise: bool = True
    ) -> Coded:
        """Code pictures.

        Parameters
        ----------
        x : (B, 3, H, W) in 0 ... 255, sizes multiples of 16.
        quality : (B,) in 0 ... 100.
        steps : coding order, masks (1, M, H / 16, W / 16).
        """
        y = self.g_a((x - 128) / PIXEL_UNIT)
        z_hat, z_bits, z_symbols = self.hyper(y, quality, noise=noise)
        features, prediction = self.context_from(z_hat, y.shape[-2], y.shape[-1])
        y_hat, bits, symbols = self.entropy(
            y, prediction, features, *self.entropy_tables(quality), steps, noise=noise
        )
        x_hat = self.g_s(y_hat) * PIXEL_UNIT + 128
        return Coded(x_hat, bits.sum((1, 2, 3)), z_bits, y_hat, symbols, z_symbols)

    def entropy_tables(self, quality: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the entropy model takes for qualities (B,): context bias, gain, inverse gain."""
        return (
            self.at_quality(self.entropy.quality_bias, quality),
            torch.exp2(self.at_quality(self.log2_gain, quality)),
            torch.exp2(self.at_quality(self.log2_inverse_gain, quality)),
        )

    def context_from(self, z_hat: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Hyper features (B, F, h, w) and predicted values (B, M, h, w)."""
        out = self.h_s(z_hat)[:, :, :height, :width]
        split = [self.config.hyper_features, self.config.latent_channels]
        features, prediction = out.split(split, 1)
        return features, prediction
