"""Blocks and pointwise layers of the core against torch in float64, for every target here."""

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from samebits import _core  # noqa: E402
from samebits.errors import InvalidArgument  # noqa: E402
from samebits.learn.models.fused_block import (  # noqa: E402
    BlockParameters,
    depthwise_block,
    pointwise,
    precisions,
    supports_block,
)

SLOPE = 2.0**-3
TARGETS = [name for name in _core.targets() if name in ("scalar", "avx2", "avx512")]
# Largest and mean error, as a share of the largest value of the reference. The reference for bf16
# rounds the same factors; a sum near the middle of two bfloat16 may round the other way here, and
# one near 0 may take leaky's other slope.
TOLERANCE = {"fp32": 2e-5, "bf16": 2e-2}
MEAN_TOLERANCE = {"fp32": 2e-6, "bf16": 5e-4}


@pytest.fixture(params=TARGETS)
def target(request):
    before = _core.target()
    _core.set_target(request.param)
    yield request.param
    _core.set_target(before)


def block_case(*, batch=2, height=5, width=7, channels=32, inner=64, kernel=3, seed=0):
    """x, parameters and the gradient of the result, as leaves in float32."""
    rng = torch.Generator().manual_seed(seed)

    def random(*shape, scale=1.0):
        return torch.randn(shape, generator=rng) * scale

    c, e = channels, inner
    parameters = BlockParameters(
        random(c, c, 1, 1, scale=c**-0.5), random(c, scale=0.2),
        random(c, 1, kernel, kernel, scale=1 / kernel), random(c, scale=0.2),
        random(c, c, 1, 1, scale=c**-0.5), random(c, scale=0.2),
        random(e, c, 1, 1, scale=c**-0.5), random(e, scale=0.2),
        random(c, e, 1, 1, scale=e**-0.5), random(c, scale=0.2),
    )  # fmt: skip
    x = random(batch, c, height, width).to(memory_format=torch.channels_last)
    return x, parameters, random(batch, c, height, width)


class RoundedFactor(torch.autograd.Function):
    """To bfloat16 and back; the gradient passes."""

    @staticmethod
    def forward(ctx, x):
        return x.bfloat16().to(x.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class RoundedGradient(torch.autograd.Function):
    """The identity, whose gradient is rounded to bfloat16."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.bfloat16().to(gradient.dtype)


def reference_conv(x, weight, bias, precision, **options):
    """A convolution whose factors are rounded as the precision says, in both passes."""
    if precision == "bf16":
        x = RoundedFactor.apply(x)
        if options.get("groups", 1) == 1:
            weight = RoundedFactor.apply(weight)
        out = RoundedGradient.apply(F.conv2d(x, weight, **options))
    else:
        out = F.conv2d(x, weight, **options)
    return out + bias[:, None, None]


def reference_block(x, p, precision):
    channels, padding = x.shape[1], p.wd.shape[-1] // 2
    a = F.leaky_relu(reference_conv(x, p.w1, p.b1, precision), SLOPE)
    d = reference_conv(a, p.wd, p.bd, precision, padding=padding, groups=channels)
    m = x + reference_conv(d, p.w2, p.b2, precision)
    e = F.leaky_relu(reference_conv(m, p.w3, p.b3, precision), SLOPE)
    return m + reference_conv(e, p.w4, p.b4, precision)


def outcome(function, inputs, grad_out, dtype=torch.float32):
    """The result and the gradients of all inputs, float64."""
    leaves = [t.to(dtype).detach().clone().requires_grad_() for t in inputs]
    out = function(*leaves)
    gradients = torch.autograd.grad(out, leaves, grad_out.to(dtype))
    return [t.double() for t in (out.detach(), *gradients)]


def run_block(case, precision):
    x, parameters, grad_out = case
    return outcome(
        lambda x, *p: depthwise_block(x, BlockParameters(*p), slope=SLOPE, precision=precision),
        (x, *parameters),
        grad_out,
    )


def assert_near(got, wanted, precision):
    assert len(got) == len(wanted)
    for i, (ours, theirs) in enumerate(zip(got, wanted, strict=True)):
        assert ours.shape == theirs.shape
        error, most = (ours - theirs).abs(), theirs.abs().max()
        assert error.max() <= TOLERANCE[precision] * most, (i, float(error.max() / most))
        assert error.mean() <= MEAN_TOLERANCE[precision] * most, (i, float(error.mean() / most))


SHAPES = [
    dict(),
    dict(batch=1, height=1, width=1, channels=16, inner=16),
    dict(batch=3, height=3, width=3, channels=48, inner=80),
    dict(batch=40, height=1, width=3, channels=16, inner=32),
    dict(batch=2, height=25, width=11, channels=32, inner=32, kernel=5),
    dict(batch=1, height=24, width=24, channels=64, inner=128),
    dict(batch=1, height=2, width=150, channels=16, inner=48),
    dict(batch=2, height=6, width=4, channels=112, inner=176, kernel=7),
]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
def test_a_block_is_that_of_torch(target, precision, sizes):
    case = block_case(**sizes)
    x, parameters, grad_out = case
    wanted = outcome(
        lambda x, *p: reference_block(x, BlockParameters(*p), precision),
        (x, *parameters),
        grad_out,
        torch.float64,
    )
    assert_near(run_block(case, precision), wanted, precision)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_wide_block_is_that_of_torch(precision):
    if precision not in precisions():
        pytest.skip("plain C++ is slow")
    case = block_case(batch=1, height=12, width=12, channels=256, inner=512)
    x, parameters, grad_out = case
    wanted = outcome(
        lambda x, *p: reference_block(x, BlockParameters(*p), precision),
        (x, *parameters),
        grad_out,
        torch.float64,
    )
    assert_near(run_block(case, precision), wanted, precision)


def test_bfloat16_rounds_to_the_nearest_even(target):
    # With unit matrices, the pointwise layer is the rounding of its input.
    x = torch.randn(1, 32, 9, 9, generator=torch.Generator().manual_seed(1))
    x[0, 0, 0, :4] = torch.tensor([1 + 2.0**-8, 1 + 3 * 2.0**-8, -1 - 2.0**-8, 3e38])
    out = pointwise(x, torch.eye(32), torch.zeros(32), slope=None, precision="bf16")
    assert torch.equal(out, x.bfloat16().float())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_targets_agree(precision):
    before = _core.target()
    case = block_case(batch=1, height=9, width=9, channels=64, inner=96)
    outcomes = []
    for name in TARGETS:
        _core.set_target(name)
        outcomes.append(run_block(case, precision))
    _core.set_target(before)
    for other in outcomes[1:]:
        assert_near(other, outcomes[0], precision)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_input_gives_the_same_bits(target, precision):
    case = block_case(batch=3, height=13, width=9)
    first = run_block(case, precision)
    run_block(block_case(batch=1, height=4, width=3, seed=7), precision)
    for a, b in zip(first, run_block(case, precision), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("slope", [None, SLOPE])
@pytest.mark.parametrize(
    ("inputs", "outputs", "pixels"),
    [(16, 16, (1, 1)), (48, 112, (13, 12)), (192, 64, (12, 25)), (20, 12, (3, 5)), (32, 3, (1, 7))],
)
def test_a_pointwise_layer_is_that_of_torch(target, precision, slope, inputs, outputs, pixels):
    rng = torch.Generator().manual_seed(inputs)
    x = torch.randn(2, inputs, *pixels, generator=rng)
    weight = torch.randn(outputs, inputs, 1, 1, generator=rng) * inputs**-0.5
    bias = torch.randn(outputs, generator=rng)
    grad_out = torch.randn(2, outputs, *pixels, generator=rng)

    def reference(x, weight, bias):
        out = reference_conv(x, weight, bias, precision)
        return out if slope is None else F.leaky_relu(out, slope)

    wanted = outcome(reference, (x, weight, bias), grad_out, torch.float64)
    got = outcome(
        lambda x, w, b: pointwise(x, w, b, slope=slope, precision=precision),
        (x, weight, bias),
        grad_out,
    )
    assert_near(got, wanted, precision)


def test_the_first_layer_has_no_gradient_of_its_input():
    x = torch.randn(1, 16, 4, 4)
    weight = torch.randn(32, 16, requires_grad=True)
    out = pointwise(x, weight, torch.zeros(32), slope=SLOPE, precision="fp32")
    out.sum().backward()
    assert weight.grad.shape == (32, 16)


def test_parameters_that_change_before_the_backward_pass_are_noticed():
    x, parameters, grad_out = block_case()
    leaves = BlockParameters(*(p.requires_grad_() for p in parameters))
    out = depthwise_block(x, leaves, slope=SLOPE, precision="fp32")
    with torch.no_grad():
        leaves.w3.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward(grad_out)


def test_gradients_of_gradients_are_refused():
    x, parameters, grad_out = block_case()
    x.requires_grad_()
    grad_out.requires_grad_()
    out = depthwise_block(x, parameters, slope=SLOPE, precision="fp32")
    (grad,) = torch.autograd.grad(out, x, grad_out, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_results_are_channels_last_and_any_layout_goes_in(target):
    x, parameters, _ = block_case()
    last = depthwise_block(x, parameters, slope=SLOPE, precision="fp32")
    assert last.is_contiguous(memory_format=torch.channels_last)
    first = depthwise_block(x.contiguous(), parameters, slope=SLOPE, precision="fp32")
    assert torch.equal(first, last)


def test_what_is_fast_here():
    assert "fp32" in precisions()
    assert supports_block(channels=128, inner=256, kernel=3, precision="fp32")
    assert not supports_block(channels=120, inner=240, kernel=3, precision="fp32")
    assert not supports_block(channels=128, inner=256, kernel=4, precision="fp32")
    before = _core.target()
    try:
        _core.set_target("scalar")
        assert _core.training.kernel_name("bf16") == "scalar"
    finally:
        _core.set_target(before)


def block_with(**changed):
    x, parameters, _ = block_case()
    options = {"slope": SLOPE, "precision": "fp32"}
    tensors = {"x": x, **parameters._asdict(), **changed}
    options = {name: tensors.pop(name, value) for name, value in options.items()}
    return depthwise_block(tensors.pop("x"), BlockParameters(**tensors), **options)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": torch.zeros(2, 32, 5)}, "x has shape"),
        ({"x": torch.zeros(2, 32, 0, 5)}, "the input is empty"),
        ({"x": torch.zeros(2, 24, 5, 5)}, "multiple of 16"),
        ({"x": torch.zeros(2, 16, 5, 5)}, "w1 has shape"),
        ({"x": torch.zeros(2, 32, 5, 5, dtype=torch.float64)}, "must be float32"),
        ({"w2": torch.zeros(32, 16)}, "w2 has shape"),
        ({"w3": torch.zeros(64)}, "w3"),
        ({"b3": torch.zeros(32)}, "b3 has shape"),
        ({"w4": torch.zeros(32, 32)}, "w4 has shape"),
        ({"wd": torch.zeros(32, 1, 4, 4)}, "must be 3, 5 or 7"),
        ({"wd": torch.zeros(32, 3)}, "wd"),
        ({"wd": torch.zeros(32, 1, 3, 5)}, "wd has shape|must be 3, 5 or 7"),
        ({"slope": 1.5}, "slope is 1.5"),
        ({"precision": "fp16"}, "must be 'fp32' or 'bf16'"),
    ],
)
def test_a_wrong_block_is_refused(changed, message):
    with pytest.raises(InvalidArgument, match=message):
        block_with(**changed)


@pytest.mark.parametrize(
    ("weight", "bias"), [((8, 8), (8,)), ((16, 32), (8,)), ((16, 32, 3, 3), (16,))]
)
def test_a_wrong_pointwise_layer_is_refused(weight, bias):
    with pytest.raises(ValueError, match="weight has shape"):
        pointwise(
            torch.zeros(1, 32, 2, 2),
            torch.zeros(weight),
            torch.zeros(bias),
            slope=None,
            precision="fp32",
        )
