"""The states of all random generators of a run, as plain values for a checkpoint."""

from __future__ import annotations

import json

import numpy as np
import torch


def random_state(random: np.random.Generator, device: torch.device) -> dict:
    """States of ``random``, of torch on the CPU and, if it is used, of torch on the GPU."""
    return {
        "numpy": json.dumps(random.bit_generator.state),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def restore_random_state(state: dict, random: np.random.Generator, device: torch.device) -> None:
    """Inverse of :func:`random_state`; a run that changes its device gets new numbers there."""
    random.bit_generator.state = json.loads(state["numpy"])
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], device)
