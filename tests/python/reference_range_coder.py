"""A slow range coder written from docs/arithmetic.md section 5 alone, with Python's big integers.

It shares no code with the package. The encoder keeps each lane's whole number in one integer, so
that there are no carries to handle; the decoder follows the page line by line, with its division.
"""

from __future__ import annotations

from dataclasses import dataclass

TOP = 1 << 16
END_MARK = (0, 256)


class Refused(Exception):
    """The payload is one that a decoder must refuse."""


@dataclass(frozen=True)
class Row:
    """Starts c[0] ... c[n-1] and the symbol of entry 0."""

    starts: tuple[int, ...]
    min_symbol: int

    @property
    def max_symbol(self) -> int:
        return self.min_symbol + len(self.starts) - 2

    def bounds(self, entry: int) -> tuple[int, int]:
        return self.starts[entry], (*self.starts, 1 << 16)[entry + 1]


def rows_of(tables) -> list[Row]:
    begin = tables.row_begin.tolist()
    starts = tables.starts.tolist()
    return [
        Row(tuple(starts[begin[r] : begin[r + 1]]), first)
        for r, first in enumerate(tables.min_symbol.tolist())
    ]


def leb128(value: int) -> bytes:
    out = b""
    while value >= 128:
        out += bytes([value % 128 + 128])
        value //= 128
    return out + bytes([value])


def read_leb128(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and the place behind it."""
    for size in range(1, 6):
        part = data[at : at + size]
        if len(part) < size:
            raise Refused("the bytes end inside of a number")
        if part[-1] < 128:
            if size > 1 and part[-1] == 0:
                raise Refused("superfluous byte")
            return sum((byte % 128) << (7 * i) for i, byte in enumerate(part)), at + size
    raise Refused("more than 5 bytes")


class _EncoderLane:
    def __init__(self, places: list[int]) -> None:
        self.low = 0  # of the whole number, 16 bits longer after each renormalization
        self.range = 2**32 - 1
        self.places = places

    def encode(self, begin: int, end: int, words: list[int]) -> None:
        lo, hi = self.range * begin // TOP, self.range * end // TOP
        self.low += lo
        self.range = hi - lo
        if self.range < TOP:
            self.low *= TOP
            self.range *= TOP
            self.places.append(len(words))
            words.append(0)

    def write(self, words: list[int]) -> None:
        value = next(
            -(-self.low >> bits) << bits
            for bits in range(32, -1, -1)
            if -(-self.low >> bits) << bits < self.low + self.range
        )
        for place in reversed(self.places):
            words[place] = value % TOP
            value //= TOP
        assert value == 0


def encode(batches: list[tuple[list[int], list[int]]], rows: list[Row], *, lanes: int) -> bytes:
    """Payload of batches of (symbols, row numbers)."""
    words = [0] * (2 * lanes)
    coders = [_EncoderLane([2 * lane, 2 * lane + 1]) for lane in range(lanes)]
    escapes = b""
    for symbols, numbers in batches:
        for i, (symbol, number) in enumerate(zip(symbols, numbers, strict=True)):
            row = rows[number]
            entry = len(row.starts) - 1
            if symbol > row.max_symbol:
                escapes += leb128(2 * (symbol - row.max_symbol - 1))
            elif symbol < row.min_symbol:
                escapes += leb128(2 * (row.min_symbol - 1 - symbol) + 1)
            else:
                entry = symbol - row.min_symbol
            coders[i % lanes].encode(*row.bounds(entry), words)
    coders[0].encode(*END_MARK, words)
    for coder in coders:
        coder.write(words)
    for _ in range(2 * lanes):
        if words and words[-1] == 0:
            words.pop()
    head = leb128(len(escapes) * 8 + (lanes.bit_length() - 1))
    return head + escapes + b"".join(word.to_bytes(2, "little") for word in words)


class _Words:
    def __init__(self, data: bytes, lanes: int) -> None:
        if len(data) % 2:
            raise Refused("odd number of bytes")
        self.words = [int.from_bytes(data[i : i + 2], "little") for i in range(0, len(data), 2)]
        self.most = len(self.words) + 2 * lanes
        self.read = 0

    def next(self) -> int:
        self.read += 1
        if self.read > self.most:
            raise Refused("too many words beyond the end")
        return self.words[self.read - 1] if self.read <= len(self.words) else 0


class _DecoderLane:
    def __init__(self, words: _Words) -> None:
        self.words = words
        self.range = 2**32 - 1
        self.code = words.next() * TOP
        self.code += words.next()
        if self.code == 2**32 - 1:
            raise Refused("start of a lane")

    def decode(self, row: Row) -> int:
        t = ((self.code + 1) * TOP - 1) // self.range
        assert 0 <= t < TOP
        entry = max(s for s, start in enumerate(row.starts) if start <= t)
        begin, end = row.bounds(entry)
        lo, hi = self.range * begin // TOP, self.range * end // TOP
        assert lo <= self.code < hi
        self.code -= lo
        self.range = hi - lo
        if self.range < TOP:
            self.code = self.code * TOP + self.words.next()
            self.range *= TOP
        return entry


def decode(payload: bytes, batches: list[list[int]], rows: list[Row]) -> list[list[int]]:
    """Symbols of a payload, for batches of row numbers."""
    head, at = read_leb128(payload, 0)
    escape_bytes, lanes_log2 = divmod(head, 8)
    if lanes_log2 > 5 or at + escape_bytes > len(payload):
        raise Refused("head")
    escapes, escape_at = payload[at : at + escape_bytes], 0
    words = _Words(payload[at + escape_bytes :], 1 << lanes_log2)
    lanes = [_DecoderLane(words) for _ in range(1 << lanes_log2)]
    decoded = []
    for numbers in batches:
        symbols = []
        for i, number in enumerate(numbers):
            row = rows[number]
            entry = lanes[i % len(lanes)].decode(row)
            symbol = row.min_symbol + entry
            if entry == len(row.starts) - 1:
                u, escape_at = read_leb128(escapes, escape_at)
                symbol = row.min_symbol - 1 - u // 2 if u % 2 else row.max_symbol + 1 + u // 2
                if not -(2**31) <= symbol < 2**31:
                    raise Refused("no int32")
            symbols.append(symbol)
        decoded.append(symbols)
    if lanes[0].decode(Row(END_MARK, 0)) != 0:
        raise Refused("end mark")
    if words.read < len(words.words) or escape_at < len(escapes):
        raise Refused("bytes are left")
    return decoded
