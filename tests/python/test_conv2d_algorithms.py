"""Every algorithm of conv2d gives the same sums, or says why it is not proven to."""

import numpy as np
import pytest

from samebits import kernels
from samebits.errors import InvalidArgument
from samebits.kernels import conv2d, conv2d_requantized

TILES = ["winograd2", "winograd2x3", "winograd2x4", "winograd3", "winograd3x4", "winograd4"]
ALGORITHMS = ["auto", "direct", *TILES]


@pytest.fixture(params=kernels.targets())
def target(request):
    before = kernels.target()
    kernels.set_target(request.param)
    yield request.param
    kernels.set_target(before)


def sums_by_matmul(x, weight):
    """3 x 3 with padding 1, in int64, by a matrix product for each tap."""
    padded = np.pad(x.astype(np.int64), ((1, 1), (1, 1), (0, 0)))
    height, width, _ = x.shape
    taps = weight.astype(np.int64).transpose(1, 2, 3, 0)
    return sum(
        padded[ky : ky + height, kx : kx + width] @ taps[ky, kx]
        for ky in range(3)
        for kx in range(3)
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", [np.int16, np.uint8])
@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 9, 33), (51, 45, 40)])
def test_same_sums(target, algorithm, dtype, shape):
    rng = np.random.default_rng(1)
    lo, hi = (0, 255) if dtype == np.uint8 else (-300, 300)
    x = rng.integers(lo, hi, shape, dtype, endpoint=True)
    weight = rng.integers(-128, 128, (37, 3, 3, shape[2]), np.int16)
    out = conv2d(x, weight, padding=1, algorithm=algorithm)
    assert np.array_equal(out, sums_by_matmul(x, weight))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_requantized(target, algorithm):
    rng = np.random.default_rng(2)
    x = rng.integers(-300, 300, (20, 30, 40), np.int16)
    weight = rng.integers(-128, 128, (48, 3, 3, 40), np.int16)
    options = {"multiplier": 1000, "shift": 20, "leaky": 2, "padding": 1}
    expected = conv2d_requantized(x, weight, algorithm="direct", **options)
    out = conv2d_requantized(x, weight, algorithm=algorithm, **options)
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("largest", [64, 127])
@pytest.mark.parametrize("groups", [1, 40])
def test_uint8_equals_int16(target, kernel, largest, groups):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 256, (2, 13, 17, 40), np.uint8)
    x[0, 0] = 255
    weight = rng.choice([-largest, largest], (40, kernel, kernel, 40 // groups)).astype(np.int8)
    options = {"padding": kernel // 2, "groups": groups}
    expected = conv2d(x.astype(np.int16), weight, algorithm="direct", **options)
    assert np.array_equal(conv2d(x, weight, algorithm="direct", **options), expected)
    assert np.array_equal(conv2d(x, weight, **options), expected)


@pytest.mark.parametrize(
    ("algorithm", "span", "weight_limit"),
    [
        *zip(
            TILES,
            [16383, 5461, 3276, 1820, 1092, 655],
            [3640, 1560, 1560, 668, 668, 668],
            strict=True,
        )
    ],
)
def test_limits(target, algorithm, span, weight_limit):
    x = np.zeros((9, 9, 1), np.int16)
    x[4, 4] = span
    weight = np.full((1, 3, 3, 1), weight_limit, np.int16)
    assert conv2d(x, weight, padding=1, algorithm=algorithm).max() == span * weight_limit
    with pytest.raises(InvalidArgument, match="the transformed weights do not fit in int16"):
        conv2d(x, weight + np.int16(1), padding=1, algorithm=algorithm)
    x[4, 4] += 1
    with pytest.raises(
        InvalidArgument, match=f"is not exact here: .* no more than {span + 1} values"
    ):
        conv2d(x, weight, padding=1, algorithm=algorithm)


@pytest.mark.parametrize(
    ("message", "algorithm", "options"),
    [
        ("algorithm is 'winograd5'; there are auto direct winograd2", "winograd5", {"padding": 1}),
        ("algorithm must be a str", 2, {"padding": 1}),
        ("needs a dense 3 x 3 kernel with stride 1 and padding 1", "winograd2", {}),
        ("only dense 3 x 3 layers with stride 1", "winograd4", {"padding": 1, "stride": 2}),
    ],
)
def test_refuses(message, algorithm, options):
    x = np.ones((5, 5, 4), np.int16)
    weight = np.ones((4, 3, 3, 4), np.int8)
    with pytest.raises(InvalidArgument, match=message):
        conv2d(x, weight, algorithm=algorithm, **options)
