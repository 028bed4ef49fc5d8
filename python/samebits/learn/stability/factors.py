"""Factors of sums of products in the stream: chosen by the encoder, the same for the decoder (S5).

Without them each side finds its own from the inputs at hand. Sent ones save the decoder that, are
the same for all inputs, and may be shared by several operations. They lie on a grid of eighths of
octaves; the decoder makes the same numbers of it without a power function.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from samebits.errors import CorruptStream, InvalidArgument

from .scaling import FLOAT64_BITS, ScalingReport

STEPS_PER_OCTAVE = 8
ROOTS = (
    1.0,
    1.0905077326652577,
    1.189207115002721,
    1.2968395546510096,
    1.4142135623730951,
    1.5422108254079407,
    1.681792830507429,
    1.8340080864093424,
)
"""2**(n / 8), rounded to double precision."""
MOST_STEP = 100 * STEPS_PER_OCTAVE
MOST_OPERATIONS = 2**16


def factor_of_step(step: int) -> float:
    """2**(step / 8), the same double everywhere."""
    octave, eighth = divmod(step, STEPS_PER_OCTAVE)
    return math.ldexp(ROOTS[eighth], octave)


def step_below(factor: float) -> int:
    """The largest step whose factor is at most this one; it is cut off at the ends of the grid.

    Raises
    ------
    InvalidArgument
        The factor is below the grid.
    """
    mantissa, exponent = math.frexp(factor)  # in [0.5, 1)
    eighth = sum(root <= 2 * mantissa for root in ROOTS) - 1
    step = (exponent - 1) * STEPS_PER_OCTAVE + eighth
    if step < -MOST_STEP:
        raise InvalidArgument(f"the factor {factor:g} is too small to be sent")
    return min(step, MOST_STEP)


@dataclass(frozen=True)
class Factors:
    """Alpha and beta of the sums of products of a network, in the order in which they are made.

    Attributes
    ----------
    significant_bits : S that they were chosen for, 8 ... 52.
    operations : how many sums of products there are, 1 ... 65536.
    group : so many consecutive ones share alpha and beta.
    alpha, beta : steps of eighths of octaves, -800 ... 800, one for each group.

    Examples
    --------
    >>> factors = Factors(30, 3, 2, alpha=(40, 48), beta=(80, 83))
    >>> list(factors)[1]
    (32.0, 1024.0)
    >>> Factors.from_bytes(factors.to_bytes()) == factors
    True
    """

    significant_bits: int
    operations: int
    group: int
    alpha: tuple[int, ...]
    beta: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 8 <= self.significant_bits <= FLOAT64_BITS:
            raise InvalidArgument(f"factors for {self.significant_bits} significant bits")
        if not 1 <= self.operations <= MOST_OPERATIONS or not 1 <= self.group <= self.operations:
            raise InvalidArgument(f"factors of {self.operations} operations, {self.group} a group")
        groups = -(-self.operations // self.group)
        if len(self.alpha) != groups or len(self.beta) != groups:
            raise InvalidArgument(
                f"{len(self.alpha)} and {len(self.beta)} factors for {groups} groups"
            )
        if any(abs(step) > MOST_STEP for step in (*self.alpha, *self.beta)):
            raise InvalidArgument(f"a factor is more than {MOST_STEP} steps from 1")

    @staticmethod
    def of(
        reports: Iterable[ScalingReport], *, significant_bits: int, group: int = 1, margin: int = 1
    ) -> Factors:
        """Those of a call: the smallest of each group, rounded down.

        Parameters
        ----------
        margin : steps that alpha is smaller for inputs a little larger: with other factors inputs
            of later operations differ.
        """
        reports = list(reports)
        begins = range(0, len(reports), max(group, 1))
        groups = [reports[begin : begin + group] for begin in begins]
        return Factors(
            significant_bits,
            len(reports),
            group,
            tuple(min(step_below(one.alpha) for one in some) - margin for some in groups),
            tuple(min(step_below(one.beta) for one in some) for some in groups),
        )

    def __iter__(self) -> Iterator[tuple[float, float]]:
        """Alpha and beta of each operation."""
        for n in range(self.operations):
            place = n // self.group
            yield factor_of_step(self.alpha[place]), factor_of_step(self.beta[place])

    def to_bytes(self) -> bytes:
        """S, operations and operations in a group (2 bytes each, less one), and the differences of
        consecutive steps (2 bytes each, alphas and then betas), deflated."""
        head = [self.significant_bits, self.operations - 1, self.group - 1]
        steps = (*_differences(self.alpha), *_differences(self.beta))
        content = b"".join(value.to_bytes(2, "little") for value in head)
        content += b"".join((step % 2**16).to_bytes(2, "little") for step in steps)
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(content) + packer.flush()

    @staticmethod
    def from_bytes(content: bytes) -> Factors:
        """What :meth:`to_bytes` wrote.

        Raises
        ------
        CorruptStream
            It is nothing that :meth:`to_bytes` writes.
        """
        unpacker = zlib.decompressobj(-15)
        try:
            plain = unpacker.decompress(content, 6 + 4 * MOST_OPERATIONS + 1)
        except zlib.error as error:
            raise CorruptStream(f"factors that cannot be unpacked: {error}") from error
        if not unpacker.eof or unpacker.unused_data or len(plain) < 6 or len(plain) % 4 != 2:
            raise CorruptStream(f"factors of {len(content)} bytes that unpack to {len(plain)}")
        values = [int.from_bytes(plain[n : n + 2], "little") for n in range(0, len(plain), 2)]
        half = (len(values) - 3) // 2
        try:
            return Factors(
                values[0],
                values[1] + 1,
                values[2] + 1,
                _summed(values[3 : 3 + half]),
                _summed(values[3 + half :]),
            )
        except InvalidArgument as error:
            raise CorruptStream(str(error)) from error


def _differences(steps: tuple[int, ...]) -> list[int]:
    return [step - before for before, step in zip((0, *steps), steps, strict=False)]


def _summed(differences: list[int]) -> tuple[int, ...]:
    """Steps of differences of 16 bits with a sign."""
    steps, step = [], 0
    for difference in differences:
        step += difference - 2**16 * (difference >= 2**15)
        steps.append(step)
    return tuple(steps)
