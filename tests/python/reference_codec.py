"""A slow decoder written from docs/bitstream.md and docs/arithmetic.md alone, in plain numpy.

It shares no code with the package. If it decodes what the package encodes, to the same latents and
the same pixels, then the two documents are complete. Everything is int64 arrays and Python numbers;
sums are checked against 32 bits where the document promises that they fit. It does not try to be
robust: damaged streams end in some exception.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass

import numpy as np

from reference_schedule import make_steps
from reference_stream import Bytes, Stream, parse_series, parse_stream

# Arithmetic, section 1


def round_shift(value, shift):
    """Rounded arithmetic shift; `value` and `shift` may be arrays."""
    shift = np.asarray(shift, np.int64)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
    return (np.asarray(value, np.int64) + half) >> shift


def clamp16(value):
    return np.clip(value, -32767, 32767)


def fits_int32(value):
    assert np.abs(value).max(initial=0) < 2**31, "section 6 promises 32 bits"
    return value


# The weights file: safetensors


@dataclass(frozen=True)
class Weights:
    """Tensors of a weights file as int64 arrays, and its SHA-256."""

    tensors: dict[str, np.ndarray]
    sha256: bytes

    @staticmethod
    def parse(data: bytes) -> Weights:
        types = {"I8": "<i1", "U8": "<u1", "I16": "<i2", "U16": "<u2", "I32": "<i4"}
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        body = data[8 + length :]
        tensors = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            array = np.frombuffer(body[begin:end], types[entry["dtype"]])
            tensors[name] = array.reshape(entry["shape"]).astype(np.int64)
        return Weights(tensors, hashlib.sha256(data).digest())

    def __getitem__(self, name: str) -> np.ndarray:
        return self.tensors[name]


# Arithmetic, section 2: layers and networks


def conv_sum(x, weight, bias, *, stride=1, depthwise=False):
    """Accumulators of a convolution: x [H][W][I], weight [O][k][k][I] → [H'][W'][O]."""
    kernel = weight.shape[1]
    pad = (kernel - 1) // 2
    height, width = -(-x.shape[0] // stride), -(-x.shape[1] // stride)
    padded = np.pad(x, ((pad, pad + stride), (pad, pad + stride), (0, 0)))
    acc = np.zeros((height, width, weight.shape[0]), np.int64) + bias
    for ky in range(kernel):
        for kx in range(kernel):
            taps = padded[ky : ky + height * stride : stride, kx : kx + width * stride : stride]
            tap_weight = weight[:, ky, kx, :]
            acc += taps * tap_weight[:, 0] if depthwise else taps @ tap_weight.T
    return fits_int32(acc)


def requantize(acc, multiplier, shift, leaky, limits):
    value = round_shift(acc * multiplier, shift)
    if leaky >= 0:
        value = np.maximum(value, value >> leaky)
    return np.clip(value, limits[0], limits[1])


def unshuffle(x, r):
    height, width, channels = x.shape
    split = x.reshape(height // r, r, width // r, r, channels)
    return split.transpose(0, 2, 4, 1, 3).reshape(height // r, width // r, channels * r * r)


def shuffle(x, r):
    height, width, channels = x.shape
    split = x.reshape(height, width, channels // (r * r), r, r)
    return split.transpose(0, 3, 1, 4, 2).reshape(height * r, width * r, channels // (r * r))


def run_conv(weights, layer, x, a1, leaky, depthwise):
    part = {
        key: weights[f"{layer}.{key}"] for key in ("weight", "bias", "multiplier", "shift", "clamp")
    }
    assert part["weight"].shape[1] == a1 // 16
    acc = conv_sum(x, part["weight"], part["bias"], stride=a1 % 16, depthwise=depthwise == 1)
    return requantize(acc, part["multiplier"], part["shift"], leaky, part["clamp"])


def run_network(weights: Weights, name: str, x):
    """Run the program of network `name` on x [H][W][C]."""
    registers = {0: np.asarray(x, np.int64)}
    dst = 0
    for row in weights[f"{name}.program"]:
        opcode, dst, src, src2, a0, a1, a2, a3 = (int(v) for v in row)
        value = registers[src]
        if opcode == 1:
            registers[dst] = run_conv(weights, f"{name}.{a0}", value, a1, a2, a3)
        elif opcode == 2:
            registers[dst] = np.clip(value + registers[src2], a0, a1)
        elif opcode == 3:
            registers[dst] = unshuffle(value, a0)
        elif opcode == 4:
            registers[dst] = shuffle(value, a0)
        elif opcode == 5:
            registers[dst] = np.clip(value, a0, a1)
        elif opcode == 6:
            registers[dst] = weights[f"{name}.{a0}.lut"][
                np.clip(value, -(2**15), 2**15 - 1) + 2**15
            ]
        else:
            raise ValueError(f"opcode {opcode}")
    return registers[dst]


# Arithmetic, section 5: range decoder


class RangeDecoder:
    """All lanes over one stream of words; batches of symbols."""

    def __init__(self, weights: Weights, payload: bytes) -> None:
        starts, begin = weights["cdf.starts"], weights["cdf.row_begin"]
        self.rows = [
            [int(v) for v in starts[begin[r] : begin[r + 1]]] + [65536]
            for r in range(len(begin) - 1)
        ]
        self.min_symbol = [int(v) for v in weights["cdf.min_symbol"]]
        reader = Bytes(payload)
        first = reader.varint()
        self.lanes = 1 << (first & 7)
        self.escapes = Bytes(reader.take(first >> 3))
        words = payload[reader.position :]
        assert len(words) % 2 == 0
        self.words = np.frombuffer(words, "<u2").tolist()
        self.next_word = 0
        self.range = [2**32 - 1] * self.lanes
        self.code = []
        for _ in range(self.lanes):
            high = self.word()
            self.code.append(high * 65536 + self.word())

    def word(self) -> int:
        index = self.next_word
        self.next_word += 1
        assert index < len(self.words) + 2 * self.lanes
        return self.words[index] if index < len(self.words) else 0

    def entry(self, lane: int, row: list[int]) -> int:
        full, code = self.range[lane], self.code[lane]
        target = ((code + 1) * 65536 - 1) // full
        assert target < 65536
        s = max(i for i in range(len(row) - 1) if row[i] <= target)
        low, high = full * row[s] >> 16, full * row[s + 1] >> 16
        code, full = code - low, high - low
        if full < 65536:
            code, full = code * 65536 + self.word(), full * 65536
        self.range[lane], self.code[lane] = full, code
        return s

    def decode(self, rows, own=None) -> np.ndarray:
        """One batch: the CDF row of every symbol → the symbols.

        `own` has None, or a row of its own (section 9), for every symbol.
        """
        symbols = np.zeros(len(rows), np.int64)
        for i, r in enumerate(rows):
            row, low = self.rows[r], self.min_symbol[r]
            if own is not None and own[i] is not None:
                row, low = [*own[i], 65536], 1 - len(own[i]) // 2
            s = self.entry(i % self.lanes, row)
            if s < len(row) - 2:
                symbols[i] = low + s
                continue
            high = low + len(row) - 3
            u = self.escapes.varint()
            symbols[i] = low - 1 - u // 2 if u % 2 else high + 1 + u // 2
        return symbols

    def finish(self) -> None:
        assert self.entry(0, [0, 256, 65536]) == 0, "end mark"
        assert self.next_word >= len(self.words), "words left over"
        assert self.escapes.position == len(self.escapes.data), "escapes left over"


# Arithmetic, section 9: a probability per value


EXP_START = (
    *(65531, 62749, 60089, 57546, 55102, 52767, 50530, 48386),
    *(46337, 44375, 42493, 40689, 38962, 37312, 35732, 34218),
)
EXP_SLOPE = (174, 166, 159, 153, 146, 140, 134, 128, 123, 118, 113, 108, 103, 99, 95, 91)


def softmax_row(logits: list[int]) -> list[int]:
    """Starts of the row that logits stand for."""
    n, top = len(logits), max(logits)
    weights = []
    for logit in logits:
        octaves, f = divmod(top - logit, 256)
        line, along = divmod(f, 16)
        weights.append((EXP_START[line] - EXP_SLOPE[line] * along) >> min(octaves + 1, 16))
    share = (65536 - n) * 65536 // sum(weights)
    return [v + (sum(weights[:v]) * share >> 16) for v in range(n)]


def value_rows(weights: Weights, hidden, index, rows) -> list[list[int] | None]:
    """The rows of elements at `index` (i, j, c) with CDF rows `rows`; None where they have none."""
    first, end = (int(r) for r in weights["values.rows"])
    base, shapes = weights["values.base"], weights["values.shapes"]
    a = run_network(weights, "values", hidden)
    a = a.reshape(*a.shape[:2], -1, shapes.shape[1])[index]
    sums = fits_int32(a @ shapes.T)
    corrections = np.clip(round_shift(sums, weights["values.shift"][0]), -(2**14), 2**14 - 1)
    return [
        softmax_row((base[row - first] + correction).tolist()) if first <= row < end else None
        for row, correction in zip(rows, corrections, strict=True)
    ]


# Arithmetic, sections 3 and 4


def decode_hyper(weights, quality, shape, decoder, z_hat_before):
    """Decode the hyper-latents; `shape` is (height, width) of y → z_hat."""
    height, width = -(-shape[0] // 4), -(-shape[1] // 4)
    table = "z_row" if z_hat_before is None else "time.z_row"
    rows = np.tile(weights[table][quality], height * width)
    k = decoder.decode(rows).reshape(height, width, -1)
    if z_hat_before is not None:
        expected = round_shift(z_hat_before * weights["z_gain"][quality], 24)
        k = k + np.clip(expected, -(2**14), 2**14)
    assert np.abs(k).max() <= 2**14
    return clamp16(round_shift(k * weights["z_inverse_gain"][quality], 8))


@dataclass
class State:
    """What the entropy model knows: arrays [h][w][channels], all int64."""

    proxy: np.ndarray
    mask: np.ndarray
    prediction: np.ndarray
    features: np.ndarray


def step_parameters(weights, quality, state: State, view=None):
    """Mean correction, log-scale and context activations of every element.

    `view` holds channels, None holds all.
    """
    latents = state.proxy.shape[-1]
    seen = np.isin(np.arange(latents), list(range(latents) if view is None else view))
    proxy = np.where(seen, state.proxy, state.prediction)
    proxy_q = np.clip(round_shift(proxy, weights["config"][5]), -8191, 8191)
    inputs = np.concatenate([proxy_q, 256 * np.where(seen, state.mask, 0), state.features], -1)
    acc = conv_sum(inputs, weights["context.weight"], weights["context.bias"][quality])
    hidden = requantize(
        acc,
        weights["context.multiplier"],
        weights["context.shift"],
        int(weights["context.leaky"][0]),
        weights["context.clamp"],
    )
    out = run_network(weights, "entropy", hidden)
    return out[..., :latents], out[..., latents:], hidden


def rectangle_index(shape, rectangle):
    """Indices (i, j, c) of a rectangle's elements in coding order."""
    begin, end, phase_mask = rectangle[:3]
    i, j = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    inside = (phase_mask >> (2 * (i % 2) + j % 2)) & 1 == 1
    i, j = i[inside], j[inside]
    count = end - begin
    c = np.tile(np.arange(begin, end), len(i))
    return np.repeat(i, count), np.repeat(j, count), c


def add_time(weights, quality, earlier, features, prediction):
    """Features and prediction corrected by the latents of one or two pictures before."""
    shape, shift = prediction.shape[:2], weights["config"][5]

    def proxy_q(values):
        return np.clip(round_shift(values, shift), -8191, 8191)

    inputs = [np.clip(features, -8191, 8191), proxy_q(prediction)]
    for n in range(2):
        known = n < len(earlier)
        inputs.append(proxy_q(earlier[n]) if known else np.zeros_like(prediction))
        inputs.append(np.full((*shape, 1), 256 * known))
    inputs.append(np.full((*shape, 1), 64 * quality))
    out = run_network(weights, "time", np.concatenate(inputs, -1))
    count = features.shape[-1]
    low, high = weights["time.clamp"]
    return np.clip(features + out[..., :count], low, high), clamp16(prediction + out[..., count:])


def step_elements(weights, quality, state: State, rectangle, *, values: bool):
    """Indices, mean, CDF row and own row (or None) of a rectangle's elements in coding order."""
    delta, log_scale, hidden = step_parameters(weights, quality, state, rectangle[3])
    index = rectangle_index(state.proxy.shape, rectangle)
    mean = clamp16(state.prediction[index] + delta[index])
    row = (log_scale[index] + weights["log2_gain"][quality][index[2]] + 64) >> 7
    row = np.clip(row, 0, int(weights["config"][7]) - 1)
    own = value_rows(weights, hidden, index, row) if values else [None] * len(row)
    return np.array(index), mean, row, own


def decode_latents(weights, stream, decoder, earlier):
    """z_hat, and by the step loop y_hat [h][w][M]. `earlier` has (y_hat, z_hat) of the pictures
    before."""
    quality = stream.quality
    shape = -(-stream.height // 16), -(-stream.width // 16)
    z_before = earlier[0][1] if stream.time else None
    z_hat = decode_hyper(weights, quality, shape, decoder, z_before)
    hyper = run_network(weights, "h_s", z_hat)
    hyper = hyper[: shape[0], : shape[1]]
    features_count = int(weights["config"][3])
    features, prediction = hyper[..., :features_count], hyper[..., features_count:]
    if stream.time:
        y_before = [y_hat for y_hat, _ in earlier]
        features, prediction = add_time(weights, quality, y_before, features, prediction)
    state = State(prediction.copy(), np.zeros_like(prediction), prediction, features)
    model_groups = weights["phase_groups" if stream.phases == 3 else "groups"]
    for step in make_steps(stream, int(weights["config"][1]), model_groups):
        parts = [
            step_elements(weights, quality, state, rectangle, values=stream.values)
            for rectangle in step
        ]
        *arrays, own = zip(*parts, strict=True)
        index, mean, row = (np.concatenate(axis, -1) for axis in arrays)
        index = tuple(index)
        k = decoder.decode(row, [element for part in own for element in part])
        assert np.abs(k).max(initial=0) <= 2**20
        residual = round_shift(k * weights["inverse_gain"][quality][index[2]], 8)
        state.proxy[index] = clamp16(mean + residual)
        assert not state.mask[index].any()
        state.mask[index] = 1
    assert state.mask.all()
    return z_hat, state.proxy


@dataclass(frozen=True)
class Decoded:
    """What the reference decoder returns."""

    y_hat: np.ndarray  # int16 [h][w][M]
    z_hat: np.ndarray  # int64 [h / 4][w / 4][Nz]
    pixels: np.ndarray  # uint8 [H][W][3], or [H][W] for grey
    stream: Stream


def decode_series(data: bytes, weights_file: bytes) -> list[Decoded]:
    """Decode a `.sames` file."""
    pictures: list[Decoded] = []
    earlier: list[tuple[np.ndarray, np.ndarray]] = []
    for stream in parse_series(data):
        picture = decode(stream, weights_file, earlier)
        if not picture.stream.time:
            earlier = []
        earlier = [(picture.y_hat.astype(np.int64), picture.z_hat), *earlier][:2]
        pictures.append(picture)
    return pictures


def decode(data: bytes, weights_file: bytes, earlier: list[tuple] | None = None) -> Decoded:
    """Decode a file with the model in `weights_file`.

    Parameters
    ----------
    data : bytes
        A `.same` file.
    weights_file : bytes
        The weights file (safetensors) of the model that the file names.
    earlier : list of (y_hat, z_hat), optional
        Of a picture of a series: those of the pictures before since the last key picture, the
        last one first, at most two.

    Returns
    -------
    Decoded
        Latents, pixels and header fields.
    """
    stream, weights = parse_stream(data), Weights.parse(weights_file)
    assert stream.model_id == weights.sha256[:3]
    decoder = RangeDecoder(weights, stream.payload)
    assert not stream.time or earlier, "one picture of a series"
    z_hat, y_hat = decode_latents(weights, stream, decoder, earlier)
    decoder.finish()
    latents = y_hat.astype("<i2")
    assert zlib.crc32(latents.tobytes()) == stream.latent_crc
    pixels = run_network(weights, "g_s", y_hat)[: stream.height, : stream.width] + 128
    if stream.grey:
        pixels = (pixels.sum(-1) + 1) // 3
    return Decoded(latents.astype(np.int16), z_hat, pixels.astype(np.uint8), stream)
