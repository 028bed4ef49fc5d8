"""Depthwise residual blocks, forward and backward: the package's own layers beside torch's.

    PYTHONPATH=python python benchmarks/kernels/training_block.py
    PYTHONPATH=python python benchmarks/kernels/training_block.py --pointwise --json layers.json

A chain of blocks runs forward, then backward, as in a training step, so that what a block keeps has
left the cache when it is needed. Ways, one after the other in each round:

* torch fp32: pointwise layers as matrix products, as ``samebits.learn.models.network`` has them;
* torch bf16: products in bfloat16, residual stream in float32;
* fp32 and bf16 of ``samebits.learn.models.fused_block``.

One thread, processor time. GMAC/s counts three times the products of the forward pass, without the
depthwise convolution.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from samebits import _core
from samebits.evaluation.machine import this_commit, this_machine
from samebits.learn.models.fused_block import (
    BlockParameters,
    depthwise_block,
    pointwise,
    precisions,
)

SLOPE = 2.0**-3
SHAPES = [(8, 128, 24, 24), (16, 128, 24, 24), (16, 256, 12, 12)]
Layer = Callable[..., Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=8, help="in the chain")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--kernel", type=int, default=3, help="side of the depthwise kernel")
    parser.add_argument("--pointwise", action="store_true", help="pointwise layers C -> C instead")
    parser.add_argument("--shape", type=int, nargs=4, action="append", metavar=("B", "C", "H", "W"))
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    kernels = {name: _core.training.kernel_name(name) for name in precisions()}
    rows = []
    for shape in options.shape or SHAPES:
        print(f"B, C, H, W = {', '.join(map(str, shape))}; {options.blocks} layers; {kernels}")
        rows += measure(tuple(shape), options)
    if options.json:
        report = {
            "command": " ".join(["python", *sys.argv]),
            "commit": this_commit(),
            "machine": asdict(this_machine()),
            "torch": torch.__version__,
            "kernels": kernels,
            "rows": rows,
        }
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def measure(shape: tuple[int, ...], options: argparse.Namespace) -> list[dict[str, object]]:
    """Prints and returns seconds of a layer's two passes, and the speed."""
    batch, channels, height, width = shape
    sizes = (channels, options.kernel)
    chain = [
        pointwise_parameters(channels, seed)
        if options.pointwise
        else block_parameters(*sizes, seed=seed)
        for seed in range(options.blocks)
    ]
    x = torch.randn(shape).to(memory_format=torch.channels_last).requires_grad_()
    grad_out = torch.randn(shape).to(memory_format=torch.channels_last)
    ways = pointwise_ways() if options.pointwise else block_ways()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(options.rounds + 1):
        for name, layer in ways.items():
            took = time_of_step(layer, chain, x, grad_out)
            if round_number > 0:
                seconds[name].append(took / options.blocks)
    products = (1 if options.pointwise else 6) * channels**2
    macs = 3 * products * batch * height * width
    rows = []
    for name, taken in seconds.items():
        least, middle = min(taken), statistics.median(taken)
        print(
            f"  {name:11} least {1e3 * least:7.2f} ms {macs / least / 1e9:6.1f} GMAC/s"
            f"   median {1e3 * middle:7.2f} ms {macs / middle / 1e9:6.1f} GMAC/s"
        )
        rows.append({"shape": shape, "way": name, "least_s": least, "median_s": middle})
    return rows


def time_of_step(layer: Layer, chain: list[tuple[Tensor, ...]], x: Tensor, grad: Tensor) -> float:
    start = time.process_time()
    out = x
    for parameters in chain:
        out = layer(out, *parameters)
    torch.autograd.grad(out, [x, *(p for parameters in chain for p in parameters)], grad)
    return time.process_time() - start


def leaves(*shapes: tuple[int, ...], seed: int) -> tuple[Tensor, ...]:
    """Random parameters, small enough that a long chain stays finite."""
    rng = torch.Generator().manual_seed(seed)
    return tuple((0.05 * torch.randn(shape, generator=rng)).requires_grad_() for shape in shapes)


def block_parameters(channels: int, kernel: int, *, seed: int) -> BlockParameters:
    c, e = channels, 2 * channels
    square, taps = (c, c, 1, 1), (c, 1, kernel, kernel)
    wide, narrow = (e, c, 1, 1), (c, e, 1, 1)
    shapes = [square, (c,), taps, (c,), square, (c,), wide, (e,), narrow, (c,)]
    return BlockParameters(*leaves(*shapes, seed=seed))


def pointwise_parameters(channels: int, seed: int) -> tuple[Tensor, ...]:
    return leaves((channels, channels, 1, 1), (channels,), seed=seed)


def block_ways() -> dict[str, Layer]:
    def own(precision: str) -> Layer:
        return lambda x, *p: depthwise_block(
            x, BlockParameters(*p), slope=SLOPE, precision=precision
        )

    ways = {
        "torch fp32": lambda x, *p: torch_block(x, BlockParameters(*p), torch_fp32),
        "torch bf16": lambda x, *p: torch_block(x, BlockParameters(*p), Bf16Layer.apply),
    }
    return ways | {name: own(name) for name in precisions()}


def pointwise_ways() -> dict[str, Layer]:
    def own(precision: str) -> Layer:
        return lambda x, w, b: pointwise(x, w, b, slope=SLOPE, precision=precision)

    ways = {
        "torch fp32": lambda x, w, b: torch_fp32(x, w, b, SLOPE),
        "torch bf16": lambda x, w, b: Bf16Layer.apply(x, w, b, SLOPE).float(),
    }
    return ways | {name: own(name) for name in precisions()}


def torch_block(x: Tensor, p: BlockParameters, layer: Layer) -> Tensor:
    a = layer(x, p.w1, p.b1, SLOPE)
    d = F.conv2d(
        a, p.wd.to(a.dtype), p.bd.to(a.dtype), padding=p.wd.shape[-1] // 2, groups=a.shape[1]
    )
    m = x + layer(d, p.w2, p.b2, None).float()
    e = layer(m, p.w3, p.b3, SLOPE)
    return m + layer(e, p.w4, p.b4, None).float()


def torch_fp32(x: Tensor, weight: Tensor, bias: Tensor, slope: float | None) -> Tensor:
    out = F.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)
    return out if slope is None else F.leaky_relu(out, slope)


class Bf16Layer(torch.autograd.Function):
    """A pointwise layer whose products are in bfloat16, as is its result."""

    @staticmethod
    def forward(ctx, x, weight, bias, slope):
        rows = x.permute(0, 2, 3, 1).bfloat16()
        matrix = weight[:, :, 0, 0].bfloat16()
        out = F.linear(rows, matrix, bias.bfloat16())
        if slope is not None:
            F.leaky_relu_(out, slope)
        ctx.slope, ctx.dtype = slope, x.dtype
        ctx.save_for_backward(rows, matrix, out if slope is not None else None)
        return out.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, grad_out):
        rows, matrix, out = ctx.saved_tensors
        grad = grad_out.permute(0, 2, 3, 1).bfloat16()
        if out is not None:
            grad = torch.ops.aten.leaky_relu_backward(grad, out, ctx.slope, True)
        grad_x = (grad @ matrix).permute(0, 3, 1, 2).to(ctx.dtype)
        flat = grad.reshape(-1, grad.shape[-1])
        grad_weight = (flat.t() @ rows.reshape(-1, rows.shape[-1])).float()[:, :, None, None]
        return grad_x, grad_weight, flat.sum(0, dtype=torch.float32), None


if __name__ == "__main__":
    main()
