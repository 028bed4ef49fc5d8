"""Identity codes as the document defines them: by walking the tree of all outcomes (S1).

The definition that the native codes are compared with, and the way for checksums that are not
linear. The work doubles with every ambiguous element.
"""

from __future__ import annotations

import hashlib
import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from samebits.errors import CorruptStream, InvalidArgument

MOST_AMBIGUOUS = 20

Checksum = Callable[[bytes], str]
"""Packed parities to the bits of a checksum, as a string of 0 and 1."""


def _of_hash(name: str) -> Checksum:
    def checksum(content: bytes) -> str:
        digest = hashlib.new(name, content, usedforsecurity=False).digest()
        return "".join(f"{byte:08b}" for byte in digest)

    return checksum


CHECKSUMS: dict[str, Checksum] = {
    "crc32": lambda content: f"{zlib.crc32(content):032b}",
    "md5": _of_hash("md5"),
    "sha1": _of_hash("sha1"),
}


def outcomes(
    index: np.ndarray, neighbour: np.ndarray, ambiguous: np.ndarray
) -> Iterator[np.ndarray]:
    """All outcomes of a flat array, the one at hand first.

    Raises
    ------
    InvalidArgument
        There are more than 2**20.
    """
    places = np.flatnonzero(ambiguous)
    if len(places) > MOST_AMBIGUOUS:
        raise InvalidArgument(f"{len(places)} ambiguous elements, at most {MOST_AMBIGUOUS}")
    for choice in itertools.product((False, True), repeat=len(places)):
        outcome = index.copy()
        chosen = places[np.array(choice, bool)]
        outcome[chosen] = neighbour[chosen]
        yield outcome


def checksum_of(outcome: np.ndarray, checksum: str = "crc32") -> str:
    """Of an outcome's parity sequence: its bits packed least first, zeros after the last."""
    if checksum not in CHECKSUMS:
        raise InvalidArgument(f"checksum is {checksum!r}, must be one of {', '.join(CHECKSUMS)}")
    packed = np.packbits((outcome & 1).astype(np.uint8), bitorder="little")
    return CHECKSUMS[checksum](packed.tobytes())


def identity_code(checksums: Sequence[str]) -> str:
    """The shortest prefix of the first checksum that none of the others has, at least a bit.

    Raises
    ------
    InvalidArgument
        Another checksum is the same.
    """
    first, others = checksums[0], checksums[1:]
    for length in range(1, len(first) + 1):
        if not any(other.startswith(first[:length]) for other in others):
            return first[:length]
    raise InvalidArgument("two outcomes have the same checksum")


def near_code(checksums: Sequence[str], weights: Sequence[int], most: int) -> str:
    """The shortest prefix of the first checksum, at least a bit, that none of the others has whose
    outcome's flips weigh less than ``most``; ours.

    Raises
    ------
    InvalidArgument
        The checksum of such an outcome is the same.
    """
    near = [one for one, weight in zip(checksums[1:], weights[1:], strict=True) if weight < most]
    return identity_code([checksums[0], *near])


def error_detection_code(identity: str) -> str:
    """The identity code after its length in unary: n - 1 ones and a zero."""
    return "1" * (len(identity) - 1) + "0" + identity


def resolve_by_tree(candidates: Iterator[np.ndarray], identity: str, checksum: str) -> np.ndarray:
    """The outcome whose checksum begins with a code.

    Raises
    ------
    CorruptStream
        None does, or several do.
    """
    found = [c for c in candidates if checksum_of(c, checksum).startswith(identity)]
    if len(found) != 1:
        raise CorruptStream(f"{len(found)} outcomes have the code, must be one")
    return found[0]


def nearest_by_tree(
    candidates: Iterator[np.ndarray], weights: Sequence[int], most: int, code: str
) -> np.ndarray:
    """The outcome with the least weight, below ``most``, whose CRC-32 begins with a code.

    Raises
    ------
    CorruptStream
        There is none.
    """
    found = [
        (weight, number, candidate)
        for number, (candidate, weight) in enumerate(zip(candidates, weights, strict=True))
        if weight < most and checksum_of(candidate).startswith(code)
    ]
    if not found:
        raise CorruptStream("no near outcome has the code")
    return min(found)[2]
