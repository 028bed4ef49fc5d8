"""What refinement asks of a model (requirement R3: any architecture)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from .relaxations import Quantize

Latents = dict[str, Tensor]
"""Latents by name, usually ``y`` and ``z``, each (B, C, h, w), in quantization steps."""


class RefinableModel(Protocol):
    """A model whose encoder, decoder and probability model stay fixed (R2)."""

    def latents(self, x: Tensor) -> Latents:
        """Where to begin: what the encoder makes of pictures (B, 3, H, W) in 0 ... 255."""
        ...

    def decode(self, latents: Mapping[str, Tensor], quantize: Quantize) -> tuple[Tensor, Tensor]:
        """Bits (B,) and pictures (B, 3, H, W) in 0 ... 255, differentiable in the latents.

        ``quantize`` takes the place of rounding, wherever the model rounds: it maps values in units
        of the step, around whatever centre the model codes them, to symbols.
        """
        ...
