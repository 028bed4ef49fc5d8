"""The CUDA target against the scalar definition. Without a GPU the comparison is skipped, aloud."""

import warnings

import numpy as np
import pytest

from samebits import kernels
from samebits.errors import InvalidArgument

HAS_GPU = "cuda" in kernels.targets()


def on_target(name, function):
    before = kernels.target()
    kernels.set_target(name)
    try:
        return function()
    finally:
        kernels.set_target(before)


@pytest.fixture
def gpu():
    if not HAS_GPU:
        message = "no CUDA device (or built without nvcc): the CUDA kernels were NOT tested"
        warnings.warn(message, stacklevel=2)
        pytest.skip(message)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("channels", [1, 7, 64, 130])
@pytest.mark.usefixtures("gpu")
def test_equals_scalar(kernel, stride, depthwise, channels):
    rng = np.random.default_rng(channels)
    x = rng.integers(-32768, 32767, (2, 37, 53, channels), np.int16, endpoint=True)
    shape = (channels if depthwise else 33, kernel, kernel, 1 if depthwise else channels)
    weight = rng.integers(-50, 50, shape, np.int16)
    options = {
        "bias": rng.integers(-(2**20), 2**20, shape[0], np.int32),
        "stride": stride,
        "padding": kernel // 2,
        "groups": channels if depthwise else 1,
    }
    requantization = {
        "multiplier": rng.integers(0, 65536, shape[0]),
        "shift": rng.integers(1, 47, shape[0]),
        "leaky": 3,
        "clamp": (-2000, 3000),
    }

    def run():
        return (
            kernels.conv2d(x, weight, **options),
            kernels.conv2d_requantized(x, weight, **requantization, **options),
        )

    for expected, actual in zip(on_target("scalar", run), on_target("cuda", run), strict=True):
        assert np.array_equal(actual, expected)


def test_cuda_is_never_chosen_silently():
    assert kernels.target() != "cuda"


@pytest.mark.skipif(HAS_GPU, reason="this machine has a CUDA device")
def test_asking_for_cuda_without_a_device_is_an_error():
    with pytest.raises(InvalidArgument, match="target 'cuda' is not available"):
        kernels.set_target("cuda")
    assert kernels.target() != "cuda"
