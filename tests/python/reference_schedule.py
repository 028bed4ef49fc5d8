"""Schedules written from docs/bitstream.md 2 alone: the orders of the reference decoder.

It shares no code with the package.
"""

from __future__ import annotations

import numpy as np

# Sets of phases by the number of them (bitstream.md 2), as phase masks
PHASE_SETS = {0: (15,), 1: (0b1001, 0b0110), 2: (1 << 0, 1 << 3, 1 << 1, 1 << 2)}


def channel_groups(stream, latents: int, model_groups) -> list[range]:
    """The groups as ranges of channels."""
    if stream.mode == 0:
        sizes = [latents]
    elif stream.even_groups:
        small, larger = divmod(latents, stream.even_groups)
        assert small
        sizes = [small + (g < larger) for g in range(stream.even_groups)]
    elif stream.groups:
        sizes = list(stream.groups)
    else:
        sizes = [int(size) for size in model_groups]
    assert sum(sizes) == latents
    assert min(sizes) > 0
    ends = np.cumsum(sizes)
    return [range(end - size, end) for size, end in zip(sizes, ends.tolist(), strict=True)]


def mode_steps(mode: int, groups: list[range], first: int) -> list[list[tuple[range, set[int]]]]:
    """Steps of a mode as lists of (channels, view); a view is the set of its channels."""
    everything = set(range(groups[-1].stop))
    whole = [[(group, everything)] for group in groups]
    sequence = [[(range(c, c + 1), everything)] for c in groups[0]]

    def chains(members: list[range], shared: set[int]) -> list[list[tuple[range, set[int]]]]:
        longest = max(len(group) for group in members)
        return [
            [(group[s : s + 1], shared | set(group)) for group in members if s < len(group)]
            for s in range(longest)
        ]

    if mode in (0, 2):
        return whole
    if mode == 1:
        assert len(groups) > 1
        return [*sequence, [(range(groups[0].stop, groups[-1].stop), everything)]]
    if mode == 3:
        return sequence + whole[1:]
    if mode == 4:
        return chains(groups, set())
    assert 1 <= first < len(groups)
    first_part = set(range(groups[first].start))
    first_steps = chains(groups[:first], set())
    if mode == 5:
        return first_steps + whole[first:]
    return first_steps + chains(groups[first:], first_part)


def make_steps(stream, latents: int, model_groups) -> list[list[tuple[int, int, int, set[int]]]]:
    """Steps as lists of (channel begin, channel end, phase mask, channels of the view).

    Parameters
    ----------
    stream : object with mode, phases, groups, even_groups, first
    latents : number of latent channels
    model_groups : sizes of the model's groups; its `phase_groups` for phases 3
    """
    groups = channel_groups(stream, latents, model_groups)
    steps = mode_steps(stream.mode, groups, stream.first)
    if stream.phases == 3:
        assert stream.mode == 2
        sets = PHASE_SETS[{2: 1, 4: 2}[len(groups)]]
        return [
            [
                (channels.start, channels.stop, sets[(s + g) % len(sets)], view)
                for g, [(channels, view)] in enumerate(steps)
            ]
            for s in range(len(groups))
        ]
    return [
        [(channels.start, channels.stop, phases, view) for channels, view in step]
        for phases in PHASE_SETS[stream.phases]
        for step in steps
    ]
