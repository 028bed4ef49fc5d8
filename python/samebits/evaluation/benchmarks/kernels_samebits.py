# pyright: reportMissingImports=false
"""Samebits' own contenders: prepared networks, and the functions over arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from samebits import _core, kernels
from samebits.evaluation.benchmarks.layers import LayerData
from samebits.evaluation.benchmarks.peers import INSTALL_EXTRA, Source
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
        # What lies between two convolutions would have to become uint8 again.
        types = [(twelve, np.int16), (eight, np.int16 if len(eight.layer.convs) > 1 else np.uint8)]
        for (data, dtype), (way, prepare) in itertools.product(types, WAYS.items()):
            name = f"samebits {target}, {data.activations.name} {np.dtype(dtype)}, {way}"
            sources.append(
                _source(name, target, lambda prepare=prepare, d=data, t=dtype: prepare(d, t))
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
    return NOTES[name.rsplit(", ", 1)[1]]


def _arrays(data: LayerData, dtype: type[np.generic]) -> Callable[[], np.ndarray]:
    x = np.ascontiguousarray(data.x[None], dtype)

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


def prepared(data: LayerData, dtype: type[np.generic]) -> Callable[[], np.ndarray]:
    """The layer with its weights packed beforehand."""
    x = np.ascontiguousarray(data.x, dtype)
    convs = [
        _core.PreparedConv(
            weight.astype(np.int16),
            bias,
            np.ones(len(bias), np.int32),
            np.full(len(bias), shift, np.int32),
            lo=data.activations.lo,
            hi=data.activations.hi,
            depthwise=conv.groups > 1,
            in_lo=data.activations.lo,
            in_hi=data.activations.hi,
        )
        for conv, weight, bias, shift in zip(
            data.layer.convs, data.weights, data.biases, data.shifts, strict=True
        )
    ]

    def run() -> np.ndarray:
        y = x
        for conv in convs:
            y = conv.run(y)
        return y

    return run


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


WAYS = {"prepared": prepared, "arrays": _arrays}
NOTES = {
    "prepared": "weights packed beforehand, nothing copied",
    "arrays": "samebits.kernels.conv2d_requantized: weights packed in each call",
    "network": "as the codec runs it: weights packed at load; input and output arrays copied",
}
