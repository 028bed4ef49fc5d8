"""A second writing of bitstream.md 3.1, in plain Python, for small pictures."""

from __future__ import annotations

import itertools
import math
import struct
import zlib


def read_pixels(content: bytes, planes) -> list[tuple[int, int, int]]:
    """Pixels row by row, from a chunk and the outputs of a synthesis (3, H, W)."""
    assert content[0] == 0
    d, e, pixels_crc, size = struct.unpack_from("<2fIB", content, 9)
    kind, parameters = content[22], struct.unpack_from(f"<{(size - 1) // 2}h", content, 23)
    row = []
    for color, plane in enumerate(planes):
        for v in plane.ravel().tolist():
            row.append(_moved(v, kind, [p * 2.0**-12 for p in parameters], color))
    values, others = zip(*(_values(v, d + e * abs(v)) for v in row), strict=True)
    found = list(values)
    begin = 0
    for count, code in _parts(content[22 + size :], len(row)):
        part = range(begin, begin + count)
        choices = [(values[n],) if others[n] is None else (values[n], others[n]) for n in part]
        fitting = [c for c in itertools.product(*choices) if _checksum(c).startswith(code)]
        assert len(fitting) == 1
        found[begin : begin + count] = fitting[0]
        begin += count
    third = len(found) // 3
    pixels = list(zip(found[:third], found[third : 2 * third], found[2 * third :], strict=True))
    assert zlib.crc32(bytes(itertools.chain(*pixels))) == pixels_crc
    return pixels


def _moved(v: float, kind: int, parameters: list[float], color: int) -> float:
    if kind == 0:
        return v
    if kind == 3:
        return v + (parameters[0] + v * (parameters[1] / 256))
    return v + parameters[color if kind == 2 else 0]


def _values(v: float, precision: float) -> tuple[int, int | None]:
    """An output's value, and the other one if it is ambiguous."""
    value = min(max(math.floor(v + 0.5), 0), 255)
    below = min(max(math.floor(v), 0), 254)
    other = below if value == below + 1 else below + 1
    return value, other if abs(v - (below + 0.5)) <= precision else None


def _parts(code: bytes, size: int):
    """(outputs, bits of the code) of every part."""
    lengths, sent, golomb = code[0] & 3, code[0] >> 2 & 1, code[0] >> 3
    parts, place = 0, 1
    while True:
        parts |= (code[place] & 127) << 7 * (place - 1)
        place += 1
        if code[place - 1] < 128:
            break
    bits = iter("".join(f"{byte:08b}" for byte in code[place:]))

    def get(count: int) -> str:
        return "".join(next(bits) for _ in range(count))

    def number(k: int) -> int:
        ones = sum(1 for _ in itertools.takewhile(lambda bit: bit == "1", bits))
        return ones << k | int("0" + get(k), 2)

    sizes = [size * (n + 1) // parts - size * n // parts for n in range(parts)]
    if sent:
        k = int(get(5), 2)
        sizes = [number(k) for _ in range(parts)]
    for count in sizes:
        length = 1 + (int(get(5), 2) if lengths == 0 else number(golomb if lengths == 2 else 0))
        yield count, get(length)
    rest = "".join(bits)
    assert len(rest) < 8
    assert "1" not in rest


def _checksum(values: tuple[int, ...]) -> str:
    packed = bytearray((len(values) + 7) // 8)
    for n, value in enumerate(values):
        packed[n // 8] |= (value & 1) << n % 8
    return f"{zlib.crc32(packed):032b}"
