"""Two processes of torchrun compute what one does; the noise of a batch is shared by rows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

torch = pytest.importorskip("torch")

import samebits  # noqa: E402
from samebits.learn.training.checkpoint import load_checkpoint  # noqa: E402
from samebits.learn.training.distributed import Processes, SharedNoise  # noqa: E402
from tiny_float_model import TINY_CONFIG, smooth_pictures  # noqa: E402

STEPS = 8
CPU = torch.device("cpu")


@pytest.mark.parametrize("count", [2, 3, 5])
def test_rows_of_all_processes_are_the_batch(count):
    parts = [Processes(rank, count, CPU) for rank in range(count)]
    rows = [n for part in parts for n in range(7)[part.rows(7)]]
    assert rows == list(range(7))
    assert sum(part.weight(7) for part in parts) == pytest.approx(count)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_processes_share_the_noise_of_a_batch(memory_format):
    whole = torch.zeros(5, 4, 3, 6).contiguous(memory_format=memory_format)
    torch.manual_seed(1)
    expected = [torch.rand_like(whole), torch.rand_like(whole)]
    for rank in range(2):
        rows = Processes(rank, 2, CPU).rows(5)
        torch.manual_seed(1)
        with SharedNoise(5, rows):
            for noise in expected:
                assert torch.equal(torch.rand_like(whole[rows]), noise[rows])


def torchrun(processes, *words):
    """``samebits train`` in some processes; returns what it printed on stderr."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "samebits", "train"]
    folder = str(Path(samebits.__file__).parents[1])
    path = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    words = [str(word) for word in words]
    done = subprocess.run(
        [*command, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one(tmp_path):
    data = tmp_path / "photos"
    data.mkdir()
    for n, picture in enumerate(smooth_pictures(count=6, size=144)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(data / f"{n}.png")
    config = tmp_path / "tiny.json"
    config.write_text(json.dumps(TINY_CONFIG.to_dict()))
    words = ("--data", data, "--config", config, "--steps", STEPS, "--batch", 8, "--crop", 64)
    words += ("--device", "cpu", "--validate-every", 0, "--learning-rate", 0.01)
    rows, states = [], []
    for processes in (1, 2):
        out = tmp_path / f"run{processes}"
        torchrun(processes, *words, "--out", out)
        rows.append([json.loads(line) for line in (out / "log.jsonl").open()])
        states.append(load_checkpoint(out / "last.ckpt"))
    assert [row["step"] for row in rows[1]] == list(range(1, STEPS + 1))
    for one, two in zip(*rows, strict=True):
        for name in ("train_loss", "train_bpp", "train_mse", "validation_loss"):
            assert two[name] == pytest.approx(one[name], rel=1e-4), (name, one["step"])
    assert torch.equal(states[0]["random"]["torch"], states[1]["random"]["torch"])
    assert states[0]["random"]["numpy"] == states[1]["random"]["numpy"]
    for name, value in states[0]["model"].items():
        assert torch.allclose(value, states[1]["model"][name], atol=1e-4), name
