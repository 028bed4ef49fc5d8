"""Picture distances against formulas written another way."""

import math

import numpy as np
import pytest

from samebits.errors import InvalidArgument
from samebits.evaluation.metrics import (
    MS_SSIM_WEIGHTS,
    ms_ssim,
    ms_ssim_db,
    ms_ssim_scales,
    mse,
    psnr_db,
)


def noisy_pair(height, width, channels=3, *, seed=0, strength=12.0):
    """A smooth picture and a noisy copy, uint8."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [
        128 + 90 * np.sin(rows / (7 + c)) * np.cos(columns / (11 + c)) for c in range(channels)
    ]
    x = np.stack(planes, axis=-1)
    x_hat = x + rng.normal(0, strength, x.shape)
    return x.clip(0, 255).astype(np.uint8), x_hat.clip(0, 255).astype(np.uint8)


def direct_ms_ssim(x, x_hat):
    """MS-SSIM of a grey pair by the definition: two-dimensional windows, central moments."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    a, b = x.astype(np.float64), x_hat.astype(np.float64)
    scales = len(MS_SSIM_WEIGHTS)
    value = 1.0
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        patches_a = np.lib.stride_tricks.sliding_window_view(a, (11, 11))
        patches_b = np.lib.stride_tricks.sliding_window_view(b, (11, 11))
        mean_a = np.einsum("ijkl,kl->ij", patches_a, window)
        mean_b = np.einsum("ijkl,kl->ij", patches_b, window)
        centered_a = patches_a - mean_a[..., None, None]
        centered_b = patches_b - mean_b[..., None, None]
        variance_a = np.einsum("ijkl,kl->ij", centered_a**2, window)
        variance_b = np.einsum("ijkl,kl->ij", centered_b**2, window)
        covariance = np.einsum("ijkl,kl->ij", centered_a * centered_b, window)
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        similarity = (2 * covariance + c2) / (variance_a + variance_b + c2)
        if scale == scales - 1:
            similarity *= (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
        value *= similarity.mean() ** weight
        even = (slice(a.shape[0] // 2 * 2), slice(a.shape[1] // 2 * 2))
        a, b = (
            (p[0::2, 0::2] + p[1::2, 0::2] + p[0::2, 1::2] + p[1::2, 1::2]) / 4
            for p in (a[even], b[even])
        )
    return value


def test_mse_and_psnr_of_a_constant_error():
    x = np.full((5, 7, 3), 100, np.uint8)
    assert mse(x, x + np.uint8(5)) == 25.0
    assert mse(x + np.uint8(5), x) == 25.0
    assert psnr_db(25.0) == pytest.approx(20 * math.log10(255 / 5))
    assert psnr_db(255.0**2) == 0.0


def test_mse_averages_over_all_samples():
    x = np.zeros((4, 4, 3), np.uint8)
    x_hat = x.copy()
    x_hat[0, 0, 0] = 255
    assert mse(x, x_hat) == pytest.approx(255**2 / 48)


def test_psnr_of_equal_pictures_is_infinite():
    assert psnr_db(0.0) == math.inf
    assert ms_ssim_db(1.0) == math.inf
    assert ms_ssim_db(0.99) == pytest.approx(20.0)


@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_psnr_refuses_what_is_no_mean_squared_error(value):
    with pytest.raises(InvalidArgument, match="mean squared error"):
        psnr_db(value)


def test_ms_ssim_equals_its_definition():
    x, x_hat = noisy_pair(176, 176, channels=1)
    assert ms_ssim(x[..., 0], x_hat[..., 0]) == pytest.approx(
        direct_ms_ssim(x[..., 0], x_hat[..., 0]), abs=1e-10
    )


def test_ms_ssim_of_color_is_the_mean_of_its_channels():
    x, x_hat = noisy_pair(180, 181)
    channels = [ms_ssim(x[..., c], x_hat[..., c]) for c in range(3)]
    assert ms_ssim(x, x_hat) == pytest.approx(np.mean(channels), abs=1e-12)
    assert len(set(channels)) == 3


def test_ms_ssim_agrees_with_the_pytorch_package():
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("pytorch_msssim")
    x, x_hat = noisy_pair(192, 256, strength=25.0)
    a, b = (torch.from_numpy(p).permute(2, 0, 1)[None].double() for p in (x, x_hat))
    # The package's window is in single precision.
    assert ms_ssim(x, x_hat) == pytest.approx(
        package.ms_ssim(a, b, data_range=255).item(), abs=2e-5
    )


def test_ms_ssim_is_one_for_equal_pictures_and_falls_with_noise():
    values = [ms_ssim(*noisy_pair(176, 176, strength=s)) for s in (0.0, 4.0, 16.0, 64.0)]
    assert values[0] == pytest.approx(1.0, abs=1e-12)
    assert values == sorted(set(values), reverse=True)
    assert values[-1] > 0.0


@pytest.mark.parametrize(
    ("height", "width", "scales"),
    [
        (10, 500, 0),
        (11, 11, 1),
        (21, 22, 1),
        (22, 22, 2),
        (175, 300, 4),
        (176, 176, 5),
        (512, 768, 5),
    ],
)
def test_scales_that_fit(height, width, scales):
    assert ms_ssim_scales(height, width) == scales
    if height < 200:
        x, x_hat = noisy_pair(height, width)
        value = ms_ssim(x, x_hat)
        assert math.isnan(value) if scales == 0 else 0.0 < value < 1.0


def test_opposite_structure_is_no_similarity():
    x, _ = noisy_pair(176, 176)
    assert ms_ssim(x, 255 - x) == 0.0


@pytest.mark.parametrize(
    ("x", "x_hat"),
    [
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)),
        (np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 3), np.uint8)),
        (np.zeros((0, 8, 3), np.uint8), np.zeros((0, 8, 3), np.uint8)),
        (np.zeros(8, np.uint8), np.zeros(8, np.uint8)),
    ],
)
def test_pictures_that_cannot_be_compared(x, x_hat):
    with pytest.raises(InvalidArgument):
        mse(x, x_hat)
    with pytest.raises(InvalidArgument):
        ms_ssim(x, x_hat)
