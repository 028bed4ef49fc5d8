"""Golden files decode to the bits they were made with, and encode again to the same bytes.

More builds, thread counts and machines: ``make test-portable``. The files are made by
``tests/golden/make_golden.py``.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

import reference_codec
import samebits
from samebits import _core, kernels

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MANIFESTS = sorted(GOLDEN.glob("*/manifest.txt"))


@dataclass(frozen=True)
class Golden:
    """A stream and what the manifest says about it."""

    stream: bytes
    stream_sha256: str
    latents_sha256: str
    pixels_sha256: str
    rgb: bytes


@dataclass(frozen=True)
class Manifest:
    """A parsed manifest; tests/golden/manifest.h says what its lines are."""

    weights: bytes
    weights_sha256: str
    streams: dict[str, Golden]
    series: dict[str, Golden]


@lru_cache
def read_manifest(path: Path) -> Manifest:
    weights, weights_sha256 = b"", ""
    golden: dict[str, dict[str, Golden]] = {"stream": {}, "series": {}}
    for line in path.read_text().splitlines():
        kind, *words = line.split()
        if kind == "model":
            weights, weights_sha256 = (path.parent / words[0]).read_bytes(), words[1]
        elif kind in golden:
            name, stream_sha256, latents, pixels, rgb = words
            stream, rgb = (path.parent / name).read_bytes(), (path.parent / rgb).read_bytes()
            golden[kind][name] = Golden(stream, stream_sha256, latents, pixels, rgb)
    return Manifest(weights, weights_sha256, golden["stream"], golden["series"])


CASES = [(path, name) for path in MANIFESTS for name in read_manifest(path).streams]
each_stream = pytest.mark.parametrize(
    ("path", "name"), CASES, ids=[f"{path.parent.name}-{Path(name).stem}" for path, name in CASES]
)


@lru_cache(maxsize=2)
def load_model(path: Path) -> _core.Model:
    return _core.Model(read_manifest(path).weights)


@pytest.fixture(params=kernels.targets())
def target(request):
    before = kernels.target()
    kernels.set_target(request.param)
    yield request.param
    kernels.set_target(before)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def encode_again(model: _core.Model, golden: Golden) -> bytes:
    parsed = _core.parse_stream(golden.stream)
    header = parsed.header
    rgb = np.frombuffer(golden.rgb, np.uint8).reshape(header.height, header.width, 3)
    return _core.encode_picture(
        model,
        rgb,
        quality=header.quality,
        schedule=header.schedule,
        values=header.values,
        grey=header.grey,
        chunks=parsed.chunks,
    ).stream


def test_there_are_golden_files():
    assert GOLDEN / "tiny" / "manifest.txt" in MANIFESTS
    assert len(read_manifest(GOLDEN / "tiny" / "manifest.txt").streams) >= 10


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.parent.name)
def test_files_are_those_of_the_manifest(path):
    manifest = read_manifest(path)
    assert sha256(manifest.weights) == manifest.weights_sha256, (
        "the model is another one: run tests/golden/make_golden.py"
    )
    for name, golden in (manifest.streams | manifest.series).items():
        assert sha256(golden.stream) == golden.stream_sha256, name


@each_stream
def test_same_latents_and_pixels(path, name, target):
    model, golden = load_model(path), read_manifest(path).streams[name]
    latents = _core.decode_latents(model, golden.stream).astype("<i2")
    pixels = _core.decode_picture(model, golden.stream)
    assert sha256(latents.tobytes()) == golden.latents_sha256
    assert sha256(pixels.tobytes()) == golden.pixels_sha256


@each_stream
def test_same_bytes_again(path, name, target):
    golden = read_manifest(path).streams[name]
    assert encode_again(load_model(path), golden) == golden.stream


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("tiny", "diagonal.same"),
        ("tiny", "own_groups.same"),
        ("tiny", "grey.same"),
        ("values", "diagonal.same"),
    ],
)
def test_the_reference_decoder_agrees(folder, name):
    manifest = read_manifest(GOLDEN / folder / "manifest.txt")
    golden = manifest.streams[name]
    decoded = reference_codec.decode(golden.stream, manifest.weights)
    assert sha256(decoded.y_hat.astype("<i2").tobytes()) == golden.latents_sha256
    assert sha256(decoded.pixels.tobytes()) == golden.pixels_sha256


def test_series(target):
    path = GOLDEN / "series" / "manifest.txt"
    manifest, model = read_manifest(path), load_model(path)
    golden = manifest.series["moving.sames"]
    pictures = list(samebits.decode_series(golden.stream, model=model))
    assert sha256(b"".join(p.tobytes() for p in pictures)) == golden.pixels_sha256
    sources, begin = [], 0
    for picture in pictures:
        sources.append(np.frombuffer(golden.rgb, np.uint8, picture.size, begin))
        begin += picture.size
    again = samebits.encode_series(
        [source.reshape(p.shape) for source, p in zip(sources, pictures, strict=True)],
        quality=80,
        key_every=3,
        keys="regular",
        model=model,
    )
    assert again == golden.stream


def test_the_reference_decoder_agrees_on_series():
    manifest = read_manifest(GOLDEN / "series" / "manifest.txt")
    golden = manifest.series["moving.sames"]
    decoded = reference_codec.decode_series(golden.stream, manifest.weights)
    assert [n for n, picture in enumerate(decoded) if not picture.stream.time] == [0, 3, 5]
    latents = b"".join(picture.y_hat.astype("<i2").tobytes() for picture in decoded)
    assert sha256(latents) == golden.latents_sha256


def test_a_different_picture_is_noticed():
    path = GOLDEN / "tiny" / "manifest.txt"
    golden = read_manifest(path).streams["diagonal.same"]
    rgb = bytearray(golden.rgb)
    for i in range(0, len(rgb), 7):
        rgb[i] ^= 64
    changed = Golden(golden.stream, "", "", "", bytes(rgb))
    assert encode_again(load_model(path), changed) != golden.stream
