"""The layers that `samebits bench kernels` times, with random integers for weights and input."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Conv:
    """A convolution with stride 1 and zero padding; depthwise if groups = in = out channels."""

    in_channels: int
    out_channels: int
    kernel: int
    groups: int = 1

    @property
    def padding(self) -> int:
        """Zeros on each side that keep height and width."""
        return self.kernel // 2

    @property
    def macs_per_pixel(self) -> int:
        """Multiply-accumulates for one output pixel."""
        return self.kernel**2 * (self.in_channels // self.groups) * self.out_channels


@dataclass(frozen=True)
class Layer:
    """Convolutions one after another, on pictures of one size.

    Attributes
    ----------
    name : str
        For people, the row of a result.
    height, width : int
    convs : tuple of Conv
    """

    name: str
    height: int
    width: int
    convs: tuple[Conv, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole layer by the definition, whatever is done instead."""
        return self.height * self.width * sum(conv.macs_per_pixel for conv in self.convs)


LAYERS = (
    Layer("dense 3×3, 192→192, 32×48", 32, 48, (Conv(192, 192, 3),)),
    Layer("dense 3×3, 320→320, 64×96", 64, 96, (Conv(320, 320, 3),)),
    Layer("1×1, 128→128, 96×144", 96, 144, (Conv(128, 128, 1),)),
    Layer("depthwise 3×3 + 1×1, 128, 96×144", 96, 144, (Conv(128, 128, 3, 128), Conv(128, 128, 1))),
)


@dataclass(frozen=True)
class Range:
    """Smallest and largest activation."""

    name: str
    lo: int
    hi: int


TWELVE_BITS = Range("12-bit", -2047, 2047)
EIGHT_BITS = Range("8-bit", 0, 255)


@dataclass(frozen=True)
class LayerData:
    """A layer's integers: 8-bit weights, and activations of one range everywhere.

    Attributes
    ----------
    layer : Layer
    activations : Range
        Of the input and of every convolution's output.
    x : ndarray of int16, shape (height, width, channels)
    weights : tuple of ndarray of int8, shape (out, kernel, kernel, in / groups)
    biases : tuple of ndarray of int32, shape (out,)
    shifts : tuple of int
        Outputs are the sums divided by 2**shift: outputs fill the range, few are clamped.
    """

    layer: Layer
    activations: Range
    x: np.ndarray
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    shifts: tuple[int, ...]


def random_layer(layer: Layer, activations: Range) -> LayerData:
    """The same random integers each time."""
    rng = np.random.default_rng(1)
    shape = (layer.height, layer.width, layer.convs[0].in_channels)
    x = rng.integers(activations.lo, activations.hi + 1, shape, dtype=np.int16)
    weights, biases, shifts = [], [], []
    for conv in layer.convs:
        inputs = conv.in_channels // conv.groups
        size = (conv.out_channels, conv.kernel, conv.kernel, inputs)
        weights.append(rng.integers(-127, 128, size, dtype=np.int8))
        # The root mean square of a sum of n products, 73 being that of the weights.
        width = activations.hi - activations.lo
        deviation = 73 * math.hypot(width / math.sqrt(12), (activations.lo + activations.hi) / 2)
        deviation *= math.sqrt(conv.kernel**2 * inputs)
        shifts.append(max(1, round(math.log2(6 * deviation / width))))
        middle = (activations.lo + activations.hi + 1) // 2
        biases.append(np.full(conv.out_channels, middle << shifts[-1], np.int32))
    return LayerData(layer, activations, x, tuple(weights), tuple(biases), tuple(shifts))
