"""`samebits bench series`: clips as series, against every frame on its own; real files."""

from __future__ import annotations

import hashlib
import io
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

import samebits
from samebits.evaluation.bd_rate import bd_rate
from samebits.evaluation.benchmarks.peers import Missing
from samebits.evaluation.curves import Curve, RatePoint
from samebits.evaluation.machine import Machine, this_command, this_commit, this_machine
from samebits.evaluation.metrics import mse, psnr_db
from samebits.io.frames import read_frames


@dataclass(frozen=True)
class CodedClip:
    """A clip coded at one quality, in one way.

    Attributes
    ----------
    size_bytes : int
        Of the whole file.
    bpp : float
        Bits of it a pixel of all frames.
    psnr_db : float
        Of the mean squared error over all frames.
    encode_s, decode_s : float
        Processor time of the thread (of the process, with several threads), per frame.
    """

    size_bytes: int
    bpp: float
    psnr_db: float
    encode_s: float
    decode_s: float


@dataclass(frozen=True)
class ClipPoint:
    """One quality: as a series, every frame alone, and what the series saves."""

    quality: int
    series: CodedClip
    alone: CodedClip
    saved_percent: float


@dataclass(frozen=True)
class ClipResult:
    """A clip at all qualities; ``bd_rate_percent`` of PSNR, negative where a series is smaller."""

    clip: str
    frames: int
    width: int
    height: int
    frames_sha256: str
    points: tuple[ClipPoint, ...]
    bd_rate_percent: float


@dataclass(frozen=True)
class SeriesBenchmark:
    """All clips of one run, and what they ran on."""

    command: str
    commit: str | None
    machine: Machine
    model: str
    threads: int
    key_every: int
    qualities: tuple[int, ...]
    clips: tuple[ClipResult, ...]
    missing: tuple[Missing, ...] = ()


def measure_series(
    paths: Sequence[Path],
    *,
    qualities: Sequence[int],
    threads: int,
    most_frames: int,
    key_every: int,
    model: str | None = None,
    on_quality: Callable[[], object] = lambda: None,
) -> SeriesBenchmark:
    """Code clips as series and frame by frame, decode all frames, and compare.

    Parameters
    ----------
    paths : clips or pictures, as ``samebits encode --series`` takes them.
    qualities : at least four, for a BD-rate.
    threads : only reported: the caller has set them.
    most_frames : of each clip, from its beginning.
    key_every : pictures from one key picture to the next.
    on_quality : called after every clip and quality.

    Raises
    ------
    AssertionError
        A series decodes to other pictures than the encoder had, or from the middle to others than
        from the beginning: that would be a defect of Samebits.
    """
    clips = []
    for path in paths:
        frames = [_as_rgb(frame) for frame in islice(read_frames(str(path)), most_frames)]
        points = []
        for quality in qualities:
            options = {"quality": quality, "model": model}
            series = _code(frames, key_every=key_every, threads=threads, **options)
            alone = _code(frames, key_every=1, threads=threads, **options)
            saved = 100 * (1 - series.size_bytes / alone.size_bytes)
            points.append(ClipPoint(quality, series, alone, saved))
            on_quality()
        clips.append(_clip_result(path.name, frames, points))
    probe = samebits.encode_series(frames[:1], model=model, key_every=1)
    return SeriesBenchmark(
        command=this_command(),
        commit=this_commit(),
        machine=this_machine(),
        model=samebits.series_info(probe, model=model).pictures[0].model,
        threads=threads,
        key_every=key_every,
        qualities=tuple(qualities),
        clips=tuple(clips),
    )


def _as_rgb(frame) -> np.ndarray:
    array = frame if isinstance(frame, np.ndarray) else np.asarray(frame.convert("RGB"))
    return np.dstack([array] * 3) if array.ndim == 2 else array


def _code(
    frames: list[np.ndarray], *, quality: int, model: str | None, key_every: int, threads: int
) -> CodedClip:
    clock = time.thread_time if threads == 1 else time.process_time
    file = io.BytesIO()
    begin = clock()
    samebits.write_series(file, frames, quality=quality, model=model, key_every=key_every)
    encoded = clock()
    content = file.getvalue()
    decoded = list(samebits.decode_series(content, model=model))
    decode_s = clock() - encoded
    assert len(decoded) == len(frames), "every frame comes back"
    last = len(frames) - 1
    from_the_middle = next(samebits.decode_series(content, model=model, start=last))
    assert np.array_equal(from_the_middle, decoded[last]), "the same picture from a key picture"
    errors = [mse(x, x_hat) for x, x_hat in zip(frames, decoded, strict=True)]
    pixels = sum(frame.shape[0] * frame.shape[1] for frame in frames)
    return CodedClip(
        size_bytes=len(content),
        bpp=8 * len(content) / pixels,
        psnr_db=psnr_db(sum(errors) / len(errors)),
        encode_s=(encoded - begin) / len(frames),
        decode_s=decode_s / len(frames),
    )


def _clip_result(name: str, frames: list[np.ndarray], points: list[ClipPoint]) -> ClipResult:
    digest = hashlib.sha256(b"".join(frame.tobytes() for frame in frames)).hexdigest()
    rate = bd_rate(
        _curve("series", [(p.quality, p.series) for p in points]),
        _curve("alone", [(p.quality, p.alone) for p in points]),
        metric="psnr_db",
    )
    return ClipResult(
        clip=name,
        frames=len(frames),
        width=frames[0].shape[1],
        height=frames[0].shape[0],
        frames_sha256=digest,
        points=tuple(points),
        bd_rate_percent=math.nan if rate is None else rate.pchip_percent,
    )


def _curve(name: str, coded: list[tuple[int, CodedClip]]) -> Curve:
    return Curve(name, name, tuple(RatePoint(q, clip.bpp, clip.psnr_db) for q, clip in coded))
