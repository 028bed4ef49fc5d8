"""The network for series: its float twin, its integers, and its training alone."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import samebits  # noqa: E402
from samebits import _core  # noqa: E402
from samebits.cli import main  # noqa: E402
from samebits.learn.export.calibration import calibrate  # noqa: E402
from samebits.learn.export.exporter import export_model  # noqa: E402
from samebits.learn.export.permutation import permute_tensors  # noqa: E402
from samebits.learn.export.rounding import round_like_integers, stop_rounding  # noqa: E402
from samebits.learn.export.scales import Y_SCALE  # noqa: E402
from samebits.learn.export.weights_file import write_weights  # noqa: E402
from samebits.learn.grouping.group_file import Grouping  # noqa: E402
from samebits.learn.models.time_context import TimeContext  # noqa: E402
from samebits.learn.training.checkpoint import (  # noqa: E402
    load_checkpoint,
    model_from_checkpoint,
    save_checkpoint,
)
from samebits.learn.training.clips import load_clips, random_clip_crops  # noqa: E402
from samebits.learn.training.time_training import TimeTrainer, fit_time  # noqa: E402
from samebits.learn.training.train import TrainOptions  # noqa: E402
from tiny_float_model import smooth_pictures, tiny_model  # noqa: E402
from tiny_model import write_safetensors  # noqa: E402

CPU = torch.device("cpu")


def with_random_ends(model):
    """Scales that differ from channel to channel, as training finds them."""
    random = np.random.default_rng(0)
    for name in ("input_scale", "output_scale"):
        buffer = getattr(model.time, name)
        scale = 2.0 ** random.uniform(-1, 1, buffer.shape)
        buffer.copy_(torch.from_numpy(scale).float())
    return model


@pytest.fixture(scope="module")
def exported():
    model = with_random_ends(tiny_model(time_width=12))
    return model, export_model(model, calibrate(model, smooth_pictures(count=4, size=64)))


@pytest.fixture(scope="module")
def core(exported, tmp_path_factory):
    path = tmp_path_factory.mktemp("time") / "weights.safetensors"
    write_weights(path, exported[1].tensors, description={"name": "tiny"})
    return _core.Model(path.read_bytes())


def moving_frames(count: int, *, size: int = 64) -> list[np.ndarray]:
    large = smooth_pictures(count=1, size=size + 2 * count)[0].permute(1, 2, 0).numpy()
    return [large[2 * n : 2 * n + size, n : n + size].copy() for n in range(count)]


def test_a_new_network_corrects_nothing():
    torch.manual_seed(1)
    config = tiny_model(time_width=12).config
    time = TimeContext(config)
    features, prediction, y1 = torch.randn(2, 8, 3, 3), torch.randn(2, 16, 3, 3), torch.zeros(1)
    y1 = torch.randn(2, 16, 3, 3)
    found = time(features, prediction, [y1], torch.tensor([10.0, 90.0]))
    assert torch.equal(found[0], features)
    assert torch.equal(found[1], prediction)


def test_the_integer_network_is_near_its_float_twin(exported, core):
    model, export = exported
    scales = export.scales.networks["time"]
    seen = []
    hook = model.time.network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    torch.manual_seed(3)
    y1, prediction = torch.randn(1, 16, 6, 5), torch.randn(1, 16, 6, 5)
    features = torch.randn(1, 8, 6, 5) * 2000 / export.scales.features
    with torch.no_grad():
        corrected = model.time(features, prediction, [y1], torch.tensor([70.0]))
    hook.remove()
    scale = np.broadcast_to(scales.scale[0], (seen[0].shape[1],))
    integers = (seen[0][0].permute(1, 2, 0).double().numpy() * scale).round()
    # What arithmetic.md 4 says the network reads: latents, masks and quality.
    f, m = 8, 16
    assert np.array_equal(
        integers[..., f + m : f + 2 * m], np.rint(y1[0].permute(1, 2, 0).numpy() * 128)
    )
    for channel, value in ((f + 2 * m, 256), (f + 3 * m + 1, 0), (f + 3 * m + 2, 64 * 70)):
        assert np.all(integers[..., channel] == value)
    out = _core.run_network(core, "time", np.ascontiguousarray(integers.astype(np.int16)))
    expected = (corrected[1] - prediction)[0].permute(1, 2, 0).numpy() * Y_SCALE
    error = np.abs(out[..., f:] - expected)
    assert error.max() < 0.02 * np.abs(expected).max() + 2
    assert len([proof for proof in export.proofs if proof.layer.startswith("time.")]) == 11


def test_a_series_of_the_exported_model(core):
    assert core.has_time
    frames = moving_frames(4)
    series = samebits.encode_series(frames, model=core, quality=60, keys="regular")
    assert samebits.series_info(series, model=core).key_pictures == (0,)
    assert len(list(samebits.decode_series(series, model=core))) == 4


def test_another_order_of_the_channels_gives_the_same_series(exported, core):
    model, export = exported
    channels = np.random.default_rng(5).permutation(16).tolist()
    grouping = Grouping((tuple(channels[:5]), tuple(channels[5:])))
    permuted = _core.Model(write_safetensors(permute_tensors(export.tensors, model, grouping)))
    # One step for all channels: their order cannot matter. Sizes are the same, bytes need not be.
    options = {"mode": 0, "quality": 80, "keys": "regular"}
    pictures = [
        list(samebits.decode_series(samebits.encode_series(moving_frames(3), **chosen), model=m))
        for m, chosen in ((m, {"model": m, **options}) for m in (core, permuted))
    ]
    assert all(np.array_equal(a, b) for a, b in zip(*pictures, strict=True))


def test_rounding_takes_the_network_along(exported):
    model, _ = exported
    pictures = smooth_pictures(count=2, size=64)
    frames = [torch.randn(1, 16, 4, 4) for _ in range(2)]
    inputs = (torch.randn(1, 8, 4, 4) * 0.1, frames[0], frames[1:], torch.tensor([50.0]))
    with torch.no_grad():
        before = model.time(*inputs)[1]
        round_like_integers(model, calibrate(model, pictures))
        rounded = model.time(*inputs)[1]
        stop_rounding(model)
        assert torch.equal(model.time(*inputs)[1], before)
    assert not torch.equal(rounded, before)
    assert torch.allclose(rounded, before, atol=0.05 * before.abs().max())


@pytest.fixture
def clips(tmp_path):
    """A folder of clips: still ones and moving ones, and one that is too small."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for n in range(6):
        frames = [frame[:, :, 0] for frame in moving_frames(5, size=48)]
        content = b"".join(b"FRAME\n" + frame.tobytes() for frame in frames)
        (folder / f"{n}.y4m").write_bytes(b"YUV4MPEG2 W48 H48 Cmono\n" + content)
    tiny = b"FRAME\n" + bytes(256)
    (folder / "small.y4m").write_bytes(b"YUV4MPEG2 W16 H16 Cmono\n" + 4 * tiny)
    return folder


@pytest.fixture
def base(tmp_path):
    """A checkpoint without a network for series."""
    model = tiny_model()
    weights = model.state_dict()
    path = tmp_path / "base.ckpt"
    state = {"config": model.config.to_dict(), "model": weights, "ema": weights}
    save_checkpoint(path, {**state, "steps_done": 0, "elapsed": 0.0})
    return path


def options(clips, tmp_path, base, **changes):
    values = {
        "data": clips,
        "out": tmp_path / "run",
        "minutes": 0.03,
        "batch": 4,
        "crop": 48,
        "validate_every_minutes": 0.02,
        "start_from": base,
        "learning_rate": 2e-3,
    }
    return TrainOptions(**(values | changes))


def test_latents_of_clips_are_kept(clips, tmp_path):
    model = tiny_model()
    found = [
        load_clips(clips, tmp_path / "cache", model, smallest=48, device=CPU) for _ in range(2)
    ]
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 7
    assert len(found[0].train) + len(found[0].validation) == 6
    assert all(np.array_equal(a, b) for a, b in zip(found[0].train, found[1].train, strict=True))
    random = np.random.default_rng(0)
    crops = random_clip_crops(found[0].train, count=9, size=2, cuts=0.5, moves=0.5, random=random)
    assert crops.shape == (9, 3, 16, 2, 2)
    with pytest.raises(FileNotFoundError, match="0 clips of 3 frames"):
        load_clips(clips, tmp_path / "cache", model, smallest=64, device=CPU)


def test_a_fit_predicts_still_pictures(clips, tmp_path, base):
    trainer = TimeTrainer(options(clips, tmp_path, base, minutes=1000), time_width=12)
    model, frames = trainer.model, trainer.validation_crops
    still = torch.stack([frames[:, 0]] * 3, 1)
    fit_time(model, still)
    y1, quality = still[:, 0], torch.full((len(still),), 100.0)
    prediction = torch.zeros_like(y1)
    features = torch.zeros(len(y1), 8, *y1.shape[-2:])
    with torch.no_grad():
        _, corrected = model.time(features, prediction, [y1, y1], quality)
    assert (corrected - y1).square().mean() < 0.6 * y1.square().mean()


def test_training_changes_the_network_and_nothing_else(clips, tmp_path, base):
    path = TimeTrainer(options(clips, tmp_path, base), time_width=12).run()
    model = model_from_checkpoint(path)
    assert model.config.time_width == 12
    before = load_checkpoint(base)["ema"]
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert any(parameter.any() for parameter in model.time.network.parameters())


def test_resume_and_another_base(clips, tmp_path, base):
    TimeTrainer(options(clips, tmp_path, base), time_width=12).run()
    steps = load_checkpoint(tmp_path / "run" / "last.ckpt")["steps_done"]
    resumed = TimeTrainer(options(clips, tmp_path, base, resume=True, minutes=1), time_width=99)
    assert resumed.steps_done == steps
    assert resumed.config.time_width == 12
    trained = load_checkpoint(tmp_path / "run" / "last.ckpt")["ema"]
    again = TimeTrainer(
        options(clips, tmp_path, base, out=tmp_path / "other"),
        time_width=99,
        time_from=tmp_path / "run" / "last.ckpt",
    )
    for name, value in again.average.state_dict().items():
        assert torch.equal(value, trained[name]), name
    with pytest.raises(ValueError, match="no network for series"):
        TimeTrainer(
            options(clips, tmp_path, base, out=tmp_path / "third"), time_width=9, time_from=base
        )


def test_the_command_line(clips, tmp_path, base, capsys):
    words = ["train", "--series", "--data", str(clips), "--out", str(tmp_path / "run")]
    assert main([*words, "--minutes", "0.01", "--crop", "48"]) == 1
    assert "give --start-from" in capsys.readouterr().err
    words += ["--crop", "48", "--batch", "2", "--time-width", "8", "--start-from", str(base)]
    assert main([*words, "--minutes", "0.01"]) == 0
    assert (tmp_path / "run" / "log.jsonl").exists()
