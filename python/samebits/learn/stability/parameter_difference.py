"""Decoder-side parameters fine-tuned for one picture, and sent as differences (S2).

Parameters are biases of two last layers: that of the synthesis, and that of the entropy model where
it gives scales. Each moves some of the outputs, all by the same amount and no others, so what it
does to ambiguous outputs is known without running the network.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from samebits.errors import CorruptStream, InvalidArgument

from ..models.likelihood import ROWS_PER_OCTAVE
from ..refinement.weights_model import WeightsModel

GRID = 2.0**-12
"""Differences are whole multiples of it, in steps of 8 bits or in rows of tables."""
MOST_STEPS = 512
"""The largest difference, in steps of the grid: an eighth of a step of 8 bits or of a row."""
MOST_CHANNELS = 4096
LONGEST_VARINT = 2
LONGEST = LONGEST_VARINT * (2 * MOST_CHANNELS + 2)
"""Bytes before compression."""
COMPRESSION = 9


@dataclass(frozen=True)
class ParameterDifference:
    """What is added to biases, in steps of ``GRID``, at most ``MOST_STEPS`` away from 0.

    Attributes
    ----------
    pixels : for each output channel of the last layer of g_s; in steps of 8 bits. Empty: none.
    rows : for each latent channel, for the scales of the entropy model; in rows of the CDF tables,
        8 an octave. Empty: none.

    Raises
    ------
    InvalidArgument
        There are too many channels, or a difference is too large.
    """

    pixels: tuple[int, ...] = ()
    rows: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for steps in (self.pixels, self.rows):
            if len(steps) > MOST_CHANNELS:
                raise InvalidArgument(
                    f"a difference for {len(steps)} channels, must be at most {MOST_CHANNELS}"
                )
            if any(abs(step) > MOST_STEPS for step in steps):
                raise InvalidArgument(f"differences of parameters are at most {MOST_STEPS} steps")

    def applied_to(self, model: WeightsModel) -> WeightsModel:
        """A copy of the model with other biases, each rounded to float32 once.

        Raises
        ------
        CorruptStream
            A layer has another number of outputs.
        """
        changed = copy.deepcopy(model)
        _add(changed.g_s.last_bias, self.pixels, GRID)
        scales = changed.entropy.head.last_bias[changed.config.latent_channels :]
        _add(scales, self.rows, GRID / ROWS_PER_OCTAVE)
        return changed

    def to_bytes(self) -> bytes:
        """Varints, compressed by zlib: for either field its length, and for each of its steps
        2 * step, or -2 * step - 1 below 0."""
        content = bytearray()
        for steps in (self.pixels, self.rows):
            signed = (2 * step if step >= 0 else -2 * step - 1 for step in steps)
            for value in (len(steps), *signed):
                content += _varint(value)
        return zlib.compress(bytes(content), COMPRESSION)

    @staticmethod
    def from_bytes(content: bytes) -> ParameterDifference:
        """What :meth:`to_bytes` wrote.

        Raises
        ------
        CorruptStream
            The bytes are damaged, cut, or too many.
        """
        values = _values_of(_decompressed(content))
        pixels, rows = _steps_of(values), _steps_of(values)
        if next(values, None) is not None:
            raise CorruptStream("differences of parameters go on after their end")
        try:
            return ParameterDifference(pixels, rows)
        except InvalidArgument as error:
            raise CorruptStream(str(error)) from error


def _add(bias: Tensor, steps: tuple[int, ...], unit: float) -> None:
    """In place, if there are any steps."""
    if not steps:
        return
    if len(bias) != len(steps):
        raise CorruptStream(
            f"differences of {len(steps)} parameters for a layer that has {len(bias)}"
        )
    added = torch.tensor(steps, dtype=torch.float64) * unit
    with torch.no_grad():
        bias.copy_((bias.double().cpu() + added).to(bias.dtype))


def _varint(value: int) -> bytes:
    low, high = value % 128, value // 128
    return bytes([low + 128, high]) if high else bytes([low])


def _decompressed(content: bytes) -> bytes:
    inflate = zlib.decompressobj()
    try:
        varints = inflate.decompress(content, LONGEST)
    except zlib.error as error:
        raise CorruptStream(f"differences of parameters are damaged: {error}") from error
    if not inflate.eof or inflate.unused_data:
        raise CorruptStream("differences of parameters are cut, or longer than they may be")
    return varints


def _values_of(varints: bytes) -> Iterator[int]:
    """The numbers, 0 ... 2**14 - 1."""
    read = iter(varints)
    for low in read:
        if low < 128:
            yield low
            continue
        high = next(read, 128)
        if not 0 < high < 128:
            raise CorruptStream("a difference of a parameter is cut, or longer than it may be")
        yield low - 128 + 128 * high


def _steps_of(values: Iterator[int]) -> tuple[int, ...]:
    count = next(values, None)
    steps = tuple(v // 2 if v % 2 == 0 else -(v + 1) // 2 for v in islice(values, count or 0))
    if count is None or len(steps) != count:
        raise CorruptStream("differences of parameters are fewer than announced")
    return steps
