"""SSIMULACRA 2 of pictures in memory, by the parts of the package ``ssimulacra2``.

Jon Sneyers (Cloudinary), https://github.com/cloudinary/ssimulacra2: structural similarity, ringing
and smoothing in the color space XYB at six scales, weighted so that the score follows human
ratings of compressed pictures. The package compares two files; here the half that depends on the
original alone is computed once.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from samebits.errors import InvalidArgument
from samebits.evaluation.metrics import check_coded, check_pair, check_picture

# Halved five times, rounded up, this is 8, the least the package takes. With fewer than six scales
# it takes the weights of others: scores of a picture and of its crop differ by tens of points.
SSIMULACRA2_MIN_SIDE = 225


def ssimulacra2_installed() -> bool:
    """Whether the package ``ssimulacra2`` (extra ``samebits[eval]``) is there."""
    return importlib.util.find_spec("ssimulacra2") is not None


def ssimulacra2(x: np.ndarray, x_hat: np.ndarray) -> float:
    """SSIMULACRA 2 of two uint8 pictures of one shape.

    Parameters
    ----------
    x, x_hat : ndarray of uint8, shape (H, W) or (H, W, 3)
        Original and coded picture (the score is not symmetric), sRGB.

    Returns
    -------
    float
        100 for equal pictures; 90 cannot be told from the original, 70 is high, 50 medium and 30
        low quality; there is no lower limit, the lowest rates give scores below 0. NaN for
        pictures with a side below `SSIMULACRA2_MIN_SIDE`.
    """
    check_pair(x, x_hat)
    return Ssimulacra2Reference.of(x).compare(x_hat)


@dataclass(frozen=True)
class _Scale:
    """A picture at one scale: XYB samples, and local mean and mean square under the window."""

    xyb: np.ndarray
    mean: np.ndarray
    mean_square: np.ndarray


@dataclass(frozen=True)
class Ssimulacra2Reference:
    """The half that depends on the original only; without scales for a picture too small."""

    shape: tuple[int, ...]
    scales: tuple[_Scale, ...]

    @staticmethod
    def of(x: np.ndarray) -> Ssimulacra2Reference:
        """Of an original, uint8, (H, W) or (H, W, 3); keeps about 100 bytes per pixel."""
        check_picture("x", x)
        large_enough = min(x.shape[:2]) >= SSIMULACRA2_MIN_SIDE
        return Ssimulacra2Reference(x.shape, tuple(_scales(x)) if large_enough else ())

    def compare(self, x_hat: np.ndarray) -> float:
        """SSIMULACRA 2 of `x_hat` (uint8, the original's shape); NaN for a picture too small."""
        check_coded(x_hat, self.shape)
        if not self.scales:
            return math.nan
        parts = _package()
        total = parts.Msssim()
        for reference, coded in zip(self.scales, _scales(x_hat), strict=True):
            scale = parts.MsssimScale()
            mean_product = parts.blur_image(reference.xyb * coded.xyb)
            scale.avg_ssim = parts.ssim_map(
                reference.mean, coded.mean, reference.mean_square, coded.mean_square, mean_product
            )
            scale.avg_edgediff = parts.edge_diff_map(
                reference.xyb, reference.mean, coded.xyb, coded.mean
            )
            total.scales.append(scale)
        return float(total.score())


def _scales(x: np.ndarray) -> Iterator[_Scale]:
    """The picture at the package's six scales, halved in linear light."""
    parts = _package()
    linear = parts.srgb_to_linear(np.repeat(x[..., None], 3, axis=2) if x.ndim == 2 else x)
    for k in range(parts.kNumScales):
        if k:
            linear = parts.downsample(linear, 2, 2)
        xyb = parts.make_positive_xyb(parts.linear_rgb_to_xyb(linear))
        yield _Scale(xyb, parts.blur_image(xyb), parts.blur_image(xyb * xyb))


def _package():
    try:
        from ssimulacra2 import ssimulacra2 as parts
    except ImportError as error:
        raise InvalidArgument(
            "SSIMULACRA 2 needs the package ssimulacra2: run pip install 'samebits[eval]'"
        ) from error
    return parts
