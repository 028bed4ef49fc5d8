# pyright: reportMissingImports=false
"""Samebits' own contenders: prepared networks, and the functions over arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from samebits import _core, kernels
from samebits.evaluation.benchmarks.layers import LayerData
from samebits.evaluation.benchmarks.peers import INSTALL_EXTRA, Source, Unavailable
from samebits.evaluation.benchmarks.rounds import Contender


def samebits_sources(
    twelve: LayerData, eight: LayerData, targets: Sequence[str]
) -> list[Source[Contender]]:
    """Everything of Samebits that can run the layer, at each target."""
    sources = []
    for target in targets:
        for data in (twelve, eight):
            name = f"samebits {target}, {data.activations.name}, network"
            sources.append(
                _source(name, target, lambda data=data: _network(data), remedy=INSTALL_EXTRA)
            )
        for data, dtype in ((twelve, np.int16), (eight, np.uint8)):
            name = f"samebits {target}, {data.activations.name} {np.dtype(dtype)}, arrays"
            sources.append(
                _source(name, target, lambda data=data, dtype=dtype: _arrays(data, dtype))
            )
    return sources


def exact_output(data: LayerData) -> np.ndarray:
    """What the layer gives by definition, int16 (height, width, channels)."""
    return _arrays(data, np.int16)()


def _source(
    name: str, target: str, prepare: Callable[[], Callable[[], object]], *, remedy: str = ""
) -> Source[Contender]:
    def make() -> list[Contender]:
        kernels.set_target(target)
        run = prepare()

        def run_at_target() -> object:
            kernels.set_target(target)
            return run()

        run_at_target()
        return [Contender(name, "samebits", run_at_target, _note(name))]

    return Source(name, remedy, make)


def _note(name: str) -> str:
    if name.endswith("network"):
        return "weights packed at load, input and output arrays copied; as the codec runs it"
    return "samebits.kernels.conv2d_requantized: weights packed in each call"


def _arrays(data: LayerData, dtype: type[np.generic]) -> Callable[[], np.ndarray]:
    x = np.ascontiguousarray(data.x[None], dtype)
    if dtype is np.uint8:
        _require_uint8_kernel()

    def run() -> np.ndarray:
        y = x
        for conv, weight, bias, shift in zip(
            data.layer.convs, data.weights, data.biases, data.shifts, strict=True
        ):
            y = kernels.conv2d_requantized(
                y,
                weight,
                bias=bias,
                multiplier=1,
                shift=shift,
                clamp=(data.activations.lo, data.activations.hi),
                padding=conv.padding,
                groups=conv.groups,
            )
        return y[0]

    return run


def _require_uint8_kernel() -> None:
    """The Python function takes uint8 always; without a kernel for it, it converts to int16."""
    one = np.ones((1, 1, 1, 1), np.int16)
    try:
        _core.conv2d(
            one.astype(np.uint8), one, np.zeros(1, np.int32), stride=1, padding=0, groups=1
        )
    except TypeError:
        raise Unavailable("this build has no kernel for uint8 activations") from None


def _network(data: LayerData) -> Callable[[], np.ndarray]:
    from safetensors.numpy import save

    tensors = {"net.program": np.array(_program(data), np.int32)}
    for n, (weight, bias, shift) in enumerate(
        zip(data.weights, data.biases, data.shifts, strict=True)
    ):
        channels = len(bias)
        tensors |= {
            f"net.{n}.weight": weight,
            f"net.{n}.bias": bias,
            f"net.{n}.multiplier": np.ones(channels, np.int32),
            f"net.{n}.shift": np.full(channels, shift, np.int32),
            f"net.{n}.clamp": np.array([data.activations.lo, data.activations.hi], np.int32),
        }
    network = _core.Network(
        _core.WeightsFile(save(tensors)),
        "net",
        in_channels=data.x.shape[2],
        in_lo=data.activations.lo,
        in_hi=data.activations.hi,
    )
    return lambda: network.run(data.x)


def _program(data: LayerData) -> list[list[int]]:
    """Rows of arithmetic.md 2: opcode 1, dst, src, no src2, layer, kernel · 16 + stride, ..."""
    return [
        [1, n + 1, n, -1, n, 16 * conv.kernel + 1, -1, int(conv.groups > 1)]
        for n, conv in enumerate(data.layer.convs)
    ]
