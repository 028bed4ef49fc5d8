"""The part of the reference decoder that reads files: docs/bitstream.md, sections 1 to 3 and 6.

Like `reference_codec.py` it shares no code with the package and is not robust.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass


class Bytes:
    """A cursor over bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        part = self.data[self.position : self.position + count]
        assert len(part) == count, "the stream is cut"
        self.position += count
        return part

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def varint(self) -> int:
        value = 0
        for index in range(5):
            byte = self.number(1)
            value |= (byte & 127) << (7 * index)
            if byte < 128:
                assert byte or not index, "superfluous byte"
                return value
        raise ValueError("varint too long")


@dataclass(frozen=True)
class Stream:
    """The fields of a file."""

    grey: bool
    time: bool
    model_id: bytes
    quality: int
    mode: int
    phases: int
    groups: tuple[int, ...]  # sizes; empty for even groups and the model's
    even_groups: int
    first: int
    values: bool
    width: int
    height: int
    latent_crc: int
    chunks: dict[int, bytes]
    payload: bytes


def parse_stream(data: bytes) -> Stream:
    assert data[:2] == b"\xf5\x53"
    assert zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little")
    reader = Bytes(data[:-4])
    reader.take(2)
    version_flags = reader.number(1)
    assert version_flags & 0x8F == 0, "version 0, reserved bits 0"
    model_id = reader.take(3)
    quality = reader.number(1)
    schedule = reader.number(1)
    mode, kind = schedule & 7, schedule >> 5 & 3
    assert mode < 7
    assert kind < 3
    groups = [reader.varint() for _ in range(reader.varint())] if kind == 1 else []
    even_groups = reader.varint() if kind == 2 else 0
    first = reader.varint() if mode in (5, 6) else 0
    width, height = reader.varint() + 1, reader.varint() + 1
    latent_crc = reader.number(4)
    chunks = {}
    if version_flags & 32:
        for _ in range(reader.varint()):
            kind = reader.number(1)
            chunks[kind] = reader.take(reader.varint())
    return Stream(
        grey=bool(version_flags & 16),
        time=bool(version_flags & 64),
        model_id=model_id,
        quality=quality,
        mode=mode,
        phases=schedule >> 3 & 3,
        groups=tuple(groups),
        even_groups=even_groups,
        first=first,
        values=bool(schedule & 128),
        width=width,
        height=height,
        latent_crc=latent_crc,
        chunks=chunks,
        payload=reader.take(len(data) - 4 - reader.position),
    )


def parse_series(data: bytes) -> list[bytes]:
    """The picture streams of a `.sames` file."""
    assert zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little")
    reader = Bytes(data[:-4])
    assert reader.take(3) == b"\xf5\x54\0"
    streams = []
    while length := reader.varint():
        streams.append(reader.take(length))
    assert streams
    assert reader.position == len(data) - 4, "bytes after the end"
    return streams
