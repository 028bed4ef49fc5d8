"""A tiny random model: valid weights, every opcode of docs/arithmetic.md, nothing learned.

The tests of the codec need weights that load in a millisecond, use every kind of layer and give
symbols of all sizes, escapes included. Whether the pictures look good does not matter. Only numpy
is used; the safetensors writer is here so that tests can also write malformed files.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np

QUALITIES = 101
UNITY_ROW = 28  # the CDF row of standard deviation 1; 8 rows per octave
SCALE_ROWS = 64
HYPER_ROWS = 4

CONV, ADD, UNSHUFFLE, SHUFFLE, CLAMP, LUT = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True)
class TinySizes:
    """Constants of arithmetic.md 3 for a tiny model."""

    latent_channels: int = 8
    hyper_channels: int = 4
    feature_channels: int = 8
    context_channels: int = 16
    proxy_shift: int = 1
    groups: tuple[int, ...] = (1, 2, 5)
    phase_groups: tuple[int, ...] = (1, 1, 2, 4)
    latent_std: float = 600.0  # of y; large values reach the clamps of arithmetic.md 3 and 4
    value_radius: int = 0  # above 0: a head for a probability per value (arithmetic.md 9)
    value_coefficients: int = 4
    value_rows: tuple[int, int] = (6, 50)


def write_safetensors(
    tensors: dict[str, np.ndarray], *, metadata: dict[str, str] | None = None
) -> bytes:
    """Write arrays as safetensors bytes, in the order of the dict."""
    names = {"int8": "I8", "uint8": "U8", "int16": "I16", "uint16": "U16", "int32": "I32"}
    header: dict[str, object] = {}
    if metadata:
        header["__metadata__"] = metadata
    body = bytearray()
    for name, array in tensors.items():
        raw = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
        header[name] = {
            "dtype": names[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [len(body), len(body) + len(raw)],
        }
        body += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + bytes(body)


class NetworkWriter:
    """Collects the layers and the program of one network (arithmetic.md 2)."""

    def __init__(self, prefix: str, rng: np.random.Generator) -> None:
        self.prefix = prefix
        self.rng = rng
        self.rows: list[list[int]] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.layer_count = 0

    def conv(
        self,
        dst: int,
        src: int,
        *,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        depthwise: bool = False,
        leaky: int = -1,
        input_std: float = 600.0,
        output_std: float = 600.0,
        bias_mean: float = 0.0,
        clamp: tuple[int, int] = (-4096, 4095),
        dtype: type = np.int8,
    ) -> int:
        """Append a convolution whose requantization maps `input_std` to about `output_std`."""
        taps = kernel * kernel * (1 if depthwise else inputs)
        peak = 127 if dtype is np.int8 else 700
        shape = (outputs, kernel, kernel, 1 if depthwise else inputs)
        weight = self.rng.integers(-peak, peak + 1, shape).astype(dtype)
        scale = output_std / (peak / math.sqrt(3) * math.sqrt(taps) * input_std)
        shift = 14 - math.floor(math.log2(scale))
        multiplier = np.full(outputs, min(65535, round(scale * 2.0**shift)), np.int32)
        multiplier -= self.rng.integers(0, 500, outputs).astype(np.int32)
        bias = self.rng.normal(bias_mean / scale, 0.2 * output_std / scale, outputs)
        layer = f"{self.prefix}.{self.layer_count}"
        self.tensors[f"{layer}.weight"] = weight
        self.tensors[f"{layer}.bias"] = bias.astype(np.int32)
        self.tensors[f"{layer}.multiplier"] = multiplier
        self.tensors[f"{layer}.shift"] = np.full(outputs, shift, np.int32)
        self.tensors[f"{layer}.clamp"] = np.array(clamp, np.int32)
        row = [CONV, dst, src, -1, self.layer_count, kernel * 16 + stride, leaky, int(depthwise)]
        self.rows.append(row)
        self.layer_count += 1
        return dst

    def add(self, dst: int, src: int, src2: int, *, clamp: tuple[int, int] = (-4096, 4095)) -> None:
        self.rows.append([ADD, dst, src, src2, clamp[0], clamp[1], 0, 0])

    def unshuffle(self, dst: int, src: int, *, factor: int) -> None:
        self.rows.append([UNSHUFFLE, dst, src, -1, factor, 0, 0, 0])

    def shuffle(self, dst: int, src: int, *, factor: int) -> None:
        self.rows.append([SHUFFLE, dst, src, -1, factor, 0, 0, 0])

    def clamp(self, dst: int, src: int, *, lo: int, hi: int) -> None:
        self.rows.append([CLAMP, dst, src, -1, lo, hi, 0, 0])

    def lut(self, dst: int, src: int, table: np.ndarray) -> None:
        self.tensors[f"{self.prefix}.{self.layer_count}.lut"] = table.astype(np.int16)
        self.rows.append([LUT, dst, src, -1, self.layer_count, 0, 0, 0])
        self.layer_count += 1

    def finish(self) -> dict[str, np.ndarray]:
        program = np.array(self.rows, np.int32)
        return {f"{self.prefix}.program": program, **self.tensors}


def _analysis(rng: np.random.Generator, sizes: TinySizes) -> dict[str, np.ndarray]:
    net = NetworkWriter("g_a", rng)
    net.unshuffle(1, 0, factor=8)
    net.conv(2, 1, inputs=192, outputs=16, leaky=2, input_std=60)
    net.conv(3, 2, inputs=16, outputs=16, kernel=3, depthwise=True)
    net.conv(3, 3, inputs=16, outputs=16)
    net.add(2, 2, 3)
    net.conv(
        4,
        2,
        inputs=16,
        outputs=sizes.latent_channels,
        kernel=3,
        stride=2,
        output_std=sizes.latent_std,
        clamp=(-32768, 32767),
    )
    return net.finish()


def _synthesis(rng: np.random.Generator, sizes: TinySizes) -> dict[str, np.ndarray]:
    net = NetworkWriter("g_s", rng)
    net.conv(1, 0, inputs=sizes.latent_channels, outputs=32, kernel=3, leaky=3, dtype=np.int16)
    net.shuffle(2, 1, factor=2)
    net.conv(3, 2, inputs=8, outputs=8, kernel=3, depthwise=True)
    net.add(2, 2, 3)
    net.conv(4, 2, inputs=8, outputs=192, output_std=60, clamp=(-512, 511))
    net.shuffle(5, 4, factor=8)
    net.clamp(5, 5, lo=-128, hi=127)
    return net.finish()


def _hyper_analysis(rng: np.random.Generator, sizes: TinySizes) -> dict[str, np.ndarray]:
    net = NetworkWriter("h_a", rng)
    std = sizes.latent_std
    net.conv(1, 0, inputs=sizes.latent_channels, outputs=8, kernel=3, leaky=2, input_std=std)
    net.conv(1, 1, inputs=8, outputs=8, kernel=3, stride=2, leaky=2)
    net.conv(1, 1, inputs=8, outputs=sizes.hyper_channels, kernel=3, stride=2)
    return net.finish()


def _hyper_synthesis(rng: np.random.Generator, sizes: TinySizes) -> dict[str, np.ndarray]:
    net = NetworkWriter("h_s", rng)
    net.conv(1, 0, inputs=sizes.hyper_channels, outputs=32, kernel=3)
    net.shuffle(1, 1, factor=2)
    x = np.arange(-32768, 32768)
    net.lut(1, 1, np.clip(np.where(x < 0, x >> 2, x), -3000, 3000))
    outputs = sizes.feature_channels + sizes.latent_channels
    clamp = (-20000, 20000)
    net.conv(1, 1, inputs=8, outputs=outputs * 4, output_std=sizes.latent_std / 2, clamp=clamp)
    net.shuffle(1, 1, factor=2)
    return net.finish()


def _entropy(rng: np.random.Generator, sizes: TinySizes) -> dict[str, np.ndarray]:
    net = NetworkWriter("entropy", rng)
    width, latents = sizes.context_channels, sizes.latent_channels
    net.conv(1, 0, inputs=width, outputs=24, leaky=3)
    net.conv(1, 1, inputs=24, outputs=2 * latents, clamp=(-20000, 20000))
    tensors = net.finish()
    # The second half is the log-scale: about log2(600) octaves, in units of 1/1024 octave.
    multiplier, shift = tensors["entropy.1.multiplier"], tensors["entropy.1.shift"]
    octave = (1 << int(shift[0])) * 1024 // int(multiplier[0])
    tensors["entropy.1.bias"][latents:] += np.int32(9 * octave)
    return tensors


def _time(rng: np.random.Generator, sizes: TinySizes) -> dict[str, np.ndarray]:
    net = NetworkWriter("time", rng)
    inputs = sizes.feature_channels + 3 * sizes.latent_channels + 3
    outputs = sizes.feature_channels + sizes.latent_channels
    net.conv(1, 0, inputs=inputs, outputs=12, kernel=3, leaky=3, dtype=np.int16)
    net.conv(2, 1, inputs=12, outputs=12, kernel=3, depthwise=True)
    net.add(1, 1, 2)
    clamp = (-20000, 20000)
    net.conv(1, 1, inputs=12, outputs=outputs, output_std=sizes.latent_std / 2, clamp=clamp)
    return {
        **net.finish(),
        "time.clamp": np.array([-9000, 9500], np.int32),
        "time.z_row": rng.integers(10, 30, (QUALITIES, sizes.hyper_channels)).astype(np.uint8),
    }


def _context(rng: np.random.Generator, sizes: TinySizes) -> dict[str, np.ndarray]:
    inputs = 2 * sizes.latent_channels + sizes.feature_channels
    net = NetworkWriter("context", rng)
    net.conv(
        1, 0, inputs=inputs, outputs=sizes.context_channels, kernel=3, dtype=np.int16, input_std=400
    )
    tensors = {name.replace("context.0.", "context."): t for name, t in net.finish().items()}
    del tensors["context.program"]
    shape = (QUALITIES, sizes.context_channels)
    tensors["context.bias"] = rng.integers(-90000, 90000, shape).astype(np.int32)
    tensors["context.leaky"] = np.array([2], np.int32)
    return tensors


def gaussian_starts(std: float, *, radius: int) -> np.ndarray:
    """Starts of one CDF row: symbols -radius … radius, then the escape (arithmetic.md 5)."""
    edges = np.arange(-radius, radius + 2) - 0.5
    phi = np.array([0.5 * math.erfc(-e / std / math.sqrt(2)) for e in edges])
    mass = np.append(np.diff(phi), phi[0] + 1 - phi[-1])
    counts = 1 + np.floor(mass * (65536 - len(mass))).astype(np.int64)
    counts[radius] += 65536 - counts.sum()
    return np.cumsum(counts) - counts


def _cdf_tables() -> dict[str, np.ndarray]:
    stds = [2.0 ** ((row - UNITY_ROW) / 8) for row in range(SCALE_ROWS)]
    stds += [2.0**octave for octave in range(HYPER_ROWS)]
    # Rows that end early, so that escapes are not rare.
    radii = [max(1, min(200, math.ceil(1.5 * std))) for std in stds]
    starts = [gaussian_starts(std, radius=radius) for std, radius in zip(stds, radii, strict=True)]
    begin = np.cumsum([0] + [len(s) for s in starts])
    return {
        "cdf.starts": np.concatenate(starts).astype(np.uint16),
        "cdf.row_begin": begin.astype(np.int32),
        "cdf.min_symbol": -np.array(radii, np.int32),
    }


def _value_head(seed: int, sizes: TinySizes) -> dict[str, np.ndarray]:
    """Shapes that bend the Gaussian rows; a generator of its own, so that the rest stays equal."""
    rng = np.random.default_rng([seed, 9])
    outputs = sizes.latent_channels * sizes.value_coefficients
    net = NetworkWriter("values", rng)
    net.conv(1, 0, inputs=sizes.context_channels, outputs=12, leaky=3)
    net.conv(1, 1, inputs=12, outputs=outputs, clamp=(-20000, 20000))
    radius, (first, end) = sizes.value_radius, sizes.value_rows
    base = []
    for row in range(first, end):
        starts = gaussian_starts(2.0 ** ((row - UNITY_ROW) / 8), radius=radius)
        base.append([256 * math.log2(width / 65536) for width in np.diff([*starts, 65536])])
    shapes = rng.integers(-9000, 9001, (2 * radius + 2, sizes.value_coefficients))
    return net.finish() | {
        "values.rows": np.array(sizes.value_rows, np.int32),
        "values.base": np.rint(base).astype(np.int16),
        "values.shapes": shapes.astype(np.int16),
        "values.shift": np.array([15], np.int32),
    }


def _quality_tables(rng: np.random.Generator, sizes: TinySizes) -> dict[str, np.ndarray]:
    quality = np.arange(QUALITIES)[:, None]
    step = 1500.0 * 2.0 ** (-quality / 12) * rng.uniform(0.8, 1.25, (1, sizes.latent_channels))
    z_step = 300.0 * 2.0 ** (-quality / 50) * rng.uniform(0.8, 1.25, (1, sizes.hyper_channels))
    z_row = SCALE_ROWS + np.minimum(HYPER_ROWS - 1, quality // 40) + 0 * z_step.astype(int)
    return {
        "gain": np.rint(2.0**24 / step).astype(np.int32),
        "inverse_gain": np.rint(step * 256).astype(np.int32),
        "log2_gain": np.rint(-1024 * np.log2(step) + UNITY_ROW * 128).astype(np.int32),
        "z_gain": np.rint(2.0**24 / z_step).astype(np.int32),
        "z_inverse_gain": np.rint(z_step * 256).astype(np.int32),
        "z_row": z_row.astype(np.uint8),
    }


def tiny_tensors(
    *, seed: int = 1, sizes: TinySizes | None = None, time: bool = False
) -> dict[str, np.ndarray]:
    """All tensors of a tiny model, by name.

    Parameters
    ----------
    seed : int
        Seed of the random weights.
    sizes : TinySizes, optional
        Channel counts and groups.
    time : bool
        With the network for series.

    Returns
    -------
    dict of str to ndarray
        int8, uint8, int16, uint16 and int32 arrays.
    """
    sizes = sizes or TinySizes()
    rng = np.random.default_rng(seed)
    config = np.zeros(16, np.int32)
    config[:8] = [
        1,
        sizes.latent_channels,
        sizes.hyper_channels,
        sizes.feature_channels,
        sizes.context_channels,
        sizes.proxy_shift,
        QUALITIES,
        SCALE_ROWS,
    ]
    tensors = {"config": config}
    for build in (_analysis, _synthesis, _hyper_analysis, _hyper_synthesis, _entropy, _context):
        tensors |= build(rng, sizes)
    tensors |= _cdf_tables() | _quality_tables(rng, sizes)
    if time:
        tensors |= _time(rng, sizes)
    tensors["groups"] = np.array(sizes.groups, np.int32)
    tensors["phase_groups"] = np.array(sizes.phase_groups, np.int32)
    if sizes.value_radius:
        tensors |= _value_head(seed, sizes)
    return tensors


def tiny_model(*, seed: int = 1, sizes: TinySizes | None = None, time: bool = False) -> bytes:
    """The weights file of a tiny model, as bytes."""
    tensors = tiny_tensors(seed=seed, sizes=sizes, time=time)
    return write_safetensors(tensors, metadata={"name": "tiny"})


def wavy_picture(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """A smooth random picture with noise, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [
        100 * np.sin(rows / rng.uniform(5, 40) + columns / rng.uniform(5, 40) + channel)
        for channel in range(3)
    ]
    noisy = 128 + np.stack(waves, -1) + rng.normal(0, 12, (height, width, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)
