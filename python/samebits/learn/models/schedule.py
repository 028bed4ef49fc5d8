"""Coding orders as masks, the float side of bitstream.md section 2."""

from __future__ import annotations

import torch
from torch import Tensor

PHASE_ORDER = (0, 3, 1, 2)


def phase_masks(height: int, width: int, device: torch.device) -> list[Tensor]:
    """Four (H, W) masks, one per phase 2 * (i mod 2) + (j mod 2)."""
    i = torch.arange(height, device=device)[:, None] % 2
    j = torch.arange(width, device=device)[None, :] % 2
    phase = 2 * i + j
    return [(phase == p).float() for p in range(4)]


def diagonal_steps(
    groups: tuple[int, ...], height: int, width: int, device: torch.device
) -> list[Tensor]:
    """Phases 3: four steps, (1, M, H, W) masks; group g codes phase PHASE_ORDER[(s + g) % 4]."""
    phases = phase_masks(height, width, device)
    steps = []
    for s in range(4):
        parts = [
            phases[PHASE_ORDER[(s + g) % 4]].expand(size, height, width)
            for g, size in enumerate(groups)
        ]
        steps.append(torch.cat(parts)[None])
    return steps


def group_steps(
    groups: tuple[int, ...], height: int, width: int, device: torch.device
) -> list[Tensor]:
    """Mode 2: one step per channel group, (1, M, H, W) masks."""
    channels = sum(groups)
    steps, begin = [], 0
    for size in groups:
        mask = torch.zeros(1, channels, height, width, device=device)
        mask[:, begin : begin + size] = 1
        steps.append(mask)
        begin += size
    return steps


def random_steps(
    channels: int, height: int, width: int, device: torch.device, generator: torch.Generator
) -> list[Tensor]:
    """Two steps of a random partition of the elements (E7: part of the training masks)."""
    share = torch.rand((), generator=generator).item()
    first = (torch.rand(1, channels, height, width, generator=generator) < share).float()
    first = first.to(device)
    return [first, 1 - first]
