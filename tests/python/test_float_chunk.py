"""The chunk float_synthesis (bitstream.md 3.1) as bytes and as pixels; nothing here needs torch."""

import zlib

import numpy as np
import pytest

import reference_float_chunk
import samebits
from samebits import _core
from samebits.errors import (
    CorruptStream,
    InvalidArgument,
    LimitExceeded,
    ModelMismatch,
    SamebitsError,
    Truncated,
    UnsupportedVersion,
)
from samebits.stability import PIXELS, Adjustment, Precision, encode_outcome
from samebits.stability.float_chunk import HEAD, FloatChunk, make_float_chunk
from samebits.stream_info import FLOAT_SYNTHESIS
from tiny_model import tiny_model, wavy_picture

MODEL = _core.Model(tiny_model())
PICTURE = wavy_picture(37, 53)
LATENTS = MODEL.latent_channels
PRECISION = Precision(2.0**-8)


class Mixer:
    """A synthesis without a network: colors are sums of latents, with noise of a machine's own."""

    identity = b"no torch"
    precision = PRECISION

    def __init__(self, *, noise: float = 0.0, seed: int = 0) -> None:
        self.noise, self.seed = noise, seed
        self.weights = np.random.default_rng(1).normal(0, 0.05, (LATENTS, 3 * 256))

    def __call__(self, y_hat: np.ndarray) -> np.ndarray:
        h, w, _ = y_hat.shape
        cells = (y_hat @ self.weights).reshape(h, w, 3, 16, 16)
        planes = cells.transpose(2, 0, 3, 1, 4).reshape(3, 16 * h, 16 * w) + 128
        random = np.random.default_rng(self.seed)
        return planes + random.uniform(-self.noise, self.noise, planes.shape)

    def working_bytes(self, height: int, width: int) -> int:
        return 8 * 3 * 256 * height * width


def encode(picture=PICTURE, **options) -> bytes:
    options = {"float_synthesis": Mixer(), **options}
    return samebits.encode(picture, model=MODEL, **options)


def decode(stream, **options) -> np.ndarray:
    return samebits.decode(stream, model=MODEL, **{"float_synthesis": Mixer(), **options})


def chunk_of(stream: bytes) -> bytes:
    return dict(_core.parse_stream(stream).chunks)[FLOAT_SYNTHESIS]


def with_chunk(stream: bytes, content: bytes) -> bytes:
    """The stream with another float_synthesis chunk."""
    parsed = _core.parse_stream(stream)
    chunks = [(kind, own) for kind, own in parsed.chunks if kind != FLOAT_SYNTHESIS]
    return _core.write_stream(
        header=parsed.header,
        chunks=[*chunks, (FLOAT_SYNTHESIS, content)],
        payload=parsed.payload,
    )


def test_bytes():
    """Field by field, as bitstream.md has them."""
    chunk = FloatChunk(
        synthesis=bytes(range(1, 9)),
        precision=Precision(0.5, 0.25),
        adjustment=Adjustment("scalar", (-2,)),
        pixels_crc=0x01020304,
        code=b"code",
    )
    wanted = "0001020304050607080000003f0000803e040302010301feff636f6465"
    assert chunk.to_bytes().hex() == wanted
    assert FloatChunk.from_bytes(chunk.to_bytes()) == chunk


@pytest.mark.parametrize("kind", ["none", "scalar", "channels", "linear"])
@pytest.mark.parametrize("lengths", ["fixed", "unary", "golomb"])
@pytest.mark.parametrize("sizes", [None, (600, 0, 500, 700), (900, 900)])
def test_as_the_document_says(kind, lengths, sizes):
    """A second writing of the format comes to the same pixels, with another machine's outputs."""
    random = np.random.default_rng(5)
    outputs = random.uniform(-20, 280, (3, 20, 30))
    precision = Precision(2.0**-9, 2.0**-19)
    adjustment = Adjustment(
        kind, {"none": (), "scalar": (300,), "linear": (-9, 512)}.get(kind, (1, -512, 40))
    )
    moved = adjustment.apply(outputs)
    pixels = np.ascontiguousarray(PIXELS.index(moved).astype(np.uint8).transpose(1, 2, 0))
    code = encode_outcome(moved, precision, lengths=lengths, partition=sizes)
    chunk = FloatChunk(bytes(8), precision, adjustment, zlib.crc32(pixels), code)
    elsewhere = outputs + random.uniform(-1, 1, outputs.shape) * 0.99 * precision.offset
    assert np.array_equal(chunk.pixels(elsewhere), pixels)
    found = reference_float_chunk.read_pixels(chunk.to_bytes(), elsewhere)
    assert np.array_equal(np.array(found, np.uint8).reshape(20, 30, 3), pixels)


@pytest.mark.parametrize("shape", [(37, 53), (1, 1), (16, 16), (17, 200)])
def test_exact_in_spite_of_noise(shape):
    picture = wavy_picture(*shape)
    stream = encode(picture)
    wanted = decode(stream)
    assert wanted.shape == (*shape, 3)
    assert zlib.crc32(wanted) == FloatChunk.from_bytes(chunk_of(stream)).pixels_crc
    differing = 0
    for seed in range(8):
        other = Mixer(noise=0.99 * PRECISION.offset, seed=seed)
        assert np.array_equal(decode(stream, float_synthesis=other), wanted)
        planes = other(_core.decode_latents(MODEL, stream))[:, : shape[0], : shape[1]]
        differing += (np.floor(planes + 0.5).clip(0, 255).transpose(1, 2, 0) != wanted).sum()
    assert differing > 0 or shape == (1, 1)


def test_too_much_noise_is_an_error_or_right():
    stream = encode()
    wanted = decode(stream)
    errors = 0
    for seed in range(8):
        for noise in (2, 5, 20, 1000):
            try:
                found = decode(stream, float_synthesis=Mixer(noise=noise / 256, seed=seed))
            except CorruptStream:
                errors += 1
            else:
                assert np.array_equal(found, wanted)
    assert errors > 16
    with pytest.raises(CorruptStream, match="decodes without float_synthesis"):
        decode(stream, float_synthesis=Mixer(noise=5))


def test_the_picture_itself_does_not_change():
    plain, stream = encode(float_synthesis=None, precision=None), encode()
    assert np.array_equal(samebits.decode(stream, model=MODEL), samebits.decode(plain, model=MODEL))
    parsed, other = _core.parse_stream(plain), _core.parse_stream(stream)
    assert parsed.payload == other.payload
    assert encode(float_synthesis=False, precision=None) == plain
    # A decoder that does not look at the chunk does not mind what is in it.
    damaged = with_chunk(stream, b"\xff" * 9)
    assert np.array_equal(
        samebits.decode(damaged, model=MODEL), samebits.decode(plain, model=MODEL)
    )
    assert samebits.info(damaged, model=MODEL).float_synthesis is None


def test_grey():
    stream = encode(PICTURE[:, :, 0])
    grey = decode(stream)
    assert grey.shape == PICTURE.shape[:2]
    planes = Mixer()(_core.decode_latents(MODEL, stream))[:, :37, :53]
    chunk = FloatChunk.from_bytes(chunk_of(stream))
    rgb = chunk.pixels(planes).astype(int)
    assert np.array_equal(grey, (rgb.sum(2) + 1) // 3)


def test_alpha_and_metadata():
    from PIL import Image

    alpha = np.add.outer(np.arange(37), np.arange(53)).astype(np.uint8)
    image = Image.fromarray(np.dstack([PICTURE, alpha]))
    image.info["icc_profile"] = b"not a real profile"
    stream = encode(image)
    decoded = samebits.api.decode_picture(stream, model=MODEL, float_synthesis=Mixer())
    assert np.array_equal(decoded.alpha, alpha)
    assert decoded.icc_profile == b"not a real profile"
    assert decode(stream).shape == (37, 53, 4)
    assert np.array_equal(decode(stream)[:, :, :3], decode(encode()))


def test_damage_is_an_error_or_changes_nothing():
    stream = encode(wavy_picture(20, 30))
    wanted, content = decode(stream), chunk_of(stream)
    outcomes = []
    damaged = [content[:size] for size in range(len(content))]
    for place in range(len(content)):
        for flip in (0x01, 0x10, 0x80, 0xFF):
            damaged.append(bytes([*content[:place], content[place] ^ flip, *content[place + 1 :]]))
    damaged += [content + b"\0", content + bytes(1000)]
    for bad in damaged:
        other = with_chunk(stream, bad)
        try:
            found = decode(other)
        except (CorruptStream, UnsupportedVersion, ModelMismatch) as error:
            outcomes.append(type(error))
            continue
        outcomes.append(None)
        assert np.array_equal(found, wanted)
    assert {CorruptStream, Truncated, UnsupportedVersion, ModelMismatch, None} == set(outcomes)
    assert outcomes.count(None) < len(outcomes) / 4


@pytest.mark.parametrize("name", ["precision", "code"])
def test_hostile_fields(name):
    stream = encode(wavy_picture(200, 300))
    good = FloatChunk.from_bytes(chunk_of(stream))
    head = HEAD.size + len(good.adjustment.to_bytes())
    content = {
        # Everything is ambiguous, or nothing.
        "precision": [
            FloatChunk(good.synthesis, Precision(*p), good.adjustment, good.pixels_crc, good.code)
            for p in [(3e38, 3e38), (0.5, 0), (1, 1)]
        ],
        "code": [
            FloatChunk(good.synthesis, good.precision, good.adjustment, good.pixels_crc, code)
            for code in (b"\x02\x01" + b"\xff" * 10, b"\xff\xff\xff\xff\xff\x0f", b"\x04\x88\x27")
        ],
    }[name]
    assert chunk_of(stream)[head:] == good.code
    for bad in content:
        with pytest.raises(CorruptStream):
            decode(with_chunk(stream, bad.to_bytes()))


@pytest.mark.parametrize("number", [b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\x00\x00\x80\xbf"])
def test_precisions_that_are_no_numbers(number):
    content = chunk_of(encode())
    with pytest.raises(CorruptStream, match="precision"):
        FloatChunk.from_bytes(content[:9] + number + content[13:])


def test_the_wrong_synthesis():
    stream, other = encode(), Mixer()
    other.identity = b"another!"
    with pytest.raises(ModelMismatch, match=b"no torch".hex()):
        decode(stream, float_synthesis=other)
    with pytest.raises(ModelMismatch):
        samebits.verify(stream, model=MODEL, float_synthesis=other)


def test_outputs_that_are_not_finite():
    class Broken(Mixer):
        def __call__(self, y_hat):
            planes = super().__call__(y_hat)
            planes[1, 2, 3] = np.nan
            return planes

    with pytest.raises(CorruptStream, match="finite"):
        decode(encode(), float_synthesis=Broken())
    with pytest.raises(InvalidArgument, match="finite"):
        encode(float_synthesis=Broken())


def test_arguments():
    with pytest.raises(InvalidArgument, match="no float_synthesis"):
        encode(float_synthesis=None, precision=1)
    with pytest.raises(InvalidArgument, match="target"):
        encode(target_bytes=1000)
    with pytest.raises(InvalidArgument, match="number"):
        encode(precision="fine")
    with pytest.raises(InvalidArgument, match="precision is -1"):
        encode(precision=-1)
    with pytest.raises(InvalidArgument, match="float_synthesis is True"):
        encode(float_synthesis=3)
    with pytest.raises(InvalidArgument, match="no such file"):
        decode(encode(), float_synthesis="nowhere.safetensors")
    with pytest.raises(InvalidArgument, match="has no float_synthesis chunk"):
        decode(encode(float_synthesis=None))
    with pytest.raises(InvalidArgument, match="cpu"):
        decode(encode(), device="cuda")
    with pytest.raises(InvalidArgument, match="path"):
        decode(encode(), float_synthesis=True)  # a loaded model does not say which file it was


def test_limits():
    stream = encode(wavy_picture(400, 400))
    with pytest.raises(LimitExceeded, match="float synthesis"):
        decode(stream, max_bytes=2**23)
    assert samebits.decode(stream, model=MODEL, max_bytes=2**23).shape == (400, 400, 3)
    with pytest.raises(LimitExceeded):
        decode(stream, max_pixels=1000)
    with pytest.raises(LimitExceeded, match="float synthesis"):
        encode(wavy_picture(400, 400), max_bytes=2**23)


def test_verify_and_info():
    stream = encode()
    info = samebits.info(stream, model=MODEL)
    assert info.float_synthesis.synthesis == b"no torch".hex()
    assert info.float_synthesis.precision == PRECISION.offset
    assert info.float_synthesis.checked is None
    assert [chunk.name for chunk in info.chunks] == ["float_synthesis"]
    found = samebits.verify(stream, model=MODEL).float_synthesis
    assert found.checked is False
    assert found.not_checked_because
    assert samebits.verify(stream, model=MODEL, float_synthesis=Mixer()).float_synthesis.checked
    with pytest.raises(CorruptStream):
        samebits.verify(stream, model=MODEL, float_synthesis=Mixer(noise=1))
    for bad in (b"", b"\0" * 20, chunk_of(stream)[:10], b"\1" + chunk_of(stream)[1:]):
        with pytest.raises((CorruptStream, UnsupportedVersion)):
            samebits.verify(with_chunk(stream, bad), model=MODEL)
    plain = encode(float_synthesis=None, precision=None)
    assert samebits.verify(plain, model=MODEL).float_synthesis is None
    with pytest.raises(InvalidArgument, match="no float_synthesis chunk"):
        samebits.verify(plain, model=MODEL, float_synthesis=Mixer())


def test_many():
    streams = list(
        samebits.encode_many([PICTURE] * 3, model=MODEL, float_synthesis=Mixer(), precision=0.01)
    )
    pictures = list(samebits.decode_many(streams, model=MODEL, float_synthesis=Mixer()))
    assert all(np.array_equal(picture, pictures[0]) for picture in pictures)


def test_the_shorter_adjustment():
    """Outputs that all lie near a boundary are moved off it."""
    outputs = np.full((3, 40, 40), 10.5) + np.random.default_rng(2).normal(0, 0.002, (3, 40, 40))
    chunk = make_float_chunk(outputs, synthesis=bytes(8), precision=PRECISION)
    assert chunk.adjustment.kind == "channels"
    assert len(chunk.code) < 10
    random = make_float_chunk(
        np.array([[[10.0]], [[20.0]], [[30.0]]]), synthesis=bytes(8), precision=PRECISION
    )
    assert random.adjustment.kind == "none"


def test_errors_are_ours():
    """Any bytes as a chunk end in an error of ours, from every function."""
    stream, random = encode(wavy_picture(8, 8)), np.random.default_rng(3)
    for size in (0, 1, 5, 21, 22, 23, 30, 60):
        for _ in range(20):
            content = bytes([0, *b"no torch", *random.bytes(size)])
            for function in (samebits.decode, samebits.verify):
                with pytest.raises(SamebitsError) as caught:
                    function(with_chunk(stream, content), model=MODEL, float_synthesis=Mixer())
                assert not isinstance(caught.value, InvalidArgument)
