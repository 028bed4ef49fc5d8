"""A weights file of a model that nobody has trained, to count and to time a design."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ...errors import InvalidArgument
from ..models import ModelConfig, PictureModel
from ..models.transforms import PIXEL_UNIT
from ..training.initialization import initialize_linear
from ..training.pictures import random_crops
from .calibration import calibrate
from .exporter import export_model, write_exported

CROPS, CROP_SIZE = 4, 128
PATCH_VALUES = 3 * 8 * 8
"""The linear start finds at most this many principal components of patches of 8 × 8 pixels."""

LEAST_DEVIATION = 2.0**-10


def read_config(path: Path) -> ModelConfig:
    """A file of sizes: a JSON object with fields of ``ModelConfig``, the others as by default.

    Raises
    ------
    InvalidArgument
        It is no such object; the message says which field is wrong.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidArgument(f"{path} is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise InvalidArgument(f"{path} must hold a JSON object, not a {type(values).__name__}")
    known = {field.name: field.default for field in fields(ModelConfig)}
    for name, value in values.items():
        if name not in known:
            raise InvalidArgument(f"{path}: there is no field {name!r}; there are {[*known]}")
        if not _fits(value, known[name]):
            raise InvalidArgument(f"{path}: {name} is {value!r}, must be like {known[name]!r}")
    try:
        return ModelConfig.from_dict(values)
    except ValueError as error:
        raise InvalidArgument(f"{path}: {error}") from error


def export_untrained(config: Path, photo: Path, out: Path) -> None:
    """Build a random model of these sizes, calibrate it on crops of a photo, and export it.

    So that symbols are of a plausible size and cost plausible bits, the linear path is the start of
    a training, and the entropy model knows how much each latent channel varies. Residual branches,
    which start at zero, get small weights.
    """
    torch.manual_seed(0)
    model = PictureModel(read_config(config)).eval()
    with Image.open(photo) as image:
        pixels = np.asarray(image.convert("RGB"))
    crops = random_crops([pixels], count=CROPS, size=CROP_SIZE, random=np.random.default_rng(0))
    if model.config.width <= PATCH_VALUES:
        initialize_linear(model, crops)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 4 and not parameter.any():
                parameter.normal_(std=0.01)
    _set_scales(model, crops)
    write_exported(export_model(model, calibrate(model, crops)), out, name=config.stem)


@torch.no_grad()
def _set_scales(model: PictureModel, crops: torch.Tensor) -> None:
    y = model.g_a((crops - 128) / PIXEL_UNIT)
    bias = model.entropy.head.layers[-1].bias
    assert isinstance(bias, torch.Tensor)
    bias[model.config.latent_channels :] += torch.log2(y.std((0, 2, 3)) + LEAST_DEVIATION)


def _fits(value: object, default: object) -> bool:
    if isinstance(default, str):
        return isinstance(value, str)
    if isinstance(default, tuple):
        return isinstance(value, list) and all(type(item) is int for item in value)
    if isinstance(default, float):
        return type(value) in (int, float)
    return type(value) is int and value >= 0
