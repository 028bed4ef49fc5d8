"""Samebits, JPEG, WebP, AVIF and JPEG XL behind one interface: RGB and quality in, file bytes out.

Samebits also comes with a second weights file (``samebits-before``), to see what new weights bring,
with refinement (``samebits-fast`` ...), and with the search by gradients alone
(``samebits-noise`` ..., as many steps as medium has), measured where they are asked for.
The float twin of Samebits is there too, to see what going to integers cost. It writes no file: its
size is the entropy model's estimate.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image, features

from samebits.errors import InvalidArgument
from samebits.refinement import GRADIENT_STEPS, METHODS, REFINEMENTS, Refine, RefinePlan

METHOD_CODECS = {f"samebits-{name.replace('+', '-plus')}": name for name in METHODS}
"""The search by gradients alone: names to methods."""
COMPARED_CODEC = "samebits-before"
WEBP_METHOD = 6
AVIF_SPEED = 6
JXL_EFFORT = 7
# From the smallest files to the largest.
DEFAULT_QUALITIES: dict[str, tuple[int, ...]] = {
    "samebits": (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100),
    "jpeg": (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95),
    "webp": (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95),
    "avif": (10, 20, 30, 40, 50, 60, 70, 80, 90),
    "jxl": (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95),
    "twin": (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100),
    COMPARED_CODEC: (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100),
    **{f"samebits-{name}": (10, 30, 50, 70, 90) for name in REFINEMENTS},
    **dict.fromkeys(METHOD_CODECS, (10, 30, 50, 70, 90)),
}
DEFAULT_CODECS = ("samebits", "jpeg", "webp", "avif", "jxl")


@dataclass(frozen=True)
class EncodedFile:
    """What an encoder made.

    Attributes
    ----------
    data : bytes
        For `Codec.decode`.
    size_bytes : float
        The size to report: that of `data`, except for the float twin.
    estimated_bytes : float
        The entropy model's own estimate; NaN where there is none.
    """

    data: bytes
    size_bytes: float
    estimated_bytes: float = math.nan


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
        ``encode(rgb, quality) -> EncodedFile``, of uint8 (H, W, 3).
    decode : callable
        ``decode(data) -> rgb``: the file's bytes to uint8 (H, W, 3).
    """

    name: str
    label: str
    settings: str
    encode: Callable[[np.ndarray, int], EncodedFile]
    decode: Callable[[bytes], np.ndarray]


@dataclass(frozen=True)
class CodecOptions:
    """How to set codecs up.

    Attributes
    ----------
    threads : int
        For AVIF, JPEG XL and the float twin. Samebits takes its number from SAMEBITS_THREADS when
        it is first used; the others have one thread.
    model : Path, optional
        Weights file for Samebits; None for the installed one.
    checkpoint : Path, optional
        Checkpoint of the float twin.
    compare_model : Path, optional
        Weights file of the codec ``samebits-before``.
    """

    threads: int = 1
    model: Path | None = None
    checkpoint: Path | None = None
    compare_model: Path | None = None


def make_codec(name: str, options: CodecOptions) -> Codec:
    """The codec called `name`."""
    makers = {
        "samebits": _samebits,
        COMPARED_CODEC: _samebits_before,
        "jpeg": _jpeg,
        "webp": _webp,
        "avif": _avif,
        "jxl": _jxl,
        "twin": _twin,
        **{f"samebits-{name}": partial(_refined, name, name) for name in REFINEMENTS},
        **{
            name: partial(_refined, method, RefinePlan(GRADIENT_STEPS["medium"], method=method))
            for name, method in METHOD_CODECS.items()
        },
    }
    if name not in makers:
        raise InvalidArgument(f"unknown codec {name!r}; there are {', '.join(makers)}")
    return makers[name](options)


def _refined(name: str, refine: Refine, options: CodecOptions) -> Codec:
    codec = _samebits(options, refine)
    label = f"Samebits, refined ({name})"
    return replace(codec, name=f"samebits-{name.replace('+', '-plus')}", label=label)


def _samebits(options: CodecOptions, refine: Refine = None) -> Codec:
    import samebits
    from samebits import api, kernels

    weights = f", weights {options.model.name}" if options.model else ""

    def encode(rgb: np.ndarray, quality: int) -> EncodedFile:
        encoded = api.encode_picture(rgb, quality=quality, model=options.model, refine=refine)
        estimate = (encoded.y_bits + encoded.z_bits) / 8.0
        return EncodedFile(encoded.stream, len(encoded.stream), estimate)

    return Codec(
        name="samebits",
        label="Samebits",
        settings=f"Samebits {samebits.__version__}, target {kernels.target()}{weights}",
        encode=encode,
        decode=lambda data: as_rgb(api.decode(data, model=options.model)),
    )


def _samebits_before(options: CodecOptions) -> Codec:
    if options.compare_model is None:
        raise InvalidArgument(
            f"the codec {COMPARED_CODEC} needs weights: give them with --compare-model FILE"
        )
    codec = _samebits(replace(options, model=options.compare_model))
    return replace(codec, name=COMPARED_CODEC, label="Samebits before")


def _twin(options: CodecOptions) -> Codec:
    # The one way from here into the torch ring, taken only if asked for.
    from samebits.learn.twin_codec import make_twin_codec

    return make_twin_codec(options)


def _jpeg(options: CodecOptions) -> Codec:
    return Codec(
        name="jpeg",
        label="JPEG",
        settings=f"{_pillow('libjpeg_turbo')}, optimize=True, 4:2:0",
        encode=lambda rgb, quality: _pillow_file(
            rgb, "JPEG", quality=quality, optimize=True, subsampling="4:2:0"
        ),
        decode=_pillow_decode,
    )


def _webp(options: CodecOptions) -> Codec:
    _require_format("webp")
    return Codec(
        name="webp",
        label="WebP",
        settings=f"{_pillow('webp')}, method={WEBP_METHOD} (the slowest)",
        encode=lambda rgb, quality: _pillow_file(rgb, "WEBP", quality=quality, method=WEBP_METHOD),
        decode=_pillow_decode,
    )


def _avif(options: CodecOptions) -> Codec:
    _require_format("avif")
    from PIL import AvifImagePlugin  # not in Pillow before 11.3

    # How Pillow lets the decoder's threads be chosen.
    AvifImagePlugin.DEFAULT_MAX_THREADS = options.threads
    return Codec(
        name="avif",
        label="AVIF",
        settings=f"{_pillow('avif')}, speed={AVIF_SPEED} (the default), 4:2:0",
        encode=lambda rgb, quality: _pillow_file(
            rgb,
            "AVIF",
            quality=quality,
            speed=AVIF_SPEED,
            subsampling="4:2:0",
            max_threads=options.threads,
        ),
        decode=_pillow_decode,
    )


def _jxl(options: CodecOptions) -> Codec:
    try:
        from pillow_jxl import JpegXLImagePlugin
    except ImportError as error:
        raise InvalidArgument(
            "JPEG XL needs the package pillow-jxl-plugin: run pip install 'samebits[eval]', "
            "or leave jxl out of --codecs"
        ) from error
    # The plugin's 0 is the calling thread alone. This is how it lets the decoder's be chosen.
    threads = 0 if options.threads == 1 else options.threads
    JpegXLImagePlugin.DECODE_THREADS = threads
    return Codec(
        name="jxl",
        label="JPEG XL",
        settings=f"pillow-jxl-plugin {version('pillow-jxl-plugin')}, "
        f"effort={JXL_EFFORT} (the default), 4:4:4",
        encode=lambda rgb, quality: _pillow_file(
            rgb, "JXL", quality=quality, effort=JXL_EFFORT, num_threads=threads
        ),
        decode=_pillow_decode,
    )


def as_rgb(picture: np.ndarray) -> np.ndarray:
    """A decoded uint8 picture as (H, W, 3): grey is repeated, alpha is dropped."""
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    return np.ascontiguousarray(picture[..., :3])


def _pillow_file(rgb: np.ndarray, file_format: str, **options: int | str | bool) -> EncodedFile:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, file_format, **options)
    data = buffer.getvalue()
    return EncodedFile(data, len(data))


def _pillow_decode(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _pillow(library: str) -> str:
    return f"Pillow {Image.__version__}, {library.replace('_', '-')} {features.version(library)}"


def _require_format(name: str) -> None:
    if not features.check(name):
        raise InvalidArgument(
            f"this Pillow ({Image.__version__}) was built without {name}; "
            f"install a wheel that has it, or leave it out of --codecs"
        )
