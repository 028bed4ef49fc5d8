"""Ranges of a float model's activations over pictures, measured at every operation."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm

from ..models import PictureModel
from ..models.network import Network, Op
from ..models.schedule import default_order, make_order
from ..models.transforms import PIXEL_UNIT

STRIDE = 16
MOTION = 4
"""Pixels, down and across, between the frames that stand for a clip."""


def networks_of(model: PictureModel) -> dict[str, Network]:
    """The networks of a model under the names they have in the weights file."""
    networks = {
        "g_a": model.g_a,
        "g_s": model.g_s,
        "h_a": model.h_a,
        "h_s": model.h_s,
        "entropy": model.entropy.head,
    }
    if model.values is not None:
        networks["values"] = model.values.network
    if model.time is not None:
        networks["time"] = model.time.network
    return networks


@dataclass
class Ranges:
    """Largest magnitudes seen: per network and register, of the context layer and of y, z_hat.

    ``per_channel[name]`` is the largest magnitude of each output channel of a network.
    """

    registers: dict[str, dict[int, float]] = field(default_factory=dict)
    per_channel: dict[str, Tensor] = field(default_factory=dict)
    hidden: float = 0.0
    z_hat: float = 0.0


@torch.no_grad()
def calibrate(
    model: PictureModel,
    crops: Tensor,
    *,
    qualities: tuple[float, ...] = (0, 25, 50, 75, 100),
    batch: int = 8,
) -> Ranges:
    """Run (N, 3, H, W) uint8 crops through ``model`` at several qualities and record ranges."""
    ranges = Ranges()
    networks = networks_of(model)
    for name, network in networks.items():
        ranges.registers[name] = {}
        network.tap = _recorder(ranges, name, network.ops[-1].dst)

    def see_hidden(value: Tensor) -> Tensor:
        ranges.hidden = max(ranges.hidden, value.abs().max().item())
        if model.values is not None:
            model.values.network(value)
        return value

    model.entropy.tap = see_hidden
    see_z = model.h_s.register_forward_pre_hook(
        lambda _, args: _keep_largest(ranges, args[0].abs().max().item())
    )
    height, width = crops.shape[-2] // 16, crops.shape[-1] // 16
    orders = default_order(model.config), make_order(model.config, mode=2)
    try:
        for begin in tqdm(range(0, len(crops), batch), desc="calibrating"):
            x = crops[begin : begin + batch].float()
            for n, value in enumerate(qualities):
                steps = orders[n % 2].masks(height, width, x.device)
                quality = torch.full((len(x),), float(value))
                model(x, quality, steps, noise=False)
                if model.time is not None:
                    _run_time(model, x, quality)
    finally:
        see_z.remove()
        model.entropy.tap = None
        for network in networks.values():
            network.tap = None
    return ranges


def _run_time(model: PictureModel, x: Tensor, quality: Tensor) -> None:
    """The network for series on three crops of each crop, which move over it like a camera."""
    assert model.time is not None
    gain, inverse_gain = model.entropy_tables(quality)[1:]
    height, width = (side - STRIDE for side in x.shape[-2:])
    frames = [
        model.g_a((x[..., d : d + height, d : d + width] - 128) / PIXEL_UNIT)
        for d in (2 * MOTION, MOTION, 0)
    ]
    earlier = [torch.round(y * gain) * inverse_gain for y in frames[1:]]
    z_hat = model.hyper(frames[0], quality, noise=False)[0]
    features, prediction = model.context_from(z_hat, *frames[0].shape[-2:])
    for known in (earlier, earlier[:1]):
        model.time(features, prediction, known, quality)


def _keep_largest(ranges: Ranges, value: float) -> None:
    ranges.z_hat = max(ranges.z_hat, value)


def _recorder(ranges: Ranges, name: str, output: int):
    def record(op: Op, value: Tensor) -> Tensor:
        seen = ranges.registers[name]
        seen[op.dst] = max(seen.get(op.dst, 0.0), value.abs().max().item())
        if op.dst == output:
            largest = value.abs().amax((0, 2, 3))
            before = ranges.per_channel.get(name)
            ranges.per_channel[name] = largest if before is None else torch.maximum(before, largest)
        return value

    return record
