"""Codes that tell the encoder's outcome from all that other machines may come to (S1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from samebits import _core
from samebits.errors import InvalidArgument
from samebits.stability.intervals import PIXELS, Boundaries, Precision

LENGTHS = ("fixed", "unary", "golomb")
BLOCK = 2**18
"""Outputs looked at together: what is computed of them is float64, much for all at once."""


def encode_outcome(
    values: np.ndarray,
    precision: Precision,
    *,
    boundaries: Boundaries = PIXELS,
    lengths: str = "golomb",
    partition: Sequence[int] | None = None,
) -> bytes:
    """What a decoder needs to come to the encoder's integers.

    Parameters
    ----------
    values : floating-point array of any shape
        The encoder's outputs of the network.
    precision : how far the decoder's may lie from them.
    lengths : "fixed", "unary" or "golomb"
        How the length of an identity code is written.
    partition : sizes of parts of the flattened array, each with a code of its own; those that make
        the code short when not given.

    Raises
    ------
    InvalidArgument
        An argument is not what it should be, or a part has more outcomes than CRC-32 tells apart.
    """
    if lengths not in LENGTHS:
        raise InvalidArgument(f"lengths is {lengths!r}, must be one of {', '.join(LENGTHS)}")
    parity, ambiguous = _bits(np.ravel(values), precision.at_encoder, boundaries)
    return _core.encode_identity(
        parity,
        ambiguous,
        lengths=getattr(_core.LengthCode, lengths),
        partition=[] if partition is None else [int(size) for size in partition],
    )


def decode_outcome(
    values: np.ndarray, precision: Precision, code: bytes, *, boundaries: Boundaries = PIXELS
) -> np.ndarray:
    """The encoder's integers, int64, from this machine's outputs and :func:`encode_outcome`'s code.

    Raises
    ------
    CorruptStream, Truncated
        The code does not fit: it is damaged, or this machine's outputs lie further from the
        encoder's than the precision.
    """
    flat = np.ravel(values)
    parity, ambiguous = _bits(flat, precision.at_decoder, boundaries)
    flips = _core.resolve_identity(parity, ambiguous, code)
    outcome = np.empty(flat.size, np.int64)
    for block in _blocks(flat.size):
        other = boundaries.neighbour(flat[block])
        outcome[block] = np.where(flips[block] == 1, other, boundaries.index(flat[block]))
    return outcome.reshape(np.shape(values))


def _bits(
    values: np.ndarray,
    is_ambiguous: Callable[[np.ndarray, Boundaries], np.ndarray],
    boundaries: Boundaries,
) -> tuple[np.ndarray, np.ndarray]:
    """Parities of flat outputs, and which are ambiguous; uint8."""
    parity, ambiguous = np.empty(values.size, np.uint8), np.empty(values.size, np.uint8)
    for block in _blocks(values.size):
        ambiguous[block] = is_ambiguous(values[block], boundaries)
        parity[block] = boundaries.index(values[block]) & 1
    return parity, ambiguous


def _blocks(size: int) -> Iterator[slice]:
    return (slice(begin, begin + BLOCK) for begin in range(0, size, BLOCK))
