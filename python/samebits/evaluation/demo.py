"""The demo: one photo through a few qualities, and what a page needs to show it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from samebits.evaluation.codecs import Codec, CodecOptions, make_codec
from samebits.evaluation.measure import pixels_sha256
from samebits.evaluation.metrics import mse, psnr_db

DEMO_PHOTO = Path(__file__).parent / "assets" / "demo_photo.png"
DEMO_CREDIT = "Photo: Gianni Rosato, gb82 image set, CC0 1.0."
DEMO_QUALITIES = (20, 50, 80)
# The page holds every version of the photo losslessly: larger photos would make it unwieldy.
MAX_SIDE = 1600


@dataclass(frozen=True)
class CodedPhoto:
    """One version of the photo.

    Attributes
    ----------
    quality : int
        As given to the encoder.
    data : bytes
        The complete file.
    bpp, psnr_db : float
    sha256 : str
        Of the decoded samples.
    pixels : ndarray of uint8, shape (H, W, 3)
    """

    quality: int
    data: bytes
    bpp: float
    psnr_db: float
    sha256: str
    pixels: np.ndarray


@dataclass(frozen=True)
class Pair:
    """Samebits at one quality, and the best JPEG that is not larger (the smallest if all are)."""

    samebits: CodedPhoto
    jpeg: CodedPhoto


def make_demo(
    rgb: np.ndarray, *, qualities: Sequence[int] = DEMO_QUALITIES, model: Path | None = None
) -> tuple[Pair, ...]:
    """Code and decode the photo (uint8, (H, W, 3)) at each quality."""
    samebits = make_codec("samebits", CodecOptions(model=model))
    jpeg = make_codec("jpeg", CodecOptions())
    pairs = []
    for quality in qualities:
        ours = _coded(samebits, rgb, quality, samebits.encode(rgb, quality).data)
        pairs.append(Pair(ours, _largest_within(jpeg, rgb, len(ours.data))))
    return tuple(pairs)


def shrink_to_fit(rgb: np.ndarray) -> np.ndarray:
    """The photo, scaled down if a side is longer than `MAX_SIDE`."""
    photo = Image.fromarray(rgb)
    photo.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(photo)


def png_bytes(pixels: np.ndarray) -> bytes:
    """A PNG file of uint8 samples (H, W, 3): lossless, the page shows the decoder's own pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=9)
    return buffer.getvalue()


def _largest_within(codec: Codec, rgb: np.ndarray, size_bytes: int) -> CodedPhoto:
    low, high = 1, 95
    best = codec.encode(rgb, low).data
    while low < high:
        middle = (low + high + 1) // 2
        data = codec.encode(rgb, middle).data
        if len(data) <= size_bytes:
            low, best = middle, data
        else:
            high = middle - 1
    return _coded(codec, rgb, low, best)


def _coded(codec: Codec, rgb: np.ndarray, quality: int, data: bytes) -> CodedPhoto:
    pixels = codec.decode(data)
    return CodedPhoto(
        quality=quality,
        data=data,
        bpp=8.0 * len(data) / (rgb.shape[0] * rgb.shape[1]),
        psnr_db=psnr_db(mse(rgb, pixels)),
        sha256=pixels_sha256(pixels),
        pixels=pixels,
    )
