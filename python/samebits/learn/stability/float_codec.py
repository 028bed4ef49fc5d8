"""The float twin of a weights file as a codec of its own, made stable in any of the ways (S6).

It is what a learned codec in floating point is: parameters of every step come from networks whose
outputs differ from machine to machine, choose a row of the probability tables (scenario 2), and
pixels are rounded (scenario 1). Its streams are for measurements, not for keeping.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samebits import _core
from samebits.errors import CorruptStream, InvalidArgument
from samebits.kernels import CdfTables, range_decode, range_encode
from samebits.stability import (
    PIXELS,
    Adjustment,
    Boundaries,
    Precision,
    Rounding,
    choose_adjustment,
    decode_outcome,
    encode_outcome,
)

from ..models.likelihood import LOG2_SCALE_LOW, ROWS_PER_OCTAVE, SCALE_ROWS
from ..refinement.refinable import Latents
from ..refinement.weights_model import WeightsModel
from .exact_arithmetic import ExactArithmetic
from .integer_sums import Scaling
from .parameter_difference import ParameterDifference
from .tweaking import tweak_latents

Run = Callable[..., Tensor]
"""(function of tensors, tensors) to its result: how an environment computes a network."""
ROWS = Rounding(0, SCALE_ROWS - 1)
SYMBOL_LIMIT = 2**20


def call(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """The plain way to compute a network."""
    return function(*tensors)


@dataclass(frozen=True)
class Method:
    """What is done for one kind of outputs, so that all machines round them alike.

    Attributes
    ----------
    exact : their networks are computed in exact arithmetic with this scaling (S5).
    double : their networks are computed in double precision, on machines that differ less then.
    precision : how far machines' outputs lie apart (S0), in units of the outputs; it is what the
        following two need.
    adjustment : kind of the adjustment before they are rounded (S3).
    codes : outcomes are told apart by codes (S1), "all" or "nearest" as of
        :func:`samebits.stability.encode_outcome`, or "none".
    check : codes of the nearest outcome are checked; rows need not be where pixels are.
    """

    exact: Scaling | None = None
    double: bool = False
    precision: Precision | None = None
    adjustment: str = "none"
    codes: str = "all"
    check: bool = True

    def __post_init__(self) -> None:
        if self.precision is None and self.adjustment != "none":
            raise InvalidArgument("an adjustment needs a precision")
        if self.exact is not None and self.double:
            raise InvalidArgument("networks are computed exactly or in double precision, not both")

    def send(self, values: np.ndarray, boundaries: Boundaries) -> tuple[np.ndarray, bytes]:
        """The integers of outputs (C, ...), and what a decoder is told about them."""
        if self.precision is None:
            return boundaries.index(values), b""
        told = b""
        if self.adjustment != "none":
            chosen = choose_adjustment(
                values, self.precision, kind=self.adjustment, boundaries=boundaries
            )
            values, told = chosen.apply(values), _with_length(chosen.to_bytes())
        if self.codes != "none":
            told += encode_outcome(
                values,
                self.precision,
                boundaries=boundaries,
                search=self.codes,
                check=self.check,
            )
        return boundaries.index(values), told

    def receive(self, values: np.ndarray, told: bytes, boundaries: Boundaries) -> np.ndarray:
        """The same integers from another machine's outputs.

        Raises
        ------
        CorruptStream, Truncated
            What was told does not fit them.
        """
        if self.precision is None:
            return boundaries.index(values)
        if self.adjustment != "none":
            adjustment, told = _after_length(told)
            values = Adjustment.from_bytes(adjustment).apply(values)
        if self.codes != "none":
            return decode_outcome(values, self.precision, told, boundaries=boundaries)
        return boundaries.index(values)


@dataclass(frozen=True)
class Tweak:
    """Latents are tweaked until outputs lie off the boundaries (S2), see :func:`tweak_latents`.

    Attributes
    ----------
    beta : bits that an output on a boundary weighs.
    row_distance, pixel_distance : how near is ambiguous. steps : gradient steps at most.
    parameters : of the decoder to be fine-tuned as well, "none" or "biases".
    """

    beta: float
    row_distance: float
    pixel_distance: float
    steps: int
    parameters: str = "none"


@dataclass(frozen=True)
class Stabilization:
    """Methods for rows of tables (scenario 2) and pixels (scenario 1); nothing by default."""

    rows: Method = field(default_factory=Method)
    pixels: Method = field(default_factory=Method)
    tweak: Tweak | None = None

    def __post_init__(self) -> None:
        if self.rows.adjustment == "channels":
            raise InvalidArgument(
                "the rows of a step are one list; adjust them by scalar or linear"
            )


@dataclass(frozen=True)
class Sizes:
    """Bytes of a stream: of the symbols, of what stabilizes rows and pixels, and of fine-tuned
    parameters."""

    symbols: int
    rows: int
    pixels: int
    parameters: int = 0

    @property
    def total(self) -> int:
        return self.symbols + self.rows + self.pixels + self.parameters


@dataclass(frozen=True)
class Symbols:
    """The integers that a stream carries: z (1, Nz, h/4, w/4) and y (1, M, h, w), float32, and the
    picture's height and width."""

    z: Tensor
    y: Tensor
    height: int
    width: int


@dataclass(frozen=True)
class Outputs:
    """What is rounded: rows of tables (M, h, w) and pixels (3, H, W), float64."""

    rows: np.ndarray
    pixels: np.ndarray


Choose = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(mask, mean, rows) of a step to its symbols, all (1, M, h, w); rows are not rounded yet, symbols
of elements outside the mask do not matter."""


class FloatCodec:
    """Codes pictures by the float networks of a weights file.

    Parameters
    ----------
    weights : path of a weights file. quality : 0 ... 100.
    stabilization : the same for encoder and decoder.
    run : how networks are computed; an environment's way.
    prepare : what an environment does to the model before, such as taking it to a GPU.
    schedule : order of coding; the default order when not given.
    """

    def __init__(
        self,
        weights: Path,
        *,
        quality: int,
        stabilization: Stabilization | None = None,
        run: Run = call,
        prepare: Callable[[WeightsModel], object] | None = None,
        schedule: _core.ScheduleSpec | None = None,
    ) -> None:
        self.model = WeightsModel(weights, quality=quality, schedule=schedule)
        # In double precision, and the same everywhere.
        gain = self.model.gain.double().numpy()
        self.log2_gain = torch.from_numpy(np.round(np.log2(gain), 9))
        if prepare is not None:
            prepare(self.model)
        self.networks = _Networks(self.model)
        self.double_networks: _Networks | None = None
        self.log2_gain = self.log2_gain.to(self.model.gain.device)
        self.stabilization = Stabilization() if stabilization is None else stabilization
        self.run = run
        self.tables = CdfTables.gaussian_octaves(
            rows=SCALE_ROWS,
            first=round(LOG2_SCALE_LOW * ROWS_PER_OCTAVE),
            per_octave=ROWS_PER_OCTAVE,
        )

    def encode(self, rgb: np.ndarray) -> tuple[bytes, Sizes]:
        """A picture (H, W, 3) uint8 to a stream, and what its parts take."""
        x = picture_tensor(rgb).to(self.model.gain)
        with torch.no_grad():
            latents = self.model.latents(x)
        tweak = self.stabilization.tweak
        if tweak is None:
            return self._encode(rgb, latents)
        tweaked = tweak_latents(
            self.model, x, latents, lmbda=self.model.lmbda or 0.0, **vars(tweak)
        )
        if tweaked.difference is None:
            return self._encode(rgb, tweaked.latents)
        return self._tuned(tweaked.difference)._encode(
            rgb, tweaked.latents, tweaked.difference.to_bytes()
        )

    @torch.no_grad()
    def _encode(
        self, rgb: np.ndarray, latents: Latents, difference: bytes = b""
    ) -> tuple[bytes, Sizes]:
        z = torch.floor(latents["z"] + 0.5)
        y = latents["y"] / self.model.gain
        payloads = [range_encode(_flat(z), self._hyper_rows(z), self.tables)]
        told = []

        def choose(mask: Tensor, mean: Tensor, rows: Tensor) -> Tensor:
            scaled = torch.floor((y - mean) * self.model.gain + 0.5)
            scaled = torch.clamp(scaled, -SYMBOL_LIMIT, SYMBOL_LIMIT)
            index, code = self.stabilization.rows.send(_numbers(rows[mask]), ROWS)
            payloads.append(range_encode(_flat(scaled[mask]), index.astype(np.uint8), self.tables))
            told.append(code)
            return scaled

        height, width = y.shape[-2:]
        y_hat = self._walk(z, height, width, choose)
        pixels = self._pixel_outputs(y_hat, *rgb.shape[:2])
        _, pixel_code = self.stabilization.pixels.send(pixels, PIXELS)
        head = np.array(rgb.shape[:2], "<u4").tobytes()
        sizes = Sizes(
            sum(map(len, payloads)), sum(map(len, told)), len(pixel_code), len(difference)
        )
        return _join([head, *payloads, *told, pixel_code, difference]), sizes

    @torch.no_grad()
    def decode(self, stream: bytes) -> np.ndarray:
        """The picture, (H, W, 3) uint8.

        Raises
        ------
        CorruptStream, Truncated
            The stream does not fit what this machine computes.
        """
        parts = self._parts(stream)
        difference = parts.pop()
        if difference:
            return self._tuned(ParameterDifference.from_bytes(difference))._decode(parts)
        return self._decode(parts)

    def _tuned(self, difference: ParameterDifference) -> FloatCodec:
        """This codec with other parameters."""
        tuned = copy.copy(self)
        tuned.model = difference.applied_to(self.model)
        tuned.networks, tuned.double_networks = _Networks(tuned.model), None
        return tuned

    def _decode(self, parts: list[bytes]) -> np.ndarray:
        symbols, y_hat = self._read(parts)
        height, width, pixel_code = symbols.height, symbols.width, parts[-1]
        outputs = self._pixel_outputs(y_hat, height, width)
        pixels = self.stabilization.pixels.receive(outputs, pixel_code, PIXELS)
        return np.ascontiguousarray(pixels.transpose(1, 2, 0).astype(np.uint8))

    @torch.no_grad()
    def symbols(self, stream: bytes) -> Symbols:
        """The integers of a stream without tweaks; errors as of :meth:`decode`."""
        return self._read(self._parts(stream)[:-1])[0]

    @torch.no_grad()
    def outputs(self, symbols: Symbols) -> Outputs:
        """What this machine's networks give for a stream that is decoded without a mistake."""
        gathered = torch.zeros(symbols.y.shape, dtype=torch.float64)

        def choose(mask: Tensor, mean: Tensor, rows: Tensor) -> Tensor:
            gathered[mask.cpu()] = rows[mask].cpu()
            return symbols.y.to(mean)

        height, width = symbols.y.shape[-2:]
        y_hat = self._walk(symbols.z.to(self.model.gain), height, width, choose)
        pixels = self._pixel_outputs(y_hat, symbols.height, symbols.width)
        return Outputs(gathered[0].numpy(), pixels)

    def _parts(self, stream: bytes) -> list[bytes]:
        """Size, payloads, what was told about rows, about pixels, difference of parameters."""
        parts, rest = _split(stream)
        if rest or len(parts) % 2 != 0 or len(parts) < 6 or len(parts[0]) != 8:
            raise CorruptStream("the stream does not have the parts that it should")
        return parts

    def _read(self, parts: list[bytes]) -> tuple[Symbols, Tensor]:
        """Symbols, and the latents that they make."""
        height, width = (int(side) for side in np.frombuffer(parts[0], "<u4"))
        steps = (len(parts) - 3) // 2
        payloads, told = iter(parts[2 : 2 + steps]), iter(parts[2 + steps : 2 + 2 * steps])
        h, w = -(-height // 16), -(-width // 16)
        gain = self.model.gain
        z = gain.new_zeros(1, self.model.z_gain.shape[1], -(-h // 4), -(-w // 4))
        z_symbols = range_decode(parts[1], self._hyper_rows(z), self.tables)
        z = torch.from_numpy(z_symbols).to(gain).view_as(z)
        y = gain.new_zeros(1, gain.shape[1], h, w)

        def choose(mask: Tensor, mean: Tensor, rows: Tensor) -> Tensor:
            payload = next(payloads, None)
            if payload is None:
                raise CorruptStream("the stream has fewer steps than the order")
            index = self.stabilization.rows.receive(_numbers(rows[mask]), next(told), ROWS)
            symbols = range_decode(payload, index.astype(np.uint8), self.tables)
            y[mask] = torch.from_numpy(symbols).to(y)
            return y

        y_hat = self._walk(z, h, w, choose)
        if next(payloads, None) is not None:
            raise CorruptStream("the stream has more steps than the order")
        return Symbols(z.cpu().float(), y.cpu().float(), height, width), y_hat

    def _walk(self, z: Tensor, height: int, width: int, choose: Choose) -> Tensor:
        """The step loop; gives the latents (1, M, height, width) that the symbols make."""
        model, method = self.model, self.stabilization.rows
        out = self._compute("h_s", method, z * model.z_inverse_gain)
        out = out[..., :height, :width]
        features, prediction = out.split([model.features, model.gain.shape[1]], 1)
        proxy, known = prediction, torch.zeros_like(prediction)
        for mask in model.order.masks(height, width, z.device):
            out = self._compute("step", method, proxy, known, features)
            delta, log2_scale = out.chunk(2, 1)
            mean = prediction + delta
            rows = (log2_scale.double() + self.log2_gain - LOG2_SCALE_LOW) * ROWS_PER_OCTAVE
            symbols = choose(mask.bool(), mean, rows)
            proxy = torch.where(mask.bool(), mean + symbols * model.inverse_gain, proxy)
            known = known + mask
        return proxy

    def _compute(self, name: str, method: Method, *inputs: Tensor) -> Tensor:
        """A network in the environment's way, and in the arithmetic that the method asks for."""
        networks = self.networks
        if method.double:
            if self.double_networks is None:
                self.double_networks = copy.deepcopy(networks).double()
            networks = self.double_networks
        network: Callable[..., Tensor] = getattr(networks, name)
        inputs = tuple(one.to(networks.dtype) for one in inputs)
        if method.exact is None:
            return self.run(network, *inputs)

        def exactly(*given: Tensor) -> Tensor:
            with ExactArithmetic(method.exact):
                # Whatever memory format the environment prefers: networks choose operations by it.
                return network(*(one.contiguous() for one in given))

        return self.run(exactly, *inputs)

    def _pixel_outputs(self, y_hat: Tensor, height: int, width: int) -> np.ndarray:
        """Pixels before they are rounded, (3, H, W) float64."""
        x_hat = self._compute("g_s", self.stabilization.pixels, y_hat)
        return _numbers(x_hat[0, :, :height, :width]) + 128.0

    def _hyper_rows(self, z: Tensor) -> np.ndarray:
        row = (self.model.z_scale - LOG2_SCALE_LOW) * ROWS_PER_OCTAVE
        return _flat(torch.round(row).expand_as(z)).astype(np.uint8)


class _Networks(nn.Module):
    """What a decoder computes in floating point."""

    def __init__(self, model: WeightsModel) -> None:
        super().__init__()
        self.h_s, self.g_s = model.h_s, model.g_s
        self.step = _Parameters(model)

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype


class _Parameters(nn.Module):
    """The network that a step asks: the mean's correction and log2 scale, side by side."""

    def __init__(self, model: WeightsModel) -> None:
        super().__init__()
        self.entropy = model.entropy
        self.bias: Tensor
        self.register_buffer("bias", model.bias)

    def forward(self, proxy: Tensor, known: Tensor, features: Tensor) -> Tensor:
        joined = torch.cat([proxy, known, features], 1)
        context = F.conv2d(joined, self.entropy.context.weight, padding=1) + self.bias
        return self.entropy.head(F.leaky_relu(context, 2.0**-self.entropy.config.leaky))


def picture_tensor(rgb: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 as (1, 3, H, W) float32."""
    return torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float()


def _numbers(values: Tensor) -> np.ndarray:
    """float64"""
    return values.detach().cpu().double().numpy()


def _flat(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy().ravel().astype(np.int32)


def _with_length(content: bytes) -> bytes:
    return len(content).to_bytes(2, "little") + content


def _after_length(content: bytes) -> tuple[bytes, bytes]:
    """What :func:`_with_length` wrote, and what follows it."""
    end = 2 + int.from_bytes(content[:2], "little")
    if len(content) < end:
        raise CorruptStream("an adjustment is cut off")
    return content[2:end], content[end:]


def _join(parts: list[bytes]) -> bytes:
    sizes = np.array([len(parts), *map(len, parts)], "<u4").tobytes()
    return sizes + b"".join(parts)


def _split(content: bytes) -> tuple[list[bytes], bytes]:
    """The parts, and what follows them."""
    count = int.from_bytes(content[:4], "little")
    if len(content) < 4 or count > len(content) // 4 - 1:
        raise CorruptStream("the stream is too short for its parts")
    sizes = np.frombuffer(content[4 : 4 + 4 * count], "<u4").tolist()
    parts, begin = [], 4 + 4 * count
    for size in sizes:
        parts.append(content[begin : begin + size])
        begin += size
    if begin > len(content):
        raise CorruptStream("the parts of the stream do not add up")
    return parts, content[begin:]
