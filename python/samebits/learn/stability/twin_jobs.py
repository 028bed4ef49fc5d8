"""What `samebits bench stability` asks of the float twin, and of the integer codec, in each
environment: jobs of :func:`samebits.stability.environments.run_in`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import samebits
from samebits.errors import SamebitsError
from samebits.evaluation.measure import pixels_sha256
from samebits.stability import PIXELS, Boundaries

from .float_codec import ROWS, FloatCodec, Sizes, Stabilization, Symbols
from .ways import Way


@dataclass(frozen=True)
class Coded:
    """A picture, encoded and decoded in one environment."""

    picture: int
    quality: int
    method: str
    stream: bytes
    sizes: Sizes
    squared_error: float
    pixels: str
    encode_s: float
    decode_s: float


@dataclass(frozen=True)
class Decoded:
    """Checksum of the pixels, empty where decoding failed, and seconds."""

    pixels: str
    seconds: float


@dataclass(frozen=True)
class Difference:
    """One picture's outputs of one kind against those of the reference.

    Attributes
    ----------
    largest : difference, in units of the outputs. bits : share of float32 outputs that differ.
    flips : how many are rounded to another integer.
    """

    largest: float
    bits: float
    flips: int
    size: int


def encode_pictures(
    *,
    way: Way,
    weights: Path,
    pictures: dict[int, np.ndarray],
    qualities: Sequence[int],
    methods: dict[str, Stabilization],
) -> list[Coded]:
    """All pictures (H, W, 3) uint8, by number, at all qualities by all methods."""
    coded = []
    for quality in qualities:
        codec = _codec(way, weights, quality, Stabilization())
        for number, rgb in pictures.items():
            for name, codec.stabilization in methods.items():
                begin = time.perf_counter()
                stream, sizes = codec.encode(rgb)
                middle = time.perf_counter()
                pixels = codec.decode(stream)
                end = time.perf_counter()
                error = float(np.square(pixels.astype(float) - rgb).mean())
                coded.append(
                    Coded(
                        number,
                        quality,
                        name,
                        stream,
                        sizes,
                        error,
                        pixels_sha256(pixels),
                        middle - begin,
                        end - middle,
                    )
                )
    return coded


def decode_streams(
    *, way: Way, weights: Path, coded: Sequence[Coded], methods: dict[str, Stabilization]
) -> list[Decoded]:
    """The streams of :func:`encode_pictures`, in another environment."""
    codecs: dict[int, FloatCodec] = {}
    decoded = []
    for one in coded:
        if one.quality not in codecs:
            codecs[one.quality] = _codec(way, weights, one.quality, Stabilization())
        codec = codecs[one.quality]
        codec.stabilization = methods[one.method]
        begin = time.perf_counter()
        try:
            pixels = pixels_sha256(codec.decode(one.stream))
        except SamebitsError:
            pixels = ""
        decoded.append(Decoded(pixels, time.perf_counter() - begin))
    return decoded


def save_outputs(
    *,
    way: Way,
    weights: Path,
    quality: int,
    stabilization: Stabilization,
    streams: Sequence[bytes],
    folder: Path,
) -> None:
    """The reference's outputs for the integers of plain streams, for :func:`compare_outputs`."""
    codec = _codec(way, weights, quality, Stabilization())
    for number, stream in enumerate(streams):
        codec.stabilization = Stabilization()
        symbols = codec.symbols(stream)
        codec.stabilization = stabilization
        outputs = codec.outputs(symbols)
        np.savez(
            _outputs_path(folder, number),
            z=symbols.z.numpy(),
            y=symbols.y.numpy(),
            size=np.array([symbols.height, symbols.width]),
            rows=outputs.rows,
            pixels=outputs.pixels,
        )


def compare_outputs(
    *, way: Way, weights: Path, quality: int, stabilization: Stabilization, folder: Path
) -> list[dict[str, Difference]]:
    """For each picture, how "rows" and "pixels" differ from the reference's."""
    codec = _codec(way, weights, quality, stabilization)
    differences = []
    for number in range(len(list(folder.glob("*.npz")))):
        with np.load(_outputs_path(folder, number)) as saved:
            height, width = saved["size"].tolist()
            symbols = Symbols(
                torch.from_numpy(saved["z"]), torch.from_numpy(saved["y"]), height, width
            )
            found = codec.outputs(symbols)
            differences.append(
                {
                    "rows": _difference(found.rows, saved["rows"], ROWS),
                    "pixels": _difference(found.pixels, saved["pixels"], PIXELS),
                }
            )
    return differences


def decode_integers(*, way: Way, streams: Sequence[bytes], weights: Path) -> list[str]:
    """Checksums of what Samebits itself decodes in this environment."""
    return [pixels_sha256(np.asarray(samebits.decode(one, model=weights))) for one in streams]


def _codec(way: Way, weights: Path, quality: int, stabilization: Stabilization) -> FloatCodec:
    return FloatCodec(
        weights,
        quality=quality,
        stabilization=stabilization,
        run=way.run,
        prepare=way.prepare,
    )


def _difference(found: np.ndarray, reference: np.ndarray, boundaries: Boundaries) -> Difference:
    return Difference(
        float(np.abs(found - reference).max()),
        float((found.astype(np.float32) != reference.astype(np.float32)).mean()),
        int((boundaries.index(found) != boundaries.index(reference)).sum()),
        found.size,
    )


def _outputs_path(folder: Path, number: int) -> Path:
    return Path(folder, f"{number:04}.npz")
