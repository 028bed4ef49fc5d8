"""Encode and decode: round trips, exactness, and what bad streams end in."""

import threading
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_codec as reference
from samebits import _core
from samebits.errors import (
    CorruptStream,
    InvalidArgument,
    LimitExceeded,
    ModelMismatch,
    SamebitsError,
)
from tiny_model import tiny_model, wavy_picture

SIZES = [(1, 1), (1, 17), (16, 16), (65, 33), (200, 130)]
SCHEDULES = {
    "mode 0": {"mode": 0, "phases": 0},
    "uneven groups": {"mode": 2, "phases": 0},
    "explicit groups": {"mode": 2, "phases": 0, "groups": [3, 1, 4]},
    "phases 2": {"mode": 2, "phases": 2},
    "phases 2, explicit groups": {"mode": 2, "phases": 2, "groups": [2, 6]},
    "diagonal": {"mode": 2, "phases": 3},
    "diagonal, explicit groups": {"mode": 2, "phases": 3, "groups": [5, 1, 1, 1]},
    "diagonal of two": {"mode": 2, "phases": 3, "groups": [5, 3]},
}
WEIGHTS = tiny_model()
MODEL = _core.Model(WEIGHTS)


def encode(picture, *, quality=50, schedule=SCHEDULES["diagonal"], **options):
    spec = _core.ScheduleSpec(**schedule)
    return _core.encode_picture(MODEL, picture, quality=quality, schedule=spec, **options)


def decode(stream, **limits):
    return _core.decode_picture(MODEL, stream, **limits)


def with_crc(body):
    """A stream whose checksum is right again."""
    return body + zlib.crc32(body).to_bytes(4, "little")


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_reference_decoder_gives_the_same_bits(size, schedule):
    picture = wavy_picture(*size, seed=size[0])
    for quality in (0, 50, 100):
        coded = encode(picture, quality=quality, schedule=schedule)
        expected = reference.decode(coded.stream, WEIGHTS)
        np.testing.assert_array_equal(_core.decode_latents(MODEL, coded.stream), expected.y_hat)
        np.testing.assert_array_equal(decode(coded.stream), expected.pixels)
        assert decode(coded.stream).shape == picture.shape


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    quality=st.integers(0, 100),
    seed=st.integers(0, 1000),
    schedule=st.sampled_from(list(SCHEDULES.values())),
)
def test_any_picture_decodes_like_the_reference(height, width, quality, seed, schedule):
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    stream = encode(picture, quality=quality, schedule=schedule).stream
    np.testing.assert_array_equal(decode(stream), reference.decode(stream, WEIGHTS).pixels)


def test_several_lanes():
    coded = encode(wavy_picture(330, 400), quality=100, schedule=SCHEDULES["uneven groups"])
    assert coded.lanes > 1
    np.testing.assert_array_equal(
        decode(coded.stream), reference.decode(coded.stream, WEIGHTS).pixels
    )


@pytest.mark.usefixtures("restore_machine")
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_targets_and_threads_never_change_a_bit(schedule):
    picture = wavy_picture(200, 130, seed=8)
    results = set()
    for target in _core.targets():
        for threads in (1, 2, 7):
            _core.set_target(target)
            _core.set_thread_count(threads)
            stream = encode(picture, quality=70, schedule=schedule).stream
            latents, pixels = _core.decode_latents(MODEL, stream), decode(stream)
            results.add((stream, latents.tobytes(), pixels.tobytes()))
    assert len(results) == 1


def test_less_memory_gives_the_same_picture():
    picture = wavy_picture(640, 200, seed=3)
    stream = encode(picture).stream
    whole = decode(stream)
    decoded, refused = 0, 0
    for kib in range(200, 3000, 100):
        try:
            np.testing.assert_array_equal(decode(stream, max_bytes=kib << 10), whole)
            decoded += 1
        except LimitExceeded:
            assert decoded == 0, "more memory must not be refused after less was enough"
            refused += 1
    assert decoded
    assert refused


def test_encoding_with_less_memory_gives_the_same_stream():
    picture = wavy_picture(640, 200, seed=3)
    stream = encode(picture).stream
    smallest = None
    for kib in range(200, 3000, 100):
        try:
            assert encode(picture, max_bytes=kib << 10).stream == stream
            smallest = smallest or kib
        except LimitExceeded:
            assert smallest is None
    assert smallest is not None


def test_threads_may_decode_at_the_same_time():
    streams = [encode(wavy_picture(90, 60, seed=seed)).stream for seed in range(4)]
    expected = [decode(stream) for stream in streams]
    wrong = []

    def work(index):
        for _ in range(10):
            if (decode(streams[index]) != expected[index]).any():
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_estimated_bits_are_the_payload():
    coded = encode(wavy_picture(330, 400), quality=100)
    estimate = (coded.y_bits + coded.z_bits) / 8
    assert abs(coded.payload_bytes - estimate) < 0.01 * estimate + 20
    assert len(coded.stream) == coded.payload_bytes + 20
    assert coded.steps == 4


def test_grey_comes_back_with_one_channel():
    grey = wavy_picture(50, 40)[..., :1].repeat(3, axis=2).copy()
    stream = encode(grey, grey=True).stream
    pixels = decode(stream)
    assert pixels.shape == (50, 40)
    np.testing.assert_array_equal(pixels, reference.decode(stream, WEIGHTS).pixels)
    color = decode(encode(grey).stream).astype(int)
    np.testing.assert_array_equal(pixels, (color.sum(-1) + 1) // 3)


def test_chunks_travel_unchanged():
    chunks = [(1, b"profile" * 99), (200, b"")]
    stream = encode(wavy_picture(20, 20), chunks=chunks).stream
    assert _core.parse_stream(stream).chunks == chunks
    assert reference.decode(stream, WEIGHTS).stream.chunks == dict(chunks)
    assert decode(stream).shape == (20, 20, 3)


def test_dead_zone_saves_bits_and_128_is_plain_rounding():
    picture = wavy_picture(200, 130)
    plain = encode(picture, quality=60)
    assert encode(picture, quality=60, deadzone_q8=128).stream == plain.stream
    wider = encode(picture, quality=60, deadzone_q8=90)
    assert wider.y_bits < plain.y_bits
    np.testing.assert_array_equal(
        decode(wider.stream), reference.decode(wider.stream, WEIGHTS).pixels
    )


@pytest.mark.parametrize("offset", [0, 1, 77, 127, 129, 256])
def test_dead_zone_formula(offset):
    trace = _core.encode_latents(MODEL, wavy_picture(100, 70), quality=50, deadzone_q8=offset)
    weights = reference.Weights.parse(WEIGHTS)
    v = (trace.y.astype(np.int64) - trace.mean) * weights["gain"][50]
    magnitude = (np.abs(v) + (offset << 16) - (v < 0)) >> 24
    np.testing.assert_array_equal(trace.symbols, np.sign(v) * magnitude)


@pytest.mark.parametrize(
    "options",
    [
        {"quality": -1},
        {"quality": 101},
        {"deadzone_q8": -1},
        {"deadzone_q8": 257},
        {"schedule": {"mode": 2, "phases": 0, "groups": [3, 4]}},
        {"schedule": {"mode": 5, "phases": 0}},
        {"chunks": [(7, b"")]},
        {"chunks": [(1, b""), (1, b"")]},
        {"chunks": [(256, b"")]},
    ],
    ids=str,
)
def test_encoder_refuses_wrong_options(options):
    with pytest.raises(InvalidArgument):
        encode(wavy_picture(16, 16), **options)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (5, 5), (5, 5, 4)], ids=str)
def test_encoder_refuses_wrong_shapes(shape):
    with pytest.raises(InvalidArgument):
        encode(np.zeros(shape, np.uint8))


# Bad streams

SMALL = encode(wavy_picture(33, 40), quality=60, schedule=SCHEDULES["explicit groups"]).stream


def test_every_truncation_is_reported():
    for length in range(len(SMALL)):
        with pytest.raises(CorruptStream):
            decode(SMALL[:length])


def test_every_flipped_bit_is_reported():
    for bit in range(8 * len(SMALL)):
        changed = bytearray(SMALL)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SamebitsError):
            decode(bytes(changed))


def test_flips_with_the_checksum_repaired_are_reported_or_harmless():
    expected = decode(SMALL)
    outcomes = {"picture": 0, "error": 0}
    for bit in range(8 * (len(SMALL) - 4)):
        body = bytearray(SMALL[:-4])
        body[bit // 8] ^= 1 << bit % 8
        try:
            pixels = decode(with_crc(bytes(body)), max_pixels=1 << 20, max_bytes=1 << 24)
        except SamebitsError:
            outcomes["error"] += 1
            continue
        outcomes["picture"] += 1
        # Only what the latents do not depend on may change: the grey bit and the size within the
        # same latents.
        assert pixels.shape != expected.shape or (pixels == expected).all()
    assert outcomes["error"] > 0.95 * sum(outcomes.values())


def test_a_payload_that_goes_on_is_refused():
    # A zero word more may be one that the encoder dropped; words that nobody reads are refused.
    with pytest.raises(CorruptStream):
        decode(with_crc(SMALL[:-4] + b"\0\0" * 3))
    with pytest.raises(CorruptStream):
        decode(with_crc(SMALL[:-4] + b"\0"))


def test_bytes_behind_the_end_are_refused():
    with pytest.raises(CorruptStream):
        decode(SMALL + b"\0")


def test_random_payloads_are_refused():
    rng = np.random.default_rng(11)
    header = SMALL[: _core.parse_stream(SMALL).header_bytes]
    for _ in range(200):
        payload = rng.integers(0, 256, rng.integers(0, 200), np.uint8).tobytes()
        with pytest.raises(CorruptStream):
            decode(with_crc(header + payload))


def test_wrong_latents_are_reported():
    parsed = _core.parse_stream(SMALL)
    position = parsed.header_bytes - 4
    body = bytearray(SMALL[:-4])
    body[position] ^= 1
    with pytest.raises(CorruptStream, match="latents"):
        decode(with_crc(bytes(body)))


def test_groups_of_another_model_are_refused():
    header = _core.Header(
        model_id=MODEL.id,
        quality=5,
        schedule=_core.ScheduleSpec(mode=2, phases=0, groups=[3, 4]),
        width=5,
        height=5,
    )
    with pytest.raises(CorruptStream, match="channel groups"):
        decode(_core.write_stream(header=header, chunks=[], payload=b""))


def test_another_model_is_refused():
    other = _core.Model(tiny_model(seed=2))
    with pytest.raises(ModelMismatch, match=f"{MODEL.id.hex()}.*{other.id.hex()}"):
        _core.decode_picture(other, SMALL)


def test_limits_say_needed_and_allowed():
    with pytest.raises(LimitExceeded, match=r"1320.*1319"):
        decode(SMALL, max_pixels=33 * 40 - 1)
    decode(SMALL, max_pixels=33 * 40)
    with pytest.raises(LimitExceeded, match=r"needs \d+ bytes.* 1000;"):
        decode(SMALL, max_bytes=1000)
    with pytest.raises(LimitExceeded, match=r"needs \d+ bytes.* 1000;"):
        encode(wavy_picture(33, 40), max_bytes=1000)
    with pytest.raises(LimitExceeded, match=r"1320.*1319"):
        encode(wavy_picture(33, 40), max_pixels=33 * 40 - 1)


@pytest.mark.parametrize("size", [(2**28, 2**28), (2**28, 1), (1, 2**28), (2**14, 2**14)], ids=str)
def test_a_header_that_lies_about_its_size_takes_no_memory(size):
    header = _core.Header(
        model_id=MODEL.id,
        quality=5,
        schedule=_core.ScheduleSpec(),
        width=size[0],
        height=size[1],
    )
    stream = _core.write_stream(header=header, chunks=[], payload=b"\x08" * 10)
    with pytest.raises(LimitExceeded):
        decode(stream, max_bytes=1 << 26)
    with pytest.raises(LimitExceeded):
        decode(stream, max_pixels=2**62, max_bytes=1 << 26)
