"""The float twin of a weights file as a codec of its own, made stable in any of the ways (S6).

It is what a learned codec in floating point is: parameters of every step come from networks whose
outputs differ from machine to machine, choose a row of the probability tables (scenario 2), and
pixels are rounded (scenario 1). Its streams are for measurements, not for keeping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from samebits import _core
from samebits.errors import CorruptStream
from samebits.kernels import CdfTables, range_decode, range_encode
from samebits.stability import (
    Adjustment,
    Precision,
    Rounding,
    choose_adjustment,
    decode_outcome,
    encode_outcome,
)

from ..models.likelihood import LOG2_SCALE_LOW, ROWS_PER_OCTAVE, SCALE_ROWS
from ..refinement.weights_model import WeightsModel
from .exact_arithmetic import ExactArithmetic
from .integer_sums import Scaling

Run = Callable[..., Tensor]
"""(function of tensors, tensors) to its result: how an environment computes a network."""
ROWS = Rounding(0, SCALE_ROWS - 1)
SYMBOL_LIMIT = 2**20


def call(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """The plain way to compute a network."""
    return function(*tensors)


@dataclass(frozen=True)
class Stabilization:
    """What is done for decoding elsewhere; nothing by default.

    Attributes
    ----------
    exact : networks are computed in exact arithmetic with this scaling (S5).
    rows : rows of tables are told apart by codes, for this precision in rows (S1, scenario 2).
    pixels : pixels are told apart by codes, for this precision in steps of 8 bits (S1, scenario 1).
    adjustment : kind of the adjustment of pixels (S3), with ``pixels``.
    """

    exact: Scaling | None = None
    rows: Precision | None = None
    pixels: Precision | None = None
    adjustment: str = "none"


@dataclass(frozen=True)
class Sizes:
    """Bytes of a stream: of the symbols, and of what stabilizes rows and pixels."""

    symbols: int
    rows: int
    pixels: int


class FloatCodec:
    """Codes pictures by the float networks of a weights file.

    Parameters
    ----------
    weights : path of a weights file. quality : 0 ... 100.
    stabilization : the same for encoder and decoder.
    run : how networks are computed; an environment's way.
    schedule : order of coding; the default order when not given.
    """

    def __init__(
        self,
        weights: Path,
        *,
        quality: int,
        stabilization: Stabilization | None = None,
        run: Run = call,
        schedule: _core.ScheduleSpec | None = None,
    ) -> None:
        self.model = WeightsModel(weights, quality=quality, schedule=schedule)
        self.stabilization = Stabilization() if stabilization is None else stabilization
        self.run = run
        self.tables = CdfTables.gaussian_octaves(
            rows=SCALE_ROWS,
            first=round(LOG2_SCALE_LOW * ROWS_PER_OCTAVE),
            per_octave=ROWS_PER_OCTAVE,
        )

    def encode(self, rgb: np.ndarray) -> tuple[bytes, Sizes]:
        """A picture (H, W, 3) uint8 to a stream, and what its parts take."""
        x = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float()
        with self._arithmetic():
            latents = self.model.latents(x)
            z = torch.floor(latents["z"] + 0.5)
            y = latents["y"] / self.model.gain
            symbols = [_flat(z)]
            payloads = [range_encode(symbols[0], self._hyper_rows(z), self.tables)]
            codes = []
            y_hat = None
            loop = self._steps(z, *y.shape[-2:])
            for mask, mean, rows in loop:
                scaled = torch.floor((y - mean) * self.model.gain + 0.5)
                scaled = torch.clamp(scaled, -SYMBOL_LIMIT, SYMBOL_LIMIT)
                index, code = self._rows_to_send(rows[mask].numpy())
                payloads.append(range_encode(_flat(scaled[mask]), index, self.tables))
                codes.append(code)
                y_hat = loop.send(scaled)
            outputs = self._outputs(y_hat)[:, : rgb.shape[0], : rgb.shape[1]]
        adjustment, pixel_code = self._pixels_to_send(outputs)
        head = np.array(rgb.shape[:2], "<u4").tobytes()
        parts = [head, *payloads, *codes, adjustment, pixel_code]
        sizes = Sizes(
            sum(map(len, payloads)), sum(map(len, codes)), len(adjustment) + len(pixel_code)
        )
        return _join(parts), sizes

    def decode(self, stream: bytes) -> np.ndarray:
        """The picture, (H, W, 3) uint8.

        Raises
        ------
        CorruptStream, Truncated
            The stream does not fit what this machine computes.
        """
        parts = _split(stream)
        if len(parts) % 2 != 0 or len(parts) < 6 or len(parts[0]) != 8:
            raise CorruptStream("the stream does not have the parts that it should")
        height, width = (int(side) for side in np.frombuffer(parts[0], "<u4"))
        steps = (len(parts) - 4) // 2
        payloads, codes = parts[1 : 2 + steps], parts[2 + steps : 2 + 2 * steps]
        h, w = -(-height // 16), -(-width // 16)
        channels = self.model.z_gain.shape[1]
        with self._arithmetic():
            z = torch.zeros(1, channels, -(-h // 4), -(-w // 4))
            z_symbols = range_decode(payloads[0], self._hyper_rows(z), self.tables)
            z = torch.from_numpy(z_symbols.astype(np.float32)).view_as(z)
            loop = self._steps(z, h, w)
            y_hat = None
            for (mask, _, rows), payload, code in zip(loop, payloads[1:], codes, strict=True):
                index = self._rows_received(rows[mask].numpy(), code)
                symbols = range_decode(payload, index, self.tables)
                coded = torch.zeros(1, self.model.config.latent_channels, h, w)
                coded[mask] = torch.from_numpy(symbols.astype(np.float32))
                y_hat = loop.send(coded)
            outputs = self._outputs(y_hat)[:, :height, :width]
        return self._pixels_received(outputs, parts[-2], parts[-1])

    def network_outputs(self, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is rounded, for measuring precisions: rows of tables of all elements with nothing
        known but the hyper-latents, and pixels (3, H, W) of the picture's own latents; float64."""
        x = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float()
        with self._arithmetic():
            latents = self.model.latents(x)
            loop = self._steps(torch.floor(latents["z"] + 0.5), *latents["y"].shape[-2:])
            _, _, rows = next(loop)
            outputs = self._outputs(latents["y"] / self.model.gain)
        return rows.numpy(), outputs[:, : rgb.shape[0], : rgb.shape[1]]

    def compute(self, network: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """A network in the environment's way, and in exact arithmetic if that is asked for."""
        if self.stabilization.exact is None:
            return self.run(network, *inputs)
        # Whatever memory format the environment prefers: networks choose operations by it.
        return self.run(lambda *given: network(*(one.contiguous() for one in given)), *inputs)

    def _arithmetic(self):
        stack = torch.no_grad()
        if self.stabilization.exact is None:
            return stack
        return _Both(stack, ExactArithmetic(self.stabilization.exact))

    def _hyper_rows(self, z: Tensor) -> np.ndarray:
        row = (self.model.z_scale - LOG2_SCALE_LOW) * ROWS_PER_OCTAVE
        return _flat(torch.round(row).expand_as(z)).astype(np.uint8)

    def _steps(self, z: Tensor, height: int, width: int) -> _Steps:
        return _Steps(self, z, height, width)

    def _outputs(self, y_hat: Tensor) -> np.ndarray:
        """Pixels before they are rounded, (3, H, W) float64."""
        x_hat = self.compute(self.model.g_s, y_hat) + 128.0
        return x_hat[0].double().numpy()

    def _rows_to_send(self, rows: np.ndarray) -> tuple[np.ndarray, bytes]:
        index = ROWS.index(rows).astype(np.uint8)
        precision = self.stabilization.rows
        return index, b"" if precision is None else encode_outcome(rows, precision, boundaries=ROWS)

    def _rows_received(self, rows: np.ndarray, code: bytes) -> np.ndarray:
        precision = self.stabilization.rows
        if precision is None:
            return ROWS.index(rows).astype(np.uint8)
        return decode_outcome(rows, precision, code, boundaries=ROWS).astype(np.uint8)

    def _pixels_to_send(self, outputs: np.ndarray) -> tuple[bytes, bytes]:
        precision = self.stabilization.pixels
        if precision is None:
            return b"", b""
        adjustment = choose_adjustment(outputs, precision, kind=self.stabilization.adjustment)
        return adjustment.to_bytes(), encode_outcome(adjustment.apply(outputs), precision)

    def _pixels_received(self, outputs: np.ndarray, adjustment: bytes, code: bytes) -> np.ndarray:
        precision = self.stabilization.pixels
        if precision is None:
            pixels = Rounding().index(outputs)
        else:
            outputs = Adjustment.from_bytes(adjustment).apply(outputs)
            pixels = decode_outcome(outputs, precision, code)
        return np.ascontiguousarray(pixels.transpose(1, 2, 0).astype(np.uint8))


class _Both:
    """Two contexts as one."""

    def __init__(self, outer, inner) -> None:
        self.contexts = (outer, inner if inner is not None else nullcontext())

    def __enter__(self) -> None:
        for context in self.contexts:
            context.__enter__()

    def __exit__(self, *error) -> None:
        for context in reversed(self.contexts):
            context.__exit__(*error)


class _Steps(Iterator[tuple[Tensor, Tensor, Tensor]]):
    """The step loop: yields mask, mean and row (float64, not rounded) of a step; wants its symbols.

    After each step :meth:`send` takes symbols (those of other elements do not matter) and gives the
    latents known so far.
    """

    def __init__(self, codec: FloatCodec, z: Tensor, height: int, width: int) -> None:
        model = codec.model
        self.codec, self.model, self.entropy = codec, model, model.entropy
        out = codec.compute(model.h_s, z * model.z_inverse_gain)[..., :height, :width]
        self.features, self.prediction = out.split([model.features, model.gain.shape[1]], 1)
        self.masks = iter(model.order.masks(height, width, z.device))
        self.proxy = self.prediction
        self.known = torch.zeros_like(self.prediction)
        self.log2_gain = np.log2(model.gain.double().numpy())

    def _parameters(self, proxy: Tensor, known: Tensor, features: Tensor) -> Tensor:
        """Mean's correction and log2 scale, side by side."""
        joined = torch.cat([proxy, known, features], 1)
        context = F.conv2d(joined, self.entropy.context.weight, padding=1) + self.model.bias
        return self.entropy.head(F.leaky_relu(context, 2.0**-self.entropy.config.leaky))

    def __next__(self) -> tuple[Tensor, Tensor, Tensor]:
        self.mask = next(self.masks)
        out = self.codec.compute(self._parameters, self.proxy, self.known, self.features)
        delta, log2_scale = out.chunk(2, 1)
        self.mean = self.prediction + delta
        # In double precision, by numbers that are the same everywhere but for log2_scale.
        rows = log2_scale.double() + torch.from_numpy(np.round(self.log2_gain, 9))
        rows = (rows - LOG2_SCALE_LOW) * ROWS_PER_OCTAVE
        return self.mask.bool(), self.mean, rows

    def send(self, symbols: Tensor) -> Tensor:
        y_hat = self.mean + symbols * self.model.inverse_gain
        self.proxy = torch.where(self.mask.bool(), y_hat, self.proxy)
        self.known = self.known + self.mask
        return self.proxy


def _flat(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy().ravel().astype(np.int32)


def _join(parts: list[bytes]) -> bytes:
    sizes = np.array([len(parts), *map(len, parts)], "<u4").tobytes()
    return sizes + b"".join(parts)


def _split(stream: bytes) -> list[bytes]:
    if len(stream) < 4:
        raise CorruptStream("the stream is too short")
    count = int(np.frombuffer(stream[:4], "<u4")[0])
    if count > len(stream) // 4:
        raise CorruptStream("the stream is too short for its parts")
    sizes = np.frombuffer(stream[4 : 4 + 4 * count], "<u4").tolist()
    parts, begin = [], 4 + 4 * count
    for size in sizes:
        parts.append(stream[begin : begin + size])
        begin += size
    if begin != len(stream):
        raise CorruptStream("the parts of the stream do not add up")
    return parts
