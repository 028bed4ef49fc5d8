"""SSIMULACRA 2 as a loss: against the package of that name, and its gradient."""

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from samebits import _core, errors, kernels  # noqa: E402
from samebits.learn.training import ssimulacra2_loss as loss  # noqa: E402
from tiny_float_model import smooth_pictures  # noqa: E402

TARGETS = [name for name in kernels.targets() if name != "cuda"]
SIZES = [(256, 256), (225, 320), (301, 257)]


def pictures(height: int, width: int, strength: float, count: int = 1):
    """Originals and noisy ones, uint8 values in float64."""
    torch.manual_seed(0)
    x = smooth_pictures(count=count, size=max(height, width))[..., :height, :width].double()
    noise = torch.randn(count, 3, height // 4 + 1, width // 4 + 1, dtype=torch.float64)
    noise = torch.nn.functional.interpolate(noise, scale_factor=4)[..., :height, :width]
    return x, (x + strength * noise).clamp(0, 255).round()


def package_score(tmp_path, x, x_hat) -> float:
    package = pytest.importorskip("ssimulacra2.ssimulacra2")
    paths = []
    for name, picture in (("x.png", x), ("x_hat.png", x_hat)):
        paths.append(tmp_path / name)
        Image.fromarray(picture[0].permute(1, 2, 0).numpy().astype(np.uint8)).save(paths[-1])
    return package.compute_ssimulacra2(*map(str, paths))


def test_the_constants_are_those_of_the_package():
    package = pytest.importorskip("ssimulacra2.ssimulacra2")
    assert np.array_equal(np.array(loss.WEIGHTS).reshape(3, 6, 2, 3).ravel(), package.weights)
    assert np.allclose(
        np.array(loss.ABSORBANCE).ravel(), package.kOpsinAbsorbanceMatrix, rtol=1e-15
    )
    assert package.kB0 == loss.ABSORBANCE_BIAS
    assert package.kC2 == loss.VARIANCE_FLOOR
    assert package.kNumScales == loss.SCALES


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("strength", [1.0, 2.0])
def test_the_score_is_near_that_of_the_package(tmp_path, size, strength):
    # Near only: the package blurs the picture into zeros at two of its borders.
    x, x_hat = pictures(*size, strength)
    wanted = package_score(tmp_path, x, x_hat)
    assert wanted < 95
    assert loss.score(loss.ssimulacra2_sum(x, x_hat)).item() == pytest.approx(wanted, abs=1)


@pytest.mark.parametrize("size", SIZES)
def test_with_its_borders_reflected_the_package_gives_the_same(tmp_path, monkeypatch, size):
    package = pytest.importorskip("ssimulacra2.ssimulacra2")
    gaussian = package.ndimage.gaussian_filter

    def reflected(image, sigma=loss.SIGMA):
        return gaussian(image, sigma, radius=loss.RADIUS, mode="mirror", axes=(0, 1))

    monkeypatch.setattr(package, "blur_image", reflected)
    x, x_hat = pictures(*size, 20.0)
    wanted = package_score(tmp_path, x, x_hat)
    assert loss.score(loss.ssimulacra2_sum(x, x_hat)).item() == pytest.approx(wanted, abs=1e-6)


def test_scales_of_sizes():
    assert [loss.scale_count(n, 999) for n in (7, 8, 12, 15, 192, 224, 225)] == [
        0,
        1,
        1,
        2,
        5,
        5,
        6,
    ]


def test_the_gradient_is_that_of_finite_differences():
    x, x_hat = pictures(40, 33, 9.0)
    x_hat += 0.3
    x_hat.requires_grad_()
    (gradient,) = torch.autograd.grad(loss.ssimulacra2_sum(x, x_hat).sum(), x_hat)
    step = 1e-4
    for channel, row, column in ((0, 0, 0), (1, 20, 17), (2, 39, 32), (1, 0, 31), (0, 7, 1)):
        ends = []
        for sign in (1, -1):
            moved = x_hat.detach().clone()
            moved[0, channel, row, column] += sign * step
            ends.append(loss.ssimulacra2_sum(x, moved).item())
        wanted = (ends[0] - ends[1]) / (2 * step)
        assert gradient[0, channel, row, column].item() == pytest.approx(wanted, rel=1e-3, abs=1e-9)


def extremes():
    torch.manual_seed(1)
    flat = torch.full((1, 3, 24, 24), 100.0)
    noise = torch.rand(1, 3, 24, 24) * 255
    return {
        "identical": (noise, noise.clone()),
        "flat": (flat, flat + 1),
        "identical black": (flat * 0, flat * 0),
        "black against white": (flat * 0, flat * 0 + 255),
        "white against black": (flat * 0 + 255, flat * 0),
        "out of range": (noise, noise * 3 - 200),
        "far out of range": (noise, noise * 1e6 - 1e8),
        "smallest": (noise[..., :8, :8], noise[..., 8:16, 8:16]),
        "12x12": (noise[..., :12, :12], noise[..., 12:, 12:]),
        "12x200": (torch.rand(1, 3, 200, 12) * 255, torch.rand(1, 3, 200, 12) * 255),
        "odd": (noise[..., :23, :17], noise[..., 1:, 2:19]),
    }


@pytest.mark.parametrize("form", [loss.ssimulacra2_sum, loss.ssimulacra2_sum_cpu])
@pytest.mark.parametrize("name", extremes())
def test_extremes_are_finite(name, form):
    x, x_hat = extremes()[name]
    x_hat = x_hat.contiguous().requires_grad_()
    total = form(x, x_hat)
    (gradient,) = torch.autograd.grad(total.sum(), x_hat)
    assert total.shape == (1,)
    assert torch.isfinite(total).all()
    assert torch.isfinite(gradient).all()
    outside = (x_hat < 0) | (x_hat > 255)
    assert (gradient[outside] == 0).all()
    if name.startswith("identical"):
        assert total.item() == 0
        assert (gradient == 0).all()
        assert loss.score(total).item() == 100
    else:
        assert total.item() > 0


def test_the_two_forms_agree_and_leave_autocast_aside():
    x, x_hat = (p.float() for p in pictures(48, 64, 9.0, count=2))
    x_hat.requires_grad_()
    total = loss.ssimulacra2_sum_cpu(x, x_hat)
    assert torch.allclose(total, loss.ssimulacra2_sum(x, x_hat), rtol=1e-4)
    total.sum().backward()
    assert x_hat.grad is not None
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss.ssimulacra2_sum_cpu(x, x_hat), total)


def test_descending_it_nears_the_original():
    x, x_hat = (p.float() for p in pictures(48, 48, 12.0))
    x_hat.requires_grad_()
    optimizer = torch.optim.Adam([x_hat], lr=1.0)
    first = None
    for _ in range(40):
        optimizer.zero_grad()
        total = loss.ssimulacra2_sum(x, x_hat).sum()
        total.backward()
        optimizer.step()
        first = first or total.item()
    assert total.item() < 0.5 * first


def sum_and_gradient(form, x, x_hat):
    x_hat = x_hat.detach().requires_grad_()
    total = form(x, x_hat)
    (gradient,) = torch.autograd.grad(total.sum(), x_hat)
    return total.detach(), gradient


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "size", [(8, 8), (12, 12), (15, 9), (12, 200), (33, 47), (96, 128), (225, 257)]
)
def test_the_kernels_are_near_the_definition(restore_machine, target, size):
    kernels.set_target(target)
    x, x_hat = pictures(*size, 9.0, count=2)
    x_hat = (x_hat + 0.1 * torch.randn_like(x_hat)).float()
    wanted, wanted_gradient = sum_and_gradient(loss.ssimulacra2_sum, x, x_hat.double())
    total, gradient = sum_and_gradient(loss.ssimulacra2_sum_cpu, x, x_hat)
    assert torch.allclose(total.double(), wanted, rtol=1e-5, atol=0)
    error = gradient - wanted_gradient
    # Where an edge is as strong as that of the original the slope jumps, so one pixel may be off.
    assert error.square().mean().sqrt() < 3e-4 * wanted_gradient.square().mean().sqrt()
    assert error.abs().median() < 5e-5 * wanted_gradient.abs().median()


@pytest.mark.parametrize("target", TARGETS)
def test_bits_do_not_depend_on_batch_and_layout(restore_machine, target):
    kernels.set_target(target)
    x, x_hat = (p.float() for p in pictures(40, 52, 9.0, count=3))
    total, gradient = sum_and_gradient(loss.ssimulacra2_sum_cpu, x, x_hat)
    again = sum_and_gradient(
        loss.ssimulacra2_sum_cpu,
        x.to(memory_format=torch.channels_last),
        x_hat.to(memory_format=torch.channels_last),
    )
    assert torch.equal(again[0], total)
    assert torch.equal(again[1], gradient)
    for n in range(3):
        alone = sum_and_gradient(loss.ssimulacra2_sum_cpu, x[n : n + 1], x_hat[n : n + 1])
        assert torch.equal(alone[0], total[n : n + 1])
        assert torch.equal(alone[1], gradient[n : n + 1])
    with torch.no_grad():
        assert torch.equal(loss.ssimulacra2_sum_cpu(x, x_hat), total)


def test_gradients_are_weighted_by_picture():
    x, x_hat = (p.float() for p in pictures(16, 24, 9.0, count=2))
    _, gradient = sum_and_gradient(loss.ssimulacra2_sum_cpu, x, x_hat)
    x_hat.requires_grad_()
    (loss.ssimulacra2_sum_cpu(x, x_hat) * torch.tensor([2.0, -3.0])).sum().backward()
    assert torch.allclose(x_hat.grad, gradient * torch.tensor([2.0, -3.0])[:, None, None, None])


@pytest.mark.parametrize(
    ("x_shape", "x_hat_shape", "message"),
    [
        ((1, 3, 16, 16), (1, 3, 16, 17), "must be the same"),
        ((3, 16, 16), (3, 16, 16), r"\(B, 3, H, W\)"),
        ((1, 1, 16, 16), (1, 1, 16, 16), r"\(B, 3, H, W\)"),
        ((1, 3, 16, 7), (1, 3, 16, 7), "7x16 pixels: sides must be 8 or more"),
    ],
)
def test_other_shapes_are_refused(x_shape, x_hat_shape, message):
    with pytest.raises(ValueError, match=message):
        loss.ssimulacra2_sum(torch.zeros(x_shape), torch.zeros(x_hat_shape))
    with pytest.raises(ValueError, match=message):
        loss.ssimulacra2_sum_cpu(torch.zeros(x_shape), torch.zeros(x_hat_shape))


def test_the_core_refuses_what_does_not_fit():
    weights = np.zeros((3, 6, 6))
    x = np.zeros((1, 3, 16, 16), np.float32)
    for other, message in ((x[:, :2], "of one shape"), (x[..., :7], "of one shape")):
        with pytest.raises(errors.InvalidArgument, match=message):
            _core.ssimulacra2_sums(x, other, None, weights=weights)
    with pytest.raises(errors.InvalidArgument, match="a side is 7 pixels, must be 8 to"):
        _core.ssimulacra2_sums(x[..., :7], x[..., :7], None, weights=weights)
    with pytest.raises(errors.InvalidArgument, match="weights must be"):
        _core.ssimulacra2_sums(x, x, None, weights=weights[:2])
    with pytest.raises(TypeError):
        _core.ssimulacra2_sums(x.astype(np.float64), x, None, weights=weights)
