"""Keeps of a checkpoint what later training needs to begin.

``python -m samebits.learn.training.slim IN OUT [--half]``

The averaged weights without the optimizer's state, a quarter of the size; with ``--half`` in
float16, an eighth: a snapshot to keep or to send. Use the result with ``samebits train
--start-from`` and ``samebits export``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .checkpoint import history_of, load_checkpoint, save_checkpoint


def slim_checkpoint(source: Path, target: Path, *, half: bool = False) -> None:
    """Write the averaged weights of ``source`` as both model and average of ``target``.

    Parameters
    ----------
    half : store weights as float16, 2 bytes each: an error of at most 2^-11 of a weight, or 2^-25.

    Raises
    ------
    ValueError
        ``source`` is not a checkpoint, or a weight is too large for float16.
    """
    state = load_checkpoint(source)
    weights = state["ema"]
    if half:
        weights = {name: _half(value, name, source) for name, value in weights.items()}
    kept = {"config": state["config"], **history_of(state)}
    save_checkpoint(target, {**kept, "model": weights, "ema": weights})


def _half(value: torch.Tensor, name: str, source: Path) -> torch.Tensor:
    if not value.is_floating_point():
        return value
    rounded = value.half()
    if not bool(rounded.isfinite().all()):
        raise ValueError(f"{source}: {name} has weights that float16 cannot hold; leave --half out")
    return rounded


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m samebits.learn.training.slim")
    parser.add_argument("source", type=Path, metavar="IN", help="a checkpoint")
    parser.add_argument("target", type=Path, metavar="OUT", help="what to write")
    parser.add_argument("--half", action="store_true", help="2 bytes per weight (float16)")
    arguments = parser.parse_args()
    try:
        slim_checkpoint(arguments.source, arguments.target, half=arguments.half)
    except (OSError, ValueError) as error:
        raise SystemExit(f"slim: {error}") from error


if __name__ == "__main__":
    main()
