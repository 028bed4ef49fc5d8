"""A few pictures for a report's viewer: each codec's result at about the same file sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from samebits.evaluation.codecs import Codec, CodecOptions, make_codec
from samebits.evaluation.measure import MeasuredPicture, Measurement, load_rgb
from samebits.evaluation.metrics import mse, psnr_db
from samebits.evaluation.ssimulacra2 import Ssimulacra2Reference

TARGETS_BPP = (0.2, 0.5, 1.0)
# Of larger pictures the page holds the middle alone: scaled, they would not show what was lost.
MAX_SIDE = 768


@dataclass(frozen=True)
class ShownVersion:
    """A codec's result near one of `TARGETS_BPP`.

    Attributes
    ----------
    codec, label : str
    quality : int
    bpp, psnr_db : float
        Of the complete file and picture.
    ssimulacra2 : float
        Of the complete picture; NaN where it was not measured.
    pixels : ndarray of uint8, shape (H, W, 3)
        Decoded; the middle of a larger picture.
    """

    codec: str
    label: str
    quality: int
    bpp: float
    psnr_db: float
    ssimulacra2: float
    pixels: np.ndarray


@dataclass(frozen=True)
class ShownPicture:
    """An original and its versions; `width` and `height` are the complete picture's."""

    name: str
    width: int
    height: int
    original: np.ndarray
    versions: tuple[ShownVersion, ...]


def show_pictures(
    paths: Sequence[Path],
    measured: Sequence[MeasuredPicture],
    options: CodecOptions,
    *,
    count: int,
    on_picture: Callable[[ShownPicture], object] = lambda picture: None,
) -> list[ShownPicture]:
    """Code `count` of the measured pictures again, to have their pixels.

    Parameters
    ----------
    paths : sequence of Path
        Of the measured pictures, in the same order.
    measured : sequence of MeasuredPicture
    options : CodecOptions
    count : int
        Pictures, evenly chosen.
    on_picture : callable
        Called after each picture, for a progress bar.
    """
    shown = []
    for index in choose_evenly(len(paths), count):
        picture = _show(paths[index], measured[index], options)
        shown.append(picture)
        on_picture(picture)
    return shown


def choose_evenly(total: int, count: int) -> list[int]:
    """At most `count` of the numbers below `total`, evenly spread."""
    count = min(count, total)
    return [(2 * i + 1) * total // (2 * count) for i in range(count)]


def quality_near(measurements: Sequence[Measurement], target_bpp: float) -> int:
    """The quality that should come closest to a rate, from one codec's results on one picture.

    Between two measured qualities the logarithm of the rate is taken as linear; beyond the last
    one, the last is all there is.
    """
    points = sorted((m.quality, m.bpp) for m in measurements)
    closest = min(points, key=lambda point: abs(math.log(point[1] / target_bpp)))
    for (low, low_bpp), (high, high_bpp) in pairwise(points):
        if low_bpp <= target_bpp < high_bpp:
            share = math.log(target_bpp / low_bpp) / math.log(high_bpp / low_bpp)
            return round(low + share * (high - low))
    return closest[0]


def _show(path: Path, measured: MeasuredPicture, options: CodecOptions) -> ShownPicture:
    rgb = load_rgb(path)
    scored = any(math.isfinite(m.ssimulacra2) for m in measured.measurements)
    reference = Ssimulacra2Reference.of(rgb) if scored else None
    by_codec: dict[str, list[Measurement]] = {}
    for measurement in measured.measurements:
        by_codec.setdefault(measurement.codec, []).append(measurement)
    versions = []
    for name, measurements in by_codec.items():
        codec = make_codec(name, options)
        # A set: one quality may be the nearest to several rates.
        qualities = {quality_near(measurements, target) for target in TARGETS_BPP}
        versions += [_version(codec, rgb, reference, quality) for quality in sorted(qualities)]
    return ShownPicture(
        measured.name, measured.width, measured.height, _middle(rgb), tuple(versions)
    )


def _version(
    codec: Codec, rgb: np.ndarray, reference: Ssimulacra2Reference | None, quality: int
) -> ShownVersion:
    file = codec.encode(rgb, quality)
    x_hat = codec.decode(file.data)
    return ShownVersion(
        codec=codec.name,
        label=codec.label,
        quality=quality,
        bpp=8.0 * file.size_bytes / (rgb.shape[0] * rgb.shape[1]),
        psnr_db=psnr_db(mse(rgb, x_hat)),
        ssimulacra2=reference.compare(x_hat) if reference else math.nan,
        pixels=_middle(x_hat),
    )


def _middle(rgb: np.ndarray) -> np.ndarray:
    """The middle, at most `MAX_SIDE` a side."""
    top, left = ((side - min(side, MAX_SIDE)) // 2 for side in rgb.shape[:2])
    return np.ascontiguousarray(rgb[top : top + MAX_SIDE, left : left + MAX_SIDE])
