"""A partition of the latent channels into groups, and the JSON file that holds it (E4)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FORMAT = "samebits-groups-1"
MOST_GROUPS = 64
"""As many as a schedule can name (bitstream.md 2)."""
PHASE_GROUPS = 4
"""Groups of the diagonal order."""


@dataclass(frozen=True)
class Grouping:
    """Channels of every group, groups in coding order, channels in their order inside of a group.

    Attributes
    ----------
    groups : a partition of 0 ... M - 1.
    method : how it was found; use : ``apart`` or ``together``. Both only for the reader.
    """

    groups: tuple[tuple[int, ...], ...]
    method: str = ""
    use: str = ""

    def __post_init__(self) -> None:
        check_partition(self.groups, channels=self.channels)

    @property
    def channels(self) -> int:
        """M."""
        return sum(len(group) for group in self.groups)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Channels of each group, in coding order."""
        return tuple(len(group) for group in self.groups)

    @property
    def phase_sizes(self) -> tuple[int, ...]:
        """Sizes for the diagonal order: its own if there are four groups, else the order in four.

        The four are nearly equal then, the larger ones first.
        """
        if len(self.groups) == PHASE_GROUPS:
            return self.sizes
        return even_sizes(self.channels, PHASE_GROUPS)

    @property
    def order(self) -> np.ndarray:
        """(M,) int64: the channels one group after another."""
        return np.array([c for group in self.groups for c in group], np.int64)


def even_sizes(channels: int, count: int) -> tuple[int, ...]:
    """Nearly equal sizes, the larger ones first."""
    return tuple(channels // count + (n < channels % count) for n in range(count))


def check_partition(groups: Sequence[Sequence[int]], *, channels: int) -> None:
    """Every channel 0 ... ``channels`` - 1 exactly once, in 1 to 64 groups that are not empty.

    Raises
    ------
    ValueError
        A sentence that names the group and the channel.
    """
    if not 1 <= len(groups) <= MOST_GROUPS:
        raise ValueError(f"there are {len(groups)} groups, must be 1 to {MOST_GROUPS}")
    owner: dict[int, int] = {}
    for number, group in enumerate(groups):
        if not group:
            raise ValueError(f"group {number} is empty: leave it out")
        for channel in group:
            if isinstance(channel, bool) or not isinstance(channel, int | np.integer):
                raise ValueError(f"group {number} holds {channel!r}, which is not a channel number")
            if not 0 <= channel < channels:
                raise ValueError(
                    f"channel {channel} in group {number} is out of range: "
                    f"channels are 0 to {channels - 1}"
                )
            if channel in owner:
                raise ValueError(
                    f"channel {channel} is there twice: in group {owner[channel]} and in "
                    f"group {number}"
                )
            owner[channel] = number
    missing = next((c for c in range(channels) if c not in owner), None)
    if missing is not None:
        raise ValueError(f"channel {missing} is missing: every channel must be in one group")


def read_groups(path: Path, *, channels: int) -> Grouping:
    """Read a group file for a model of ``channels`` latent channels.

    Raises
    ------
    ValueError
        It is no group file, or no partition of the model's channels; the sentence says where.
    """
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError(f"{path} is not a group file: it has no format {FORMAT}")
    groups = values.get("groups")
    if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
        raise ValueError(f"{path}: groups is not a list of lists of channels")
    try:
        check_partition(groups, channels=channels)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return Grouping(
        tuple(tuple(group) for group in groups),
        method=str(values.get("method", "")),
        use=str(values.get("use", "")),
    )


def write_groups(path: Path, grouping: Grouping) -> None:
    """Write a group file: one group a line."""
    head = {"format": FORMAT, "method": grouping.method, "use": grouping.use}
    fields = [f" {json.dumps(k)}: {json.dumps(v)}" for k, v in head.items()]
    fields.append(f' "order": {json.dumps(list(grouping.sizes))}')
    lines = ",\n".join(f"  {json.dumps([int(c) for c in group])}" for group in grouping.groups)
    path.write_text("{\n" + ",\n".join(fields) + f',\n "groups": [\n{lines}\n ]\n}}\n')
