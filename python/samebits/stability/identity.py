"""Codes that tell the encoder's outcome from all that other machines may come to (S1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from samebits import _core
from samebits.errors import InvalidArgument
from samebits.stability.intervals import PIXELS, Boundaries, Precision

LENGTHS = ("fixed", "unary", "golomb")
SEARCHES = ("all", "nearest")
BLOCK = 2**18
"""Outputs looked at together: what is computed of them is float64, much for all at once."""


def encode_outcome(
    values: np.ndarray,
    precision: Precision,
    *,
    boundaries: Boundaries = PIXELS,
    search: str = "all",
    check: bool = True,
    lengths: str = "golomb",
    partition: Sequence[int] | None = None,
) -> bytes:
    """What a decoder needs to come to the encoder's integers.

    Parameters
    ----------
    values : floating-point array of any shape
        The encoder's outputs of the network.
    precision : how far the decoder's may lie from them.
    search : "all" or "nearest"
        "all": the code tells the outcome from all that are possible within the precision (the
        document's). "nearest": from those that are near, much shorter; the decoder takes the
        nearest that has the code. That is the encoder's as long as the differences within a part,
        towards the boundaries, add up to less than one precision, and nearly always beyond.
    check : for "nearest", 16 bits by which a decoder refuses an outcome that is not the encoder's,
        but for one chance in 65536. Leave them out only where something else checks it.
    lengths : "fixed", "unary" or "golomb"
        How the length of an identity code is written, for "all".
    partition : sizes of parts of the flattened array, each with a code of its own; those that make
        the code short when not given.

    Raises
    ------
    InvalidArgument
        An argument is not what it should be, or a part has more outcomes than CRC-32 tells apart.
    """
    for name, value, known in (("lengths", lengths, LENGTHS), ("search", search, SEARCHES)):
        if value not in known:
            raise InvalidArgument(f"{name} is {value!r}, must be one of {', '.join(known)}")
    flat, parts = np.ravel(values), [] if partition is None else [int(size) for size in partition]
    if search == "nearest":
        weights = _weights(flat, precision, boundaries)
        return _core.encode_nearest(*weights, partition=parts, check=check)
    return _core.encode_identity(
        *_bits(flat, precision.at_encoder, boundaries),
        lengths=getattr(_core.LengthCode, lengths),
        partition=parts,
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
    if _core.is_nearest_code(code):
        flips = _core.resolve_nearest(*_weights(flat, precision, boundaries), code)
    else:
        flips = _core.resolve_identity(*_bits(flat, precision.at_decoder, boundaries), code)
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


def _weights(
    values: np.ndarray, precision: Precision, boundaries: Boundaries
) -> tuple[np.ndarray, np.ndarray]:
    """Parities of flat outputs, uint8, and distances from the boundaries in shares of the
    precision, uint16."""
    parity, weight = np.empty(values.size, np.uint8), np.empty(values.size, np.uint16)
    for block in _blocks(values.size):
        reach = precision.of(values[block])
        distance = boundaries.distance(values[block])
        shares = np.divide(distance, reach, out=np.full_like(reach, np.inf), where=reach > 0)
        scaled = np.minimum(shares * _core.PRECISION_WEIGHT, np.iinfo(np.uint16).max)
        weight[block] = scaled.astype(np.uint16)
        parity[block] = boundaries.index(values[block]) & 1
    return parity, weight


def _blocks(size: int) -> Iterator[slice]:
    return (slice(begin, begin + BLOCK) for begin in range(0, size, BLOCK))
