"""LPIPS, a perceptual distance, by the package of its authors (extra ``perceptual``)."""

from __future__ import annotations

import torch
from torch import Tensor

HALF_RANGE = 127.5
"""LPIPS takes pictures in -1 ... 1."""


class PerceptualTerm:
    """``weight`` times LPIPS (network AlexNet) of each picture of a batch.

    Raises
    ------
    ValueError
        The package ``lpips`` is not installed, or its weights cannot be loaded.
    """

    def __init__(self, weight: float, device: torch.device) -> None:
        try:
            import lpips  # type: ignore[import-not-found]
        except ImportError as error:
            raise ValueError(
                f"--lpips needs the package lpips: pip install 'samebits[perceptual]' ({error})"
            ) from error
        try:
            network = lpips.LPIPS(net="alex", verbose=False)
        except OSError as error:
            raise ValueError(f"--lpips: the weights of LPIPS cannot be loaded: {error}") from error
        self.weight = weight
        self.network = network.eval().requires_grad_(False).to(device)

    def __call__(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """(B,) for pictures (B, 3, H, W) in 0 ... 255; differentiable."""
        scaled = ((p.clamp(0, 255) / HALF_RANGE - 1).contiguous() for p in (x, x_hat))
        return self.weight * self.network(*scaled).flatten(1).mean(1)
