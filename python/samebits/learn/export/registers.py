"""Numbers for the registers of a program, few enough for the weights file (arithmetic.md 2)."""

from __future__ import annotations

from collections.abc import Sequence

from ..models.network import Op

MOST_REGISTERS = 64


def register_numbers(ops: Sequence[Op], *, most: int = MOST_REGISTERS) -> list[tuple[int, ...]]:
    """For each operation the numbers of its dst, src and src2 (-1 where there is none).

    A float network has a register for every value. If that is more than ``most``, a number is used
    again once its value has been read for the last time; otherwise numbers stay what they are.

    Raises
    ------
    ValueError
        More than ``most`` values are needed at once.
    """
    if all(op.dst < most for op in ops):
        return [(op.dst, op.src, op.src2) for op in ops]
    last_read = {value: n for n, op in enumerate(ops) for value in (op.src, op.src2)}
    number = {-1: -1, 0: 0}  # of values that will be read again
    rows = []
    for n, op in enumerate(ops):
        src, src2 = number[op.src], number[op.src2]
        number = {value: at for value, at in number.items() if value < 0 or last_read[value] > n}
        used = set(number.values())
        dst = next((at for at in range(most) if at not in used), None)
        if dst is None:
            raise ValueError(f"operation {n} needs more than {most} registers")
        number[op.dst] = dst
        last_read.setdefault(op.dst, n)
        rows.append((dst, src, src2))
    return rows
