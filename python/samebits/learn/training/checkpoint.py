"""Checkpoints: written to a temporary file and renamed, so an interruption loses nothing."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ..models import ModelConfig, PictureModel

FORMAT = "samebits-checkpoint-1"


def save_checkpoint(path: Path, state: dict) -> None:
    """Write ``state`` (tensors and plain values) so that ``path`` is always whole."""
    temporary = path.with_suffix(".tmp")
    torch.save({"format": FORMAT, **state}, temporary)
    os.replace(temporary, path)


def load_checkpoint(path: Path) -> dict:
    """Read a checkpoint of our own; only tensors and plain values are unpickled."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is not a Samebits checkpoint: {error}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path} is not a Samebits checkpoint (format {FORMAT})")
    return state


def model_from_checkpoint(path: Path, *, averaged: bool = True) -> PictureModel:
    """The model of a checkpoint, by default with the averaged (EMA) weights."""
    state = load_checkpoint(path)
    model = PictureModel(ModelConfig.from_dict(state["config"]))
    model.load_state_dict(state["ema" if averaged else "model"])
    return model.eval()
