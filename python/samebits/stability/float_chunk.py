"""The chunk of a file that fixes the pixels of a floating-point synthesis (bitstream.md 3.1)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from samebits.errors import CorruptStream, InvalidArgument, Truncated, UnsupportedVersion
from samebits.stability.adjustment import Adjustment, choose_adjustment
from samebits.stability.identity import decode_outcome, encode_outcome
from samebits.stability.intervals import PIXELS, Precision

VERSION = 0
IDENTITY_BYTES = 8
"""Of the SHA-256 of a synthesis' file."""
HEAD = struct.Struct(f"<B{IDENTITY_BYTES}s8sIB")
COLORS = 3


@dataclass(frozen=True)
class FloatChunk:
    """What turns this machine's outputs of a synthesis into the encoder's pixels (S1, S3).

    Attributes
    ----------
    synthesis : the first 8 bytes of the SHA-256 of the synthesis' file.
    precision : how far outputs may lie from the encoder's, in steps of 8 bits.
    adjustment : moves outputs before they are rounded. code : of :func:`encode_outcome`.
    pixels_crc : CRC-32 of the pixels, (H, W, 3) uint8.
    """

    synthesis: bytes
    precision: Precision
    adjustment: Adjustment
    pixels_crc: int
    code: bytes

    def to_bytes(self) -> bytes:
        """The content of the chunk."""
        adjustment = self.adjustment.to_bytes()
        head = HEAD.pack(
            VERSION, self.synthesis, self.precision.to_bytes(), self.pixels_crc, len(adjustment)
        )
        return head + adjustment + self.code

    @staticmethod
    def from_bytes(content: bytes) -> FloatChunk:
        """What :meth:`to_bytes` wrote.

        Raises
        ------
        CorruptStream, Truncated, UnsupportedVersion
            A field is wrong, bytes are missing, or the chunk is of another version.
        """
        if content and content[0] != VERSION:
            raise UnsupportedVersion(
                f"the float_synthesis chunk has version {content[0]}, known is {VERSION}; decode "
                "without it, or update Samebits"
            )
        if len(content) < HEAD.size:
            raise _too_short(content, HEAD.size)
        _, synthesis, precision, pixels_crc, size = HEAD.unpack_from(content)
        adjustment, code = content[HEAD.size : HEAD.size + size], content[HEAD.size + size :]
        if not code:
            raise _too_short(content, HEAD.size + size + 1)
        parsed = Adjustment.from_bytes(adjustment)
        if parsed.kind == "channels" and len(parsed.steps) != COLORS:
            raise CorruptStream(f"an adjustment for {len(parsed.steps)} channels, must be {COLORS}")
        return FloatChunk(synthesis, Precision.from_bytes(precision), parsed, pixels_crc, code)

    def pixels(self, outputs: np.ndarray) -> np.ndarray:
        """The encoder's pixels, uint8 (H, W, 3).

        Parameters
        ----------
        outputs : floating-point array (3, H, W)
            What the synthesis gives here.

        Raises
        ------
        CorruptStream, Truncated
            The chunk is damaged, or the outputs lie further from the encoder's than the precision.
        """
        _require_picture(outputs)
        if not np.isfinite(outputs).all():
            raise CorruptStream("the float synthesis gives numbers that are not finite")
        adjusted = self.adjustment.apply(outputs)
        hint = (
            f"outputs lie more than {self.precision.offset:.2g} from the encoder's, or the chunk "
            "is damaged; the picture decodes without float_synthesis"
        )
        try:
            outcome = decode_outcome(adjusted, self.precision, self.code)
        except CorruptStream as error:
            raise type(error)(
                f"the pixels of the float synthesis cannot be resolved: {hint}"
            ) from error
        pixels = _as_picture(outcome)
        if zlib.crc32(pixels.data) != self.pixels_crc:
            raise CorruptStream(
                f"the pixels of the float synthesis do not have the checksum of the stream: {hint}"
            )
        return pixels


def make_float_chunk(outputs: np.ndarray, *, synthesis: bytes, precision: Precision) -> FloatChunk:
    """The chunk for an encoder's outputs, with an offset for each color if that makes it shorter.

    Parameters
    ----------
    outputs : floating-point array (3, H, W). synthesis : identity of what gave them.

    Raises
    ------
    InvalidArgument
        The outputs are not finite, or of another shape.
    """
    _require_picture(outputs)
    precision = Precision.from_bytes(precision.to_bytes())  # what the decoder will know
    adjustments = (Adjustment(), choose_adjustment(outputs, precision, kind="channels"))
    made = [_make(outputs, synthesis, precision, adjustment) for adjustment in adjustments]
    return min(made, key=lambda chunk: len(chunk.to_bytes()))


def _make(
    outputs: np.ndarray, synthesis: bytes, precision: Precision, adjustment: Adjustment
) -> FloatChunk:
    adjusted = adjustment.apply(outputs)
    pixels = _as_picture(np.stack([PIXELS.index(plane).astype(np.uint8) for plane in adjusted]))
    code = encode_outcome(adjusted, precision)
    return FloatChunk(synthesis, precision, adjustment, zlib.crc32(pixels.data), code)


def _as_picture(planes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(planes.astype(np.uint8).transpose(1, 2, 0))


def _require_picture(outputs: np.ndarray) -> None:
    if outputs.ndim != 3 or len(outputs) != COLORS or outputs.size == 0:
        raise InvalidArgument(f"a float synthesis gave {outputs.shape}, must be ({COLORS}, H, W)")


def _too_short(content: bytes, wanted: int) -> Truncated:
    return Truncated(
        f"the float_synthesis chunk has {len(content)} bytes, must have at least {wanted}"
    )
