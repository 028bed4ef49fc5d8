"""The four transforms: analysis g_a, synthesis g_s, hyper-analysis h_a, hyper-synthesis h_s."""

from __future__ import annotations

from .config import ModelConfig
from .network import Network, NetworkBuilder

PIXEL_UNIT = 64.0
"""Pixels enter the float networks as (x - 128) / PIXEL_UNIT."""


def analysis(config: ModelConfig) -> Network:
    """x (3 channels) to y (M channels at 1/16)."""
    net = NetworkBuilder(3, config.leaky)
    x = net.conv(net.unshuffle(0, 8), config.width)
    for _ in range(config.analysis_blocks):
        x = net.block(x, config.block)
    net.conv(x, config.latent_channels, kernel=3, stride=2, bound="full")
    return net.build()


def synthesis(config: ModelConfig) -> Network:
    """y_hat (M channels) to x_hat (3 channels at 16 times the size)."""
    net = NetworkBuilder(config.latent_channels, config.leaky)
    x = 0
    for _ in range(config.latent_blocks):
        x = net.block(x, config.block)
    x = net.shuffle(net.conv(x, 4 * config.width), 2)
    for _ in range(config.synthesis_blocks):
        x = net.block(x, config.block)
    net.shuffle(net.conv(x, 3 * 64, bound="pixel"), 8)
    return net.build()


def hyper_analysis(config: ModelConfig) -> Network:
    """y to z (Nz channels at a quarter of y's size)."""
    net = NetworkBuilder(config.latent_channels, config.leaky)
    x = net.conv(0, config.width, leaky=True)
    x = net.conv(x, config.width, kernel=3, stride=2, leaky=True)
    net.conv(x, config.hyper_channels, kernel=3, stride=2, bound="full")
    return net.build()


def hyper_synthesis(config: ModelConfig) -> Network:
    """z_hat to F hyper features and M predicted values, at the size of y."""
    net = NetworkBuilder(config.hyper_channels, config.leaky)
    x = net.shuffle(net.conv(0, 4 * config.width), 2)
    x = net.conv(x, config.width, kernel=3, depthwise=True)
    x = net.conv(x, config.width, leaky=True)
    x = net.shuffle(net.conv(x, 4 * config.hyper_features, leaky=True), 2)
    x = net.conv(x, config.hyper_features, kernel=3, depthwise=True)
    net.conv(x, config.hyper_features + config.latent_channels, bound="latent")
    return net.build()


def entropy_head(config: ModelConfig) -> Network:
    """Context features (C1) to mean correction (M) and log2 scale (M), 1x1 layers only."""
    net = NetworkBuilder(config.context_channels, config.leaky)
    x = net.conv(0, config.entropy_width, leaky=True)
    net.conv(x, 2 * config.latent_channels, bound="full")
    return net.build()
