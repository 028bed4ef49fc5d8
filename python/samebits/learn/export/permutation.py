"""Another order of the latent channels, so that learned groups are contiguous ranges (E4).

Nothing but numbers of channels changes: the integer sums of the permuted model have the same terms,
so its pictures are the same bits, and y_hat is the same with its channels in the new order.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ..grouping.group_file import Grouping
from ..models import ModelConfig, PictureModel
from ..models.network import Network
from .calibration import networks_of

Order = np.ndarray | None
"""(C,) int64, ``order[n]`` is the old number of the new channel n; None: unchanged."""

QUALITY_TABLES = ("gain", "inverse_gain", "log2_gain")
WITHOUT_LATENTS = {
    *("z_gain", "z_inverse_gain", "z_row", "lmbda", "config", "groups", "phase_groups"),
    *("context.bias", "context.multiplier", "context.shift", "context.clamp", "context.leaky"),
    *("cdf.starts", "cdf.row_begin", "cdf.min_symbol"),
    *("values.rows", "values.base", "values.shapes", "values.shift"),
    *("time.clamp", "time.z_row"),
}


def end_orders(
    config: ModelConfig, order: np.ndarray, networks: dict[str, Network]
) -> dict[str, tuple[Order, Order]]:
    """Order of input and output channels of every network, for a new order of the latents."""
    f, m = config.hyper_features, config.latent_channels
    features_and_latents = np.concatenate([np.arange(f), f + order])
    ends: dict[str, tuple[Order, Order]] = {
        "g_a": (None, order),
        "g_s": (order, None),
        "h_a": (order, None),
        "h_s": (None, features_and_latents),
        "entropy": (None, np.concatenate([order, m + order])),
    }
    if "values" in networks:  # J coefficients of each channel stand together
        j = _channels(networks["values"].layers[-1])[1] // m
        ends["values"] = None, (order[:, None] * j + np.arange(j)).ravel()
    if "time" in networks:  # features, prediction, then planes between the earlier latents
        count = _channels(networks["time"].layers[0])[0]
        inputs = np.arange(count)
        for begin in (f, f + m, f + 2 * m + 1):
            inputs[begin : begin + m] = begin + order
        ends["time"] = inputs, features_and_latents
    return ends


def _channels(layer: nn.Module) -> tuple[int, int]:
    assert isinstance(layer, nn.Conv2d)
    return layer.in_channels, layer.out_channels


def context_order(config: ModelConfig, order: np.ndarray) -> np.ndarray:
    """Order of the context layer's inputs: proxy, mask, hyper features."""
    m = config.latent_channels
    return np.concatenate([order, m + order, np.arange(2 * m, 2 * m + config.hyper_features)])


def layer_orders(
    name: str, network: Network, ends: tuple[Order, Order]
) -> list[tuple[Order, Order]]:
    """Order of input and output channels of every convolution of a network.

    Registers that are added, and both sides of a depthwise convolution, share an order.

    Raises
    ------
    ValueError
        A shuffle or two orders meet a permuted register: the network cannot be permuted so.
    """
    tied = {register: register for op in network.ops for register in (op.src, op.dst)}

    def root(register: int) -> int:
        while tied[register] != register:
            register = tied[register]
        return register

    for op in network.ops:
        depthwise = op.kind == "conv" and network.layers[op.layer].groups != 1
        if depthwise or op.kind == "add":
            for source in (op.src, op.src2):
                if source >= 0:
                    tied[root(op.dst)] = root(source)
    orders = {root(0): ends[0]} if ends[0] is not None else {}
    if ends[1] is not None and orders.setdefault(root(network.ops[-1].dst), ends[1]) is not ends[1]:
        raise ValueError(f"{name}: input and output share their channels and cannot both change")
    layers: list[tuple[Order, Order]] = [(None, None)] * len(network.layers)
    for op in network.ops:
        pair = orders.get(root(op.src)), orders.get(root(op.dst))
        if op.kind == "conv":
            layers[op.layer] = pair
        elif op.kind != "add" and pair != (None, None):
            raise ValueError(f"{name}: latent channels cannot be permuted through a {op.kind}")
    return layers


def permute_model(model: PictureModel, grouping: Grouping) -> PictureModel:
    """A copy whose latent channels stand in the order of ``grouping``, with its group sizes."""
    config, order = model.config, grouping.order
    permuted = PictureModel(
        replace(config, groups=grouping.sizes, phase_groups=grouping.phase_sizes)
    )
    permuted.load_state_dict(copy.deepcopy(model.state_dict()))
    networks = networks_of(permuted)
    ends = end_orders(config, order, networks)
    with torch.no_grad():
        for name, network in networks.items():
            for layer, (inputs, outputs) in zip(
                network.layers, layer_orders(name, network, ends[name]), strict=True
            ):
                assert isinstance(layer, nn.Conv2d)
                assert layer.bias is not None
                if layer.groups == 1:
                    _reorder(layer.weight, 1, inputs)
                _reorder(layer.weight, 0, outputs)
                _reorder(layer.bias, 0, outputs)
        _reorder(permuted.entropy.context.weight, 1, context_order(config, order))
        _reorder(permuted.log2_gain, 1, order)
        _reorder(permuted.log2_inverse_gain, 1, order)
        for name, buffer in permuted.named_buffers():
            ends_of_time = {"time.input_scale": 0, "time.output_scale": 1}
            if name in ends_of_time:
                _reorder(buffer, 1, ends["time"][ends_of_time[name]])
    return permuted.train(model.training)


def _reorder(parameter: Tensor, axis: int, order: Order) -> None:
    if order is not None:
        parameter.copy_(parameter.index_select(axis, torch.from_numpy(order)).clone())


def permute_tensors(
    tensors: dict[str, np.ndarray], model: PictureModel, grouping: Grouping
) -> dict[str, np.ndarray]:
    """The integers of a weights file with the latent channels in the order of ``grouping``.

    Parameters
    ----------
    tensors : as exported from ``model``, by name. Not changed.

    Raises
    ------
    ValueError
        A tensor is not known here, so whether it has latent channels is not known, too.
    """
    config, order = model.config, grouping.order
    networks = networks_of(model)
    ends = end_orders(config, order, networks)
    result: dict[str, np.ndarray] = {}

    def take(name: str, axis: int, chosen: Order) -> None:
        value = result.get(name, tensors[name])
        result[name] = value if chosen is None else np.take(value, chosen, axis)

    for name, network in networks.items():
        result[f"{name}.program"] = tensors[f"{name}.program"]
        for n, (inputs, outputs) in enumerate(layer_orders(name, network, ends[name])):
            prefix = f"{name}.{n}"
            result[f"{prefix}.clamp"] = tensors[f"{prefix}.clamp"]
            if network.layers[n].groups == 1:
                take(f"{prefix}.weight", 3, inputs)
            take(f"{prefix}.weight", 0, outputs)
            for part in ("bias", "multiplier", "shift"):
                take(f"{prefix}.{part}", 0, outputs)
    take("context.weight", 3, context_order(config, order))
    for name in QUALITY_TABLES:
        take(name, 1, order)
    for name in tensors.keys() & WITHOUT_LATENTS:
        result[name] = tensors[name]
    unknown = sorted(tensors.keys() - result.keys())
    if unknown:
        raise ValueError(f"tensor {unknown[0]} is not known here: its channels cannot be permuted")
    return result | group_tensors(grouping.sizes, grouping.phase_sizes)


def group_tensors(groups: Sequence[int], phase_groups: Sequence[int]) -> dict[str, np.ndarray]:
    """Group sizes as a weights file holds them."""
    return {
        "groups": np.array(groups, np.int32),
        "phase_groups": np.array(phase_groups, np.int32),
    }
