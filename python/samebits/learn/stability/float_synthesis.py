"""The synthesis of a weights file or checkpoint in floating point, for the pixels of a file."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors.numpy import load
from torch import nn

from samebits import _core
from samebits.errors import InvalidArgument, ModelMismatch
from samebits.stability import Precision
from samebits.stability.float_chunk import IDENTITY_BYTES

from ..export.scales import Y_SCALE
from ..models.network import Network, Op
from ..models.transforms import PIXEL_UNIT
from ..refinement.weights_model import PIXEL_OFFSET, network_from_weights
from ..training.checkpoint import model_from_checkpoint

STRIDE = 16
FLOAT_BYTES = 8
DOUBLE_PRECISION = Precision(2.0**-20)
"""In steps of 8 bits. Outputs of the default weights in double precision differ by up to 1e-12
between environments (docs/stability.md), and those of float32 by 3e-4: what is a millionth costs
no more bytes than less would."""


@dataclass(frozen=True, eq=False)
class TorchSynthesis:
    """Latents to outputs in double precision; a :class:`samebits.float_synthesis.FloatSynthesis`.

    Attributes
    ----------
    identity : the first 8 bytes of the file's SHA-256.
    network : g_s. latent_unit, pixel_unit : integer steps of a latent, and steps of 8 bits, to its
        unit.
    """

    identity: bytes
    network: Network
    latent_unit: float = 1.0
    pixel_unit: float = 1.0
    precision: Precision = DOUBLE_PRECISION

    @staticmethod
    def load(path: Path, *, device: str | torch.device = "cpu") -> TorchSynthesis:
        """From a weights file (.safetensors), or from a checkpoint of ``samebits train``.

        Raises
        ------
        InvalidArgument
            It is neither, or its synthesis does not run in floating point.
        """
        content = path.read_bytes()
        identity = hashlib.sha256(content).digest()[:IDENTITY_BYTES]
        if path.suffix == ".safetensors":
            _core.Model(content)  # whatever is wrong with the file is said here
            made = TorchSynthesis(identity, network_from_weights(load(content), "g_s"))
        else:
            try:
                network = model_from_checkpoint(path).g_s
            except ValueError as error:
                reason = str(error).split(". ")[0]  # what torch adds is advice
                raise InvalidArgument(f"no weights file (.safetensors): {reason}") from error
            made = TorchSynthesis(identity, network, Y_SCALE, PIXEL_UNIT)
        made.network.to(device).double().requires_grad_(False)
        if _shape(made.network, made.latent_channels, 1, 1)[0] != (3, STRIDE, STRIDE):
            raise InvalidArgument(f"the synthesis of {path} does not make 16 x 16 pixels of RGB")
        return made

    @property
    def latent_channels(self) -> int:
        return _first_layer(self.network).in_channels

    @torch.no_grad()
    def __call__(self, y_hat: np.ndarray) -> np.ndarray:
        """Latents, int16 (h, w, M), to float64 (3, 16 h, 16 w)."""
        if y_hat.shape[2] != self.latent_channels:
            raise ModelMismatch(
                f"the float synthesis takes {self.latent_channels} latent channels, the stream's "
                f"model has {y_hat.shape[2]}"
            )
        device = _first_layer(self.network).weight.device
        y = torch.from_numpy(np.ascontiguousarray(y_hat.transpose(2, 0, 1)[None]))
        y = y.to(device).double() / self.latent_unit
        return (self.network(y)[0] * self.pixel_unit + PIXEL_OFFSET).cpu().numpy()

    def working_bytes(self, height: int, width: int) -> int:
        """Of the operation that needs most: the values that live, and copies of its own."""
        return FLOAT_BYTES * _shape(self.network, self.latent_channels, height, width)[1]


def _first_layer(network: Network) -> nn.Conv2d:
    """The first convolution that reads the network's input."""
    return _layer(network, next(op for op in network.ops if op.kind == "conv"))


def _layer(network: Network, op: Op) -> nn.Conv2d:
    return cast(nn.Conv2d, network.layers[op.layer])


def _shape(
    network: Network, channels: int, height: int, width: int
) -> tuple[tuple[int, int, int], int]:
    """Shape of a network's result, and the most numbers that it holds at a time."""
    shapes = {0: (channels, height, width)}
    most = 0
    for op, dead in zip(network.ops, network.dead_after, strict=True):
        c, h, w = shapes[op.src]
        if op.kind == "conv":
            layer = _layer(network, op)
            stride = layer.stride[0]
            shape = (layer.out_channels, -(-h // stride), -(-w // stride))
        elif op.kind == "shuffle":
            shape = (c // op.factor**2, h * op.factor, w * op.factor)
        elif op.kind == "unshuffle":
            shape = (c * op.factor**2, h // op.factor, w // op.factor)
        else:
            shape = (c, h, w)
        # Libraries copy what they read and write into an order of their own.
        copies = 2 * (c * h * w + math.prod(shape))
        most = max(most, copies + sum(map(math.prod, shapes.values())))
        shapes[op.dst] = shape
        for register in dead:
            del shapes[register]
    return shapes[network.ops[-1].dst], most
