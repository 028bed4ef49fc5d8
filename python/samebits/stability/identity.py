"""Codes that tell the encoder's outcome from all that other machines may come to (S1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samebits import _core
from samebits.errors import InvalidArgument
from samebits.stability.intervals import PIXELS, Boundaries, Precision

LENGTHS = ("fixed", "unary", "golomb")


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
    ambiguous = precision.at_encoder(values, boundaries)
    parity, ambiguous = _bits(boundaries.index(values), ambiguous)
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
    ambiguous = precision.at_decoder(values, boundaries)
    index = boundaries.index(values)
    parity, ambiguous = _bits(index, ambiguous)
    flips = _core.resolve_identity(parity, ambiguous, code).reshape(index.shape)
    return np.where(flips == 1, boundaries.neighbour(values), index)


def _bits(index: np.ndarray, ambiguous: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.ascontiguousarray((index & 1).ravel(), np.uint8),
        np.ascontiguousarray(ambiguous.ravel(), np.uint8),
    )
