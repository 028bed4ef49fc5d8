"""Pixels of a floating-point synthesis in a file, the same everywhere (docs/stability.md).

A file decodes to integer latents on every machine. A synthesis in floating point gives slightly
different outputs of them on another machine; the chunk ``float_synthesis`` says what the encoder's
pixels are. Networks run in :mod:`samebits.learn`, or in whatever the caller brings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from os import PathLike, fspath
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from samebits import _core, model_store
from samebits.errors import InvalidArgument, LimitExceeded, ModelMismatch
from samebits.stability import Precision
from samebits.stability.float_chunk import (
    IDENTITY_BYTES,
    FloatChunk,
    make_float_chunk,
)
from samebits.stream_info import FLOAT_SYNTHESIS

LATENT_STRIDE = 16
BYTES_A_PIXEL = 93
"""Of outputs, what is known of them, and pixels, while they are coded or resolved."""
KEPT_BYTES = 2**26
"""What libraries keep of the memory that a network has used, in blocks too small to give back."""


@runtime_checkable
class FloatSynthesis(Protocol):
    """A network that makes pixels of latents."""

    @property
    def identity(self) -> bytes:
        """8 bytes that name its weights: the first of their file's SHA-256."""
        ...

    @property
    def precision(self) -> Precision:
        """How far outputs on other machines may lie from those on this one, in steps of 8 bits."""
        ...

    def __call__(self, y_hat: np.ndarray) -> np.ndarray:
        """Latents, int16 (h, w, M), to outputs in steps of 8 bits before they are rounded or cut
        off, floating point (3, 16 h, 16 w)."""
        ...

    def working_bytes(self, height: int, width: int) -> int:
        """Memory that latents (height, width, M) take at most, besides outputs."""
        ...


Synthesis = bool | str | PathLike | FloatSynthesis | None
"""What a caller says: True for the stream's own weights, or a file, or an object; None for none."""


def identity_of(path: str | PathLike) -> bytes:
    """Of the synthesis in a file."""
    return bytes.fromhex(model_store.sha256_of(_file(path)))[:IDENTITY_BYTES]


def load_synthesis(path: str | PathLike) -> FloatSynthesis:
    """The synthesis of a weights file or checkpoint, on the CPU; a loaded one is kept.

    Raises
    ------
    InvalidArgument
        torch is not installed, or the file has no synthesis that runs in floating point.
    """
    file = _file(path)
    status = file.stat()
    return _load(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=2)
def _load(file: Path, modified_ns: int, size: int) -> FloatSynthesis:
    try:
        from samebits.learn.stability.float_synthesis import TorchSynthesis
    except ImportError as error:
        raise InvalidArgument(
            f"a float synthesis needs torch ({error}): pip install 'samebits[torch]'; without "
            "float_synthesis nothing is needed"
        ) from error
    return TorchSynthesis.load(file)


def synthesis_for_encoding(wanted: Synthesis, *, model) -> FloatSynthesis | None:
    """What a caller asks for; ``model`` as of :func:`samebits.encode`."""
    if wanted is None or wanted is False:
        return None
    if wanted is True:
        return load_synthesis(model_store.path_for_encoding(model))
    return load_synthesis(wanted) if isinstance(wanted, str | PathLike) else _checked(wanted)


def precision_of(precision: float | Precision | None, synthesis: FloatSynthesis) -> Precision:
    """The precision that a caller asks for, in steps of 8 bits; that of the synthesis for None."""
    if precision is None:
        precision = synthesis.precision
    if isinstance(precision, Precision):
        return precision
    if isinstance(precision, bool) or not isinstance(precision, int | float):
        raise InvalidArgument(f"precision is {precision!r}, must be a number of 8-bit steps")
    return Precision(float(precision))


def with_float_pixels(
    stream: bytes,
    synthesis: FloatSynthesis,
    *,
    model: _core.Model,
    precision: Precision,
    max_pixels: int,
    max_bytes: int,
) -> bytes:
    """A stream with the chunk that fixes the pixels of a synthesis, which is read back at once.

    Raises
    ------
    LimitExceeded, ModelMismatch, InvalidArgument
        It needs more memory than that, takes other latents, or gives no finite numbers.
    """
    parsed = _core.parse_stream(stream)
    limits = {"max_pixels": max_pixels, "max_bytes": max_bytes}
    outputs = _outputs(stream, parsed.header, synthesis, model=model, **limits)
    chunk = make_float_chunk(outputs, synthesis=synthesis.identity, precision=precision)
    content = chunk.to_bytes()
    FloatChunk.from_bytes(content).pixels(outputs)
    return _core.write_stream(
        header=parsed.header,
        chunks=[*parsed.chunks, (FLOAT_SYNTHESIS, content)],
        payload=parsed.payload,
    )


@dataclass(frozen=True)
class FloatDecoder:
    """Decodes a stream to the pixels of its float synthesis; in place of ``_core.decode_picture``.

    ``wanted`` as of :func:`samebits.decode`; ``model`` likewise.
    """

    wanted: Synthesis
    model: object

    def __call__(
        self, loaded: _core.Model, stream: bytes, *, max_pixels: int, max_bytes: int
    ) -> np.ndarray:
        """uint8 (H, W, 3), or (H, W) if the stream is grey.

        Raises
        ------
        InvalidArgument
            The stream has no such chunk, or torch is not installed.
        ModelMismatch
            The synthesis is another one than the stream's.
        CorruptStream, Truncated, UnsupportedVersion, LimitExceeded, NeedsSeries
            See :mod:`samebits.errors`.
        """
        parsed = _core.parse_stream(stream)
        chunk = _chunk_of(parsed)
        synthesis = self._synthesis(chunk, loaded.id)
        limits = {"max_pixels": max_pixels, "max_bytes": max_bytes}
        outputs = _outputs(stream, parsed.header, synthesis, model=loaded, **limits)
        pixels = chunk.pixels(outputs)
        if not parsed.header.grey:
            return pixels
        return ((pixels.sum(axis=2, dtype=np.uint16) + 1) // 3).astype(np.uint8)

    def _synthesis(self, chunk: FloatChunk, model_id: bytes) -> FloatSynthesis:
        wanted = self.wanted
        if wanted is True:
            wanted = own_weights(self.model, model_id)
        if not isinstance(wanted, str | PathLike):
            synthesis = _checked(wanted)
            _require_identity(chunk, synthesis.identity, "the one given")
            return synthesis
        name = "that of the stream's own weights" if self.wanted is True else fspath(wanted)
        _require_identity(chunk, identity_of(wanted), name)
        return load_synthesis(wanted)


def own_weights(model, model_id: bytes) -> Path:
    """The weights file of a stream; ``model`` as of :func:`samebits.decode`."""
    if model is not None:
        return model_store.path_for_encoding(model)
    path = model_store.installed_with_id(model_id)
    if path is None:
        raise ModelMismatch(f"the stream needs model {model_id.hex()}, which is not installed")
    return path


def check_float_pixels(
    stream: bytes, *, model, wanted: Synthesis, max_pixels: int, max_bytes: int
) -> str:
    """Check the chunk of a stream that decodes: always what it says, and its pixels if they can be.

    Parameters
    ----------
    wanted : as of :func:`samebits.verify`; None for the stream's own weights, if they are it.

    Returns
    -------
    str
        Empty if the pixels are right; otherwise why they were not computed.

    Raises
    ------
    CorruptStream, Truncated, UnsupportedVersion
        The chunk is wrong. Those of :class:`FloatDecoder`, if ``wanted`` is given.
    """
    parsed = _core.parse_stream(stream)
    chunk = _chunk_of(parsed)
    loaded = model_store.model_for_decoding(parsed.header.model_id, model)
    automatic = wanted is None or wanted is False
    try:
        if automatic:
            path = own_weights(model, loaded.id)
            if identity_of(path) != chunk.synthesis:
                return f"the file of synthesis {chunk.synthesis.hex()} is needed"
            wanted = load_synthesis(path)
        decode = FloatDecoder(wanted, model)
        decode(loaded, stream, max_pixels=max_pixels, max_bytes=max_bytes)
    except (InvalidArgument, LimitExceeded) as error:
        if not automatic:
            raise
        return str(error)
    return ""


def _chunk_of(parsed: _core.ParsedStream) -> FloatChunk:
    content = dict(parsed.chunks).get(FLOAT_SYNTHESIS)
    if content is None:
        raise InvalidArgument(
            "the stream has no float_synthesis chunk; decode it without float_synthesis"
        )
    return FloatChunk.from_bytes(content)


def _outputs(
    stream: bytes,
    header: _core.Header,
    synthesis: FloatSynthesis,
    *,
    model: _core.Model,
    max_pixels: int,
    max_bytes: int,
) -> np.ndarray:
    """What a synthesis gives for the latents of a stream, (3, H, W)."""
    h, w = -(-header.height // LATENT_STRIDE), -(-header.width // LATENT_STRIDE)
    pixels = h * w * LATENT_STRIDE**2
    latents = 2 * h * w * model.latent_channels
    needed = KEPT_BYTES + latents + max(synthesis.working_bytes(h, w), BYTES_A_PIXEL * pixels)
    if needed > max_bytes:
        raise LimitExceeded(
            f"the float synthesis of {header.width} x {header.height} pixels needs {needed} bytes "
            f"of memory, allowed are {max_bytes}; raise max_bytes if the machine has them"
        )
    y_hat = _core.decode_latents(model, stream, max_pixels=max_pixels, max_bytes=max_bytes)
    outputs = np.asarray(synthesis(y_hat))
    if outputs.ndim != 3 or outputs.shape[1] < header.height or outputs.shape[2] < header.width:
        raise InvalidArgument(f"the float synthesis gave {outputs.shape} for {y_hat.shape}")
    return outputs[:, : header.height, : header.width]


def _file(path: str | PathLike) -> Path:
    if not Path(path).is_file():
        raise InvalidArgument(f"float_synthesis is {fspath(path)!r}, there is no such file")
    return Path(path)


def _require_identity(chunk: FloatChunk, identity: bytes, name: str) -> None:
    if identity != chunk.synthesis:
        raise ModelMismatch(
            f"the stream's float pixels need synthesis {chunk.synthesis.hex()}, {name} is "
            f"{identity.hex()}; pass its file by float_synthesis=PATH (--float-synthesis FILE)"
        )


def _checked(synthesis) -> FloatSynthesis:
    if not isinstance(synthesis, FloatSynthesis):
        raise InvalidArgument(
            "float_synthesis is True, the path of a weights file or checkpoint, or an object with "
            "identity, precision and working_bytes that can be called, not "
            f"{type(synthesis).__name__}"
        )
    if not isinstance(synthesis.identity, bytes) or len(synthesis.identity) != IDENTITY_BYTES:
        raise InvalidArgument(f"a float synthesis' identity is bytes, {IDENTITY_BYTES} of them")
    return synthesis
