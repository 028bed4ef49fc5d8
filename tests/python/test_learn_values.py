"""The head for a probability per value: float twin, training, export, and the integers it makes."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from samebits import _core  # noqa: E402
from samebits.learn.export.calibration import calibrate  # noqa: E402
from samebits.learn.export.exporter import export_model  # noqa: E402
from samebits.learn.export.value_tensors import quantize_shapes  # noqa: E402
from samebits.learn.models import PictureModel  # noqa: E402
from samebits.learn.models.likelihood import gaussian_bits  # noqa: E402
from samebits.learn.models.schedule import default_order  # noqa: E402
from samebits.learn.models.value_head import gaussian_base  # noqa: E402
from samebits.learn.training.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from samebits.learn.training.train import TrainOptions  # noqa: E402
from samebits.learn.training.value_training import (  # noqa: E402
    ValueTrainer,
    coded_steps,
    step_bits,
)
from tiny_float_model import TINY_CONFIG, smooth_pictures, tiny_model  # noqa: E402

CONFIG = replace(TINY_CONFIG, value_width=8)


def with_head(*, seed: int = 0, moved: float = 0.0) -> PictureModel:
    """The tiny float model with a head; `moved` makes its corrections differ from zero."""
    model = PictureModel(CONFIG)
    model.load_state_dict(tiny_model(seed=seed).state_dict(), strict=False)
    torch.manual_seed(seed)
    with torch.no_grad():
        model.values.network.layers[-1].weight.normal_(std=0.1 * moved)
        model.values.network.layers[-1].bias.normal_(std=0.3 * moved)
    return model.eval()


def latents(model: PictureModel, *, count: int = 4, size: int = 96, seed: int = 2) -> torch.Tensor:
    pictures = smooth_pictures(count=count, size=size, seed=seed).float()
    with torch.no_grad():
        return model.g_a((pictures - 128) / 64)


def sums(model: PictureModel, y: torch.Tensor, quality: float) -> tuple[float, float]:
    """Bits of y with the head and without, in the default order."""
    masks = default_order(CONFIG).masks(*y.shape[-2:], torch.device("cpu"))
    steps = coded_steps(model, y, torch.full((len(y),), quality), masks)
    with torch.no_grad():
        parts = [step_bits(model.values, step) for step in steps]
    return sum(p[0].sum().item() for p in parts), sum(p[1].sum().item() for p in parts)


def test_a_new_head_changes_nothing():
    model = with_head()
    for quality in (20.0, 80.0):
        values, parametric = sums(model, latents(model), quality)
        # The twin has no CDF rows: its scales are not rounded to eighths of an octave.
        assert values == pytest.approx(parametric, rel=0.1)


def test_the_loop_is_that_of_the_entropy_model():
    model = with_head()
    y = latents(model)
    quality = torch.full((len(y),), 60.0)
    masks = default_order(CONFIG).masks(*y.shape[-2:], torch.device("cpu"))
    with torch.no_grad():
        z_hat, _, _ = model.hyper(y, quality, noise=False)
        features, prediction = model.context_from(z_hat, *y.shape[-2:])
        tables = model.entropy_tables(quality)
        _, bits, symbols = model.entropy(y, prediction, features, *tables, masks, noise=False)
    found = sum(step.coded * step.symbols for step in coded_steps(model, y, quality, masks))
    assert torch.equal(found, symbols)
    assert sums(model, y, 60.0)[1] == pytest.approx(bits.sum().item(), rel=1e-4)


def test_bits_of_all_values_and_escapes():
    head = with_head(moved=1.0).values.requires_grad_(False)
    rows = torch.full((41,), 30)
    symbols = torch.arange(-20, 21).float()
    coefficients = torch.randn(1, 4).expand(41, 4)
    bits = head.bits(rows, coefficients, symbols)
    mass = 2.0 ** -bits[13:28]
    log_escape = bits[0] - 8
    assert mass.sum() + 2.0**-log_escape == pytest.approx(1, abs=1e-5)
    assert torch.allclose(bits[:13], bits[0].expand(13))
    far = head.bits(rows[:2], coefficients[:2], torch.tensor([71.0, 72.0]))
    assert (far - bits[0]).tolist() == pytest.approx([0, 8], abs=1e-4)


def test_base_is_that_of_the_cdf_rows():
    base = gaussian_base(7, (8, 40))
    assert base.shape == (32, 16)
    np.testing.assert_allclose((2.0**base).sum(1), 1, atol=3e-4)
    row = torch.tensor((8 + 20 - 28) / 8.0)
    expected = gaussian_bits(torch.arange(0.0, 3.0), row.expand(3))
    np.testing.assert_allclose(-base[20, 7:10], expected, atol=2e-3)


def test_shapes_are_as_fine_as_the_proof_allows():
    rng = np.random.default_rng(0)
    for scale in (1e-6, 1e-3, 1.0):
        per_step = rng.normal(0, scale, (16, 4))
        shapes, shift, bound = quantize_shapes(per_step, limit=32767)
        assert bound < 2**31
        assert np.abs(shapes / 2.0**shift - per_step).max() <= 0.5 / 2.0**shift
        assert np.abs(shapes).sum(1).max() > 2**14 or shift == 30
    with pytest.raises(ValueError, match="31 bits"):
        quantize_shapes(np.full((4, 2), 1e6), limit=32767)


def test_integers_are_those_of_the_twin(tmp_path):
    from samebits.learn.export.weights_file import write_weights

    model = with_head(moved=3.0)
    crops = smooth_pictures(count=8, size=96)
    exported = export_model(model, calibrate(model, crops))
    assert max(proof.accumulator_bits for proof in exported.proofs) < 31
    assert "values.shapes" in [proof.layer for proof in exported.proofs]
    path = tmp_path / "m.safetensors"
    write_weights(path, exported.tensors, description={})
    native = _core.Model(path.read_bytes())
    assert native.has_values
    picture = smooth_pictures(count=1, size=160, seed=5)[0].permute(1, 2, 0).numpy()
    spec = _core.ScheduleSpec()
    for quality in (30, 60):
        values, parametric = (
            _core.encode_picture(
                native, np.ascontiguousarray(picture), quality=quality, schedule=spec, values=flag
            ).y_bits
            for flag in (True, False)
        )
        y = model.g_a((torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] - 128.0) / 64)
        assert values == pytest.approx(sums(model, y.detach(), float(quality))[0], rel=0.01)
        assert abs(values / parametric - 1) > 0.05


@pytest.fixture
def start(tmp_path):
    """A folder of pictures and a checkpoint without the head."""
    data = tmp_path / "photos"
    data.mkdir()
    for n, picture in enumerate(smooth_pictures(count=12, size=96)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(data / f"{n}.png")
    weights = tiny_model().state_dict()
    path = tmp_path / "start.ckpt"
    state = {"config": TINY_CONFIG.to_dict(), "model": weights, "ema": weights}
    save_checkpoint(path, {**state, "steps_done": 0, "elapsed": 0.0})
    return TrainOptions(
        data=data,
        out=tmp_path / "run",
        minutes=1000,
        batch=4,
        crop=64,
        late_crop=64,
        learning_rate=5e-3,
        start_from=path,
    )


def test_training_saves_bits_and_nothing_else_moves(start):
    trainer = ValueTrainer(start, CONFIG)
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    first = trainer.validate()
    for _ in range(60):
        trainer.train_step()
    last = trainer.validate()
    assert abs(first["saved_percent_50"]) < 10
    assert last["saved_percent_50"] > first["saved_percent_50"] + 0.5, (first, last)
    for name, value in trainer.model.state_dict().items():
        assert name.startswith("values.") or torch.equal(value, before[name]), name


def test_training_is_resumed(start):
    options = replace(start, stop_after_minutes=0.005)
    path = ValueTrainer(options, CONFIG).run()
    state = load_checkpoint(path)
    assert state["config"]["value_width"] == 8
    again = ValueTrainer(replace(options, resume=True), CONFIG)
    assert again.steps_done == state["steps_done"] > 0
    for name, value in again.model.state_dict().items():
        assert torch.equal(value, state["model"][name]), name
    again.run()
    assert load_checkpoint(path)["steps_done"] > state["steps_done"]


def test_training_needs_a_trained_model(start):
    with pytest.raises(ValueError, match="trained model"):
        ValueTrainer(replace(start, start_from=None), CONFIG)
