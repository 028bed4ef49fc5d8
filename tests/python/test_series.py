"""Series of pictures: round trips, the reference decoder, beginning in the middle, damage."""

import io
import zlib

import numpy as np
import pytest

import reference_codec as reference
import samebits
from samebits import _core
from samebits.errors import (
    CorruptStream,
    InvalidArgument,
    LimitExceeded,
    ModelMismatch,
    NeedsSeries,
    Truncated,
    UnsupportedVersion,
)
from samebits.series import read_streams
from tiny_model import tiny_model, wavy_picture

WEIGHTS = tiny_model(time=True)
MODEL = _core.Model(WEIGHTS)


def frames(count: int, *, height: int = 40, width: int = 56) -> list[np.ndarray]:
    """A picture that moves a little from frame to frame."""
    large = wavy_picture(height + count, width + 2 * count, seed=3)
    return [large[n : n + height, 2 * n : 2 * n + width].copy() for n in range(count)]


def encode(pictures, **options) -> bytes:
    """The model has learned nothing: earlier pictures never make a picture smaller."""
    return samebits.encode_series(pictures, model=MODEL, **{"keys": "regular", **options})


def decode(series, **options) -> list[np.ndarray]:
    return list(samebits.decode_series(series, model=MODEL, **options))


def with_crc(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


def test_the_reference_decoder_agrees():
    series = encode(frames(5), key_every=4, quality=70)
    expected = reference.decode_series(series, WEIGHTS)
    assert [picture.stream.time for picture in expected] == [False, True, True, True, False]
    for found, picture in zip(decode(series), expected, strict=True):
        assert np.array_equal(found, picture.pixels)


def test_a_key_picture_is_what_encode_gives():
    pictures = frames(3)
    streams = [stream for stream, _ in read_streams(encode(pictures, key_every=1))]
    assert streams == [samebits.encode(picture, model=MODEL) for picture in pictures]


def test_adaptive_keys_are_never_larger():
    pictures = frames(5)
    regular, adaptive = encode(pictures), encode(pictures, keys="adaptive")
    assert samebits.series_info(regular, model=MODEL).key_pictures == (0,)
    assert len(adaptive) <= len(regular)
    assert len(adaptive) <= len(encode(pictures, key_every=1))


def test_the_pictures_before_matter():
    first, second, third = frames(3)
    other = encode([second, second, third])
    assert list(read_streams(encode([first, second, third])))[2] != list(read_streams(other))[2]


@pytest.mark.parametrize("start", [0, 1, 3, 4, 6])
def test_begin_in_the_middle(start):
    series = encode(frames(7), key_every=3)
    everything = decode(series)
    later = decode(series, start=start)
    assert len(later) == 7 - start
    for found, expected in zip(later, everything[start:], strict=True):
        assert np.array_equal(found, expected)


def test_beginning_in_the_middle_decodes_no_more_than_it_must(monkeypatch):
    decoded = []

    class Spy:
        def __init__(self, model):
            self.decoder = decoder_class(model)

        def decode(self, stream, **limits):
            decoded.append(stream)
            return self.decoder.decode(stream, **limits)

    decoder_class = _core.SeriesDecoder
    series = encode(frames(7), key_every=3)
    monkeypatch.setattr(_core, "SeriesDecoder", Spy)
    next(samebits.decode_series(series, model=MODEL, start=4))
    assert decoded == [stream for stream, _ in read_streams(series)][3:5]


def test_written_and_read_piece_by_piece():
    class Pipe:
        """Remembers how many pictures had gone in when the first bytes came out."""

        def __init__(self):
            self.parts = []

        def write(self, content):
            self.parts.append((taken, content))

    taken = 0

    def source():
        nonlocal taken
        for picture in frames(3):
            taken += 1
            yield picture

    pipe = Pipe()
    info = samebits.write_series(pipe, source(), model=MODEL, keys="regular")
    assert [number for number, _ in pipe.parts] == [1, 2, 3, 3]
    series = b"".join(content for _, content in pipe.parts)
    assert series == encode(frames(3))
    assert info == samebits.series_info(series, model=MODEL)

    class Trickle(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 7))

    for found, expected in zip(decode(Trickle(series)), decode(series), strict=True):
        assert np.array_equal(found, expected)


def test_other_sizes_grey_and_alpha():
    rgba = np.dstack([wavy_picture(24, 24), np.full((24, 24), 9, np.uint8)])
    pictures = [*frames(2), *frames(2, height=24), wavy_picture(24, 56)[:, :, 0], rgba]
    series = encode(pictures)
    info = samebits.verify_series(series, model=MODEL)
    assert info.key_pictures == (0, 2, 5)
    assert [picture.channels for picture in info.pictures] == [3, 3, 3, 3, 1, 4]
    assert info.bytes == len(series)
    found = decode(series)
    assert [picture.shape for picture in found] == [picture.shape for picture in pictures]
    assert np.array_equal(found[-1][:, :, 3], rgba[:, :, 3])


def test_a_picture_taken_out_of_a_series():
    streams = [stream for stream, _ in read_streams(encode(frames(2)))]
    assert samebits.info(streams[1], model=MODEL).time
    for call in (samebits.decode, samebits.verify):
        with pytest.raises(NeedsSeries, match="decode the series that it was taken from"):
            call(streams[1], model=MODEL)


def test_a_series_is_no_picture_and_a_picture_no_series():
    series = encode(frames(1))
    with pytest.raises(CorruptStream, match="this is a series"):
        samebits.decode(series, model=MODEL)
    with pytest.raises(CorruptStream, match="single picture"):
        decode(samebits.encode(frames(1)[0], model=MODEL))


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"key_every": 0}, "key_every is 0"),
        ({"key_every": 1.5}, "key_every is an integer"),
        ({"quality": 101}, "quality is 101"),
        ({"keys": "all"}, "keys is 'all', must be 'adaptive' or 'regular'"),
        ({"distribution": "both"}, "distribution is 'both'"),
    ],
)
def test_wrong_arguments(options, part):
    with pytest.raises(InvalidArgument, match=part):
        encode(frames(2), **options)


def test_nothing_to_code_or_to_begin_with():
    with pytest.raises(InvalidArgument, match="at least one picture"):
        encode([])
    with pytest.raises(InvalidArgument, match="has 2 pictures, there is no picture 2"):
        decode(encode(frames(2)), start=2)


def test_a_model_that_knows_nothing_of_series():
    plain = _core.Model(tiny_model())
    assert not plain.has_time
    with pytest.raises(InvalidArgument, match="key_every=1"):
        samebits.encode_series(frames(2), model=plain)
    series = samebits.encode_series(frames(2), model=plain, key_every=1)
    assert len(list(samebits.decode_series(series, model=plain))) == 2


def test_another_model():
    series = encode(frames(2))
    with pytest.raises(ModelMismatch):
        list(samebits.decode_series(series, model=_core.Model(tiny_model(seed=2, time=True))))


def test_every_cut_gives_the_pictures_before_it():
    series = encode(frames(3, height=16, width=16))
    whole = decode(series)
    ends = np.cumsum([len(stream) + 1 for stream, _ in read_streams(series)]) + 3
    for size in range(len(series)):
        decoder = samebits.decode_series(series[:size], model=MODEL)
        for expected in whole[: int((ends <= size).sum())]:
            assert np.array_equal(next(decoder), expected)
        with pytest.raises(Truncated):
            next(decoder)


def test_every_flipped_bit_is_found():
    series = encode(frames(2, height=16, width=16))
    for bit in range(8 * len(series)):
        damaged = bytearray(series)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises((CorruptStream, UnsupportedVersion, LimitExceeded, NeedsSeries)):
            decode(bytes(damaged), max_bytes=1 << 26)


def test_pictures_exchanged_or_left_out():
    pictures = frames(4, height=64, width=96)
    streams = [stream for stream, _ in read_streams(encode(pictures, quality=90))]

    def series_of(numbers) -> bytes:
        body = b"\xf5\x54\x00"
        for stream in (streams[n] for n in numbers):
            assert 128 <= len(stream) < 128**2, "a length of two bytes"
            body += bytes([len(stream) & 127 | 128, len(stream) >> 7]) + stream
        return with_crc(body + b"\0")

    assert len(decode(series_of([0, 1, 2, 3]))) == 4
    for numbers in ([0, 2, 3], [0, 2, 1], [0, 1, 1]):
        with pytest.raises(CorruptStream, match="not those of its series"):
            decode(series_of(numbers))
    with pytest.raises(NeedsSeries):
        decode(series_of([1, 2]))


def test_a_long_claim_takes_no_memory():
    claim = b"\xf5\x54\x00\xff\xff\xff\xff\x0f" + bytes(100)
    with pytest.raises(LimitExceeded, match="4294967295 bytes"):
        decode(claim)
    with pytest.raises(Truncated):
        decode(claim, max_bytes=1 << 40)
