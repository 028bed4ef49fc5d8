"""The float twin: shapes, coding orders, the differentiable rate."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from samebits.learn.models.likelihood import (  # noqa: E402
    LOG2_SCALE_LOW,
    clamp_with_gradient,
    gaussian_bits,
)
from samebits.learn.models.schedule import (  # noqa: E402
    default_order,
    make_order,
    random_view,
    spread,
)
from tiny_float_model import TINY_CONFIG, smooth_pictures, tiny_model  # noqa: E402

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [(4, 4), (3, 5), (1, 1)])
@pytest.mark.parametrize("mode", range(7))
@pytest.mark.parametrize("phases", ["none", "checkerboard", "2x2"])
def test_every_order_codes_every_element_once(mode, phases, size):
    first = 1 if mode in (5, 6) else 0
    order = make_order(TINY_CONFIG, mode=mode, phases=phases, first=first)
    targets = [spread(view.target, *size) for step in order.steps for view in step]
    assert torch.equal(sum(targets), torch.ones(16, *size))


def test_an_element_sees_earlier_elements_only():
    order = make_order(TINY_CONFIG, mode=5, phases="2x2", first=2)
    known = np.zeros((16, 4), bool)
    for step in order.steps:
        for view in step:
            assert not (view.visible & ~known).any()
        for view in step:
            known |= view.target


def test_groups_of_mode_4_do_not_see_each_other():
    order = make_order(TINY_CONFIG, mode=4, groups=(4, 12))
    assert len(order.steps) == 12
    first_group, second_group = order.steps[3]
    assert first_group.visible.any(1).tolist() == 3 * [True] + 13 * [False]
    assert second_group.visible.any(1).tolist() == 4 * [False] + 3 * [True] + 9 * [False]
    with pytest.raises(ValueError, match="views"):
        order.masks(4, 4, CPU)


def test_the_masks_of_a_loop_are_its_steps():
    masks = default_order(TINY_CONFIG).masks(4, 4, CPU)
    assert torch.equal(sum(masks), torch.ones(1, 16, 4, 4))
    phase_of_group = [[0, 3, 1, 2], [3, 1, 2, 0], [1, 2, 0, 3], [2, 0, 3, 1]]  # bitstream.md 2
    for step, phases in enumerate(phase_of_group):
        for group, phase in enumerate(phases):
            expected = torch.zeros(4, 4)
            expected[phase // 2 :: 2, phase % 2 :: 2] = 1
            assert torch.equal(masks[step][0, 4 * group], expected)


def test_random_views_code_what_they_do_not_see():
    random = np.random.default_rng(0)
    for _ in range(20):
        view = random_view(16, random)
        assert (view.visible ^ view.target).all()


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
    steps = default_order(TINY_CONFIG).masks(size[0] // 16, size[1] // 16, CPU)
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
    steps = default_order(TINY_CONFIG).masks(4, 4, CPU)
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


def test_one_step_alone_equals_the_step_of_a_loop_for_the_first_step():
    """Nothing is visible in the first step, so there is no approximation in it."""
    model = tiny_model()
    torch.manual_seed(3)
    y, prediction = torch.randn(2, 1, 16, 4, 4)
    features = torch.randn(1, 8, 4, 4)
    bias, gain = torch.zeros(1, 16, 1, 1), torch.full((1, 16, 1, 1), 4.0)
    inputs = (y, prediction, features, bias, gain, 1 / gain)
    masks = default_order(TINY_CONFIG).masks(4, 4, CPU)
    torch.manual_seed(4)
    loop = model.entropy(*inputs, masks[:1], noise=True)[1]
    torch.manual_seed(4)
    alone = model.entropy.one_step(*inputs, visible=torch.zeros_like(y), target=masks[0])
    assert torch.allclose(loop, alone)


@pytest.mark.parametrize("size", [(4, 4), (8, 6), (2, 2)])
@pytest.mark.parametrize(
    "order",
    [
        {"mode": 2, "phases": "diagonal", "groups": (4, 4, 4, 4)},
        {"mode": 2, "phases": "2x2"},
        {"mode": 2, "phases": "none"},
        {"mode": 0, "phases": "checkerboard"},
    ],
)
def test_the_loop_of_coded_cells_equals_computing_everywhere(size, order, monkeypatch):
    model = tiny_model()
    torch.manual_seed(3)
    y, prediction = torch.randn(2, 2, 16, *size)
    features = torch.randn(2, 8, *size)
    bias, gain = torch.zeros(1, 16, 1, 1), torch.full((2, 16, 1, 1), 4.0)
    inputs = (y, prediction, features, bias, gain, 1 / gain)
    masks = make_order(TINY_CONFIG, **order).masks(*size, CPU)
    fast = model.entropy(*inputs, masks, noise=False)
    monkeypatch.setattr(type(model.entropy.head), "is_plain", False)
    slow = model.entropy(*inputs, masks, noise=False)
    for a, b in zip(fast, slow, strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_quality_tables_are_interpolated():
    model = tiny_model()
    knots = torch.arange(TINY_CONFIG.gain_knots, dtype=torch.float32)[:, None].expand(-1, 3)
    quality = torch.tensor([0.0, 6.25, 12.5, 100.0])
    values = model.at_quality(knots, quality)[:, 0, 0, 0]
    assert values.tolist() == pytest.approx([0.0, 0.5, 1.0, 8.0])
