"""Keeps of a checkpoint what later training needs to begin.

``python -m samebits.learn.training.slim IN OUT``

The averaged weights without the optimizer's state, a quarter of the size. Use the result with
``samebits train --start-from`` and ``samebits export``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .checkpoint import load_checkpoint, save_checkpoint


def slim_checkpoint(source: Path, target: Path) -> None:
    """Write the averaged weights of ``source`` as both model and average of ``target``."""
    state = load_checkpoint(source)
    kept = {name: state[name] for name in ("config", "ema", "steps_done", "elapsed")}
    save_checkpoint(target, {**kept, "model": state["ema"]})


if __name__ == "__main__":
    slim_checkpoint(Path(sys.argv[1]), Path(sys.argv[2]))
