"""Losses beside the mean squared error, and the rate of the integer tables beside the estimate."""

import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from samebits.kernels import CdfTables, range_encode  # noqa: E402
from samebits.learn.models.likelihood import gaussian_bits  # noqa: E402
from samebits.learn.models.schedule import default_order  # noqa: E402
from samebits.learn.models.transforms import PIXEL_UNIT  # noqa: E402
from samebits.learn.training.ambiguity import AmbiguityTerm, ambiguity  # noqa: E402
from samebits.learn.training.coded_steps import coded_steps  # noqa: E402
from samebits.learn.training.distortion import Distortion  # noqa: E402
from samebits.learn.training.loss import rate_distortion_loss  # noqa: E402
from samebits.learn.training.perceptual import PerceptualTerm  # noqa: E402
from samebits.learn.training.real_rate import RealRate, real_bpp  # noqa: E402
from samebits.learn.training.train import Trainer, TrainOptions  # noqa: E402
from tiny_float_model import TINY_CONFIG, smooth_pictures, tiny_model  # noqa: E402

CPU = torch.device("cpu")
SIZE = 64


class StubLpips(torch.nn.Module):
    """In place of the package, whose weights a test cannot download."""

    def __init__(self, net, verbose):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, x, x_hat):
        assert x.abs().max() <= 1
        assert x_hat.abs().max() <= 1
        return self.scale * (x - x_hat).abs().mean((1, 2, 3), keepdim=True)


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=StubLpips))


@pytest.fixture
def coded():
    x = smooth_pictures(count=2, size=SIZE).float()
    steps = default_order(TINY_CONFIG).masks(SIZE // 16, SIZE // 16, CPU)
    quality = torch.tensor([20.0, 80.0])
    return x, quality, tiny_model()(x, quality, steps, noise=False)


def test_the_perceptual_term_is_added_to_the_distortion(stub, coded):
    x, quality, result = coded
    plain = rate_distortion_loss(x, result, quality, TINY_CONFIG)
    more = rate_distortion_loss(x, result, quality, TINY_CONFIG, terms=[PerceptualTerm(50.0, CPU)])
    assert more.loss > plain.loss
    assert torch.equal(more.mse, plain.mse)
    more.loss.backward()


def test_training_with_the_perceptual_term(stub, tmp_path):
    for n, picture in enumerate(smooth_pictures(count=4, size=SIZE)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(tmp_path / f"{n}.png")
    options = TrainOptions(
        data=tmp_path, out=tmp_path / "run", crop=SIZE, late_crop=SIZE, batch=2, lpips_weight=10.0
    )
    trainer = Trainer(options, TINY_CONFIG)
    assert torch.isfinite(trainer.train_step().loss)


def test_without_the_package_a_sentence_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(ValueError, match=r"samebits\[perceptual\]"):
        PerceptualTerm(1.0, CPU)


def test_crops_too_small_for_ms_ssim_are_refused_before_training(tmp_path):
    options = TrainOptions(
        data=tmp_path,
        out=tmp_path / "run",
        crop=128,
        late_crop=256,
        distortion=Distortion(mse=0.5, ms_ssim=0.5),
    )
    with pytest.raises(ValueError, match="too small for MS-SSIM"):
        Trainer(options, TINY_CONFIG)


def test_real_bits_are_those_of_the_range_coder():
    random = np.random.default_rng(0)
    rows = random.integers(0, 80, 20000)
    scales = 2.0 ** (-3.5 + rows / 8)
    symbols = np.round(random.standard_t(2, len(rows)) * scales).clip(-(2**20), 2**20)
    tables = CdfTables.gaussian_octaves()
    assert ((symbols < tables.min_symbol[rows]) | (symbols > tables.max_symbol[rows])).any()
    stream = range_encode(symbols.astype(np.int32), rows.astype(np.uint8), tables)
    bits = RealRate(CPU).bits(torch.from_numpy(symbols), torch.from_numpy(rows)).sum().item()
    assert 8 * len(stream) == pytest.approx(bits, rel=5e-3)


def test_the_real_rate_is_near_the_estimate(coded):
    x, quality, result = coded
    model = tiny_model()
    steps = default_order(TINY_CONFIG).masks(SIZE // 16, SIZE // 16, CPU)
    y = model.g_a((x - 128) / PIXEL_UNIT)
    estimate = sum(
        (gaussian_bits(step.symbols, step.log2_scale) * step.coded).sum((1, 2, 3))
        for step in coded_steps(model, y, quality, steps)
    )
    assert torch.allclose(estimate, result.y_bits, rtol=1e-3)
    real = real_bpp(model, x, quality, steps) * 2 * SIZE * SIZE
    assert real == pytest.approx((result.y_bits + result.z_bits).sum().item(), rel=0.15)


def test_ambiguity_is_that_of_the_document():
    outputs = torch.tensor([3.0, 3.5, 3.49, 3.51, 3.45, 2.5, -0.5, -0.48])
    wanted = torch.tensor([0.0, 0.05, 0.04, 0.04, 0.0, 0.05, 0.05, 0.03])
    assert torch.allclose(ambiguity(outputs, 0.05), wanted, atol=1e-6)


def test_descending_it_leaves_fewer_outputs_at_boundaries():
    torch.manual_seed(0)
    outputs = (torch.rand(1, 3, 32, 32) * 255).requires_grad_(True)
    term = AmbiguityTerm(weight=1.0)
    x = outputs.detach().clone()
    optimizer = torch.optim.SGD([outputs], lr=3.0)
    for _ in range(60):
        optimizer.zero_grad()
        term(x, outputs).sum().backward()
        optimizer.step()
    assert (ambiguity(x, 0.04) > 0).sum() > 100
    assert (ambiguity(outputs.detach(), 0.04) > 0).sum() == 0


def test_training_with_the_ambiguity_term(tmp_path, coded):
    x, quality, result = coded
    plain = rate_distortion_loss(x, result, quality, TINY_CONFIG)
    more = rate_distortion_loss(x, result, quality, TINY_CONFIG, terms=[AmbiguityTerm(50.0)])
    assert more.loss > plain.loss
    for n, picture in enumerate(smooth_pictures(count=4, size=SIZE)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(tmp_path / f"{n}.png")
    options = TrainOptions(
        data=tmp_path,
        out=tmp_path / "run",
        crop=SIZE,
        late_crop=SIZE,
        batch=2,
        stability_weight=5.0,
    )
    assert torch.isfinite(Trainer(options, TINY_CONFIG).train_step().loss)
    with pytest.raises(ValueError, match="--stability"):
        Trainer(replace(options, stability_weight=-1.0), TINY_CONFIG)
