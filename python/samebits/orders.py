"""The orders in which latents are coded (requirement E3, bitstream.md 2): presets, and what a
caller may ask for.

One model codes all of them; an order trades speed for size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from samebits import _core
from samebits.arguments import as_integer
from samebits.errors import InvalidArgument

PHASES = ("none", "checkerboard", "2x2", "diagonal")
DIAGONAL = PHASES.index("diagonal")
MODES = range(7)

Groups = int | Sequence[int] | None


@dataclass(frozen=True)
class Order:
    """An order as a preset names it.

    Attributes
    ----------
    mode : int
        Channel-dependency mode, 0 ... 6.
    phases : str
        One of ``PHASES``.
    groups : int, tuple of int or None
        Number of even channel groups, sizes, or None for the model's own.
    first : int
        Modes 5 and 6: how many groups the first part has.
    """

    mode: int
    phases: str
    groups: int | tuple[int, ...] | None = None
    first: int = 0


DEFAULT_PRESET = "balanced"
PRESETS = {
    "fast": Order(mode=0, phases="none"),
    DEFAULT_PRESET: Order(mode=2, phases="diagonal"),
    "small": Order(mode=2, phases="2x2"),
}


def schedule_of(
    *,
    preset: str | None = None,
    mode: int | None = None,
    phases: int | str | None = None,
    groups: Groups = None,
    first: int | None = None,
) -> _core.ScheduleSpec:
    """The schedule that a caller asks for, checked as far as it can be without a model.

    Parameters
    ----------
    preset : str, optional
        One of ``PRESETS``; the default if nothing else is given.
    mode, phases, groups, first
        See :func:`samebits.encode`.

    Raises
    ------
    InvalidArgument
        A value is not one of those there are, or a preset is given together with others.
    """
    given = {"mode": mode, "phases": phases, "groups": groups, "first": first}
    named = [name for name, value in given.items() if not _is_missing(value)]
    if preset is None and named:
        return _own_schedule(**given)
    if preset is not None and preset not in PRESETS:
        raise InvalidArgument(f"preset is {preset!r}, must be one of {', '.join(PRESETS)}")
    if named:
        raise InvalidArgument(
            f"preset {preset!r} is an order already; leave out the preset or {', '.join(named)}"
        )
    order = PRESETS[preset or DEFAULT_PRESET]
    return _own_schedule(
        mode=order.mode, phases=order.phases, groups=order.groups, first=order.first
    )


def _is_missing(value) -> bool:
    return value is None or (isinstance(value, tuple | list) and not value)


def _own_schedule(*, mode, phases, groups, first) -> _core.ScheduleSpec:
    mode = 2 if mode is None else as_integer(mode, name="mode", low=0, high=MODES[-1])
    even, sizes = _group_fields(groups)
    if phases is None:
        # Diagonal where it can be: mode 2 with the model's groups, or two, or four.
        phases = "diagonal" if mode == 2 and (even or len(sizes)) in (0, 2, 4) else "none"
    first = 0 if first is None else as_integer(first, name="first", low=0, high=63)
    return _core.ScheduleSpec(
        mode=mode, phases=phases_number(phases), groups=sizes, even_groups=even, first=first
    )


def phases_number(phases: int | str) -> int:
    """The field of the header for the name of phases, or for their number."""
    if not isinstance(phases, str):
        return as_integer(phases, name="phases", low=0, high=DIAGONAL)
    if phases not in PHASES:
        raise InvalidArgument(f"phases is {phases!r}, must be one of {', '.join(PHASES)}")
    return PHASES.index(phases)


def _group_fields(groups: Groups) -> tuple[int, list[int]]:
    """Number of even groups, or 0; sizes, or none."""
    if _is_missing(groups):
        return 0, []
    if isinstance(groups, str) or not isinstance(groups, Sequence):
        return as_integer(groups, name="groups", low=1, high=64), []
    if len(groups) > 64:
        raise InvalidArgument(f"there are {len(groups)} groups, at most 64 are possible")
    return 0, [as_integer(size, name="a group's size", low=1, high=1024) for size in groups]
