"""Start a model as the best linear transform of its data, instead of at random.

The residual blocks start as identities, so a new model is linear from end to end: unshuffle, 1x1,
stride 2. Its layers are set to principal components of real patches (a Karhunen-Loeve transform),
and the synthesis to their transposes. The untrained model is then a working transform coder and
training only has to improve on it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models import PictureModel
from ..models.transforms import PIXEL_UNIT


def principal_components(samples: Tensor, count: int) -> Tensor:
    """Rows: the ``count`` directions of largest second moment of (N, D) samples."""
    moment = samples.double().T @ samples.double() / len(samples)
    _, vectors = torch.linalg.eigh(moment)
    return vectors.flip(1)[:, :count].T.float()


def _as_rows(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


@torch.no_grad()
def initialize_linear(model: PictureModel, crops: Tensor) -> None:
    """Set the linear path of ``model`` from (B, 3, H, W) uint8 crops."""
    x = (crops.float() - 128) / PIXEL_UNIT
    patches = F.pixel_unshuffle(x, 8)
    first = principal_components(_as_rows(patches), model.config.width)
    features = F.conv2d(patches, first[:, :, None, None])
    second = principal_components(
        _as_rows(F.pixel_unshuffle(features, 2)), model.config.latent_channels
    )
    convs = model.g_a.layers
    convs[0].weight.copy_(first[:, :, None, None])
    # pixel_unshuffle orders (channel, dy, dx); the stride-2 kernel covers rows 2i-1 ... 2i+1.
    taps = second.reshape(-1, model.config.width, 2, 2)
    convs[-1].weight.mul_(0.05)
    convs[-1].weight[:, :, 1:, 1:] += taps
    back = model.g_s.layers
    up = next(
        op.layer for op in model.g_s.ops if op.kind == "conv" and _feeds_shuffle(model, op.dst)
    )
    back[up].weight.copy_(second.T[:, :, None, None])
    back[-1].weight.copy_(first.T[:, :, None, None])


def _feeds_shuffle(model: PictureModel, register: int) -> bool:
    return any(op.kind == "shuffle" and op.src == register for op in model.g_s.ops)
