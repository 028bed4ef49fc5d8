"""A run that was stopped and resumed is the run that was not, bit for bit."""

import json
import os
import signal

import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from samebits.learn.grouping.clustering_trainer import ClusteringTrainer  # noqa: E402
from samebits.learn.training import interruption  # noqa: E402
from samebits.learn.training.checkpoint import (  # noqa: E402
    load_checkpoint,
    save_checkpoint,
)
from samebits.learn.training.entropy_training import EntropyTrainer  # noqa: E402
from samebits.learn.training.interruption import StopSignals  # noqa: E402
from samebits.learn.training.slim import slim_checkpoint  # noqa: E402
from samebits.learn.training.train import Trainer, TrainOptions  # noqa: E402
from tiny_float_model import TINY_CONFIG, smooth_pictures  # noqa: E402

STEPS, STOP_AFTER = 6, 3


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "photos"
    data.mkdir()
    for n, picture in enumerate(smooth_pictures(count=6, size=144)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(data / f"{n}.png")
    return data


def options(folder, out, **changes):
    values = {"data": folder, "out": out, "steps": STEPS, "batch": 4, "crop": 64, "late_crop": 128}
    values["precision"] = "fp32"  # "auto" asks the clock
    return TrainOptions(**(values | changes))


def stop_after(trainer, steps):
    """Let a signal come in the middle of a step."""
    step = trainer.train_step

    def stopping():
        if trainer.steps_done + 1 == steps:
            signal.raise_signal(signal.SIGTERM)
        return step()

    trainer.train_step = stopping
    return trainer


def tensors_of(value, path=""):
    """All leaves of a checkpoint."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from tensors_of(part, f"{path}/{key}")
    elif isinstance(value, list):
        for n, part in enumerate(value):
            yield from tensors_of(part, f"{path}/{n}")
    else:
        yield path, value


def assert_equal_runs(one, other):
    first, second = (dict(tensors_of(load_checkpoint(path))) for path in (one, other))
    assert first.keys() == second.keys()
    assert any("optimizer/state" in name for name in first)
    for name, value in first.items():
        if name in ("/elapsed", "/seen/seconds"):
            continue
        same = torch.equal(value, second[name]) if torch.is_tensor(value) else value == second[name]
        assert same, name


@pytest.mark.parametrize("kind", ["whole", "soap", "rounding", "entropy", "clustering"])
def test_a_resumed_run_equals_an_uninterrupted_one(folder, tmp_path, kind, monkeypatch):
    monkeypatch.setattr("samebits.learn.training.soap.BASIS_EVERY", 2)
    changes = {"optimizer": "soap"} if kind == "soap" else {}
    if kind in ("rounding", "entropy"):
        changes["start_from"] = Trainer(options(folder, tmp_path / "base"), TINY_CONFIG).run()
        changes["rounding"] = kind == "rounding"

    def trainer(out, **more):
        chosen = options(folder, tmp_path / out, **changes, **more)
        if kind == "clustering":
            return ClusteringTrainer(chosen, TINY_CONFIG, weight=0.1)
        return (EntropyTrainer if kind == "entropy" else Trainer)(chosen, TINY_CONFIG)

    whole = trainer("whole").run()
    stopped = stop_after(trainer("parts"), STOP_AFTER)
    path = stopped.run()
    assert stopped.stopped_by == "SIGTERM"
    assert load_checkpoint(path)["steps_done"] == STOP_AFTER
    assert trainer("parts", resume=True).run() == path
    assert_equal_runs(whole, path)
    assert load_checkpoint(path)["steps_done"] == STEPS


def test_a_finished_run_has_nothing_left_to_do(folder, tmp_path):
    path = Trainer(options(folder, tmp_path / "run"), TINY_CONFIG).run()
    before = path.read_bytes()
    Trainer(options(folder, tmp_path / "run", resume=True), TINY_CONFIG).run()
    assert path.read_bytes() == before


def test_the_log_has_the_speed(folder, tmp_path):
    Trainer(options(folder, tmp_path / "run", validate_every_minutes=0), TINY_CONFIG).run()
    about, *rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").open()]
    assert about["precision"] in ("fp32", "fp32-torch")
    assert about["cpu"]
    assert [row["step"] for row in rows] == [*range(1, STEPS + 1)]
    assert all(row["crops_per_s_per_device"] > 0 for row in rows)


def test_a_second_signal_acts_as_usual(monkeypatch):
    with StopSignals() as signals:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # the same wish, passed on
        assert signals.received == "SIGINT"
        monkeypatch.setattr(interruption, "SAME_WISH_SECONDS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_leaves_the_last_checkpoint(tmp_path):
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, {"weights": torch.arange(5)})
    before = path.read_bytes()
    path.with_suffix(".tmp").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device; the last checkpoint there is"):
        save_checkpoint(path, {"weights": torch.zeros(1 << 20)})
    assert path.read_bytes() == before
    assert not path.with_suffix(".tmp").is_symlink()


def test_a_checkpoint_without_its_run_is_not_resumed(folder, tmp_path):
    path = Trainer(options(folder, tmp_path / "run"), TINY_CONFIG).run()
    slim_checkpoint(path, path)
    with pytest.raises(ValueError, match=r"has no optimizer .*--start-from"):
        Trainer(options(folder, tmp_path / "run", resume=True), TINY_CONFIG)
    state = load_checkpoint(path)
    save_checkpoint(path, {**state, "model": dict(list(state["model"].items())[1:])})
    with pytest.raises(ValueError, match="not those of its config"):
        Trainer(options(folder, tmp_path / "run", resume=True), TINY_CONFIG)
