"""Sizes of a picture model and its range of qualities."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

BLOCKS = ("depthwise", "dense")
QUALITIES = 101
"""Qualities 0 ... 100 of one model."""


@dataclass(frozen=True)
class ModelConfig:
    """Everything that fixes the shape of a model.

    Attributes
    ----------
    width : channels of the analysis and synthesis blocks at 1/8 resolution.
    analysis_blocks, synthesis_blocks : residual blocks at 1/8 resolution.
    latent_blocks : residual blocks of the synthesis at 1/16 resolution.
    block : kind of the residual blocks, one of BLOCKS.
    latent_channels : M, channels of y.
    hyper_channels : Nz, channels of z.
    hyper_features : F, channels of the hyper-synthesis that the entropy model sees.
    context_channels : C1, channels of the entropy model's first layer.
    entropy_width : channels of the entropy model's hidden 1x1 layer.
    groups : channel groups of mode 2 (E3); phase_groups : the four groups of the diagonal order.
    lmbda_low, lmbda_high : weight of the mean squared error (8-bit scale) at quality 0 and 100.
    gain_knots : knots of the piecewise linear log-gain over quality.
    leaky : the activation is max(v, v * 2**-leaky).
    value_width : channels of the hidden layer of the head for a probability per value (E5); 0: the
        model has no such head.
    value_radius : it knows the values -radius ... radius. value_coefficients : J, even.
    value_rows : CDF rows (first, end) of the elements that it codes.
    time_width : channels of the network for series (E6); 0: the model has none.
    """

    width: int = 128
    analysis_blocks: int = 3
    synthesis_blocks: int = 4
    latent_blocks: int = 1
    block: str = "depthwise"
    latent_channels: int = 256
    hyper_channels: int = 64
    hyper_features: int = 96
    context_channels: int = 128
    entropy_width: int = 192
    groups: tuple[int, ...] = (16, 32, 64, 144)
    phase_groups: tuple[int, ...] = (64, 64, 64, 64)
    lmbda_low: float = 0.0010
    lmbda_high: float = 0.15
    gain_knots: int = 9
    leaky: int = 3
    value_width: int = 0
    value_radius: int = 7
    value_coefficients: int = 4
    value_rows: tuple[int, int] = (8, 40)
    time_width: int = 0

    def __post_init__(self) -> None:
        if sum(self.groups) != self.latent_channels:
            raise ValueError(f"groups {self.groups} do not add up to {self.latent_channels}")
        if self.block not in BLOCKS:
            raise ValueError(f"block {self.block!r} is not one of {', '.join(BLOCKS)}")
        if len(self.phase_groups) != 4 or sum(self.phase_groups) != self.latent_channels:
            raise ValueError(
                f"phase_groups {self.phase_groups} are not 4 sizes adding up to "
                f"{self.latent_channels}"
            )

    def lmbda(self, quality: float) -> float:
        """Lambda of a quality 0 ... 100 (geometric between the two ends)."""
        ratio = math.log(self.lmbda_high / self.lmbda_low)
        return self.lmbda_low * math.exp(ratio * quality / 100.0)

    def to_dict(self) -> dict:
        """Plain values, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> ModelConfig:
        """Inverse of :meth:`to_dict`; lists become tuples."""
        fixed = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**fixed)
