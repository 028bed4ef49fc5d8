"""Makes a float model round where the integer network will, with straight-through gradients.

Used for fine-tuning: what is trained is then what runs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..models import PictureModel
from ..models.network import Network, Op, ste_round
from .calibration import Ranges, networks_of
from .quantize import weight_scales
from .scales import ACTIVATION_LIMIT, ModelScales, RegisterScales, model_scales


def round_like_integers(model: PictureModel, ranges: Ranges) -> ModelScales:
    """Install rounding of every activation and weight of ``model`` (in place)."""
    scales = model_scales(model, ranges)
    for name, network in networks_of(model).items():
        network.tap = _round_activation(scales.networks[name])
        network.weight_tap = _round_weight(network, scales.networks[name])
    limit = ACTIVATION_LIMIT / scales.hidden
    model.entropy.tap = lambda hidden: (ste_round(hidden * scales.hidden) / scales.hidden).clamp(
        -limit, limit
    )
    return scales


def stop_rounding(model: PictureModel) -> None:
    """Undo :func:`round_like_integers`."""
    for network in networks_of(model).values():
        network.tap = network.weight_tap = None
    model.entropy.tap = None


def _round_activation(scales: RegisterScales) -> Callable[[Op, Tensor], Tensor]:
    tensors = {
        register: torch.as_tensor(scale, dtype=torch.float32).reshape(1, -1, 1, 1)
        for register, scale in scales.scale.items()
    }

    def tap(op: Op, value: Tensor) -> Tensor:
        if op.kind in ("shuffle", "unshuffle"):
            return value
        scale = tensors[op.dst].to(value.device)
        low, high = scales.clamp[op.dst]
        # The last layer of the synthesis saturates at the pixel range; gradients pass the rounding.
        return ste_round(value * scale).clamp(low, high) / scale

    return tap


def _round_weight(network: Network, scales: RegisterScales) -> Callable[[Op, Tensor], Tensor]:
    steps: dict[int, Tensor] = {}
    for op in network.ops:
        if op.kind == "conv":
            layer = network.layers[op.layer]
            weight = layer.weight.detach().cpu().permute(0, 2, 3, 1).double().numpy()
            limit = max(abs(v) for v in scales.clamp[op.src])
            bias = layer.bias.detach().cpu().double().numpy()
            unit = float(np.max(scales.scale[op.src]))
            factor = np.asarray(unit / scales.scale[op.src])
            per_channel = weight_scales(weight * factor, limit, bias, unit)
            step = per_channel[:, None, None, None] * factor.reshape(1, -1, 1, 1)
            steps[op.layer] = torch.as_tensor(step, dtype=torch.float32)

    def tap(op: Op, weight: Tensor) -> Tensor:
        step = steps[op.layer].to(weight.device)
        return ste_round(weight * step) / step

    return tap
