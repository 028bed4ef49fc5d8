"""Hot runs, branches of them, snapshots, the choice of a precision, and several processes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from samebits.cli import main  # noqa: E402
from samebits.cli.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED  # noqa: E402
from samebits.learn.models.fused_block import precisions  # noqa: E402
from samebits.learn.training import train  # noqa: E402
from samebits.learn.training.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from samebits.learn.training.curves import plot_log  # noqa: E402
from samebits.learn.training.entropy_training import EntropyTrainer  # noqa: E402
from samebits.learn.training.folder_lock import locked  # noqa: E402
from samebits.learn.training.seen import Seen  # noqa: E402
from samebits.learn.training.slim import slim_checkpoint  # noqa: E402
from samebits.learn.training.train import (  # noqa: E402
    MOST_FAILED_STEPS,
    Trainer,
    TrainOptions,
)
from test_learn_resume import assert_equal_runs, stop_after  # noqa: E402
from tiny_float_model import TINY_CONFIG, smooth_pictures  # noqa: E402

SIZE, BATCH = 64, 4


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "photos"
    data.mkdir()
    for n, picture in enumerate(smooth_pictures(count=6, size=144)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(data / f"{n}.png")
    return data


def hot(folder, out, *, steps, **changes):
    """Run until ``steps`` are done in all; returns the checkpoint."""
    values = {"hot": True, "batch": BATCH, "crop": SIZE, "late_crop": SIZE, "optimizer": "soap"}
    values |= {"data": folder, "out": out, "late_share": 0.0, "precision": "fp32"} | changes
    trainer = Trainer(TrainOptions(**values), TINY_CONFIG)
    path = stop_after(trainer, steps).run()
    assert trainer.stopped_by == "SIGTERM"
    return path


def branch(folder, out, source, **changes):
    """A trainer that begins with another run's state."""
    values = {"data": folder, "out": out, "branch": source, "steps": 4, "batch": BATCH}
    values |= {"crop": SIZE, "late_crop": 128, "optimizer": "soap", "precision": "fp32"} | changes
    return Trainer(TrainOptions(**values), TINY_CONFIG)


def rows_of(out):
    return [json.loads(line) for line in (out / "log.jsonl").open()]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_hot_run_that_was_resumed_twice_equals_one_that_was_not(folder, tmp_path, precision):
    if precision not in precisions():
        pytest.skip(f"this processor has no kernels for {precision}")
    whole = hot(folder, tmp_path / "whole", steps=7, precision=precision)
    for steps in (2, 5, 7):
        parts = hot(folder, tmp_path / "parts", steps=steps, precision=precision)
        assert load_checkpoint(parts)["steps_done"] == steps
    assert_equal_runs(whole, parts)


def test_the_rate_of_a_hot_run_is_constant(folder, tmp_path):
    options = TrainOptions(data=folder, out=tmp_path / "run", hot=True, learning_rate=1e-3, steps=3)
    trainer = Trainer(options, TINY_CONFIG)
    trainer.steps_done, trainer.optimizer_steps, trainer.elapsed = 10_000, 10_000, 1e6
    assert trainer.learning_rate() == 1e-3
    assert trainer.progress == 0
    assert not trainer.is_late


def test_the_log_says_what_was_seen_and_on_what(folder, tmp_path):
    for steps in (2, 4):
        hot(folder, tmp_path / "run", steps=steps, validate_every_minutes=0)
    rows = rows_of(tmp_path / "run")
    about = [row for row in rows if "cpu" in row]
    assert [row["step"] for row in about] == [0, 2]
    assert all(row["threads"] and row["instructions"] and row["time"] for row in about)
    last = rows[-1]
    assert last["gpx"] == round(last["step"] * BATCH * SIZE**2 / 1e9, 4)
    assert last["hours"] >= 0
    for name in ("bpp_real", "psnr", "ssimulacra2"):
        assert f"{name}_50" in last
    plot_log(tmp_path / "run" / "log.jsonl", tmp_path / "plot.png")
    assert Image.open(tmp_path / "plot.png").width > 1000


def test_checkpoints_are_written_between_validations(folder, tmp_path):
    path = hot(folder, tmp_path / "run", steps=3, save_every_minutes=0, validate_every_minutes=60)
    saved = []
    options = {"save_every_minutes": 0.0, "validate_every_minutes": 60.0, "hot": True}
    options |= {"data": folder, "out": tmp_path / "run", "batch": BATCH, "crop": SIZE}
    trainer = Trainer(TrainOptions(**options, late_crop=SIZE, optimizer="soap"))
    save = trainer.save
    trainer.save = lambda: (saved.append(trainer.steps_done), save())
    stop_after(trainer, 6).run()
    assert saved == [4, 5, 6]
    assert load_checkpoint(path)["steps_done"] == 6


def test_a_branch_goes_on_from_the_whole_state_and_leaves_it_alone(folder, tmp_path):
    source = hot(folder, tmp_path / "hot", steps=3)
    before = source.read_bytes()
    branched = branch(folder, tmp_path / "release", source)
    assert branched.optimizer_steps == 3
    state = load_checkpoint(source)
    first = branched.optimizer.state_dict()["state"]
    assert torch.equal(first[0]["mean"], state["optimizer"]["state"][0]["mean"])
    path = branched.run()
    assert source.read_bytes() == before
    result = load_checkpoint(path)
    assert result["steps_done"] == 4
    assert result["seen"]["steps"] == 7
    assert rows_of(tmp_path / "release")[-1]["gpx"] == round(Seen.of(result).pixels / 1e9, 4)


def test_a_branch_is_resumed_like_any_run(folder, tmp_path):
    source = hot(folder, tmp_path / "hot", steps=3)
    whole = branch(folder, tmp_path / "whole", source).run()
    stop_after(branch(folder, tmp_path / "parts", source), 2).run()
    assert_equal_runs(whole, branch(folder, tmp_path / "parts", source, resume=True).run())


def test_a_branch_does_not_write_over_a_run(folder, tmp_path):
    source = hot(folder, tmp_path / "hot", steps=2)
    before = source.read_bytes()
    with pytest.raises(FileExistsError, match="another --out"):
        branch(folder, tmp_path / "hot", source)
    with pytest.raises(ValueError, match=r"is of a hot run: go on with --hot"):
        branch(folder, tmp_path / "hot", source, resume=True)
    assert source.read_bytes() == before
    path = branch(folder, tmp_path / "release", source).run()
    with pytest.raises(ValueError, match=r"is of a run with an end"):
        hot(folder, tmp_path / "release", steps=9)
    with pytest.raises(ValueError, match="whole model: use --start-from"):
        EntropyTrainer(
            TrainOptions(data=folder, out=tmp_path / "entropy", branch=path, batch=2, crop=SIZE)
        )


def test_a_hot_run_that_was_branched_goes_on_without_its_source(folder, tmp_path):
    source = hot(folder, tmp_path / "hot", steps=3)
    for steps, options in ((2, {"branch": source}), (4, {})):
        path = hot(folder, tmp_path / "more", steps=steps, **options)
    state = load_checkpoint(path)
    assert (state["steps_done"], state["optimizer_steps"], state["seen"]["steps"]) == (4, 7, 7)


def test_a_checkpoint_that_was_written_meanwhile(folder, tmp_path):
    path = hot(folder, tmp_path / "run", steps=2)
    options = {"data": folder, "out": tmp_path / "run", "hot": True, "optimizer": "soap"}
    waiting = Trainer(TrainOptions(**options, batch=BATCH, crop=SIZE, late_crop=SIZE))
    save_checkpoint(path, load_checkpoint(path))
    with pytest.raises(ValueError, match="written by another process: start again"):
        waiting.run()


def test_gradients_that_are_not_finite_change_nothing(folder, tmp_path):
    options = TrainOptions(
        data=folder, out=tmp_path / "run", batch=2, crop=SIZE, late_crop=SIZE, precision="fp32"
    )
    trainer = Trainer(options, TINY_CONFIG)
    trainer.train_step()
    before = [p.clone() for p in trainer.model.parameters()]
    forward = trainer.forward_batch

    def broken():
        terms = forward()
        return replace(terms, loss=terms.loss * float("nan"))

    trainer.losses = broken
    for _ in range(MOST_FAILED_STEPS - 1):
        trainer.train_step()
    with pytest.raises(ValueError, match=r"10 steps in a row are not finite"):
        trainer.train_step()
    assert (trainer.steps_done, trainer.optimizer_steps) == (11, 1)
    after = trainer.model.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_what_a_branch_cannot_begin_with(folder, tmp_path):
    source = hot(folder, tmp_path / "hot", steps=2)
    with pytest.raises(ValueError, match=r"trained by Soap, this run by Adam"):
        branch(folder, tmp_path / "adam", source, optimizer="adam")
    with pytest.raises(ValueError, match="give one"):
        branch(folder, tmp_path / "both", source, start_from=source)
    slim_checkpoint(source, tmp_path / "slim.ckpt")
    with pytest.raises(ValueError, match=r"has no optimizer .*--start-from"):
        branch(folder, tmp_path / "slim", tmp_path / "slim.ckpt")
    state = load_checkpoint(source)
    state["optimizer"]["param_groups"][0]["params"].pop()
    save_checkpoint(tmp_path / "other.ckpt", state)
    with pytest.raises(ValueError, match=r"does not belong to what this run trains .*--start-from"):
        branch(folder, tmp_path / "other", tmp_path / "other.ckpt")
    state["config"]["colors"] = 3
    save_checkpoint(tmp_path / "newer.ckpt", state)
    with pytest.raises(ValueError, match="of another version of Samebits"):
        branch(folder, tmp_path / "newer", tmp_path / "newer.ckpt")


def test_a_snapshot_has_two_bytes_a_parameter(folder, tmp_path):
    source = hot(folder, tmp_path / "hot", steps=2)
    snapshot = tmp_path / "hot.ckpt"
    slim_checkpoint(source, snapshot, half=True)
    state, wanted = load_checkpoint(snapshot), load_checkpoint(source)
    parameters = sum(value.numel() for value in wanted["ema"].values())
    stored = torch.load(snapshot, weights_only=True)
    assert all(value.dtype == torch.half for value in stored["ema"].values())
    assert snapshot.stat().st_size < 2 * parameters + 60_000  # names and alignment
    for name, value in wanted["ema"].items():
        assert torch.allclose(state["ema"][name], value, rtol=2**-11, atol=2**-25)
    assert Seen.of(state) == Seen.of(wanted)
    resumed = hot(folder, tmp_path / "again", steps=1, start_from=snapshot)
    assert load_checkpoint(resumed)["seen"]["steps"] == 3


def test_weights_that_float16_cannot_hold_are_refused(folder, tmp_path):
    source = hot(folder, tmp_path / "hot", steps=1)
    state = load_checkpoint(source)
    next(iter(state["ema"].values()))[0] = 1e6
    save_checkpoint(source, state)
    with pytest.raises(ValueError, match="float16 cannot hold; leave --half out"):
        slim_checkpoint(source, tmp_path / "half.ckpt", half=True)
    assert not (tmp_path / "half.ckpt").exists()


def test_two_runs_in_a_folder(folder, tmp_path):
    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run"), pytest.raises(ValueError, match="another process is training"):
        hot(folder, tmp_path / "run", steps=1)
    hot(folder, tmp_path / "run", steps=1)


def test_a_processor_without_bfloat16(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.learn.training.precision.precisions", lambda: ("fp32",))
    options = TrainOptions(data=folder, out=tmp_path / "run", precision="bf16", device="cpu")
    with pytest.raises(
        ValueError, match=r"no AVX512-BF16 instructions.* use --precision fp32 or auto"
    ):
        Trainer(options, TINY_CONFIG)


def test_rounding_needs_more_than_eight_bits(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.learn.training.precision.precisions", lambda: ("fp32", "bf16"))
    source = hot(folder, tmp_path / "hot", steps=1)
    with pytest.raises(ValueError, match="begins from averaged weights: use --start-from"):
        branch(folder, tmp_path / "branch", source, rounding=True)
    rounding = {"branch": None, "start_from": source, "rounding": True}
    with pytest.raises(ValueError, match="needs fp32"):
        branch(folder, tmp_path / "low", None, **rounding, precision="bf16").run()
    branch(folder, tmp_path / "auto", None, **rounding, precision="auto").run()
    assert rows_of(tmp_path / "auto")[0]["precision"] == "fp32-torch"


def test_the_faster_precision_is_taken_and_draws_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.learn.training.precision.precisions", lambda: ("fp32", "bf16"))
    times = {"fp32-torch": 3.0, "fp32": 2.0, "bf16": 1.0}
    monkeypatch.setattr(Trainer, "_seconds_with", lambda self, name: times[name])
    monkeypatch.setattr(train.Precision, "use", lambda self, model: None)
    hot(folder, tmp_path / "run", steps=1, precision="auto")
    about = rows_of(tmp_path / "run")[0]
    assert (about["precision"], about["fp32_s"], about["bf16_s"]) == ("bf16", 2.0, 1.0)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_two_processes_stop_together_and_save(folder, tmp_path):
    config = tmp_path / "tiny.json"
    config.write_text(json.dumps(TINY_CONFIG.to_dict()))
    words = ["train", "--hot", "--data", folder, "--out", tmp_path / "run", "--config", config]
    words += ["--batch", BATCH, "--crop", SIZE, "--late-crop", SIZE, "--processes", 2]
    words += ["--save-every", 0]
    command = [sys.executable, "-m", "samebits", *map(str, words)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    checkpoint = tmp_path / "run" / "last.ckpt"
    end = time.monotonic() + 120
    try:
        while not checkpoint.exists() and time.monotonic() < end:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    finally:
        process.kill()  # its workers notice
    assert process.returncode == EXIT_INTERRUPTED, said
    assert "stopped by SIGTERM" in said
    assert load_checkpoint(checkpoint)["steps_done"] > 0
    assert rows_of(tmp_path / "run")[0]["processes"] == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--hot", "--steps", "100"], "--hot has no end: leave --steps out"),
        (["--hot", "--late-crop", "200"], "a late crop of 200 pixels"),
        (["--batch", "0"], "at least one crop"),
        (["--learning-rate", "-1"], "give one above 0"),
        (["--processes", "0"], "at least 1"),
        (["--distortion", "nicer"], "give mix, mse, ms-ssim"),
        (["--distortion", "mse=-1,ssimulacra2=3"], "none of them negative"),
        (["--ms-ssim", "2"], "a share is from 0 to 1"),
    ],
)
def test_wrong_words(folder, tmp_path, words, sentence, capsys):
    command = ["train", "--data", str(folder), "--out", str(tmp_path / "run"), *words]
    assert main(command) == EXIT_FAILED
    assert sentence in capsys.readouterr().err
