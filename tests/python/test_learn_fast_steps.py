"""What training computes faster is what the models compute: networks, context sums, the mix."""

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from samebits.learn.models import ModelConfig, PictureModel  # noqa: E402
from samebits.learn.models.cell_loop import CodedCells, join_phases  # noqa: E402
from samebits.learn.models.fused_block import precisions  # noqa: E402
from samebits.learn.models.schedule import default_order  # noqa: E402
from samebits.learn.models.sparse_context import sparse_context, taps_of  # noqa: E402
from samebits.learn.training.distortion import DISTORTIONS, Distortion  # noqa: E402
from samebits.learn.training.loss import rate_distortion_loss  # noqa: E402
from samebits.learn.training.precision import Precision  # noqa: E402
from samebits.learn.training.ssimulacra2_loss import ssimulacra2_sum  # noqa: E402
from tiny_float_model import TINY_CONFIG, smooth_pictures, tiny_model  # noqa: E402

CPU = torch.device("cpu")


def loss_and_gradients(model, precision):
    """Of four crops in the default order, with the same noise every time."""
    model.zero_grad()
    x = smooth_pictures(count=4, size=64).float()
    steps = default_order(model.config).masks(4, 4, CPU)
    quality = torch.tensor([5.0, 30.0, 60.0, 95.0])
    torch.manual_seed(3)
    if precision is None:
        coded = model(x, quality, steps)
    else:
        chosen = Precision(precision, "cpu")
        chosen.use(model)
        with chosen.products():
            coded = model(x, quality, steps)
    loss = rate_distortion_loss(x, coded, quality, model.config, distortion=DISTORTIONS["mix"]).loss
    loss.backward()
    return loss.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize(
    ("precision", "near", "gradient_near"), [("fp32", 1e-4, 1e-2), ("bf16", 0.02, 0.3)]
)
def test_the_kernels_compute_the_model(precision, near, gradient_near):
    if precision not in ("fp32", *precisions()):
        pytest.skip(f"this processor has no kernels for {precision}")
    model = tiny_model()
    wanted, gradients = loss_and_gradients(model, None)
    loss, others = loss_and_gradients(model, precision)
    assert loss == pytest.approx(wanted, rel=near)
    difference = sum((a - b).square().sum() for a, b in zip(gradients, others, strict=True))
    norm = sum(a.square().sum() for a in gradients)
    # A value that rounds to another integer changes single gradients much.
    assert (difference / norm).sqrt() < gradient_near


def test_a_network_that_is_tapped_is_computed_plainly():
    model = tiny_model()
    x = smooth_pictures(count=1, size=64).float() / 64 - 2
    plain = model.g_a(x)
    Precision("bf16", "cpu").use(model)
    seen = []
    model.g_a.tap = lambda op, value: (seen.append(op), value)[1]
    assert torch.equal(model.g_a(x), plain)
    assert len(seen) == len(model.g_a.ops)


@pytest.mark.parametrize("size", [(2, 2), (4, 6), (8, 2)])
def test_context_sums_of_some_channels(size):
    torch.manual_seed(1)
    channels = torch.stack([torch.randperm(8)[:3].sort()[0] for _ in range(4)])
    height, width = size
    values = torch.randn(4, 2 * height * width // 4, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 8, 3, 3, dtype=torch.float64, requires_grad=True)
    dense = CodedCells((0, 1, 2, 3), channels).put(values, 8)
    wanted = F.conv2d(join_phases(dense, height, width), weight, padding=1)
    sums = sparse_context(values, channels, taps_of(weight), size)
    assert torch.allclose(sums, wanted, atol=1e-12)
    gradient = torch.randn_like(wanted)
    for one, other in zip(
        torch.autograd.grad(sums, (values, weight), gradient),
        torch.autograd.grad(wanted, (values, weight), gradient),
        strict=True,
    ):
        assert torch.allclose(one, other, atol=1e-12)


def test_distortions_by_name():
    x = smooth_pictures(count=2, size=64).float()
    x_hat = (x + 6 * torch.randn_like(x)).clamp(0, 255)
    mse = (x - x_hat).square().mean((1, 2, 3))
    chosen = Distortion.named("mse=0.5,ssimulacra2=3")
    wanted = 0.5 * mse + 3 * ssimulacra2_sum(x, x_hat)
    assert torch.allclose(chosen(x, x_hat, mse), wanted, rtol=1e-4)
    assert torch.equal(Distortion.named("mse")(x, x_hat, mse), mse)
    assert Distortion.named("ms-ssim=1") == DISTORTIONS["ms-ssim"]
    mix = DISTORTIONS["mix"]
    assert mix.mse + mix.ssimulacra2 / 6 == pytest.approx(1)
    for words in ("", "mse=0", "mse=x", "psnr=1", "mse=0.5,ssimulacra2=-1"):
        with pytest.raises(ValueError, match="--distortion"):
            Distortion.named(words)


def test_every_depthwise_block_is_found():
    model = PictureModel(ModelConfig())
    assert len(model.g_a.blocks) == 3
    assert len(model.g_s.blocks) == 5
    assert len(PictureModel(TINY_CONFIG).h_a.blocks) == 0
