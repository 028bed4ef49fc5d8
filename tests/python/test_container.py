"""The container from Python: streams there and back, and bytes nobody wrote."""

import json
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import samebits
from samebits import _core
from samebits.errors import CorruptStream, InvalidArgument, SamebitsError, Truncated

PAYLOAD = bytes(range(50))


def make_stream(*, chunks=(), payload=PAYLOAD, grey=False, mode=2, phases=3, groups=()) -> bytes:
    header = _core.Header(
        model_id=b"\x01\x02\x03",
        quality=42,
        schedule=_core.ScheduleSpec(mode=mode, phases=phases, groups=list(groups)),
        width=768,
        height=512,
        grey=grey,
        latent_crc=0xDEADBEEF,
    )
    return _core.write_stream(header=header, chunks=list(chunks), payload=payload)


def with_checksum(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


def test_round_trip():
    chunks = [(1, b"icc"), (2, b""), (200, bytes(1000))]
    parsed = _core.parse_stream(make_stream(chunks=chunks, grey=True, phases=2, groups=(5, 6)))
    header = parsed.header
    assert (header.width, header.height, header.quality) == (768, 512, 42)
    assert header.grey
    assert header.model_id == b"\x01\x02\x03"
    assert header.latent_crc == 0xDEADBEEF
    assert (header.schedule.mode, header.schedule.phases) == (2, 2)
    assert header.schedule.groups == [5, 6]
    assert parsed.chunks == chunks
    assert parsed.payload == PAYLOAD


def test_a_photo_has_20_bytes_besides_its_payload():
    assert len(make_stream()) - len(PAYLOAD) == 20


def test_the_checksum_is_that_of_zlib():
    stream = make_stream()
    assert with_checksum(stream[:-4]) == stream
    assert _core.crc32(PAYLOAD) == zlib.crc32(PAYLOAD)
    assert _core.crc32(PAYLOAD[10:], zlib.crc32(PAYLOAD[:10])) == zlib.crc32(PAYLOAD)


def test_info_without_the_model():
    stream = make_stream(chunks=[(1, b"icc"), (4, b"alpha")])
    info = samebits.info(stream)
    assert (info.width, info.height, info.channels) == (768, 512, 4)
    assert (info.quality, info.mode, info.phases) == (42, 2, 3)
    assert info.model == "010203"
    assert info.groups is None
    assert info.steps is None
    assert info.bytes == len(stream)
    assert info.header_bytes + info.payload_bytes < info.bytes
    assert [(chunk.name, chunk.bytes) for chunk in info.chunks] == [
        ("icc_profile", 3),
        ("alpha", 5),
    ]
    assert info.bpp == 8 * len(stream) / (768 * 512)
    assert json.loads(info.to_json())["chunks"][1] == {"type": 4, "name": "alpha", "bytes": 5}


@pytest.mark.parametrize(
    ("phases", "groups", "steps"), [(0, (3, 4), 2), (2, (3, 4), 8), (3, (1, 2, 3, 4), 4)]
)
def test_info_counts_steps_of_explicit_groups(phases, groups, steps):
    info = samebits.info(make_stream(phases=phases, groups=groups))
    assert info.groups == groups
    assert info.steps == steps


def test_every_truncation_is_reported():
    stream = make_stream(chunks=[(2, b"exif" * 10)])
    for size in range(len(stream)):
        with pytest.raises(CorruptStream) as caught:
            samebits.info(stream[:size])
        if size < len(stream) - len(PAYLOAD):
            assert caught.type is Truncated, size


def test_every_flipped_bit_is_reported():
    stream = make_stream(chunks=[(2, b"exif" * 10)])
    for bit in range(8 * len(stream)):
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SamebitsError):
            samebits.info(bytes(flipped))


def test_trailing_bytes_are_reported():
    with pytest.raises(CorruptStream, match="bytes after its end"):
        samebits.info(make_stream() + b"\x00")


@pytest.mark.parametrize("stream", ["text", None, 5, [1, 2]])
def test_what_is_no_bytes(stream):
    with pytest.raises(InvalidArgument, match="a stream is bytes, not"):
        samebits.info(stream)


def test_bytes_like_objects():
    stream = make_stream()
    assert samebits.info(bytearray(stream)) == samebits.info(memoryview(stream))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
@example(b"\xf5\x53\x20")
def test_any_bytes_are_a_stream_or_a_typed_error(body):
    for stream in (body, with_checksum(b"\xf5\x53" + body), with_checksum(b"\xf5\x53\x20" + body)):
        try:
            info = samebits.info(stream)
        except SamebitsError:
            continue
        assert info.bytes == len(stream)


def test_a_chunk_cannot_claim_memory():
    body = make_stream(chunks=[(2, b"x")], payload=b"")[:-4]
    huge = body[: -len(b"\x02\x01x")] + b"\x02\xff\xff\xff\xff\x0f"
    with pytest.raises(Truncated, match="needs 4294967295"):
        samebits.info(with_checksum(huge))
