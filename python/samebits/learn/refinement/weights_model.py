"""A weights file as a differentiable model: what the integer codec computes, without its rounding.

It needs no checkpoint, so every model that the package can load can be refined (R3).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load
from torch import Tensor, nn

from samebits import _core
from samebits.errors import InvalidArgument

from ... import orders
from ...kernels import CdfTables
from ..models.config import ModelConfig
from ..models.entropy_model import EntropyModel
from ..models.likelihood import LOG2_SCALE_LOW, ROWS_PER_OCTAVE, SCALE_ROWS, gaussian_bits
from ..models.network import Network, Op, ste_round
from ..models.schedule import order_of_steps
from .refinable import Latents
from .relaxations import Quantize

PIXEL_OFFSET = 128
GAIN_ONE = 2.0**24
INVERSE_GAIN_ONE = 2.0**8
LOG_SCALE = 1024.0
SETTLED = 3 / 8
"""How far from the middle of its symbol's interval a latent may end, in steps."""


class WeightsModel(nn.Module):
    """The networks of a weights file in floating point, in the units of its integers.

    Parameters
    ----------
    weights : path of a weights file.
    quality : 0 ... 100, fixed.
    schedule : the order in which latents are coded; the default order if not given.

    Raises
    ------
    InvalidArgument
        The file has parts whose gradient is not known: a table in a network, rectifiers of several
        slopes in one network, or CDF rows that are not Gaussian.
    """

    z_scale: Tensor
    z_gain: Tensor
    z_inverse_gain: Tensor
    bias: Tensor
    gain: Tensor
    inverse_gain: Tensor

    def __init__(
        self, weights: Path, *, quality: int, schedule: _core.ScheduleSpec | None = None
    ) -> None:
        super().__init__()
        content = Path(weights).read_bytes()
        _core.Model(content)  # whatever is wrong with the file is said here
        tensors = load(content)
        _require_gaussian_rows(tensors)
        config = tensors["config"]
        m, nz, f, c1 = (int(v) for v in config[1:5])
        self.features = f
        self.g_a, self.h_a, self.h_s, self.g_s = (
            network_from_weights(tensors, name) for name in ("g_a", "h_a", "h_s", "g_s")
        )
        head = network_from_weights(tensors, "entropy")
        self.lmbda = float(tensors["lmbda"][quality]) / 2**24 if "lmbda" in tensors else None
        self.config = ModelConfig(
            latent_channels=m,
            hyper_channels=nz,
            hyper_features=f,
            context_channels=c1,
            groups=tuple(int(v) for v in tensors["groups"]),
            phase_groups=tuple(int(v) for v in tensors["phase_groups"]),
            leaky=int(tensors["context.leaky"][0]),
        )
        self.entropy = EntropyModel(self.config)
        self._load_context(tensors, head, quality)
        row = tensors["z_row"][quality].astype(np.float64)
        self.register_buffer("z_scale", _channels(row / ROWS_PER_OCTAVE + LOG2_SCALE_LOW))
        self.register_buffer("z_gain", _channels(tensors["z_gain"][quality] / GAIN_ONE))
        self.register_buffer(
            "z_inverse_gain", _channels(tensors["z_inverse_gain"][quality] / INVERSE_GAIN_ONE)
        )
        spec = schedule if schedule is not None else orders.schedule_of()
        groups = _core.ChannelGroups(
            latent_channels=m,
            groups=list(self.config.groups),
            phase_groups=list(self.config.phase_groups),
        )
        self.order = order_of_steps(_core.schedule_steps(spec, groups), m)
        self.requires_grad_(False)

    def _load_context(self, tensors: dict, head: Network, quality: int) -> None:
        m = self.config.latent_channels
        factor = tensors["context.multiplier"] / 2.0 ** tensors["context.shift"].astype(float)
        weight = tensors["context.weight"].astype(np.float64) * factor[:, None, None, None]
        weight[..., :m] /= 2.0 ** int(tensors["config"][5])  # proxy_shift
        weight[..., m : 2 * m] *= 256.0
        self.entropy.context.weight.data = _oihw(weight)
        self.register_buffer("bias", _channels(tensors["context.bias"][quality] * factor))
        # Scales of y become scales of symbols by log2(gain); the file has its own constant for it.
        gain = tensors["gain"][quality].astype(np.float64) / GAIN_ONE
        log2_gain = np.log2(np.maximum(gain, 2.0**-40))
        offset = tensors["log2_gain"][quality] / LOG_SCALE + LOG2_SCALE_LOW - log2_gain
        last = head.layers[-1]
        last.weight.data[m:] /= LOG_SCALE
        last.bias.data[m:] = last.bias.data[m:] / LOG_SCALE + torch.from_numpy(offset).float()
        self.entropy.head = head
        self.register_buffer("gain", _channels(gain))
        inverse = tensors["inverse_gain"][quality] / INVERSE_GAIN_ONE
        self.register_buffer("inverse_gain", _channels(inverse))

    def latents(self, x: Tensor) -> Latents:
        """As of :class:`RefinableModel`; y in units of its step, z likewise."""
        y = self.g_a(_extended(x) - PIXEL_OFFSET)
        height, width = y.shape[-2:]
        z = self.h_a(F.pad(y, (0, -width % 4, 0, -height % 4)))
        return {"y": y * self.gain, "z": z * self.z_gain}

    def decode(self, latents: Mapping[str, Tensor], quantize: Quantize) -> tuple[Tensor, Tensor]:
        """As of :class:`RefinableModel`; pictures are those of whole latents, not cropped."""
        z_symbols = quantize(latents["z"])
        z_bits = gaussian_bits(z_symbols, self.z_scale).sum((1, 2, 3))
        y_hat, bits, _ = self._code(latents["y"], z_symbols, quantize)
        x_hat = (self.g_s(y_hat) + PIXEL_OFFSET).clamp(0, 255)
        return bits.sum((1, 2, 3)) + z_bits, x_hat

    def _code(
        self, y: Tensor, z_symbols: Tensor, quantize: Quantize
    ) -> tuple[Tensor, Tensor, Tensor]:
        """y_hat, bits and symbols of y in units of the step."""
        height, width = y.shape[-2:]
        out = self.h_s(z_symbols * self.z_inverse_gain)[..., :height, :width]
        features, prediction = out.split([self.features, y.shape[1]], 1)
        return self.entropy(
            y / self.gain,
            prediction,
            features,
            self.bias,
            self.gain.expand(len(y), -1, -1, -1),
            self.inverse_gain.expand(len(y), -1, -1, -1),
            self.order.masks(height, width, y.device),
            noise=False,
            quantize=quantize,
        )

    def from_integers(self, y: np.ndarray, z_symbols: np.ndarray) -> Latents:
        """Latents of one picture as the integer encoder has them; the other way of `integers`."""
        device = self.gain.device
        y, z = (
            torch.from_numpy(a.transpose(2, 0, 1)[None].astype(np.float32)) for a in (y, z_symbols)
        )
        return {"y": y.to(device) * self.gain, "z": z.to(device)}

    @torch.no_grad()
    def integers(self, latents: Mapping[str, Tensor]) -> tuple[np.ndarray, np.ndarray]:
        """What the integer encoder takes of one picture: y (int16 (h, w, M)) and the hyper-latent
        symbols (int32 (h/4, w/4, Nz)). y is kept off the edges of its symbols' intervals, where
        integers could round it otherwise."""
        z = torch.floor(latents["z"] + 0.5).clamp(-(2**14), 2**14)
        y_hat, _, symbols = self._code(latents["y"], z, ste_round)
        mean = y_hat - symbols * self.inverse_gain
        offset = (latents["y"] / self.gain - mean) * self.gain - symbols
        y = mean + (symbols + offset.clamp(-SETTLED, SETTLED)) / self.gain
        y = torch.round(y).clamp(-32767, 32767).cpu()
        z = z.cpu()
        return (
            np.ascontiguousarray(y[0].permute(1, 2, 0).to(torch.int16).numpy()),
            np.ascontiguousarray(z[0].permute(1, 2, 0).to(torch.int32).numpy()),
        )


def network_from_weights(tensors: dict[str, np.ndarray], name: str) -> Network:
    """A program of a weights file (arithmetic.md 2) as a float network; clamps are left out.

    Raises
    ------
    InvalidArgument
        It has a table, or rectifiers of several slopes.
    """
    names = {1: "conv", 2: "add", 3: "unshuffle", 4: "shuffle"}
    value_of = {0: 0}  # of a register: each value gets a number of its own
    ops: list[Op] = []
    layers: list[nn.Conv2d] = []
    slopes: set[int] = set()
    for code, dst, src, src2, a0, a1, a2, a3 in tensors[f"{name}.program"].tolist():
        if code == 6:
            raise InvalidArgument(f"network {name} has a table, whose gradient is not known")
        if code == 5:  # clamp
            value_of[dst] = value_of[src]
            continue
        number = len(ops) + 1
        fields: dict = {"kind": names[code], "dst": number, "src": value_of[src]}
        if code == 1:
            layers.append(_layer(tensors, f"{name}.{a0}", stride=a1 % 16, depthwise=bool(a3)))
            fields |= {"layer": len(layers) - 1, "leaky": a2 >= 0}
            slopes |= {a2} - {-1}
        elif code == 2:
            fields["src2"] = value_of[src2]
        else:
            fields["factor"] = a0
        ops.append(Op(**fields))
        value_of[dst] = number
    if len(slopes) > 1:
        raise InvalidArgument(f"network {name} has rectifiers of several slopes")
    return Network(ops, layers, slopes.pop() if slopes else 0)


def _layer(tensors: dict, prefix: str, *, stride: int, depthwise: bool) -> nn.Conv2d:
    factor = tensors[f"{prefix}.multiplier"] / 2.0 ** tensors[f"{prefix}.shift"].astype(float)
    weight = tensors[f"{prefix}.weight"].astype(np.float64) * factor[:, None, None, None]
    out, kernel, _, per_output = weight.shape
    groups = out if depthwise else 1
    layer = nn.Conv2d(per_output * groups, out, kernel, stride, (kernel - 1) // 2, groups=groups)
    layer.weight.data = _oihw(weight)
    layer.bias.data = torch.from_numpy(tensors[f"{prefix}.bias"] * factor).float()
    return layer


def _oihw(weight: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(weight.transpose(0, 3, 1, 2))).float()


def _channels(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float64)).float()[None, :, None, None]


def _extended(x: Tensor) -> Tensor:
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % 16, 0, -height % 16), mode="replicate")


def _require_gaussian_rows(tensors: dict[str, np.ndarray]) -> None:
    wanted = CdfTables.gaussian_octaves(
        rows=SCALE_ROWS, first=round(LOG2_SCALE_LOW * ROWS_PER_OCTAVE), per_octave=ROWS_PER_OCTAVE
    )
    if not np.array_equal(tensors["cdf.starts"], wanted.starts):
        raise InvalidArgument("the CDF rows of the weights file are not the Gaussian ones")
