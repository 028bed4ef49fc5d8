"""What callers say of refinement: latents searched for each picture at encode time."""

from samebits.errors import InvalidArgument

REFINE_ROUNDS = {"fast": 12}
"""Rounds of native refinement (requirement R5), each a forward and a backward pass."""


def refine_rounds(refine: str | None) -> int:
    """Rounds of a kind of refinement, checked; None is none."""
    if refine is None:
        return 0
    if refine not in REFINE_ROUNDS:
        names = " or ".join(repr(name) for name in REFINE_ROUNDS)
        raise InvalidArgument(f"refine is {refine!r}, must be {names}, or None for none")
    return REFINE_ROUNDS[refine]
