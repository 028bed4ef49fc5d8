"""A float synthesis in torch whose pixels a file fixes (EP 4 156 691 S1, S3; bitstream.md 3.1)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import samebits  # noqa: E402
from samebits import _core, model_store  # noqa: E402
from samebits.cli import main  # noqa: E402
from samebits.errors import (  # noqa: E402
    CorruptStream,
    InvalidArgument,
    LimitExceeded,
    ModelMismatch,
    UnsupportedVersion,
)
from samebits.float_synthesis import identity_of, load_synthesis  # noqa: E402
from samebits.learn.export.calibration import calibrate  # noqa: E402
from samebits.learn.export.exporter import export_model, write_exported  # noqa: E402
from samebits.learn.stability.float_synthesis import TorchSynthesis  # noqa: E402
from samebits.learn.training.checkpoint import save_checkpoint  # noqa: E402
from tiny_float_model import smooth_pictures, tiny_model  # noqa: E402

# What foreign bytes may end in.
FOREIGN = (CorruptStream, UnsupportedVersion, ModelMismatch)


def write_model(folder: Path, *, seed: int) -> tuple[Path, Path]:
    """The weights file and the checkpoint of a tiny model."""
    model = tiny_model(seed=seed)
    weights, checkpoint = folder / f"tiny{seed}.safetensors", folder / f"tiny{seed}.ckpt"
    exported = export_model(model, calibrate(model, smooth_pictures(count=4, size=64)))
    write_exported(exported, weights, name="tiny")
    state = model.state_dict()
    save_checkpoint(checkpoint, {"config": model.config.to_dict(), "model": state, "ema": state})
    return weights, checkpoint


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("float_synthesis"), seed=0)


@pytest.fixture(scope="module")
def picture():
    return np.ascontiguousarray(smooth_pictures(count=1, size=96)[0].permute(1, 2, 0)[:90, :77])


@pytest.fixture(scope="module")
def stream(files, picture):
    return samebits.encode(picture, model=files[0], float_synthesis=True)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


class Noisy:
    """A synthesis on a machine that computes slightly differently."""

    def __init__(self, inner, noise: float, seed: int) -> None:
        self.inner, self.noise, self.seed = inner, noise, seed
        self.identity, self.precision = inner.identity, inner.precision
        self.working_bytes = inner.working_bytes

    def __call__(self, y_hat):
        outputs = self.inner(y_hat)
        noise = np.random.default_rng(self.seed).uniform(-1, 1, outputs.shape)
        return outputs + self.noise * noise


def decode(stream, files, **options):
    return samebits.decode(stream, model=files[0], **{"float_synthesis": True, **options})


def test_round_trip(files, picture, stream):
    found = decode(stream, files)
    assert found.shape == picture.shape
    plain = samebits.encode(picture, model=files[0])
    native = samebits.decode(plain, model=files[0])
    assert np.array_equal(samebits.decode(stream, model=files[0]), native)
    # The float network computes what the integers do, but for their rounding and adjustment.
    assert np.abs(found.astype(int) - native).max() <= 3
    assert np.array_equal(decode(stream, files, float_synthesis=files[0]), found)


def test_environments(files, stream, threads):
    wanted = decode(stream, files)
    for count in (1, 2):
        threads(count)
        assert np.array_equal(decode(stream, files), wanted)
        with torch.backends.mkldnn.flags(enabled=False):
            assert np.array_equal(decode(stream, files), wanted)

    class ChannelsLast(TorchSynthesis):
        def __call__(self, y_hat):
            self.network.to(memory_format=torch.channels_last)
            return super().__call__(y_hat)

    other = ChannelsLast.load(files[0])
    assert np.array_equal(decode(stream, files, float_synthesis=other), wanted)


def test_another_instruction_set(files, stream, tmp_path):
    (tmp_path / "a.same").write_bytes(stream)
    words = ["decode", "a.same", "-o", "a.npy", "--model", str(files[0]), "--float-synthesis"]
    older = {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"}
    subprocess.run(
        [sys.executable, "-m", "samebits", *words],
        env={**os.environ, **older, "PYTHONPATH": str(Path(samebits.__file__).parents[1])},
        cwd=tmp_path,
        check=True,
    )
    assert np.array_equal(np.load(tmp_path / "a.npy"), decode(stream, files))


def test_several_at_once(files, picture, stream):
    streams = samebits.encode_many([picture] * 4, jobs=2, model=files[0], float_synthesis=True)
    pictures = list(samebits.decode_many(streams, jobs=2, model=files[0], float_synthesis=files[0]))
    assert len(pictures) == 4
    assert all(np.array_equal(found, decode(stream, files)) for found in pictures)


def test_noise(files, picture):
    stream = samebits.encode(picture, model=files[0], float_synthesis=True, precision=2**-10)
    wanted, synthesis = decode(stream, files), load_synthesis(files[0])
    differing = errors = 0
    for seed in range(10):
        near, far = (Noisy(synthesis, noise, seed) for noise in (0.95 / 2**10, 0.1))
        assert np.array_equal(decode(stream, files, float_synthesis=near), wanted)
        planes = near(_core.decode_latents(_core.Model(files[0].read_bytes()), stream))
        planes = np.floor(planes[:, :90, :77] + 0.5).clip(0, 255)
        differing += (planes.transpose(1, 2, 0) != wanted).sum()
        try:
            assert np.array_equal(decode(stream, files, float_synthesis=far), wanted)
        except CorruptStream:
            errors += 1
    assert differing > 0
    assert errors > 5


def test_a_synthesis_of_its_own(files, picture, tmp_path):
    """Another network of the same latents: a checkpoint, another weights file."""
    other, checkpoint = write_model(tmp_path, seed=1)
    for path in (files[1], checkpoint, other):
        stream = samebits.encode(picture, model=files[0], float_synthesis=path)
        assert samebits.info(stream).float_synthesis.synthesis == identity_of(path).hex()
        assert decode(stream, files, float_synthesis=path).shape == picture.shape
        with pytest.raises(ModelMismatch, match=identity_of(path).hex()):
            decode(stream, files)
        found = samebits.verify(stream, model=files[0])
        assert found.float_synthesis.checked is False
        assert identity_of(path).hex() in found.float_synthesis.not_checked_because
        found = samebits.verify(stream, model=files[0], float_synthesis=path)
        assert found.float_synthesis.checked
    # The checkpoint is what the weights file was made of, in units of its own.
    native = samebits.decode(stream, model=files[0])
    stream = samebits.encode(picture, model=files[0], float_synthesis=files[1])
    found = decode(stream, files, float_synthesis=files[1])
    assert np.abs(found.astype(int) - native).mean() < 1


def test_verify(files, stream):
    found = samebits.verify(stream, model=files[0]).float_synthesis
    assert found.checked
    assert found.not_checked_because == ""
    info = samebits.info(stream, model=files[0])
    needed = 6 * 5 * load_synthesis(files[0]).network.layers[0].in_channels
    with pytest.raises(LimitExceeded):
        decode(stream, files, max_bytes=needed)
    assert info.float_synthesis.synthesis == identity_of(files[0]).hex()


def test_files_that_are_no_synthesis(files, picture, tmp_path):
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    (tmp_path / "text.safetensors").write_text("no weights")
    for name in ("text.ckpt", "text.safetensors", "nothing"):
        with pytest.raises(InvalidArgument):
            samebits.encode(picture, model=files[0], float_synthesis=tmp_path / name)
    if model_store.installed_models():
        # Its latents have other channels.
        with pytest.raises(ModelMismatch, match="latent channels"):
            samebits.encode(picture, model=files[0], float_synthesis=model_store.default_path())


def test_working_bytes_cover_what_torch_takes():
    """The resident memory of a decode in a process of its own stays within the estimate."""
    if not model_store.installed_models() or not Path("/proc/self/status").exists():
        pytest.skip("needs the default weights and /proc")
    code = """
import sys, numpy as np
from pathlib import Path
from samebits import model_store
from samebits.float_synthesis import BYTES_A_PIXEL, KEPT_BYTES, load_synthesis
from samebits.stability.float_chunk import make_float_chunk

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

def work(h, w):
    y_hat = np.random.default_rng(0).integers(-300, 300, (h, w, synthesis.latent_channels))
    outputs = synthesis(y_hat.astype(np.int16))
    network = peak()
    chunk = make_float_chunk(outputs, synthesis=bytes(8), precision=synthesis.precision)
    chunk.pixels(outputs)
    return network

synthesis = load_synthesis(model_store.default_path())
work(2, 2)
before = peak()
network = work(64, 48)
print(network - before, synthesis.working_bytes(64, 48) + KEPT_BYTES)
print(peak() - before, BYTES_A_PIXEL * 256 * 64 * 48 + KEPT_BYTES)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (network, allowed), (whole, bound) = (
        map(int, line.split()) for line in done.stdout.splitlines()
    )
    assert network <= allowed
    assert whole <= max(bound, allowed)


def test_the_default_weights():
    if not model_store.installed_models():
        pytest.skip("needs the default weights")
    picture = np.ascontiguousarray(smooth_pictures(count=1, size=64)[0].permute(1, 2, 0)[:50])
    stream = samebits.encode(picture, float_synthesis=True)
    wanted = samebits.decode(stream, float_synthesis=True)
    assert np.abs(wanted.astype(int) - samebits.decode(stream)).max() <= 3
    with torch.backends.mkldnn.flags(enabled=False):
        assert np.array_equal(samebits.decode(stream, float_synthesis=True), wanted)
    assert samebits.verify(stream).float_synthesis.checked


def test_without_torch(files, stream, tmp_path):
    """It decodes and verifies; what needs torch says so."""
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    (tmp_path / "a.same").write_bytes(stream)
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import samebits
stream, model = open({str(tmp_path / "a.same")!r}, "rb").read(), {str(files[0])!r}
print(samebits.decode(stream, model=model).shape)
print(samebits.verify(stream, model=model).float_synthesis.not_checked_because)
try:
    samebits.decode(stream, model=model, float_synthesis=True)
except samebits.InvalidArgument as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shape, reason, error = done.stdout.splitlines()
    assert shape == "(90, 77, 3)"
    assert "samebits[torch]" in reason
    assert "samebits[torch]" in error


def test_command_line(files, picture, tmp_path, monkeypatch, capsys):
    from PIL import Image

    def run(*words):
        code = main([words[0], "--model", str(files[0]), *words[1:]])
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture).save("a.png")
    assert run("encode", "a.png", "--float-synthesis")[0] == 0
    content = Path("a.same").read_bytes()
    wanted = decode(content, files)
    assert run("decode", "a.same", "-o", "b.png", "--float-synthesis")[0] == 0
    assert np.array_equal(np.asarray(Image.open("b.png")), wanted)
    assert "synthesis " + identity_of(files[0]).hex() in run("info", "a.same")[1]
    assert "float pixels exact" in run("verify", "a.same")[1]
    report = json.loads(run("verify", "--json", "a.same")[1])
    assert report["float_pixels_checked"] is True

    words = ("encode", "a.png", "-o", "c.same", "--precision", "0.01", "--float-synthesis")
    assert run(*words, str(files[1]))[0] == 0
    assert samebits.info(Path("c.same").read_bytes()).float_synthesis.precision > 0.0099
    report = json.loads(run("verify", "--json", "c.same")[1])
    assert report["ok"] is True
    assert report["float_pixels_checked"] is False
    assert report["float_pixels_not_checked_because"]
    assert "not checked" in run("verify", "c.same")[1]
    assert run("verify", "c.same", "--float-synthesis", str(files[1]))[0] == 0
    code, text = run("decode", "c.same", "-o", "d.png", "--float-synthesis")
    assert code == 1
    assert "--float-synthesis FILE" in text
    assert not Path("d.png").exists()
    assert run("encode", "--series", "a.png", "--float-synthesis")[0] == 2
    assert run("encode", "a.png", "-f", "--precision", "1")[0] == 1


def test_damage(files, picture):
    """Every byte of the chunk, in a file whose checksums are right."""
    small = samebits.encode(picture[:16, :16], model=files[0], float_synthesis=True)
    wanted = decode(small, files)
    parsed = _core.parse_stream(small)
    [(kind, content)] = parsed.chunks
    synthesis, errors = load_synthesis(files[0]), 0
    for place in range(len(content)):
        bad = bytes([*content[:place], content[place] ^ 0x55, *content[place + 1 :]])
        damaged = _core.write_stream(
            header=parsed.header, chunks=[(kind, bad)], payload=parsed.payload
        )
        try:
            found = decode(damaged, files, float_synthesis=synthesis)
        except FOREIGN:
            errors += 1
        else:
            assert np.array_equal(found, wanted)
    assert errors > len(content) / 2
