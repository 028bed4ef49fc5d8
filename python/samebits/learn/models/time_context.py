"""Float twin of the network `time`: what earlier pictures of a series tell (E6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import ModelConfig
from .network import Network, NetworkBuilder

EARLIER = 2
"""Pictures before a picture that it knows."""
INPUTS_BESIDES = 3  # two masks and the quality


def time_inputs(config: ModelConfig) -> int:
    """Channels that the network reads."""
    arrays = 1 + EARLIER
    return config.hyper_features + arrays * config.latent_channels + INPUTS_BESIDES


def time_network(config: ModelConfig) -> Network:
    """[features | prediction | y1 | m1 | y2 | m2 | quality] to corrections of the first two.

    A linear path copies latents as precisely as they are. Beside it two units for each latent
    channel take back what it has copied where something has moved; whether that is so, a residual
    block finds out, which sees neighbors. Both paths end in zeros: a new network corrects nothing.
    """
    net = NetworkBuilder(time_inputs(config), config.leaky)
    outputs = config.hyper_features + config.latent_channels
    units = 2 * config.latent_channels
    evidence = net.block(net.conv(0, config.time_width, leaky=True), "depthwise")
    x = net.add(net.conv(0, units), net.conv(evidence, units))
    x = net.conv(x, units, kernel=3, depthwise=True, leaky=True)
    x = net.conv(x, outputs, bound="latent")
    nn.init.zeros_(net.layers[-1].weight)
    linear = net.conv(0, outputs, bound="latent")
    nn.init.zeros_(net.layers[-1].weight)
    net.add(x, linear, bound="latent")
    return net.build()


class TimeContext(nn.Module):
    """Corrects hyper features and prediction of a picture by the latents of those before it.

    Attributes
    ----------
    input_scale, output_scale : buffers (1, C, 1, 1): factors around the network, which bring its
        inputs and outputs near 1 so that all channels are learned alike; the exporter folds them
        into its layers.
    log2_z_scale : buffer (knots, Nz): scales of the differences of hyper-latents to those before.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.network = time_network(config)
        outputs = config.hyper_features + config.latent_channels
        self.register_buffer("input_scale", torch.ones(1, time_inputs(config), 1, 1))
        self.register_buffer("output_scale", torch.ones(1, outputs, 1, 1))
        self.register_buffer("log2_z_scale", torch.ones(config.gain_knots, config.hyper_channels))

    def forward(
        self, features: Tensor, prediction: Tensor, earlier: list[Tensor], quality: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Corrected features (B, F, h, w) and prediction (B, M, h, w).

        Parameters
        ----------
        earlier : y_hat (B, M, h, w) of the pictures before, the last one first, one or two.
        quality : (B,) in 0 ... 100.
        """
        plane = torch.ones_like(prediction[:, :1])
        parts = [features, prediction]
        for n in range(EARLIER):
            known = n < len(earlier)
            parts += [earlier[n], plane] if known else [torch.zeros_like(prediction), 0 * plane]
        parts.append(quality[:, None, None, None] / 100 * plane)
        out = self.network(torch.cat(parts, 1) * self.input_scale) * self.output_scale
        count = self.config.hyper_features
        return features + out[:, :count], prediction + out[:, count:]
