"""Measuring: every picture through every codec at every quality, by real files."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from samebits.errors import InvalidArgument
from samebits.evaluation.codecs import Codec, CodecOptions, make_codec
from samebits.evaluation.metrics import MsSsimReference, mse, psnr_db
from samebits.evaluation.quality_metrics import installed_metrics
from samebits.evaluation.ssimulacra2 import Ssimulacra2Reference

PICTURE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".ppm"}
)


@dataclass(frozen=True)
class Measurement:
    """One picture, one codec, one quality.

    Attributes
    ----------
    picture : str
        File name.
    codec : str
    quality : int
    size_bytes : float
        Of the complete file (of the float twin: estimated).
    estimated_bytes : float
        The entropy model's own estimate; NaN for codecs that give none.
    bpp : float
        Bits of the complete file per pixel.
    mse : float
        Over all RGB samples.
    psnr_db : float
        Of `mse`; infinity for a lossless result.
    ms_ssim : float
        NaN for pictures with a side below 11, or not computed.
    encode_s, decode_s : float
        Wall-clock seconds, array to bytes and bytes to array.
    ssimulacra2 : float
        NaN for pictures with a side below `SSIMULACRA2_MIN_SIDE`, or not computed.
    """

    picture: str
    codec: str
    quality: int
    size_bytes: float
    estimated_bytes: float
    bpp: float
    mse: float
    psnr_db: float
    ms_ssim: float
    encode_s: float
    decode_s: float
    ssimulacra2: float = math.nan


@dataclass(frozen=True)
class Original:
    """A picture (uint8, (H, W, 3)) and what its metrics keep of it; None for those left out."""

    name: str
    rgb: np.ndarray
    ms_ssim: MsSsimReference | None
    ssimulacra2: Ssimulacra2Reference | None

    @staticmethod
    def of(name: str, rgb: np.ndarray, metrics: Collection[str]) -> Original:
        """With what the metrics (names of `METRICS`) need; PSNR needs nothing."""
        return Original(
            name,
            rgb,
            MsSsimReference.of(rgb) if "ms_ssim_db" in metrics else None,
            Ssimulacra2Reference.of(rgb) if "ssimulacra2" in metrics else None,
        )


@dataclass(frozen=True)
class MeasuredPicture:
    """A picture's identity and everything measured on it."""

    name: str
    width: int
    height: int
    sha256: str
    measurements: tuple[Measurement, ...]


def find_pictures(folder: Path) -> list[Path]:
    """The pictures directly in `folder`, by name; a clear error if there are none."""
    if not folder.is_dir():
        raise InvalidArgument(
            f"{folder} is not a folder; give the folder that holds the pictures to measure"
        )
    pictures = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
    )
    if not pictures:
        suffixes = " ".join(sorted(PICTURE_SUFFIXES))
        raise InvalidArgument(
            f"no pictures in {folder}; looked for files ending in {suffixes} (not in subfolders)"
        )
    return pictures


def load_rgb(path: Path) -> np.ndarray:
    """A picture file as uint8 (H, W, 3), upright; alpha is dropped, grey repeated."""
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture)
            return np.array(upright.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise InvalidArgument(f"{path} cannot be read as a picture: {error}") from error


def pixels_sha256(rgb: np.ndarray) -> str:
    """SHA-256 of the samples of a uint8 picture (H, W, 3), row by row, R G B."""
    return hashlib.sha256(rgb.tobytes()).hexdigest()


def measure_once(codec: Codec, original: Original, *, quality: int) -> Measurement:
    """Encode and decode one picture once and measure the result."""
    rgb = original.rgb
    start = time.perf_counter()
    file = codec.encode(rgb, quality)
    encoded = time.perf_counter()
    x_hat = codec.decode(file.data)
    decoded = time.perf_counter()
    error = mse(rgb, x_hat)
    return Measurement(
        picture=original.name,
        codec=codec.name,
        quality=quality,
        size_bytes=file.size_bytes,
        estimated_bytes=file.estimated_bytes,
        bpp=8.0 * file.size_bytes / (rgb.shape[0] * rgb.shape[1]),
        mse=error,
        psnr_db=psnr_db(error),
        ms_ssim=original.ms_ssim.compare(x_hat) if original.ms_ssim else math.nan,
        encode_s=encoded - start,
        decode_s=decoded - encoded,
        ssimulacra2=original.ssimulacra2.compare(x_hat) if original.ssimulacra2 else math.nan,
    )


def measure_picture(
    path: Path,
    qualities: Mapping[str, Sequence[int]],
    options: CodecOptions,
    metrics: Collection[str],
) -> MeasuredPicture:
    """One picture through all codecs (`qualities` by codec name)."""
    rgb = load_rgb(path)
    original = Original.of(path.name, rgb, metrics)
    measurements = []
    for name, codec_qualities in qualities.items():
        codec = make_codec(name, options)
        # The first call pays for loading weights and starting threads: keep that out of the times.
        codec.decode(codec.encode(rgb[:64, :64].copy(), codec_qualities[0]).data)
        for quality in codec_qualities:
            measurements.append(measure_once(codec, original, quality=quality))
    height, width = rgb.shape[:2]
    return MeasuredPicture(path.name, width, height, pixels_sha256(rgb), tuple(measurements))


def measure_pictures(
    paths: Sequence[Path],
    qualities: Mapping[str, Sequence[int]],
    options: CodecOptions,
    *,
    jobs: int,
    metrics: Collection[str] | None = None,
) -> Iterator[MeasuredPicture]:
    """All pictures in order, `jobs` at a time (in processes of their own if more than one).

    `metrics` are names of `METRICS`; None stands for all that are installed.
    """
    chosen = installed_metrics() if metrics is None else frozenset(metrics)
    if jobs == 1:
        for path in paths:
            yield measure_picture(path, qualities, options, chosen)
        return
    # spawn: a forked child would inherit the codec's threads in an unknown state.
    with ProcessPoolExecutor(max_workers=jobs, mp_context=get_context("spawn")) as pool:
        futures = [
            pool.submit(measure_picture, path, dict(qualities), options, chosen) for path in paths
        ]
        for future in futures:
            yield future.result()
