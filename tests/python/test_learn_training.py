"""Training: resumable, validation apart from training, clear errors."""

import json

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from samebits.learn.models.schedule import default_order  # noqa: E402
from samebits.learn.training.checkpoint import (  # noqa: E402
    load_checkpoint,
    model_from_checkpoint,
)
from samebits.learn.training.entropy_training import EntropyTrainer  # noqa: E402
from samebits.learn.training.grow import grow_checkpoint  # noqa: E402
from samebits.learn.training.initialization import initialize_linear  # noqa: E402
from samebits.learn.training.order_mix import OrderMix  # noqa: E402
from samebits.learn.training.pictures import is_validation, load_pictures  # noqa: E402
from samebits.learn.training.train import Trainer, TrainOptions  # noqa: E402
from tiny_float_model import TINY_CONFIG, smooth_pictures, tiny_model  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "photos"
    data.mkdir()
    for n, picture in enumerate(smooth_pictures(count=12, size=96)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(data / f"{n}.png")
    (data / "broken.png").write_bytes(b"not a picture")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(data / "tiny.png")
    return data


def options(folder, tmp_path, **changes):
    values = {
        "data": folder,
        "out": tmp_path / "run",
        "minutes": 0.05,
        "batch": 2,
        "crop": 64,
        "late_crop": 64,
        "validate_every_minutes": 0.03,
    }
    return TrainOptions(**(values | changes))


def test_training_lowers_the_validation_loss(folder, tmp_path):
    trainer = Trainer(options(folder, tmp_path, minutes=1000, learning_rate=1e-3), TINY_CONFIG)
    # The linear start is already good; without its last layer there is much to learn.
    for model in (trainer.model, trainer.average):
        torch.nn.init.zeros_(model.g_s.layers[-1].weight)
    before = trainer.validate()["validation_loss"]
    for _ in range(40):
        trainer.train_step()
    after = trainer.validate()["validation_loss"]
    assert after < 0.95 * before, (before, after)


def test_a_run_is_resumed_where_it_stopped(folder, tmp_path):
    path = Trainer(
        options(folder, tmp_path, minutes=1000, stop_after_minutes=0.01), TINY_CONFIG
    ).run()
    saved = load_checkpoint(path)
    assert saved["steps_done"] > 0
    assert saved["elapsed"] > 0
    again = Trainer(
        options(folder, tmp_path, minutes=1000, stop_after_minutes=0.01, resume=True), TINY_CONFIG
    )
    assert again.steps_done == saved["steps_done"]
    for name, value in again.model.state_dict().items():
        assert torch.equal(value, saved["model"][name]), name
    again.run()
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").open()]
    assert rows[-1]["step"] > saved["steps_done"]
    assert {"train_loss", "validation_loss", "bpp_50", "psnr_50"} <= set(rows[-1])
    assert "broken.png" in (tmp_path / "run" / "skipped.txt").read_text()


def test_a_finished_run_is_not_overwritten(folder, tmp_path):
    Trainer(options(folder, tmp_path, minutes=0.01), TINY_CONFIG).run()
    with pytest.raises(FileExistsError, match="--resume"):
        Trainer(options(folder, tmp_path), TINY_CONFIG)


def test_fine_tuning_through_rounding_starts_from_a_checkpoint(folder, tmp_path):
    first = Trainer(options(folder, tmp_path, minutes=0.02), TINY_CONFIG).run()
    tuned = Trainer(
        options(
            folder, tmp_path, out=tmp_path / "tuned", minutes=0.02, start_from=first, rounding=True
        ),
        TINY_CONFIG,
    ).run()
    assert model_from_checkpoint(tuned).config == TINY_CONFIG
    with pytest.raises(ValueError, match="trained model"):
        Trainer(options(folder, tmp_path, out=tmp_path / "none", rounding=True), TINY_CONFIG)


def test_pictures_are_split_by_name_and_bad_ones_listed(folder):
    pictures = load_pictures(folder, smallest=64, validation_share=0.3)
    assert len(pictures.train) + len(pictures.validation) == 12
    assert sorted(path.name for path, _ in pictures.skipped) == ["broken.png", "tiny.png"]
    assert is_validation("a.png", 1.0)
    assert not is_validation("a.png", 0.0)


def test_an_empty_folder_and_a_foreign_checkpoint_end_with_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="no pictures under"):
        load_pictures(tmp_path, smallest=64)
    foreign = tmp_path / "x.ckpt"
    foreign.write_bytes(b"junk")
    with pytest.raises(ValueError, match="not a Samebits checkpoint"):
        load_checkpoint(foreign)


def test_linear_start_is_a_working_transform():
    """Principal components forward and back keep most of a picture before any training."""
    torch.manual_seed(0)
    from samebits.learn.models import PictureModel

    model = PictureModel(TINY_CONFIG)
    crops = smooth_pictures(count=8, size=64)
    initialize_linear(model, crops)
    x = (crops.float() - 128) / 64
    with torch.no_grad():
        error = (model.g_s(model.g_a(x)) - x).square().mean()
    assert error < 0.15 * x.square().mean()


def test_tiny_model_matches_its_config():
    assert tiny_model().config == TINY_CONFIG


def test_the_entropy_model_alone_is_trained_and_nothing_else(folder, tmp_path):
    whole = Trainer(options(folder, tmp_path, minutes=0.02), TINY_CONFIG).run()
    started = options(folder, tmp_path, out=tmp_path / "entropy", minutes=1000, start_from=whole)
    trainer = EntropyTrainer(started, TINY_CONFIG)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    rate = trainer.validate()
    assert {"rate_default", "rate_one_step", "rate_2x2"} <= set(rate)
    for _ in range(30):
        trainer.train_step()
    for name, value in trainer.model.state_dict().items():
        if name.startswith(("g_a", "g_s", "log2_gain", "log2_inverse_gain")):
            assert torch.equal(value, before[name]), name
    assert not torch.equal(trainer.model.entropy.context.weight, before["entropy.context.weight"])
    assert trainer.validate()["rate_default"] < rate["rate_default"]


def test_the_entropy_model_alone_needs_a_checkpoint(folder, tmp_path):
    with pytest.raises(ValueError, match="--start-from"):
        EntropyTrainer(options(folder, tmp_path), TINY_CONFIG)


@pytest.mark.parametrize(
    ("changes", "quality"),
    [
        ({"context_channels": 24, "entropy_width": 20}, 50.0),
        ({"analysis_blocks": 3, "synthesis_blocks": 2, "latent_blocks": 4}, 50.0),
        # Twice as wide a range on both ends: what stood at the middle stands there still.
        ({"lmbda_low": TINY_CONFIG.lmbda_low / 4, "lmbda_high": TINY_CONFIG.lmbda_high * 4}, 50.0),
    ],
)
def test_a_grown_model_computes_the_same(folder, tmp_path, changes, quality):
    old = Trainer(options(folder, tmp_path, minutes=0.02), TINY_CONFIG).run()
    new = tmp_path / "grown.ckpt"
    grow_checkpoint(old, new, changes)
    x = smooth_pictures(count=1, size=64).float()
    steps = default_order(TINY_CONFIG).masks(4, 4, torch.device("cpu"))
    results = [
        model_from_checkpoint(path)(x, torch.tensor([quality]), steps, noise=False)
        for path in (old, new)
    ]
    assert torch.allclose(results[0].y_bits, results[1].y_bits, rtol=1e-4)
    assert torch.allclose(results[0].x_hat, results[1].x_hat, atol=1e-3)


@pytest.mark.parametrize("changes", [{"context_channels": 8}, {"latent_channels": 32}])
def test_what_cannot_grow_is_refused(folder, tmp_path, changes):
    old = Trainer(options(folder, tmp_path, minutes=0.02), TINY_CONFIG).run()
    with pytest.raises(ValueError, match=next(iter(changes))):
        grow_checkpoint(old, tmp_path / "x.ckpt", changes)


def test_orders_of_training_follow_their_shares():
    random = np.random.default_rng(0)
    mix = OrderMix(TINY_CONFIG)
    steps = [len(mix.order(random).steps) for _ in range(200)]
    assert {1, 2, 4, 12} <= set(steps)
    views = [mix.view(random) for _ in range(200)]
    assert all(view.target.any() for view in views)
    assert not any((view.target & view.visible).any() for view in views)
    only = OrderMix(TINY_CONFIG, default_only=True)
    assert {only.order(random) for _ in range(20)} == {default_order(TINY_CONFIG)}
