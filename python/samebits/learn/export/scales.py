"""Scales: how many integer steps one float unit is, for every register of every network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..models import PictureModel
from ..models.network import Network
from ..models.time_context import TimeContext
from .calibration import Ranges, networks_of

ACTIVATION_LIMIT = 8191
"""Clamp of inner activations: 14 bits, so that exact integer Winograd stays possible."""
LATENT_LIMIT = 16383
"""Clamp of the hyper-synthesis output (hyper features and predicted values)."""
FULL_LIMIT = 32767
Y_SCALE = 512.0
"""Integer steps of y per float unit (64 pixel levels of an orthonormal transform)."""
PROXY_SHIFT = 2
MASK_ONE = 256
QUALITY_ALL = 6400
"""What the network `time` reads at quality 100."""
LOG_SCALE = 1024.0
"""Integer steps of the log2 scale per octave."""
PIXEL_SCALE = 64.0
"""Pixel networks work on (x - 128) / 64, the integers are x - 128."""
HEADROOM = 2.0
"""Calibrated ranges are widened by this before they are mapped to the clamp."""

SMALLEST_RANGE = 1e-2
"""A range that calibration found smaller counts as this: dead channels need no precision."""

LIMITS = {"activation": ACTIVATION_LIMIT, "full": FULL_LIMIT, "latent": LATENT_LIMIT, "pixel": 128}


@dataclass(frozen=True)
class RegisterScales:
    """Per register: scale (a number, or one per channel) and the clamp (lo, hi)."""

    scale: dict[int, np.ndarray]
    clamp: dict[int, tuple[int, int]]


@dataclass(frozen=True)
class ModelScales:
    """Scales of a whole model: its networks, z, z_hat, the hyper features, the context layer."""

    networks: dict[str, RegisterScales]
    z: float
    z_hat: float
    features: float
    hidden: float


def model_scales(model: PictureModel, ranges: Ranges) -> ModelScales:
    """Choose every scale of ``model`` from its calibrated ``ranges``."""
    m, f = model.config.latent_channels, model.config.hyper_features
    z = FULL_LIMIT / (HEADROOM * max(float(ranges.per_channel["h_a"].max()), SMALLEST_RANGE))
    # Symbols of a few steps must fit at the coarsest gain, even if calibration saw zeros only.
    few_steps = 8 * 2.0 ** -model.log2_z_gain.min().item()
    z_hat = FULL_LIMIT / (HEADROOM * max(ranges.z_hat, few_steps))
    feature_range = float(ranges.per_channel["h_s"][:f].max())
    features = ACTIVATION_LIMIT / (HEADROOM * max(feature_range, SMALLEST_RANGE))
    hidden = ACTIVATION_LIMIT / (HEADROOM * max(ranges.hidden, SMALLEST_RANGE))
    full = (-FULL_LIMIT, FULL_LIMIT)
    activation = (-ACTIVATION_LIMIT, ACTIVATION_LIMIT)
    h_s_output = np.r_[np.full(f, features), np.full(m, Y_SCALE)]
    head_output = np.r_[np.full(m, Y_SCALE), np.full(m, LOG_SCALE)]
    ends: dict[str, tuple[np.ndarray | float, tuple[int, int], np.ndarray | float]] = {
        "g_a": (PIXEL_SCALE, (-128, 127), Y_SCALE),
        "g_s": (Y_SCALE, full, PIXEL_SCALE),
        "h_a": (Y_SCALE, full, z),
        "h_s": (z_hat, full, h_s_output),
        "entropy": (hidden, activation, head_output),
    }
    if model.values is not None:
        scale = np.tile(coefficient_scales(model, ranges), m)
        ends["values"] = (hidden, activation, scale)
    if model.time is not None:
        scale_in, scale_out = time_ends(model.time, features)
        ends["time"] = (scale_in, activation, scale_out)
    networks = {
        name: register_scales(
            network,
            ranges,
            name,
            input_scale=ends[name][0],
            input_clamp=ends[name][1],
            output_scale=ends[name][2],
        )
        for name, network in networks_of(model).items()
    }
    return ModelScales(networks, z, z_hat, features, hidden)


def coefficient_scales(model: PictureModel, ranges: Ranges) -> np.ndarray:
    """Integer steps per unit of the coefficients of a probability per value, (J,)."""
    assert model.values is not None
    largest = ranges.per_channel["values"].reshape(-1, model.values.coefficients).amax(0)
    return FULL_LIMIT / (HEADROOM * np.maximum(largest.double().numpy(), SMALLEST_RANGE))


def time_ends(time: TimeContext, features: float) -> tuple[np.ndarray, np.ndarray]:
    """Integer steps per unit of what the float network `time` reads and gives, per channel: its
    own factors at both ends are part of them (arithmetic.md 4, "Time")."""
    m, f = time.config.latent_channels, time.config.hyper_features
    latents = np.full(m, Y_SCALE / 2**PROXY_SHIFT)
    steps = [np.full(f, features), latents, latents, [MASK_ONE], latents, [MASK_ONE], [QUALITY_ALL]]
    ends = np.r_[np.full(f, features), np.full(m, Y_SCALE)]
    scale_in = time.input_scale.detach().double().numpy().reshape(-1)
    scale_out = time.output_scale.detach().double().numpy().reshape(-1)
    return np.concatenate(steps) / scale_in, ends * scale_out


def _tied_registers(network: Network) -> dict[int, int]:
    """Registers that must share a scale (both sides of an addition, a shuffle), by a root each."""
    root: dict[int, int] = {0: 0}

    def find(register: int) -> int:
        while root.setdefault(register, register) != register:
            register = root[register]
        return register

    for op in network.ops:
        if op.kind != "conv":
            for source in (op.src, op.src2):
                if source >= 0:
                    a, b = find(op.dst), find(source)
                    root[max(a, b)] = min(a, b)
    return {register: find(register) for register in list(root) + [op.dst for op in network.ops]}


def register_scales(
    network: Network,
    ranges: Ranges,
    name: str,
    *,
    input_scale: np.ndarray | float,
    input_clamp: tuple[int, int],
    output_scale: np.ndarray | float | None,
) -> RegisterScales:
    """Scales and clamps of a network whose input (and perhaps output) scale is given."""
    roots = _tied_registers(network)
    seen = ranges.registers[name]
    bounds = {op.dst: op.bound for op in network.ops if op.kind in ("conv", "add")}
    largest: dict[int, float] = {}
    for register, value in seen.items():
        largest[roots[register]] = max(largest.get(roots[register], 0.0), value)
    by_root: dict[int, np.ndarray] = {
        root: np.asarray(ACTIVATION_LIMIT / (HEADROOM * max(value, SMALLEST_RANGE)))
        for root, value in largest.items()
    }
    by_root[roots[0]] = np.asarray(input_scale)
    output = network.ops[-1].dst
    if output_scale is not None:
        by_root[roots[output]] = np.asarray(output_scale)
    clamp: dict[int, tuple[int, int]] = {0: input_clamp}
    for op in network.ops:
        if op.kind in ("shuffle", "unshuffle"):
            clamp[op.dst] = clamp[op.src]
        elif bounds.get(op.dst) == "pixel":
            clamp[op.dst] = (-128, 127)
        else:
            limit = LIMITS[bounds.get(op.dst, "activation")]
            if roots[op.dst] == roots[0]:
                limit = max(limit, input_clamp[1])
            clamp[op.dst] = (-limit, limit)
    return RegisterScales({r: by_root[root] for r, root in roots.items()}, clamp)
