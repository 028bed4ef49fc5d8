"""The float twin: shapes, coding orders, the differentiable rate."""

import math

import pytest

torch = pytest.importorskip("torch")

from samebits.learn.models.entropy_model import (  # noqa: E402
    LOG2_SCALE_LOW,
    clamp_with_gradient,
    gaussian_bits,
)
from samebits.learn.models.schedule import (  # noqa: E402
    diagonal_steps,
    group_steps,
    random_steps,
)
from tiny_float_model import TINY_CONFIG, smooth_pictures, tiny_model  # noqa: E402

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [(4, 4), (3, 5), (1, 1)])
def test_every_order_codes_every_element_once(size):
    generator = torch.Generator().manual_seed(1)
    orders = [
        diagonal_steps(TINY_CONFIG.phase_groups, *size, CPU),
        group_steps(TINY_CONFIG.groups, *size, CPU),
        random_steps(16, *size, CPU, generator),
    ]
    for steps in orders:
        assert torch.equal(sum(steps), torch.ones(1, 16, *size))


def test_gaussian_bits_are_the_exact_mass():
    value = torch.tensor([0.0, 1.0, -3.0])
    log2_scale = torch.tensor([0.0, 1.0, 2.0])
    for v, s, bits in zip(value, log2_scale, gaussian_bits(value, log2_scale), strict=False):
        sigma = 2.0 ** s.item()

        def cdf(x, sigma=sigma):
            return 0.5 * (1 + math.erf(x / sigma / math.sqrt(2)))

        mass = cdf(v.item() + 0.5) - cdf(v.item() - 0.5)
        assert bits.item() == pytest.approx(-math.log2(mass), rel=1e-4)


def test_bits_stay_finite_far_outside_the_table():
    bits = gaussian_bits(torch.tensor([1e4, -1e4]), torch.tensor([-20.0, 20.0]))
    assert torch.isfinite(bits).all()
    assert (bits > 10).all()


def test_clamp_keeps_the_gradient_that_leads_back():
    x = torch.tensor([-9.0, -9.0, 0.0], requires_grad=True)
    y = clamp_with_gradient(x, LOG2_SCALE_LOW, 3.0)
    y.backward(torch.tensor([-1.0, 1.0, 1.0]))
    assert x.grad.tolist() == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (16, 16)])
def test_forward_shapes_and_rate(size):
    model = tiny_model()
    x = smooth_pictures(count=2, size=80).float()[:, :, : size[0], : size[1]]
    steps = diagonal_steps(TINY_CONFIG.phase_groups, size[0] // 16, size[1] // 16, CPU)
    coded = model(x, torch.tensor([0.0, 100.0]), steps, noise=False)
    assert coded.x_hat.shape == x.shape
    assert coded.y_bits.shape == (2,)
    assert (coded.y_bits > 0).all()
    # More quality means finer steps: more bits for comparable content.
    assert coded.y_bits[1] > coded.y_bits[0]
    assert torch.equal(coded.y_symbols, coded.y_symbols.round())


def test_the_mean_of_a_step_sees_earlier_steps_only():
    """Changing y where only the last step codes must not change the bits of earlier steps."""
    model = tiny_model()
    torch.manual_seed(3)
    y = torch.randn(1, 16, 4, 4)
    steps = diagonal_steps(TINY_CONFIG.phase_groups, 4, 4, CPU)
    features, prediction = torch.randn(1, 8, 4, 4), torch.randn(1, 16, 4, 4)
    bias, gain = torch.zeros(1, 16, 1, 1), torch.full((1, 16, 1, 1), 4.0)

    def bits_of(values):
        return model.entropy(
            values, prediction, features, bias, gain, 1 / gain, steps, noise=False
        )[1]

    before = bits_of(y)
    after = bits_of(y + 3 * steps[-1])
    earlier = 1 - steps[-1]
    assert torch.equal(before * earlier, after * earlier)
    assert not torch.equal(before * steps[-1], after * steps[-1])
    changed_first = bits_of(y + 3 * steps[0])
    assert not torch.equal(before * steps[1], changed_first * steps[1])


def test_quality_tables_are_interpolated():
    model = tiny_model()
    knots = torch.arange(TINY_CONFIG.gain_knots, dtype=torch.float32)[:, None].expand(-1, 3)
    quality = torch.tensor([0.0, 6.25, 12.5, 100.0])
    values = model.at_quality(knots, quality)[:, 0, 0, 0]
    assert values.tolist() == pytest.approx([0.0, 0.5, 1.0, 8.0])
