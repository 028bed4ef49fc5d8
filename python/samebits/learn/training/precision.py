"""What products are computed in during training, and which choice is fastest here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..models.fused_block import precisions
from ..models.network import Network
from .random_state import random_state, restore_random_state

MEASURED_STEPS = 3
"""Timed steps per precision, after one warm-up step; the fastest counts."""


@dataclass(frozen=True)
class Precision:
    """``fp32``, or ``bf16``: products of bfloat16 numbers, summed in float32.

    On a CPU the package's own kernels run most of the networks (models/fused_block.py), each on one
    thread, with the residual streams in float32, and autocast does the rest; ``fp32-torch`` is
    float32 by torch alone. On a GPU autocast does everything.
    """

    name: str
    device_type: str

    def use(self, model: nn.Module) -> None:
        """Let the networks of a model compute so from now on."""
        for module in model.modules():
            if isinstance(module, Network):
                has_kernels = self.device_type == "cpu" and self.name != "fp32-torch"
                module.precision = self.name if has_kernels else None

    def products(self) -> AbstractContextManager:
        """Within it torch's own operations compute so."""
        if self.name != "bf16":
            return nullcontext()
        return torch.autocast(self.device_type, torch.bfloat16)


def possible_precisions(device: torch.device) -> tuple[str, ...]:
    """What the device can compute in fast, float32 first."""
    return ("fp32-torch", *precisions()) if device.type == "cpu" else ("fp32", "bf16")


def check_precision(name: str, device: torch.device) -> None:
    """Refuse what the processor cannot do.

    Raises
    ------
    ValueError
        With a sentence that says what to do.
    """
    if name == "bf16" and name not in possible_precisions(device):
        raise ValueError(
            f"--precision {name}: this processor has no AVX512-BF16 instructions, or Samebits was "
            "built without its vector kernels; use --precision fp32 or auto"
        )


def allowed_precisions(
    asked: str, *, saved: str | None, device: torch.device, low: bool
) -> tuple[str, ...]:
    """What a run may compute in: what is asked for, what it began with, or anything fast.

    Parameters
    ----------
    saved : what the run was computed in before it was resumed, if it was.
    low : whether this training can do with less than float32; what is rounded as the integer
        networks do needs more than eight bits.

    Raises
    ------
    ValueError
        ``bf16`` is asked for, and the training needs more.
    """
    if not low:
        if asked == "bf16":
            raise ValueError("--precision bf16: this kind of training needs fp32")
        return ("fp32-torch",)
    possible = possible_precisions(device)
    if asked == "auto":
        return (saved,) if saved in possible else possible
    return (asked,) if asked in possible else ("fp32-torch",)


def seconds_of_a_step(step: Callable[[], object]) -> float:
    """The fastest of a few calls, after one that is not counted."""
    step()
    times = []
    for _ in range(MEASURED_STEPS):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return min(times)


@contextmanager
def generators_kept(random: np.random.Generator, device: torch.device) -> Iterator[None]:
    """What is drawn within is drawn again after it."""
    state = random_state(random, device)
    try:
        yield
    finally:
        restore_random_state(state, random, device)
