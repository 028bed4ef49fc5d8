"""``samebits train`` ends with a sentence and exit code 1, the last checkpoint intact."""

import errno
import json
import signal
from dataclasses import replace

import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from samebits.cli import main  # noqa: E402
from samebits.cli.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK  # noqa: E402
from samebits.learn.training import checkpoint  # noqa: E402
from samebits.learn.training.checkpoint import load_checkpoint  # noqa: E402
from samebits.learn.training.train import Trainer  # noqa: E402
from tiny_float_model import TINY_CONFIG, smooth_pictures  # noqa: E402

SIZE = 64


@pytest.fixture
def words(tmp_path):
    data = tmp_path / "photos"
    data.mkdir()
    for n, picture in enumerate(smooth_pictures(count=4, size=SIZE)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(data / f"{n}.png")
    config = tmp_path / "tiny.json"
    config.write_text(json.dumps(TINY_CONFIG.to_dict()))
    words = ["train", "--data", data, "--out", tmp_path / "run", "--config", config]
    words += ["--steps", 2, "--batch", 2, "--crop", SIZE, "--late-crop", SIZE, "--device", "cpu"]
    return [str(word) for word in words]


def changed(words, **values):
    words = list(words)
    for name, value in values.items():
        option = "--" + name.replace("_", "-")
        if option in words:
            words[words.index(option) + 1] = str(value)
        else:
            words += [option, str(value)]
    return words


def refusal(words, capsys):
    """Run, and return the one sentence on stderr (progress bars aside)."""
    capsys.readouterr()
    assert main(words) == EXIT_FAILED
    lines = capsys.readouterr().err.splitlines()
    said = [line for line in lines if line.startswith("samebits train:")]
    assert len(said) == 1, lines
    assert "Traceback" not in "".join(lines)
    return said[0]


@pytest.fixture
def run(words, tmp_path):
    assert main(words) == EXIT_OK
    return tmp_path / "run" / "last.ckpt"


def test_an_empty_folder(words, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    assert "no pictures under" in refusal(changed(words, data=tmp_path / "none"), capsys)


def test_pictures_smaller_than_the_late_crops(words, capsys):
    assert "late crops" in refusal(changed(words, late_crop=128), capsys)
    assert "skipped" in refusal(changed(words, crop=128, late_crop=128), capsys)


def test_a_wrong_checkpoint(words, tmp_path, capsys):
    junk = tmp_path / "junk.ckpt"
    junk.write_bytes(b"junk")
    assert "not a Samebits checkpoint" in refusal(changed(words, start_from=junk), capsys)
    missing = refusal(changed(words, start_from=tmp_path / "none.ckpt"), capsys)
    assert "No such file" in missing


def test_a_checkpoint_of_another_config(words, run, tmp_path, capsys):
    other = tmp_path / "other.json"
    other.write_text(json.dumps(replace(TINY_CONFIG, width=24).to_dict()))
    sentence = refusal([*changed(words, config=other), "--resume"], capsys)
    assert "another config: width differ" in sentence
    other.write_text('{"colour": 3}')
    assert "not a config" in refusal(changed(words, config=other), capsys)


def test_a_run_is_not_written_over(words, run, capsys):
    assert "use --resume" in refusal(words, capsys)


def test_a_full_disk(words, run, capsys, monkeypatch):
    before = run.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint.torch, "save", full)
    sentence = refusal([*changed(words, steps=3), "--resume"], capsys)
    assert "No space left on device" in sentence
    assert "intact" in sentence
    assert run.read_bytes() == before
    assert load_checkpoint(run)["steps_done"] == 2
    assert not run.with_suffix(".tmp").exists()


@pytest.mark.parametrize("message", ["CUDA error: unspecified launch failure", "NCCL error"])
def test_a_lost_gpu(words, run, capsys, monkeypatch, message):
    before = run.read_bytes()

    def lost(self):
        raise getattr(torch, "AcceleratorError", RuntimeError)(message)

    monkeypatch.setattr(Trainer, "train_step", lost)
    sentence = refusal([*changed(words, steps=3), "--resume"], capsys)
    assert "the GPU is lost" in sentence
    assert f"--resume goes on from {run}" in sentence
    assert run.read_bytes() == before


def test_a_gpu_that_is_not_there(words, capsys):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert "torch finds 0" in refusal(changed(words, device="cuda"), capsys)
    assert "give auto, cpu or cuda" in refusal(changed(words, device="toaster"), capsys)


def test_our_own_mistakes_keep_their_traceback(words, monkeypatch):
    def mistake(self):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(Trainer, "train_step", mistake)
    with pytest.raises(RuntimeError, match="shapes"):
        main(words)


def test_a_signal_saves_and_says_how_to_go_on(words, tmp_path, capsys, monkeypatch):
    step = Trainer.train_step

    def stopping(self):
        signal.raise_signal(signal.SIGINT)
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", stopping)
        assert main(words) == EXIT_INTERRUPTED
    path = tmp_path / "run" / "last.ckpt"
    said = capsys.readouterr().err
    assert (
        f"stopped by SIGINT after step 1; the same command with --resume goes on from {path}"
        in said
    )
    assert load_checkpoint(path)["steps_done"] == 1
    assert main([*words, "--resume"]) == EXIT_OK
    assert load_checkpoint(path)["steps_done"] == 2


def test_steps_and_minutes_exclude_each_other(words):
    with pytest.raises(SystemExit):
        main([*words, "--minutes", "3"])
