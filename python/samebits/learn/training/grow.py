"""Gives the model of a checkpoint more blocks, channels or qualities; what it computes stays.

``python -m samebits.learn.training.grow IN OUT synthesis_blocks=6 lmbda_low=0.0004 ...``

New blocks begin as identities, new channels with random incoming and no outgoing weights; with
another range of lambda every quality goes where its lambda stands now, and the tables go on in a
straight line beyond the old range. Use the result with ``samebits train --start-from``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import fields, replace
from math import log
from pathlib import Path

import torch
from torch import Tensor

from ..models import ModelConfig, PictureModel
from .checkpoint import history_of, load_checkpoint, save_checkpoint

NEW_WEIGHTS = 0.7
"""Standard deviation of new incoming weights, relative to that of the old ones."""
LAYERS_OF_A_BLOCK = {"depthwise": 5, "dense": 2}
BLOCKS = ("analysis_blocks", "synthesis_blocks", "latent_blocks")
CHANNELS = ("context_channels", "entropy_width")
RANGE = ("lmbda_low", "lmbda_high")
QUALITY_TABLES = (
    "log2_gain",
    "log2_inverse_gain",
    "log2_z_gain",
    "log2_z_scale",
    "entropy.quality_bias",
)


def grow_checkpoint(source: Path, target: Path, changes: Mapping[str, float]) -> ModelConfig:
    """Write the averaged weights of ``source`` as a larger model, and return its sizes.

    Parameters
    ----------
    changes : new values of fields of :class:`ModelConfig`, out of BLOCKS, CHANNELS and RANGE.

    Raises
    ------
    ValueError
        A field that cannot be changed, or that would shrink.
    """
    state = load_checkpoint(source)
    old_config = ModelConfig.from_dict(state["config"])
    config = grown_config(old_config, changes)
    torch.manual_seed(0)
    weights = PictureModel(config).state_dict()
    for name, old in state["ema"].items():
        new = weights[_new_name(name, old_config, config)]
        if name in QUALITY_TABLES:
            old = _at_new_qualities(old, old_config, config)
        if new.shape == old.shape:
            new.copy_(old)
        else:
            _copy_into(new, old, incoming=name in _INCOMING)
    save_checkpoint(
        target, {**history_of(state), "config": config.to_dict(), "model": weights, "ema": weights}
    )
    return config


def grown_config(old: ModelConfig, changes: Mapping[str, float]) -> ModelConfig:
    """The sizes after ``changes``; errors as of :func:`grow_checkpoint`."""
    for name, value in changes.items():
        if name not in (*BLOCKS, *CHANNELS, *RANGE):
            raise ValueError(
                f"{name} cannot be changed: only {', '.join((*BLOCKS, *CHANNELS, *RANGE))}"
            )
        if name not in RANGE and value < getattr(old, name):
            raise ValueError(f"{name} is {getattr(old, name)}; it can only become larger")
    whole = {n: value if n in RANGE else int(value) for n, value in changes.items()}
    return replace(old, **whole)  # type: ignore[arg-type]


def _new_name(name: str, old: ModelConfig, new: ModelConfig) -> str:
    """Name of a tensor after new blocks were put behind the old ones of their kind."""
    network, _, rest = name.partition(".layers.")
    if network not in ("g_a", "g_s"):
        return name
    number, _, kind = rest.partition(".")
    # Layers one by one, blocks as their kinds: the programs of models/transforms.py.
    parts = {
        "g_a": (1, "analysis_blocks", 1),
        "g_s": ("latent_blocks", 1, "synthesis_blocks", 1),
    }[network]
    begin = moved = 0
    for part in parts:
        count, grown = (
            (part, part)
            if isinstance(part, int)
            else (LAYERS_OF_A_BLOCK[old.block] * getattr(c, part) for c in (old, new))
        )
        if int(number) < begin + count:
            return f"{network}.layers.{int(number) + moved}.{kind}"
        begin, moved = begin + count, moved + grown - count
    raise ValueError(f"{name} is not a layer of this model")


def _at_new_qualities(table: Tensor, old: ModelConfig, new: ModelConfig) -> Tensor:
    """A (knots, C) table over the old qualities, read where the new ones stand."""
    if (old.lmbda_low, old.lmbda_high) == (new.lmbda_low, new.lmbda_high):
        return table
    knots = old.gain_knots
    rows = []
    for knot in range(knots):
        lmbda = new.lmbda(100 * knot / (knots - 1))
        position = (knots - 1) * log(lmbda / old.lmbda_low) / log(old.lmbda_high / old.lmbda_low)
        low = min(max(int(position), 0), knots - 2)
        rows.append(torch.lerp(table[low], table[low + 1], position - low))
    return torch.stack(rows)


_INCOMING = {"entropy.context.weight", "entropy.head.layers.0.weight"}


def _copy_into(new: Tensor, old: Tensor, *, incoming: bool) -> None:
    """The old part as it was; new rows random if ``incoming``, everything else zero."""
    fresh = torch.randn_like(new) * old.std() * NEW_WEIGHTS if incoming else torch.zeros_like(new)
    fresh[: old.shape[0]] = 0
    new.copy_(fresh)
    new[tuple(slice(size) for size in old.shape)] = old


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    known = ", ".join(f.name for f in fields(ModelConfig) if f.name in (*BLOCKS, *CHANNELS, *RANGE))
    parser.add_argument("changes", nargs="+", metavar="NAME=VALUE", help=f"of {known}")
    words = parser.parse_args()
    pairs = [change.partition("=") for change in words.changes]
    try:
        changes = {name: float(value) for name, _, value in pairs}
        print(grow_checkpoint(words.source, words.target, changes))
    except ValueError as error:
        raise SystemExit(f"grow: {error}") from error


if __name__ == "__main__":
    main()
