"""Gives the entropy model of a checkpoint more channels; what it computes stays the same.

``python -m samebits.learn.training.widen IN OUT --context-channels N --entropy-width N``

New units begin with random incoming and no outgoing weights. Use the result with
``samebits train --entropy --start-from``.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from ..models import ModelConfig, PictureModel
from .checkpoint import load_checkpoint, save_checkpoint

NEW_WEIGHTS = 0.7
"""Standard deviation of new incoming weights, relative to that of the old ones."""


def widen_checkpoint(
    source: Path, target: Path, *, context_channels: int, entropy_width: int
) -> None:
    """Write the averaged weights of ``source`` with a wider entropy model.

    Raises
    ------
    ValueError
        If a width would shrink.
    """
    state = load_checkpoint(source)
    old_config = ModelConfig.from_dict(state["config"])
    if context_channels < old_config.context_channels or entropy_width < old_config.entropy_width:
        raise ValueError(
            f"the entropy model has {old_config.context_channels} context channels and width "
            f"{old_config.entropy_width}; it can only become wider"
        )
    config = replace(old_config, context_channels=context_channels, entropy_width=entropy_width)
    torch.manual_seed(0)
    weights = PictureModel(config).state_dict()
    for name, old in state["ema"].items():
        new = weights[name]
        if new.shape == old.shape:
            new.copy_(old)
        else:
            _copy_into(new, old, incoming=name in _INCOMING)
    kept = {name: state[name] for name in ("steps_done", "elapsed")}
    save_checkpoint(target, {**kept, "config": config.to_dict(), "model": weights, "ema": weights})


_INCOMING = {"entropy.context.weight", "entropy.head.layers.0.weight"}


def _copy_into(new: torch.Tensor, old: torch.Tensor, *, incoming: bool) -> None:
    """The old part as it was; new rows random if ``incoming``, everything else zero."""
    fresh = torch.randn_like(new) * old.std() * NEW_WEIGHTS if incoming else torch.zeros_like(new)
    fresh[: old.shape[0]] = 0
    new.copy_(fresh)
    new[tuple(slice(size) for size in old.shape)] = old


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--context-channels", type=int, required=True)
    parser.add_argument("--entropy-width", type=int, required=True)
    words = parser.parse_args()
    widen_checkpoint(
        words.source,
        words.target,
        context_channels=words.context_channels,
        entropy_width=words.entropy_width,
    )


if __name__ == "__main__":
    main()
