"""Distances between pictures: mean squared error, PSNR and MS-SSIM, in double precision NumPy.

MS-SSIM follows Wang, Simoncelli and Bovik, "Multiscale structural similarity for image quality
assessment" (2003), with the constants everybody uses: five scales, an 11 x 11 Gaussian window of
standard deviation 1.5 applied where it fits entirely, K1 = 0.01, K2 = 0.03, 2 x 2 averages between
scales. Each color channel is measured on its own and the three results are averaged, as the common
PyTorch implementations do, so that published values can be compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from samebits.errors import InvalidArgument

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW_SIZE = 11
WINDOW_SIGMA = 1.5
_C1 = (0.01 * 255.0) ** 2
_C2 = (0.03 * 255.0) ** 2


def mse(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Mean squared error over all samples of two uint8 pictures of one shape.

    Parameters
    ----------
    x, x_hat : ndarray of uint8, shape (H, W) or (H, W, 3)

    Returns
    -------
    float
        In squared 8-bit steps, 0 to 65025.
    """
    check_pair(x, x_hat)
    difference = x.astype(np.int32) - x_hat.astype(np.int32)
    return float(np.mean(np.square(difference), dtype=np.float64))


def psnr_db(mean_squared_error: float) -> float:
    """PSNR in dB of 8-bit samples with this mean squared error; infinity if it is 0."""
    if mean_squared_error < 0 or math.isnan(mean_squared_error):
        raise InvalidArgument(f"a mean squared error cannot be {mean_squared_error}")
    if mean_squared_error == 0:
        return math.inf
    return 10.0 * math.log10(255.0**2 / mean_squared_error)


def ms_ssim_db(value: float) -> float:
    """MS-SSIM on a scale on which curves are not squeezed against 1: ``-10 log10(1 - value)``."""
    return math.inf if value >= 1.0 else -10.0 * math.log10(1.0 - value)


def ms_ssim_scales(height: int, width: int) -> int:
    """How many of the five scales fit a picture: the window must fit the coarsest one."""
    side = min(height, width)
    scales = 0
    while scales < len(MS_SSIM_WEIGHTS) and side >= WINDOW_SIZE:
        scales += 1
        side //= 2
    return scales


def ms_ssim(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Multi-scale structural similarity of two uint8 pictures of one shape.

    Parameters
    ----------
    x, x_hat : ndarray of uint8, shape (H, W) or (H, W, 3)

    Returns
    -------
    float
        0 to 1. Pictures with a side below 176 have fewer than five scales: the weights of those
        that fit are enlarged to the sum of all. NaN if not even one fits (a side below 11).
    """
    check_pair(x, x_hat)
    return MsSsimReference.of(x).compare(x_hat)


@dataclass(frozen=True)
class _PlaneStatistics:
    """One channel at one scale: samples, and local mean and mean square under the window."""

    samples: np.ndarray
    mean: np.ndarray
    mean_square: np.ndarray

    @staticmethod
    def of(samples: np.ndarray) -> _PlaneStatistics:
        return _PlaneStatistics(samples, _blur(samples), _blur(samples * samples))


@dataclass(frozen=True)
class MsSsimReference:
    """The half of MS-SSIM that depends on the original only: computed once, compared with many."""

    shape: tuple[int, ...]
    channels: tuple[tuple[_PlaneStatistics, ...], ...]

    @staticmethod
    def of(x: np.ndarray) -> MsSsimReference:
        scales = ms_ssim_scales(*x.shape[:2])
        channels = tuple(
            tuple(_PlaneStatistics.of(plane) for plane in _pyramid(channel, scales))
            for channel in _channels(x)
        )
        return MsSsimReference(x.shape, channels)

    def compare(self, x_hat: np.ndarray) -> float:
        """MS-SSIM between the original and `x_hat` (uint8, the same shape)."""
        check_coded(x_hat, self.shape)
        scales = len(self.channels[0])
        if scales == 0:
            return math.nan
        weights = np.array(MS_SSIM_WEIGHTS[:scales])
        # To the sum of all five, which is 1.0001: with five scales nothing changes.
        weights *= sum(MS_SSIM_WEIGHTS) / weights.sum()
        values = []
        for reference, channel in zip(self.channels, _channels(x_hat), strict=True):
            value = 1.0
            for scale, samples in enumerate(_pyramid(channel, scales)):
                coarsest = scale == scales - 1
                term = _mean_similarity(reference[scale], samples, with_luminance=coarsest)
                # A negative mean (opposite structure) has no real power: it is no similarity.
                value *= max(term, 0.0) ** weights[scale]
            values.append(value)
        return float(np.mean(values))


def _mean_similarity(
    reference: _PlaneStatistics, samples: np.ndarray, *, with_luminance: bool
) -> float:
    """Mean of contrast times structure; times luminance at the coarsest scale only."""
    statistics = _PlaneStatistics.of(samples)
    mean_product = reference.mean * statistics.mean
    square_sum = reference.mean**2 + statistics.mean**2
    covariance = _blur(reference.samples * samples) - mean_product
    variance_sum = reference.mean_square + statistics.mean_square - square_sum
    similarity = (2.0 * covariance + _C2) / (variance_sum + _C2)
    if with_luminance:
        similarity *= (2.0 * mean_product + _C1) / (square_sum + _C1)
    return float(similarity.mean())


def _gaussian_window() -> np.ndarray:
    distance = np.arange(WINDOW_SIZE) - WINDOW_SIZE // 2
    window = np.exp(-(distance**2) / (2.0 * WINDOW_SIGMA**2))
    return window / window.sum()


_WINDOW = _gaussian_window()


def _blur(plane: np.ndarray) -> np.ndarray:
    """Gaussian-weighted local means where the window fits: (H, W) to (H - 10, W - 10)."""
    return _blur_rows(_blur_rows(plane).T).T


def _blur_rows(plane: np.ndarray) -> np.ndarray:
    # The window is symmetric: adding rows at equal distance first halves the multiplications.
    height = plane.shape[0] - WINDOW_SIZE + 1
    middle = WINDOW_SIZE // 2
    result = _WINDOW[middle] * plane[middle : middle + height]
    for k in range(middle):
        opposite = WINDOW_SIZE - 1 - k
        pair = plane[k : k + height] + plane[opposite : opposite + height]
        pair *= _WINDOW[k]
        result += pair
    return result


def _pyramid(plane: np.ndarray, scales: int) -> list[np.ndarray]:
    """The plane at `scales` sizes, by 2 x 2 averages (an odd last row or column is dropped)."""
    planes = [plane][:scales]
    while len(planes) < scales:
        last = planes[-1]
        even = last[: last.shape[0] // 2 * 2, : last.shape[1] // 2 * 2]
        planes.append(
            0.25 * (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2])
        )
    return planes


def _channels(x: np.ndarray) -> list[np.ndarray]:
    planes = x[..., None] if x.ndim == 2 else x
    return [np.ascontiguousarray(planes[..., c], dtype=np.float64) for c in range(planes.shape[2])]


def check_picture(name: str, picture: np.ndarray) -> None:
    """An error unless the array is a uint8 picture, (H, W) or (H, W, C), not empty."""
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or picture.size == 0:
        raise InvalidArgument(
            f"{name} must be a uint8 picture of shape (H, W) or (H, W, C), "
            f"got {picture.dtype} {picture.shape}"
        )


def check_coded(x_hat: np.ndarray, shape: tuple[int, ...]) -> None:
    """An error unless `x_hat` is a uint8 picture of the original's shape."""
    if x_hat.shape != shape or x_hat.dtype != np.uint8:
        raise InvalidArgument(
            f"expected a uint8 picture of shape {shape}, got {x_hat.dtype} {x_hat.shape}"
        )


def check_pair(x: np.ndarray, x_hat: np.ndarray) -> None:
    """An error unless both are uint8 pictures of one shape."""
    for name, picture in (("x", x), ("x_hat", x_hat)):
        check_picture(name, picture)
    if x.shape != x_hat.shape:
        raise InvalidArgument(
            f"pictures of different shapes cannot be compared: {x.shape} and {x_hat.shape}"
        )
