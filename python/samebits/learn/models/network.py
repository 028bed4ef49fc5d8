"""A network as a list of operations, the same list that the native code runs.

The float twin and the integer network share one program (docs/arithmetic.md 2), so they cannot
drift apart: :class:`Network` runs it in torch, ``samebits.learn.export`` writes it to the
weights file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .fused_block import BlockParameters, depthwise_block, pointwise, supports_block

LAYERS_OF_A_BLOCK = 5
"""Convolutions of a depthwise block."""


@dataclass(frozen=True)
class Op:
    """One operation over registers; register 0 is the input.

    ``kind`` is ``conv``, ``add``, ``unshuffle`` or ``shuffle``; ``layer`` numbers the convolutions;
    ``bound`` names the clamp that the exporter gives to the result: ``activation`` (calibrated),
    ``full`` (all of int16) or ``pixel`` (-128 ... 127).
    """

    kind: str
    dst: int
    src: int
    src2: int = -1
    layer: int = -1
    factor: int = 0
    leaky: bool = False
    bound: str = "activation"


class NetworkBuilder:
    """Collects operations; every method takes registers and returns the new one."""

    def __init__(self, channels: int, leaky: int) -> None:
        self.ops: list[Op] = []
        self.layers: list[nn.Conv2d] = []
        self.channels = {0: channels}
        self.leaky = leaky
        self.blocks: dict[int, int] = {}

    def _add(self, channels: int, **fields: object) -> int:
        dst = len(self.channels)
        self.channels[dst] = channels
        self.ops.append(Op(dst=dst, **fields))  # type: ignore[arg-type]
        return dst

    def conv(
        self,
        src: int,
        out: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        leaky: bool = False,
        depthwise: bool = False,
        bound: str = "activation",
    ) -> int:
        """Convolution with zero padding (kernel - 1) / 2, then leaky ReLU if asked."""
        channels = self.channels[src]
        layer = nn.Conv2d(
            channels, out, kernel, stride, (kernel - 1) // 2, groups=channels if depthwise else 1
        )
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.layers.append(layer)
        return self._add(
            out, kind="conv", src=src, layer=len(self.layers) - 1, leaky=leaky, bound=bound
        )

    def add(self, a: int, b: int, *, bound: str = "activation") -> int:
        return self._add(self.channels[a], kind="add", src=a, src2=b, bound=bound)

    def unshuffle(self, src: int, factor: int) -> int:
        return self._add(self.channels[src] * factor**2, kind="unshuffle", src=src, factor=factor)

    def shuffle(self, src: int, factor: int) -> int:
        return self._add(self.channels[src] // factor**2, kind="shuffle", src=src, factor=factor)

    def block(self, src: int, kind: str) -> int:
        """A residual block; its last layers start at zero, so that a new one is the identity."""
        return {"depthwise": self._depthwise_block, "dense": self._dense_block}[kind](src)

    def _depthwise_block(self, src: int) -> int:
        """Two branches: 1x1, activation, depthwise 3x3, 1x1; then 1x1, activation, 1x1."""
        width, begin = self.channels[src], len(self.ops)
        x = self.conv(src, width, leaky=True)
        x = self.conv(x, width, kernel=3, depthwise=True)
        x = self.conv(x, width)
        nn.init.zeros_(self.layers[-1].weight)
        mid = self.add(src, x)
        x = self.conv(mid, 2 * width, leaky=True)
        x = self.conv(x, width)
        nn.init.zeros_(self.layers[-1].weight)
        x = self.add(mid, x)
        self.blocks[begin] = len(self.ops)
        return x

    def _dense_block(self, src: int) -> int:
        """3x3, activation, 3x3."""
        width = self.channels[src]
        x = self.conv(src, width, kernel=3, leaky=True)
        x = self.conv(x, width, kernel=3)
        nn.init.zeros_(self.layers[-1].weight)
        return self.add(src, x)

    def build(self) -> Network:
        return Network(self.ops, self.layers, self.leaky, self.blocks)


class Network(nn.Module):
    """Runs a program in floating point. Input and output: (B, C, H, W).

    ``tap(op, value)``, if set, sees and may replace the result of every operation: calibration
    records there, fine-tuning rounds there. ``weight_tap(op, weight)`` likewise replaces the weight
    of a convolution before it is used.

    ``precision``, if set (training on a CPU), has residual blocks and 1x1 layers computed by the
    package's own kernels (:mod:`.fused_block`), unless something is tapped; the other layers then
    follow autocast, and what leaves the network is float32. ``blocks`` says where the depthwise
    blocks are: first operation to the one after the last.
    """

    def __init__(
        self,
        ops: list[Op],
        layers: list[nn.Conv2d],
        leaky: int,
        blocks: Mapping[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.ops = tuple(ops)
        self.layers = nn.ModuleList(layers)
        self.leaky = leaky
        self.blocks = dict(blocks or {})
        self.precision: str | None = None
        self.tap: Callable[[Op, Tensor], Tensor] | None = None
        self.weight_tap: Callable[[Op, Tensor], Tensor] | None = None
        last_use = {reg: i for i, op in enumerate(ops) for reg in (op.src, op.src2) if reg >= 0}
        self.dead_after = [
            [r for r, last in last_use.items() if last == i] for i in range(len(ops))
        ]

    @property
    def is_plain(self) -> bool:
        """Nothing looks at or replaces values or weights."""
        return self.tap is None and self.weight_tap is None

    @property
    def last_bias(self) -> Tensor:
        """Biases (C,) of the last convolution."""
        return self.layers[-1].bias  # type: ignore[return-value]

    def forward(self, x: Tensor) -> Tensor:
        if self.precision is not None and self.is_plain:
            return self._forward_by_kernels(x, self.precision)
        registers = {0: x}
        for i, op in enumerate(self.ops):
            value = self._run(op, registers)
            registers[op.dst] = value if self.tap is None else self.tap(op, value)
            for reg in self.dead_after[i]:
                del registers[reg]
        return registers[self.ops[-1].dst]

    def _forward_by_kernels(self, x: Tensor, precision: str) -> Tensor:
        registers = {0: x}
        begin = 0
        while begin < len(self.ops):
            end = self.blocks.get(begin, begin + 1)
            op = self.ops[begin]
            if end > begin + 1 and self._has_block_kernel(op, precision):
                value = self._run_block(begin, registers[op.src].float(), precision)
            else:
                end, value = begin + 1, self._run_by_kernels(op, registers, precision)
            registers[self.ops[end - 1].dst] = value
            for reg in {reg for dead in self.dead_after[begin:end] for reg in dead}:
                registers.pop(reg, None)
            begin = end
        return registers[self.ops[-1].dst].float()

    def _has_block_kernel(self, first: Op, precision: str) -> bool:
        """Whether the block that begins with this operation has widths that the kernels take."""
        wide, depthwise = self.layers[first.layer + 3], self.layers[first.layer + 1]
        return supports_block(
            channels=wide.in_channels,
            inner=wide.out_channels,
            kernel=depthwise.kernel_size[0],
            precision=precision,
        )

    def _run_block(self, begin: int, x: Tensor, precision: str) -> Tensor:
        first = self.ops[begin].layer
        layers = [self.layers[n] for n in range(first, first + LAYERS_OF_A_BLOCK)]
        tensors = [tensor for layer in layers for tensor in (layer.weight, layer.bias)]
        slope = 2.0**-self.leaky
        return depthwise_block(x, BlockParameters(*tensors), slope=slope, precision=precision)

    def _run_by_kernels(self, op: Op, registers: dict[int, Tensor], precision: str) -> Tensor:
        if op.kind == "conv":
            layer = self.layers[op.layer]
            if layer.kernel_size == (1, 1) and layer.groups == 1:
                slope = 2.0**-self.leaky if op.leaky else None
                x = registers[op.src].float()
                return pointwise(x, layer.weight, layer.bias, slope=slope, precision=precision)
        return self._run(op, registers)

    def _convolve(self, op: Op, x: Tensor) -> Tensor:
        layer = self.layers[op.layer]
        weight = layer.weight
        if self.weight_tap is not None:
            weight = self.weight_tap(op, weight)
        if layer.kernel_size == (1, 1) and layer.groups == 1 and x.device.type == "cpu":
            # As a matrix product: the same sums, and a much faster backward pass.
            rows = F.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], layer.bias)
            return rows.permute(0, 3, 1, 2)
        return F.conv2d(x, weight, layer.bias, layer.stride, layer.padding, 1, layer.groups)

    def _run(self, op: Op, registers: dict[int, Tensor]) -> Tensor:
        x = registers[op.src]
        if op.kind == "conv":
            x = self._convolve(op, x)
            return F.leaky_relu(x, 2.0**-self.leaky) if op.leaky else x
        if op.kind == "add":
            return x + registers[op.src2]
        if op.kind == "unshuffle":
            return F.pixel_unshuffle(x, op.factor)
        if op.kind == "shuffle":
            return F.pixel_shuffle(x, op.factor)
        raise ValueError(f"unknown operation {op.kind!r}")


def ste_round(x: Tensor) -> Tensor:
    """Round half up in the forward pass, identity in the backward pass."""
    return x + (torch.floor(x + 0.5) - x).detach()
