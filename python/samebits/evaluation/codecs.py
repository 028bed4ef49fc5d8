"""Samebits, JPEG, WebP and AVIF behind one interface: RGB and quality in, file bytes out."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, features

from samebits.errors import InvalidArgument

WEBP_METHOD = 6
AVIF_SPEED = 6


@dataclass(frozen=True)
class Codec:
    """A codec to be measured.

    Attributes
    ----------
    name : str
        As written on the command line and in results.
    label : str
        As written in plots and tables.
    settings : str
        Everything but the quality that shapes the file, in one line.
    encode : callable
        ``encode(rgb, quality) -> bytes``: uint8 (H, W, 3) to a complete file.
    decode : callable
        ``decode(data) -> rgb``: the file's bytes to uint8 (H, W, 3).
    """

    name: str
    label: str
    settings: str
    encode: Callable[[np.ndarray, int], bytes]
    decode: Callable[[bytes], np.ndarray]


# From the smallest files to the largest.
DEFAULT_QUALITIES = {
    "samebits": (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100),
    "jpeg": (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95),
    "webp": (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95),
    "avif": (10, 20, 30, 40, 50, 60, 70, 80, 90),
}


def make_codec(name: str, *, threads: int) -> Codec:
    """The codec called `name`.

    `threads` is for AVIF's encoder; Samebits takes its number from SAMEBITS_THREADS when it is
    first used, the others have one thread.
    """
    makers = {"samebits": _samebits, "jpeg": _jpeg, "webp": _webp, "avif": _avif}
    if name not in makers:
        raise InvalidArgument(f"unknown codec {name!r}; there are {', '.join(DEFAULT_QUALITIES)}")
    return makers[name](threads)


def _samebits(threads: int) -> Codec:
    import samebits
    from samebits import kernels

    return Codec(
        name="samebits",
        label="Samebits",
        settings=f"Samebits {samebits.__version__}, target {kernels.target()}, {threads} thread(s)",
        encode=lambda rgb, quality: samebits.encode(rgb, quality=quality),
        decode=lambda data: as_rgb(samebits.decode(data)),
    )


def _jpeg(threads: int) -> Codec:
    version = features.version("libjpeg_turbo")
    return Codec(
        name="jpeg",
        label="JPEG",
        settings=f"Pillow {_pillow_version()}, libjpeg-turbo {version}, optimize=True, 4:2:0",
        encode=lambda rgb, quality: _pillow_file(
            rgb, "JPEG", quality=quality, optimize=True, subsampling="4:2:0"
        ),
        decode=_pillow_decode,
    )


def _webp(threads: int) -> Codec:
    return Codec(
        name="webp",
        label="WebP",
        settings=(
            f"Pillow {_pillow_version()}, libwebp {_feature_version('webp')}, "
            f"method={WEBP_METHOD} (the slowest)"
        ),
        encode=lambda rgb, quality: _pillow_file(rgb, "WEBP", quality=quality, method=WEBP_METHOD),
        decode=_pillow_decode,
    )


def _avif(threads: int) -> Codec:
    version = _feature_version("avif")
    return Codec(
        name="avif",
        label="AVIF",
        settings=(
            f"Pillow {_pillow_version()}, libavif {version}, speed={AVIF_SPEED} (the default), "
            f"4:2:0, {threads} thread(s) to encode"
        ),
        encode=lambda rgb, quality: _pillow_file(
            rgb, "AVIF", quality=quality, speed=AVIF_SPEED, subsampling="4:2:0", max_threads=threads
        ),
        decode=_pillow_decode,
    )


def as_rgb(picture: np.ndarray) -> np.ndarray:
    """A decoded uint8 picture as (H, W, 3): grey is repeated, alpha is dropped."""
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.shape[2] == 1:
        picture = np.repeat(picture, 3, axis=2)
    return np.ascontiguousarray(picture[..., :3])


def _pillow_file(rgb: np.ndarray, file_format: str, **options: int | str | bool) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, file_format, **options)
    return buffer.getvalue()


def _pillow_decode(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _feature_version(name: str) -> str:
    if not features.check(name):
        raise InvalidArgument(
            f"this Pillow ({_pillow_version()}) was built without {name}; "
            f"install a wheel that has it or leave it out of --codecs"
        )
    return str(features.version(name))


def _pillow_version() -> str:
    return Image.__version__
