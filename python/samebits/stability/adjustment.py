"""Output adjustment: outputs moved off the boundaries before they are rounded (S3).

The encoder chooses a small function, checks what it leaves ambiguous, and sends its parameters. On
a picture of a million samples no function of a few parameters leaves nothing ambiguous, but it
leaves less, so that what follows (codes that tell outcomes apart) has less to say.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from samebits.errors import CorruptStream, InvalidArgument
from samebits.stability.intervals import PIXELS, Boundaries, Precision

KINDS = ("none", "scalar", "channels", "linear")
GRID = 2.0**-12
"""Parameters are whole multiples of it, in units of outputs, so that adding them is exact enough:
one rounding, the same everywhere."""
MOST_STEPS = 512
"""The largest parameter, in steps of the grid: an eighth of a unit."""
CANDIDATES = 65
MOST_CHANNELS = 4096


@dataclass(frozen=True)
class Adjustment:
    """A function of outputs (C, ...).

    Attributes
    ----------
    kind : "none"; "scalar": one offset for all; "channels": one for each channel; "linear": an
        offset and a slope, ``value + offset + slope * value / 256``.
    steps : its parameters, in steps of ``GRID``.
    """

    kind: str = "none"
    steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        counts = {"none": {0}, "scalar": {1}, "linear": {2}}
        if self.kind not in KINDS:
            raise InvalidArgument(f"kind is {self.kind!r}, must be one of {', '.join(KINDS)}")
        wanted = counts.get(self.kind, range(1, MOST_CHANNELS + 1))
        if len(self.steps) not in wanted:
            raise InvalidArgument(f"an adjustment {self.kind!r} of {len(self.steps)} parameters")
        if any(abs(step) > MOST_STEPS for step in self.steps):
            raise InvalidArgument(f"parameters of an adjustment are at most {MOST_STEPS} steps")

    def apply(self, values: np.ndarray) -> np.ndarray:
        """The outputs moved, float64, by operations that IEEE 754 rounds correctly."""
        values = np.asarray(values, np.float64)
        if self.kind == "none":
            return values
        parameters = np.array(self.steps, np.float64) * GRID
        if self.kind == "scalar":
            return values + parameters[0]
        if self.kind == "channels":
            if len(parameters) != len(values):
                raise CorruptStream(
                    f"an adjustment for {len(parameters)} channels of {len(values)}"
                )
            return values + parameters.reshape(-1, *[1] * (values.ndim - 1))
        return values + (parameters[0] + values * (parameters[1] / 256))

    def to_bytes(self) -> bytes:
        """A byte for the kind, two for each parameter."""
        return struct.pack(f"<B{len(self.steps)}h", KINDS.index(self.kind), *self.steps)

    @staticmethod
    def from_bytes(content: bytes) -> Adjustment:
        """What :meth:`to_bytes` wrote.

        Raises
        ------
        CorruptStream
            It is no adjustment.
        """
        if len(content) % 2 != 1 or content[0] >= len(KINDS):
            raise CorruptStream("an adjustment of an unknown kind or size")
        steps = struct.unpack(f"<{len(content) // 2}h", content[1:])
        try:
            return Adjustment(KINDS[content[0]], steps)
        except InvalidArgument as error:
            raise CorruptStream(str(error)) from error


def choose_adjustment(
    values: np.ndarray,
    precision: Precision,
    *,
    kind: str = "channels",
    boundaries: Boundaries = PIXELS,
) -> Adjustment:
    """The function of a kind that leaves the fewest outputs ambiguous at the encoder; the smallest
    of several.

    Parameters
    ----------
    values : (C, ...) floating-point outputs.
    """
    values = np.asarray(values)
    if kind == "none":
        return Adjustment()
    if kind == "channels":
        return Adjustment(
            "channels", tuple(_best_offset(one, precision, boundaries) for one in values)
        )
    offset = _best_offset(values, precision, boundaries)
    if kind == "scalar":
        return Adjustment("scalar", (offset,))
    values = values.astype(np.float64)
    found = [Adjustment("linear", (offset, slope)) for slope in _candidates()]
    return min(found, key=lambda one: _left(one.apply(values), precision, boundaries))


def _candidates() -> list[int]:
    """Steps of parameters, the smallest first."""
    steps = np.linspace(-MOST_STEPS, MOST_STEPS, CANDIDATES).round().astype(int).tolist()
    return sorted(steps, key=lambda step: (abs(step), step))


def _best_offset(values: np.ndarray, precision: Precision, boundaries: Boundaries) -> int:
    values = np.asarray(values, np.float64)
    most = MOST_STEPS * GRID
    reach = most + (2 + precision.slope) * (precision.of(values) + precision.slope * most)
    values = values[boundaries.distance(values) <= reach]  # no offset makes others ambiguous
    return min(_candidates(), key=lambda step: _left(values + step * GRID, precision, boundaries))


def _left(values: np.ndarray, precision: Precision, boundaries: Boundaries) -> int:
    return int(precision.at_encoder(values, boundaries).sum())
