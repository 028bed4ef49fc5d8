"""samebits.kernels.conv2d against sums in NumPy int64, and everything it must refuse."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebits import _core, kernels
from samebits.errors import InvalidArgument
from samebits.kernels import conv2d, conv2d_requantized


@pytest.fixture(params=kernels.targets())
def target(request):
    before = kernels.target()
    kernels.set_target(request.param)
    yield request.param
    kernels.set_target(before)


def reference(x, weight, *, bias, stride, padding, groups):
    """Sums over taps, in int64; x (N, H, W, C), weight (O, kh, kw, C / groups)."""
    outputs, kh, kw, inputs = weight.shape
    x = np.pad(x.astype(np.int64), ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    oh = (x.shape[1] - kh) // stride + 1
    ow = (x.shape[2] - kw) // stride + 1
    out = np.zeros((x.shape[0], oh, ow, outputs), np.int64) + bias
    per_group = outputs // groups
    for g in range(groups):
        of_group = slice(g * per_group, (g + 1) * per_group)
        for ky in range(kh):
            for kx in range(kw):
                part = x[:, ky : ky + (oh - 1) * stride + 1 : stride]
                part = part[:, :, kx : kx + (ow - 1) * stride + 1 : stride]
                part = part[..., g * inputs : (g + 1) * inputs]
                out[..., of_group] += part @ weight[of_group, ky, kx].astype(np.int64).T
    return out


def requantize(acc, multiplier, shift, leaky, lo, hi):
    """Python integers, one value at a time."""
    multiplier = np.broadcast_to(multiplier, acc.shape[-1:])
    shift = np.broadcast_to(shift, acc.shape[-1:])
    out = np.empty(acc.shape, np.int16)
    for index in np.ndindex(acc.shape):
        s = int(shift[index[-1]])
        v = (int(acc[index]) * int(multiplier[index[-1]]) + (1 << (s - 1))) >> s
        if leaky is not None:
            v = max(v, v >> leaky)
        out[index] = min(max(v, lo), hi)
    return out


@st.composite
def convolutions(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    inputs, outputs = draw(st.integers(1, 20)), draw(st.integers(1, 12))
    if draw(st.booleans()):  # depthwise
        groups, inputs, outputs = draw(st.integers(1, 40)), 1, 1
    kh = draw(st.sampled_from([1, 3, 3, 2, 5]))
    kw = kh if draw(st.integers(0, 3)) else draw(st.integers(1, 4))
    padding = draw(st.integers(0, 3))
    height = draw(st.integers(max(1, kh - 2 * padding), 12))
    width = draw(st.integers(max(1, kw - 2 * padding), 60))
    x_type = draw(st.sampled_from([np.int16, np.uint8]))
    w_type = draw(st.sampled_from([np.int16, np.int8]))
    limit = draw(st.sampled_from([3, 100, 3000]))
    x_info, w_info = np.iinfo(x_type), np.iinfo(w_type)
    shape = (draw(st.integers(1, 2)), height, width, groups * inputs)
    x = rng.integers(max(x_info.min, -limit), min(x_info.max, limit), shape, x_type, endpoint=True)
    shape = (groups * outputs, kh, kw, inputs)
    w = rng.integers(max(w_info.min, -limit), min(w_info.max, limit), shape, w_type, endpoint=True)
    bias = rng.integers(-(2**20), 2**20, groups * outputs, np.int32)
    return (
        x,
        w,
        {
            "bias": bias,
            "stride": draw(st.integers(1, 3)),
            "padding": padding,
            "groups": groups,
        },
    )


@settings(deadline=None, max_examples=150)
@given(convolutions(), st.sampled_from(kernels.targets()))
def test_equals_reference(convolution, target):
    x, weight, options = convolution
    kernels.set_target(target)
    out = conv2d(x, weight, **options)
    expected = reference(x, weight, **options)
    assert out.dtype == np.int32
    assert np.array_equal(out, expected)


@settings(deadline=None, max_examples=60)
@given(convolutions(), st.sampled_from(kernels.targets()), st.data())
def test_requantized_equals_reference(convolution, target, data):
    x, weight, options = convolution
    kernels.set_target(target)
    outputs = weight.shape[0]
    multiplier = np.array(
        data.draw(st.lists(st.integers(0, 65535), min_size=outputs, max_size=outputs))
    )
    shift = data.draw(st.integers(1, 46))
    leaky = data.draw(st.sampled_from([None, 0, 2, 15]))
    lo, hi = data.draw(st.sampled_from([(-32768, 32767), (-100, 77), (5, 5)]))
    out = conv2d_requantized(
        x, weight, multiplier=multiplier, shift=shift, leaky=leaky, clamp=(lo, hi), **options
    )
    expected = requantize(reference(x, weight, **options), multiplier, shift, leaky, lo, hi)
    assert out.dtype == np.int16
    assert np.array_equal(out, expected)


def test_extreme_values_up_to_the_bound(target):
    # 32768 * 32768 * 1 + (2**31 - 1 - 2**30) is exactly 2**31 - 1.
    x = np.full((4, 9, 1), -32768, np.int16)
    weight = np.full((5, 1, 1, 1), -32768, np.int16)
    bias = np.full(5, 2**31 - 1 - 2**30, np.int32)
    assert np.all(conv2d(x, weight, bias=bias) == 2**31 - 1)
    with pytest.raises(InvalidArgument, match="could reach 2147483648, which is beyond int32"):
        conv2d(x, weight, bias=bias + np.int32(1))


def test_bound_uses_the_data(target):
    weight = np.full((1, 3, 3, 64), 32767, np.int16)
    x = np.ones((5, 5, 64), np.int16)
    assert conv2d(x, weight)[0, 0, 0] == 9 * 64 * 32767
    with pytest.raises(InvalidArgument, match="output channel 0"):
        conv2d(x * np.int16(200), weight)


def test_without_batch_is_the_one_picture_of_a_batch(target):
    rng = np.random.default_rng(1)
    x = rng.integers(-50, 50, (3, 6, 7, 8), np.int16)
    weight = rng.integers(-50, 50, (4, 3, 3, 8), np.int16)
    out = conv2d(x, weight, padding=1)
    assert out.shape == (3, 6, 7, 4)
    for n in range(3):
        assert np.array_equal(conv2d(x[n], weight, padding=1), out[n])


def test_non_contiguous_and_foreign_byte_order(target):
    rng = np.random.default_rng(2)
    x = rng.integers(-99, 99, (11, 14, 10), np.int16)
    weight = rng.integers(-9, 9, (6, 3, 3, 5), np.int16)
    views = [x[::2, ::-1, ::2], np.asfortranarray(x)[::2, ::-1, ::2]]
    views.append(views[0].astype(">i2"))
    expected = conv2d(np.ascontiguousarray(views[0]), weight, stride=2, padding=1)
    for view in views:
        assert np.array_equal(conv2d(view, weight, stride=2, padding=1), expected)
    assert np.array_equal(
        conv2d(views[0], np.asfortranarray(weight), stride=2, padding=1), expected
    )


def test_read_only_input_is_left_alone(target):
    x = np.ones((3, 3, 2), np.int16)
    x.setflags(write=False)
    conv2d(x, np.ones((1, 1, 1, 2), np.int8))
    assert np.all(x == 1)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_thread_count_changes_nothing(target, threads):
    rng = np.random.default_rng(3)
    x = rng.integers(-999, 999, (64, 48, 64), np.int16)
    weight = rng.integers(-99, 99, (64, 3, 3, 64), np.int16)
    before = _core.thread_count()
    try:
        _core.set_thread_count(1)
        expected = conv2d(x, weight, padding=1)
        _core.set_thread_count(threads)
        assert np.array_equal(conv2d(x, weight, padding=1), expected)
    finally:
        _core.set_thread_count(before)


X = np.ones((4, 5, 6), np.int16)
W = np.ones((2, 3, 3, 6), np.int16)


@pytest.mark.parametrize(
    ("message", "x", "weight", "options"),
    [
        ("x has dtype float64", X * 1.0, W, {}),
        ("x has dtype int32", X.astype(np.int32), W, {}),
        ("x has shape \\(4, 5\\)", X[..., 0], W, {}),
        ("which is empty", X[:0], W, {}),
        ("which is empty", X[:, :, :0], W, {}),
        ("weight has dtype uint8", X, W.astype(np.uint8), {}),
        ("weight has shape \\(2, 3, 3\\)", X, W[..., 0], {}),
        ("weight has shape \\(0, 3, 3, 6\\)", X, W[:0], {}),
        ("but x has 6", X, W[..., :5], {}),
        ("but x has 6", X, W, {"groups": 2}),
        ("groups is 3, which does not divide", X, W[..., :2], {"groups": 3}),
        ("groups is 0", X, W, {"groups": 0}),
        ("bias has dtype int64", X, W, {"bias": np.zeros(2, np.int64)}),
        ("bias has dtype int32 and shape \\(3,\\)", X, W, {"bias": np.zeros(3, np.int32)}),
        ("stride is 0", X, W, {"stride": 0}),
        ("stride is 1.5", X, W, {"stride": 1.5}),
        ("stride is '1'", X, W, {"stride": "1"}),
        ("padding is -1", X, W, {"padding": -1}),
        ("padding is \\(1, 1\\)", X, W, {"padding": (1, 1)}),
        ("larger than the padded input", X[:2], W, {}),
    ],
)
def test_refuses(message, x, weight, options):
    with pytest.raises(InvalidArgument, match=message):
        conv2d(x, weight, **options)
    with pytest.raises(InvalidArgument, match=message):
        conv2d_requantized(x, weight, multiplier=1, shift=1, **options)


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("multiplier has values outside", {"multiplier": -1}),
        ("multiplier has values outside", {"multiplier": 65536}),
        ("multiplier has values outside", {"multiplier": 2**40}),
        ("multiplier has dtype float64", {"multiplier": 0.5}),
        ("multiplier has dtype int64 and shape \\(3,\\)", {"multiplier": [1, 2, 3]}),
        ("shift must be in 1..46", {"shift": 0}),
        ("shift must be in 1..46", {"shift": 47}),
        ("leaky is 16", {"leaky": 16}),
        ("leaky is -1", {"leaky": -1}),
        ("must be a pair", {"clamp": 5}),
        ("lo <= hi", {"clamp": (1, 0)}),
        ("clamp\\[1\\] is 32768", {"clamp": (0, 32768)}),
    ],
)
def test_requantized_refuses(message, options):
    with pytest.raises(InvalidArgument, match=message):
        conv2d_requantized(X, W, **({"multiplier": 1, "shift": 1} | options))


def test_targets():
    assert kernels.targets()[0] == "scalar"
    assert kernels.target() in kernels.targets()
    with pytest.raises(InvalidArgument, match="'abacus' is not available; this machine has scalar"):
        kernels.set_target("abacus")
    with pytest.raises(InvalidArgument, match="must be a str"):
        kernels.set_target(None)


@pytest.mark.parametrize("name", [*kernels.targets(), "abacus"])
def test_target_from_environment(name):
    run = subprocess.run(
        [sys.executable, "-c", "from samebits import kernels; print(kernels.target())"],
        env=os.environ | {"SAMEBITS_TARGET": name},
        capture_output=True,
        text=True,
        check=False,
    )
    if name == "abacus":
        assert run.returncode != 0
        assert "SAMEBITS_TARGET 'abacus' is not available" in run.stderr
    else:
        assert run.stdout.strip() == name


@pytest.mark.parametrize("count", ["0", "257", "two"])
def test_wrong_thread_count_in_environment(count):
    run = subprocess.run(
        [sys.executable, "-c", "from samebits import _core; _core.thread_count()"],
        env=os.environ | {"SAMEBITS_THREADS": count},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert f"SAMEBITS_THREADS is '{count}'" in run.stderr
