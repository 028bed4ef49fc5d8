"""Integer CDF rows of symmetric distributions, the same on every machine.

Probabilities come from `decimal` arithmetic of fixed precision, whose results are specified to the
last digit, and from integers; no binary floating point takes part. A row is a list of n integers
that add up to 2**bits, each at least 1: the symbols -V ... V and, last, the escape.

How a row is made (``docs/arithmetic.md`` section 7):

1. The probability of symbol v is the distribution's mass in [v - 1/2, v + 1/2].
2. V is the largest v with a probability of at least 2**-(bits + 2): coding a rarer symbol through
   the escape costs less than the share an entry of its own takes from all others. V is at least
   1 and at most 510 (1023 entries, or fewer when `bits` leaves no room).
3. The escape has the rest of the probability.
4. Entries that would be below 1 in a proportional division are 1. The others share what is left
   in proportion; this is the division of least extra cost. They are rounded down, and the largest
   remainders rounded up, v and -v together; of equal remainders the smaller |v| goes first, the
   escape last. A single unit left over goes to v = 0.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

# Twice the digits that decide a row, so that the last digits of a long sum do not matter.
DIGITS = 50
MAX_ENTRIES = 1023

_PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510"
    "582097494459230781640628620899862803482534211706798"
)
# Masses become integers of this unit; far below 2**-18, far above the error of the arithmetic.
_MASS_UNIT_BITS = 100

Survival = Callable[[Decimal], Decimal]


def _arithmetic() -> decimal.Context:
    return decimal.Context(
        prec=DIGITS, rounding=decimal.ROUND_HALF_EVEN, Emin=-9999, Emax=9999, traps=[]
    )


def gaussian_survival(t: Decimal) -> Decimal:
    """Probability that a standard Gaussian exceeds t, for t >= 0.

    1/2 - phi(t) * (t + t^3/3 + t^5/(3*5) + ...), a series of positive terms.
    """
    if t > 16:  # below 2**-184
        return Decimal(0)
    square = t * t
    term = total = t
    divisor = 1
    while True:
        divisor += 2
        term = term * square / divisor
        if total + term == total:
            break
        total += term
    density = (-square / 2).exp() / (2 * _PI).sqrt()
    return Decimal("0.5") - density * total


def logistic_survival(t: Decimal) -> Decimal:
    """Probability that a standard logistic variable exceeds t: 1 / (1 + e^t)."""
    return 1 / (1 + t.exp())


def integer_row(scale: Fraction, survival: Survival, *, bits: int) -> list[int]:
    """One row: 2*V + 2 integers that add up to 2**bits.

    Parameters
    ----------
    scale
        Exact scale of the distribution, in symbols.
    survival
        Probability that the distribution of scale 1 exceeds t, for t >= 0.
    bits
        Precision, 8 ... 16.
    """
    with decimal.localcontext(_arithmetic()):
        masses, escape = _half_row(scale, survival, bits)
    center, pairs, escape_count = _apportion(masses, escape, total=1 << bits)
    return [*reversed(pairs), center, *pairs, escape_count]


def _half_row(scale: Fraction, survival: Survival, bits: int) -> tuple[list[int], int]:
    """Masses of the symbols 0 ... V and of everything beyond V on both sides, in 2**-100."""
    unit = 1 << _MASS_UNIT_BITS
    smallest = unit >> (bits + 2)
    largest_symbol = min((MAX_ENTRIES - 2) // 2, ((1 << bits) - 2) // 4)
    numerator, denominator = Decimal(scale.numerator), Decimal(scale.denominator)
    masses: list[int] = []
    above = unit >> 1  # the mass above v - 1/2; above 0 at first, half of symbol 0
    while len(masses) <= largest_symbol:
        t = (2 * len(masses) + 1) * denominator / (2 * numerator)
        beyond = int(survival(t) * unit)
        mass = above - beyond if masses else 2 * (above - beyond)
        if len(masses) > 1 and mass < smallest:
            break
        masses.append(mass)
        above = beyond
    return masses, 2 * above


def _apportion(masses: list[int], escape: int, *, total: int) -> tuple[int, list[int], int]:
    """Divide `total` over symbol 0, the pairs (v, -v) and the escape, none below 1."""
    # One share for each: (copies, mass of one copy), in the order that ties are broken by.
    shares = [(1, masses[0]), *((2, mass) for mass in masses[1:]), (1, escape)]
    counts = [0] * len(shares)
    while True:
        unset = [i for i, count in enumerate(counts) if count == 0]
        left = total - sum(shares[i][0] for i, count in enumerate(counts) if count)
        mass_left = sum(shares[i][0] * shares[i][1] for i in unset)
        raised = [i for i in unset if shares[i][1] * left < mass_left]
        if not raised:
            break
        for i in raised:
            counts[i] = 1
    remainders = []
    surplus = left
    for i in unset:
        copies, mass = shares[i]
        counts[i], remainder = divmod(mass * left, mass_left)
        surplus -= copies * counts[i]
        remainders.append((-remainder, i, copies))
    for _, i, copies in sorted(remainders):
        if copies <= surplus:
            counts[i] += 1
            surplus -= copies
    counts[0] += surplus
    return counts[0], counts[1:-1], counts[-1]


def octave_scale(step: int, *, per_octave: int) -> Fraction:
    """2**(step / per_octave), rounded down to 128 binary places: an exact integer root."""
    whole, part = divmod(step, per_octave)
    root = _integer_root(1 << (128 * per_octave + part), per_octave)
    return Fraction(root, 1 << 128) * Fraction(2) ** whole


def _integer_root(value: int, degree: int) -> int:
    """floor(value ** (1 / degree)) by Newton's method from above."""
    root = 1 << (-(-value.bit_length() // degree))
    while True:
        better = ((degree - 1) * root + value // root ** (degree - 1)) // degree
        if better >= root:
            return root
        root = better
