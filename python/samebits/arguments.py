"""Checks of what callers pass."""

import numpy as np

from samebits.errors import InvalidArgument


def as_integer(value, *, name: str, low: int, high: int) -> int:
    """An integer that is one and lies between two bounds.

    Raises
    ------
    InvalidArgument
        It is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidArgument(f"{name} is an integer, not {value!r}")
    if not low <= value <= high:
        raise InvalidArgument(f"{name} is {value}, must be {low} to {high}")
    return int(value)
