"""Refinement of models that are not ours (R3): CompressAI's, and one of its kind without it."""

import pytest

torch = pytest.importorskip("torch")

from samebits.errors import InvalidArgument  # noqa: E402
from samebits.evaluation.benchmarks.compressai_import import import_compressai  # noqa: E402
from samebits.learn.models.likelihood import gaussian_bits  # noqa: E402
from samebits.learn.models.network import ste_round  # noqa: E402
from samebits.learn.refinement import HyperpriorModel, refine_latents  # noqa: E402
from tiny_float_model import smooth_pictures  # noqa: E402


class Conditional(torch.nn.Module):
    """Symbols around means, as CompressAI's entropy models do it."""

    def quantize(self, inputs, mode, means=None):
        return torch.round(inputs if means is None else inputs - means)

    def forward(self, inputs, means=None):
        outputs = self.quantize(inputs, "noise" if self.training else "dequantize", means)
        centre = 0 if means is None else means
        bits = gaussian_bits(outputs - centre, torch.zeros_like(outputs))
        return outputs, 2.0**-bits


class SmallHyperprior(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.g_a = torch.nn.Conv2d(3, 12, 8, 8)
        self.g_s = torch.nn.ConvTranspose2d(12, 3, 8, 8)
        self.h_a = torch.nn.Conv2d(12, 6, 2, 2)
        self.h_s = torch.nn.ConvTranspose2d(6, 12, 2, 2)
        self.bottleneck, self.conditional = Conditional(), Conditional()

    def forward(self, x):
        y = self.g_a(x)
        z_hat, z_likelihoods = self.bottleneck(self.h_a(y.abs()))
        y_hat, y_likelihoods = self.conditional(y, self.h_s(z_hat))
        likelihoods = {"y": y_likelihoods, "z": z_likelihoods}
        return {"x_hat": self.g_s(y_hat), "likelihoods": likelihoods}


def check_refined(model, x, *, lmbda, **options):
    model = model.eval()
    model(x / 255)  # some clear masked weights when they first run
    before = {name: value.clone() for name, value in model.state_dict().items()}
    wrapped = HyperpriorModel(model)
    refined = refine_latents(wrapped, x, lmbda=lmbda, **options)
    assert set(refined.latents) == {"y", "z"}
    assert (refined.loss < refined.plain_loss).all()
    with torch.no_grad():
        bits, x_hat = wrapped.decode(refined.latents, ste_round)
    error = (x_hat - x).square().mean((1, 2, 3))
    assert torch.allclose(bits + lmbda * x.shape[-1] * x.shape[-2] * error, refined.loss)
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)  # R2
    assert all(parameter.grad is None for parameter in model.parameters())
    return refined


@pytest.mark.parametrize("method", ["noise", "ste", "sga", "sga+"])
def test_a_model_of_that_kind(method):
    torch.manual_seed(3)
    x = smooth_pictures(count=2, size=32).float()
    check_refined(SmallHyperprior(), x, lmbda=0.01, method=method, steps=30, learning_rate=0.05)


@pytest.mark.parametrize(
    "name", ["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "mbt2018"]
)
def test_compressai(name):
    try:
        import_compressai()
        from compressai.zoo import image_models
    except ImportError as error:
        pytest.skip(f"CompressAI is not installed: {error}")
    torch.manual_seed(0)
    model = image_models[name](quality=1, pretrained=False)
    x = smooth_pictures(count=1, size=64).float()
    options = {"lmbda": 0.01, "method": "sga", "steps": 20, "learning_rate": 0.05}
    if name == "bmshj2018-factorized":
        refined = refine_latents(HyperpriorModel(model.eval()), x, **options)
        assert set(refined.latents) == {"y"}
        assert (refined.loss < refined.plain_loss).all()
    else:
        check_refined(model, x, **options)


def test_models_of_another_kind():
    with pytest.raises(InvalidArgument, match="g_a"):
        HyperpriorModel(torch.nn.Conv2d(3, 3, 1))
