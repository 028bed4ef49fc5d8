"""What the loss calls distortion: a weighted sum of distances between pictures (C2)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from samebits.refinement import MS_SSIM_SCALE

from .ssimulacra2_loss import ssimulacra2_sum, ssimulacra2_sum_cpu

MS_SSIM_SMALLEST = 161
"""MS-SSIM halves a picture four times and then needs a window of 11 pixels."""
MIX_SHARE, SSIMULACRA2_SCALE = 0.6, 6.0
"""Of the mix: the share of SSIMULACRA 2's sum, and what it is multiplied by to weigh about as much
as a mean squared error. Searched on held-out training pictures (docs/training.md)."""


@dataclass(frozen=True)
class Distortion:
    """Weights of the distances; a distance of weight 0 is not computed.

    Attributes
    ----------
    mse : of the mean squared error on the 8-bit scale.
    ms_ssim : of MS_SSIM_SCALE * (1 - MS-SSIM), which is about as large.
    ssimulacra2 : of the weighted sum of SSIMULACRA 2 before its last curve
        (:func:`.ssimulacra2_loss.ssimulacra2_sum`), about a sixth as large.
    """

    mse: float = 1.0
    ms_ssim: float = 0.0
    ssimulacra2: float = 0.0

    def __post_init__(self) -> None:
        weights = (self.mse, self.ms_ssim, self.ssimulacra2)
        if min(weights) < 0 or not any(weights):
            raise ValueError(f"{self}: weights are not negative, and one is above 0")

    @classmethod
    def named(cls, words: str) -> Distortion:
        """A name in DISTORTIONS, or weights: ``mse=0.4,ssimulacra2=3.6``.

        Raises
        ------
        ValueError
            Something else.
        """
        if words in DISTORTIONS:
            return DISTORTIONS[words]
        pairs = [word.partition("=") for word in words.split(",")]
        try:
            weights = {name.strip().replace("-", "_"): float(value) for name, _, value in pairs}
            return cls(**{"mse": 0.0, **weights})
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"--distortion {words}: give {', '.join(DISTORTIONS)}, or weights of mse, ms-ssim "
                "and ssimulacra2, none of them negative, for instance mse=0.4,ssimulacra2=3.6"
            ) from error

    def check_size(self, name: str, size: int) -> None:
        """Refuse crops that a distance cannot be measured on.

        Raises
        ------
        ValueError
            With a sentence that begins with ``name``.
        """
        if self.ms_ssim > 0 and size < MS_SSIM_SMALLEST:
            raise ValueError(
                f"a {name} of {size} pixels is too small for MS-SSIM, which halves it four times: "
                f"give at least {MS_SSIM_SMALLEST}, for instance --crop 192"
            )

    def __call__(self, x: Tensor, x_hat: Tensor, mse: Tensor) -> Tensor:
        """(B,) for float pictures (B, 3, H, W) in 0 ... 255 and their squared errors (B,)."""
        total = self.mse * mse
        if self.ms_ssim > 0:
            from pytorch_msssim import ms_ssim

            similarity = ms_ssim(x, x_hat.clamp(0, 255), data_range=255.0, size_average=False)
            total = total + self.ms_ssim * MS_SSIM_SCALE * (1 - similarity)
        if self.ssimulacra2 > 0:
            measure = ssimulacra2_sum_cpu if x.device.type == "cpu" else ssimulacra2_sum
            total = total + self.ssimulacra2 * measure(x, x_hat)
        return total


MSE = Distortion()
DISTORTIONS = {
    "mix": Distortion(mse=1 - MIX_SHARE, ssimulacra2=MIX_SHARE * SSIMULACRA2_SCALE),
    "mse": MSE,
    "ms-ssim": Distortion(mse=0.0, ms_ssim=1.0),
}
"""By the names of ``samebits train --distortion``."""
