# pyright: reportMissingImports=false
"""torch's contenders: float32 in its layouts, bfloat16, and quantized int8."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from samebits.evaluation.benchmarks.layers import LayerData
from samebits.evaluation.benchmarks.peers import INSTALL_EXTRA, Source, Unavailable
from samebits.evaluation.benchmarks.rounds import Contender

FLOAT32 = "torch float32"
BFLOAT16 = "torch bfloat16, channels_last"
INT8_ENGINES = ("onednn", "fbgemm")


def torch_sources(data: LayerData) -> list[Source[Contender]]:
    """All of torch that can run the layer with 8-bit integers, or floats of the same values."""
    sources = [
        _source(f"{FLOAT32}, contiguous", lambda: _floats(data, "float32", "contiguous_format")),
        _source(f"{FLOAT32}, channels_last", lambda: _floats(data, "float32", "channels_last")),
        _source(f"{FLOAT32}, weights prepacked", lambda: _prepacked_floats(data)),
        _source(BFLOAT16, lambda: _floats(data, "bfloat16", "channels_last")),
    ]
    for engine in INT8_ENGINES:
        name = f"torch int8, {engine}"
        sources.append(_source(name, lambda engine=engine: _quantized(data, engine)))
    return sources


def _source(name: str, prepare: Callable[[], Callable[[], object]]) -> Source[Contender]:
    def make() -> list[Contender]:
        import torch

        run = prepare()

        def run_without_gradient() -> object:
            with torch.inference_mode():
                return run()

        run_without_gradient()
        return [Contender(name, "torch", run_without_gradient)]

    return Source(name, INSTALL_EXTRA, make)


def _floats(data: LayerData, dtype_name: str, layout_name: str) -> Callable[[], object]:
    import torch
    from torch.nn import functional

    dtype, layout = getattr(torch, dtype_name), getattr(torch, layout_name)
    x, weights, biases = _float_tensors(data)
    x = x.to(dtype).contiguous(memory_format=layout)
    weights = [weight.to(dtype).contiguous(memory_format=layout) for weight in weights]
    biases = [bias.to(dtype) for bias in biases]

    def run():
        y = x
        for conv, weight, bias in zip(data.layer.convs, weights, biases, strict=True):
            y = functional.conv2d(y, weight, bias, padding=conv.padding, groups=conv.groups)
        return y

    return run


def _prepacked_floats(data: LayerData) -> Callable[[], object]:
    """As a model frozen by torch.compile runs: oneDNN's own order of the weights."""
    import torch

    x, weights, biases = _float_tensors(data)
    x = x.contiguous(memory_format=torch.channels_last)
    reorder = torch._C._nn.mkldnn_reorder_conv2d_weight  # pyright: ignore
    packed = [
        reorder(weight.to_mkldnn(), 2 * [conv.padding], [1, 1], [1, 1], conv.groups, list(x.shape))
        for conv, weight in zip(data.layer.convs, weights, strict=True)
    ]

    def run():
        y = x
        for conv, weight, bias in zip(data.layer.convs, packed, biases, strict=True):
            padding = 2 * [conv.padding]
            y = torch.ops.mkldnn._convolution_pointwise(
                y, weight, bias, padding, [1, 1], [1, 1], conv.groups, "none", [], ""
            )
        return y

    return run


def _quantized(data: LayerData, engine: str) -> Callable[[], object]:
    import torch

    warnings.filterwarnings("ignore", message=".*quantized", category=UserWarning)
    if engine not in torch.backends.quantized.supported_engines:
        raise Unavailable(f"this build of torch lacks the engine {engine}")
    # Steps of 1 for the input and the weights, of 2**shift for the output: the integers are ours.
    x = torch.from_numpy(np.ascontiguousarray(data.x[None], np.float32)).permute(0, 3, 1, 2)
    x = x.contiguous(memory_format=torch.channels_last)
    x = torch.quantize_per_tensor(x, 1.0, 0, torch.quint8)
    packed, scales, step = [], [], 1.0
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = engine
    try:
        for conv, weight, bias, shift in zip(
            data.layer.convs, data.weights, data.biases, data.shifts, strict=True
        ):
            floats = torch.from_numpy(weight.astype(np.float32)).permute(0, 3, 1, 2)
            quantized = torch.quantize_per_tensor(floats.contiguous(), 1.0, 0, torch.qint8)
            packed.append(
                torch.ops.quantized.conv2d_prepack(
                    quantized,
                    torch.from_numpy(bias.astype(np.float32) * step),
                    [1, 1],
                    2 * [conv.padding],
                    [1, 1],
                    conv.groups,
                )
            )
            step *= 2.0**shift
            scales.append(step)
    finally:
        torch.backends.quantized.engine = before

    def run():
        y = x
        for weight, scale in zip(packed, scales, strict=True):
            y = torch.ops.quantized.conv2d(y, weight, scale, 0)
        return y

    return run


def integers_of(output) -> np.ndarray:
    """Integers (height, width, channels) of a quantized output."""
    return output.int_repr()[0].permute(1, 2, 0).numpy()


def _float_tensors(data: LayerData):
    """Input and weights (N, C, H, W) and biases, scaled so that activations stay about 1."""
    import torch

    x = torch.from_numpy(np.ascontiguousarray(data.x[None], np.float32)).permute(0, 3, 1, 2)
    weights, biases = [], []
    for weight, bias, shift in zip(data.weights, data.biases, data.shifts, strict=True):
        weights.append(torch.from_numpy(weight.astype(np.float32)).permute(0, 3, 1, 2) / 2.0**shift)
        biases.append(torch.from_numpy(bias.astype(np.float32)) / 2.0**shift / data.activations.hi)
    return (x / data.activations.hi).contiguous(), weights, biases
