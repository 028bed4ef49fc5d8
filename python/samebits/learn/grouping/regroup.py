"""Puts the latent channels of a checkpoint in the order of learned groups, to train on with them.

``python -m samebits.learn.grouping.regroup IN OUT --groups groups.json``

Training masks and coding orders follow the group sizes in the checkpoint from there on. Pictures
stay what they were. Use the result with ``samebits train --start-from``; ``samebits export`` then
needs no groups.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..export.permutation import permute_model
from ..training.checkpoint import (
    history_of,
    load_checkpoint,
    model_from_checkpoint,
    save_checkpoint,
)
from .group_file import read_groups


def regroup_checkpoint(source: Path, target: Path, *, groups: Path) -> None:
    """Write the averaged weights of ``source`` in the order of a group file.

    Raises
    ------
    ValueError
        The file is no partition of the model's channels.
    """
    model = model_from_checkpoint(source)
    grouping = read_groups(groups, channels=model.config.latent_channels)
    permuted = permute_model(model, grouping)
    weights = permuted.state_dict()
    state = load_checkpoint(source)
    config = permuted.config.to_dict()
    save_checkpoint(
        target, {**history_of(state), "config": config, "model": weights, "ema": weights}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--groups", type=Path, required=True, help="made by samebits group")
    words = parser.parse_args()
    regroup_checkpoint(words.source, words.target, groups=words.groups)


if __name__ == "__main__":
    main()
