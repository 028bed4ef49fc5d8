"""Builds the tensors of a weights file (arithmetic.md) from a float model and its ranges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...kernels import CdfTables
from ..grouping.group_file import read_groups
from ..models import PictureModel
from ..models.config import QUALITIES
from ..models.likelihood import LOG2_SCALE_LOW, ROWS_PER_OCTAVE, SCALE_ROWS
from ..models.network import Network, Op
from ..training.checkpoint import model_from_checkpoint
from ..training.pictures import load_pictures, random_crops
from .calibration import Ranges, calibrate, networks_of
from .permutation import group_tensors, permute_tensors
from .quantize import IntegerConv, Proof, quantize_conv
from .registers import register_numbers
from .scales import (
    ACTIVATION_LIMIT,
    LATENT_LIMIT,
    LOG_SCALE,
    MASK_ONE,
    PROXY_SHIFT,
    Y_SCALE,
    ModelScales,
    RegisterScales,
    coefficient_scales,
    model_scales,
)
from .value_tensors import add_value_head
from .weights_file import write_weights

GAIN_SHIFT = 24
INVERSE_GAIN_SHIFT = 8
LMBDA_SHIFT = 24
OPCODES = {"conv": 1, "add": 2, "unshuffle": 3, "shuffle": 4}


@dataclass(frozen=True)
class Exported:
    """Tensors of the weights file by name, the proofs, and the scales that were chosen."""

    tensors: dict[str, np.ndarray]
    proofs: list[Proof]
    scales: ModelScales


def export_model(model: PictureModel, ranges: Ranges) -> Exported:
    """Quantize every layer and table of ``model`` (CPU, float32) with the calibrated ``ranges``."""
    config = model.config
    scales = model_scales(model, ranges)
    tensors: dict[str, np.ndarray] = {}
    proofs: list[Proof] = []
    for name, network in networks_of(model).items():
        _add_network(tensors, proofs, name, network, scales.networks[name], config.leaky)
    _add_context(tensors, proofs, model, scales)
    _add_quality_tables(tensors, model, scales)
    if model.time is not None:
        tensors["time.clamp"] = np.array([-LATENT_LIMIT, LATENT_LIMIT], np.int32)
        tensors["time.z_row"] = _z_rows(model, model.time.log2_z_scale)
    _add_cdf_tables(tensors)
    if model.values is not None:
        add_value_head(tensors, proofs, model.values, coefficient_scales(model, ranges))
    tensors |= group_tensors(config.groups, config.phase_groups)
    tensors["config"] = np.zeros(16, np.int32)
    tensors["config"][:8] = [
        1,
        config.latent_channels,
        config.hyper_channels,
        config.hyper_features,
        config.context_channels,
        PROXY_SHIFT,
        QUALITIES,
        SCALE_ROWS,
    ]
    return Exported(tensors, proofs, scales)


def export_checkpoint(
    checkpoint: Path,
    data: Path,
    out: Path,
    *,
    crops: int,
    limit: int,
    name: str,
    groups: Path | None = None,
) -> tuple[Exported, str]:
    """Calibrate, quantize, prove and write; returns what was exported and the file's SHA-256.

    With a file of learned ``groups`` the latent channels are put in its order (E4).
    """
    model = model_from_checkpoint(checkpoint)
    grouping = None
    if groups is not None:
        grouping = read_groups(groups, channels=model.config.latent_channels)
    pictures = load_pictures(data, smallest=256, limit=limit)
    random = np.random.default_rng(0)
    samples = random_crops(pictures.train, count=crops, size=256, random=random)
    exported = export_model(model, calibrate(model, samples))
    if grouping is not None:
        exported = replace(exported, tensors=permute_tensors(exported.tensors, model, grouping))
    return exported, write_exported(exported, out, name=name)


def write_exported(exported: Exported, out: Path, *, name: str) -> str:
    """Write the weights file, with a line on its proofs; returns its SHA-256."""
    tightest = max(proof.accumulator_bits for proof in exported.proofs)
    least = min(proof.bits_gained for proof in exported.proofs)
    description = {
        "format": "samebits-model-1",
        "name": name,
        "no_overflow": f"every |accumulator| < 2^{tightest:.3f}; L1 bound at least {least:.2f} "
        "bits tighter than k*k*C*m_i*m_k",
    }
    return write_weights(out, exported.tensors, description=description)


def _ohwi(weight: Tensor) -> np.ndarray:
    return weight.detach().permute(0, 2, 3, 1).double().numpy()


def _add_network(
    tensors: dict[str, np.ndarray],
    proofs: list[Proof],
    name: str,
    network: Network,
    scales: RegisterScales,
    leaky: int,
) -> None:
    program = np.zeros((len(network.ops), 8), np.int32)
    registers = register_numbers(network.ops)
    for n, op in enumerate(network.ops):
        program[n] = _program_row(op, registers[n], network, scales, leaky)
        if op.kind == "conv":
            layer = network.layers[op.layer]
            limit = max(abs(v) for v in scales.clamp[op.src])
            # Inputs may have scales of their own: each part of the weight absorbs its own.
            unit = float(np.max(scales.scale[op.src]))
            conv, proof = quantize_conv(
                f"{name}.{op.layer}",
                _ohwi(layer.weight) * (unit / scales.scale[op.src]),
                layer.bias.detach().numpy(),
                input_scale=unit,
                input_limit=limit,
                output_scale=scales.scale[op.dst],
                clamp=scales.clamp[op.dst],
            )
            proofs.append(proof)
            _add_conv(tensors, f"{name}.{op.layer}", conv)
    tensors[f"{name}.program"] = program


def _add_conv(tensors: dict[str, np.ndarray], prefix: str, conv: IntegerConv) -> None:
    tensors[f"{prefix}.weight"] = conv.weight
    tensors[f"{prefix}.bias"] = conv.bias
    tensors[f"{prefix}.multiplier"] = conv.multiplier
    tensors[f"{prefix}.shift"] = conv.shift
    tensors[f"{prefix}.clamp"] = np.array(conv.clamp, np.int32)


def _program_row(
    op: Op, registers: tuple[int, ...], network: Network, scales: RegisterScales, leaky: int
) -> list[int]:
    row = [OPCODES[op.kind], *registers, 0, 0, 0, 0]
    if op.kind == "conv":
        layer = network.layers[op.layer]
        row[4] = op.layer
        row[5] = layer.kernel_size[0] * 16 + layer.stride[0]
        row[6] = leaky if op.leaky else -1
        row[7] = int(layer.groups > 1)
    elif op.kind == "add":
        row[4:6] = scales.clamp[op.dst]
    else:
        row[4] = op.factor
    return row


def _add_context(
    tensors: dict[str, np.ndarray], proofs: list[Proof], model: PictureModel, scales: ModelScales
) -> None:
    """One layer over inputs of three scales: each part of the weight absorbs its own."""
    config = model.config
    m, f = config.latent_channels, config.hyper_features
    unit = Y_SCALE / 2**PROXY_SHIFT
    per_input = np.r_[np.ones(m), np.full(m, unit / MASK_ONE), np.full(f, unit / scales.features)]
    limit = np.r_[np.full(m, 8191), np.full(m, MASK_ONE), np.full(f, LATENT_LIMIT)]
    quality = torch.arange(QUALITIES, dtype=torch.float32)
    bias = model.at_quality(model.entropy.quality_bias, quality)[:, :, 0, 0].detach().numpy()
    conv, proof = quantize_conv(
        "context",
        _ohwi(model.entropy.context.weight) * per_input,
        bias,
        input_scale=unit,
        input_limit=limit,
        output_scale=scales.hidden,
        clamp=(-ACTIVATION_LIMIT, ACTIVATION_LIMIT),
    )
    proofs.append(proof)
    _add_conv(tensors, "context", conv)
    tensors["context.leaky"] = np.array([config.leaky], np.int32)


def _table(model: PictureModel, knots: Tensor) -> np.ndarray:
    """A row for every quality of a table over knots."""
    quality = torch.arange(QUALITIES, dtype=torch.float32)
    return model.at_quality(knots, quality)[:, :, 0, 0].detach().double().numpy()


def _z_rows(model: PictureModel, log2_scale: Tensor) -> np.ndarray:
    """CDF rows of hyper-latents whose scales stand in a table over knots."""
    rows = np.floor((_table(model, log2_scale) - LOG2_SCALE_LOW) * ROWS_PER_OCTAVE + 0.5)
    return np.clip(rows, 0, SCALE_ROWS - 1).astype(np.uint8)


def _add_quality_tables(
    tensors: dict[str, np.ndarray], model: PictureModel, scales: ModelScales
) -> None:
    def table(knots: Tensor) -> np.ndarray:
        return _table(model, knots)

    def fixed(values: np.ndarray) -> np.ndarray:
        integers = np.floor(values + 0.5)
        if integers.max() >= 2**31 or integers.min() < 0:
            raise ValueError("a gain does not fit its fixed-point format")
        return integers.astype(np.int32)

    log2_gain = table(model.log2_gain)
    tensors["gain"] = fixed(2.0**log2_gain * 2**GAIN_SHIFT / Y_SCALE)
    tensors["inverse_gain"] = fixed(
        2.0 ** table(model.log2_inverse_gain) * Y_SCALE * 2**INVERSE_GAIN_SHIFT
    )
    row_zero = -LOG2_SCALE_LOW * LOG_SCALE
    tensors["log2_gain"] = np.floor(log2_gain * LOG_SCALE + row_zero + 0.5).astype(np.int32)
    z_gain = 2.0 ** table(model.log2_z_gain)
    tensors["z_gain"] = fixed(z_gain * 2**GAIN_SHIFT / scales.z)
    tensors["z_inverse_gain"] = fixed(scales.z_hat / z_gain * 2**INVERSE_GAIN_SHIFT)
    tensors["z_row"] = _z_rows(model, model.log2_z_scale)
    lmbda = np.array([model.config.lmbda(q) for q in range(QUALITIES)])
    tensors["lmbda"] = np.maximum(fixed(lmbda * 2**LMBDA_SHIFT), 1)


def _add_cdf_tables(tensors: dict[str, np.ndarray]) -> None:
    tables = CdfTables.gaussian_octaves(
        rows=SCALE_ROWS, first=round(LOG2_SCALE_LOW * ROWS_PER_OCTAVE), per_octave=ROWS_PER_OCTAVE
    )
    tensors["cdf.starts"] = tables.starts
    tensors["cdf.row_begin"] = tables.row_begin
    tensors["cdf.min_symbol"] = tables.min_symbol
