"""Series of pictures in one file: frames of a clip, a burst. bitstream.md 6, requirement E6.

Every picture but the key pictures is coded with the decoded latents of the two before it as
context. They are integers, the same ones in encoder and decoder, so nothing drifts.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import BinaryIO

import numpy as np

from samebits import _core, api, model_store
from samebits.arguments import as_integer
from samebits.errors import InvalidArgument
from samebits.io.source import read_source
from samebits.limits import MAX_BYTES, MAX_PIXELS
from samebits.orders import Groups, schedule_of
from samebits.refinement import plan_of
from samebits.stream_info import StreamInfo

DEFAULT_KEY_EVERY = 32
KEYS = ("adaptive", "regular")
_PIECE = 1 << 20  # bytes read from a file at once


@dataclass(frozen=True)
class SeriesInfo:
    """A series in words.

    Attributes
    ----------
    pictures : tuple of StreamInfo
        In order; a picture whose ``time`` is false is a key picture.
    bytes : int
        Length of the whole file.
    """

    pictures: tuple[StreamInfo, ...]
    bytes: int

    @property
    def key_pictures(self) -> tuple[int, ...]:
        """Numbers of the pictures that need no other, from 0."""
        return tuple(n for n, picture in enumerate(self.pictures) if not picture.time)

    @property
    def bpp(self) -> float:
        """Bits of the whole file a pixel of all pictures."""
        return 8 * self.bytes / sum(picture.width * picture.height for picture in self.pictures)

    def to_dict(self) -> dict:
        """All fields, ready for :mod:`json`."""
        return asdict(self)


def encode_series(
    pictures: Iterable,
    *,
    quality: int = api.DEFAULT_QUALITY,
    key_every: int = DEFAULT_KEY_EVERY,
    keys: str = "adaptive",
    model: api.Model = None,
    preset: str | None = None,
    mode: int | None = None,
    phases: int | str | None = None,
    groups: Groups = None,
    first: int | None = None,
    distribution: str = "parametric",
    refine: str | None = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> bytes:
    """Code a series of pictures.

    Parameters
    ----------
    pictures : iterable
        What :func:`samebits.encode` takes, in order. One is in memory at a time, so a generator
        that opens files is fine. A picture of another size than the one before begins anew.
    quality : int
        0 (smallest file) ... 100 (best picture), of all pictures.
    key_every : int
        A key picture, which needs no other, at least every ``key_every`` pictures. Decoding can
        begin there, and damage reaches no further. 1 codes every picture alone.
    keys : "adaptive" or "regular"
        Whether a picture also becomes a key picture where that is smaller (a cut, much motion),
        or only where ``key_every`` asks for it.
    model, preset, mode, phases, groups, first, distribution, refine, max_pixels,
    max_bytes
        As for :func:`samebits.encode`.

    Returns
    -------
    bytes
        The content of a ``.sames`` file.

    Raises
    ------
    InvalidArgument
        A picture or an argument is not what it should be, there is no picture, or the model
        knows nothing of series and ``key_every`` is not 1.
    LimitExceeded
        A picture is larger than the limits allow.
    """
    file = io.BytesIO()
    write_series(
        file,
        pictures,
        quality=quality,
        key_every=key_every,
        keys=keys,
        model=model,
        preset=preset,
        mode=mode,
        phases=phases,
        groups=groups,
        first=first,
        distribution=distribution,
        refine=refine,
        max_pixels=max_pixels,
        max_bytes=max_bytes,
    )
    return file.getvalue()


def write_series(
    file: BinaryIO,
    pictures: Iterable,
    *,
    quality: int = api.DEFAULT_QUALITY,
    key_every: int = DEFAULT_KEY_EVERY,
    keys: str = "adaptive",
    model: api.Model = None,
    preset: str | None = None,
    mode: int | None = None,
    phases: int | str | None = None,
    groups: Groups = None,
    first: int | None = None,
    distribution: str = "parametric",
    refine: str | None = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> SeriesInfo:
    """Like :func:`encode_series`, each picture written as soon as it is coded.

    ``file`` is anything with ``write(bytes)``: a file, a pipe, a socket's file.
    """
    quality = api.as_quality(quality)
    schedule = schedule_of(preset=preset, mode=mode, phases=phases, groups=groups, first=first)
    values = api.uses_values(distribution)
    plan = plan_of(refine)
    if plan.steps > 0:  # they would need the gradient through the pictures before
        raise InvalidArgument("pictures of a series are refined by refine='fast' only")
    if keys not in KEYS:
        raise InvalidArgument(f"keys is {keys!r}, must be {' or '.join(map(repr, KEYS))}")
    loaded = model_store.model_for_encoding(model)
    encoder = _core.SeriesEncoder(
        loaded,
        key_every=as_integer(key_every, name="key_every", low=1, high=2**31 - 1),
        adaptive=keys == "adaptive",
    )
    writer = _core.SeriesWriter()
    infos, size_bytes = [], 0
    for picture in pictures:
        source = read_source(picture)
        coded = encoder.encode(
            source.rgb,
            quality=quality,
            schedule=schedule,
            refine_rounds=plan.rounds,
            values=values,
            grey=source.grey,
            chunks=api.make_chunks(source),
            max_pixels=max_pixels,
            max_bytes=max_bytes,
        )
        part = writer.add(coded.stream)
        file.write(part)
        size_bytes += len(part)
        infos.append(api.info(coded.stream, model=loaded))
    end = writer.end()
    file.write(end)
    return SeriesInfo(pictures=tuple(infos), bytes=size_bytes + len(end))


def decode_series(
    series: bytes | BinaryIO,
    *,
    start: int = 0,
    model: api.Model = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Iterator[np.ndarray]:
    """Decode a series, picture by picture, the same bits on every machine.

    Parameters
    ----------
    series : bytes or binary file
        The content of a ``.sames`` file, or anything with ``read(size)``, of which no more than a
        picture is held (and with ``start``, what follows the last key picture before).
    start : int
        The first picture to give; decoding begins at the key picture before it.
    model, max_pixels, max_bytes
        As for :func:`samebits.decode`, for each picture.

    Yields
    ------
    uint8 array (H, W), (H, W, 3) or (H, W, 4)
        The pictures, as of :func:`samebits.decode`.

    Raises
    ------
    CorruptStream, Truncated, UnsupportedVersion, ModelMismatch, LimitExceeded
        When the damage is reached: the pictures before it have been given.
    InvalidArgument
        There is no picture ``start``.
    """
    decoded = decode_series_pictures(
        series, start=start, model=model, max_pixels=max_pixels, max_bytes=max_bytes
    )
    return (api.with_alpha(picture) for picture in decoded)


def decode_series_pictures(
    series: bytes | BinaryIO,
    *,
    start: int = 0,
    model: api.Model = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Iterator[api.Decoded]:
    """Like :func:`decode_series`, with alpha apart and with the metadata."""
    start = as_integer(start, name="start", low=0, high=2**63 - 1)
    decoder: _core.SeriesDecoder | None = None

    def decode(loaded: _core.Model, stream: bytes, **limits) -> np.ndarray:
        nonlocal decoder
        if decoder is None:
            decoder = _core.SeriesDecoder(loaded)
        return decoder.decode(stream, **limits)

    for number, stream in _streams_for(read_streams(series, max_bytes=max_bytes), start):
        picture = api.decode_by(
            decode, stream, model=model, max_pixels=max_pixels, max_bytes=max_bytes
        )
        if number >= start:
            yield picture


def read_streams(
    series: bytes | BinaryIO, *, max_bytes: int = MAX_BYTES
) -> Iterator[tuple[bytes, bool]]:
    """The picture streams of a series file and whether each is a key picture, none decoded.

    The order, the lengths and the checksum of the series are checked, not the streams.
    """
    reader = _core.SeriesReader(max_picture_bytes=max_bytes)
    file = _CountedFile(series)
    while piece := file.read(_PIECE):
        reader.append(piece)
        while (picture := reader.next()) is not None:
            yield picture
    reader.finish()


def series_info(series: bytes | BinaryIO, *, model: api.Model = None) -> SeriesInfo:
    """What a series says about itself. No picture is decoded; the checksums of all streams are
    checked.

    Parameters
    ----------
    series : bytes or binary file
    model
        As for :func:`samebits.info`.
    """
    file = _CountedFile(series)
    pictures = tuple(api.info(stream, model=model) for stream, _ in read_streams(file))
    return SeriesInfo(pictures=pictures, bytes=file.bytes_read)


def verify_series(
    series: bytes | BinaryIO,
    *,
    model: api.Model = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> SeriesInfo:
    """Decode a series and check everything that can be, as :func:`samebits.verify` does.

    Returns
    -------
    SeriesInfo
        If all is well; an error as of :func:`decode_series` otherwise.
    """
    file = _CountedFile(series)
    pictures = decode_series_pictures(file, model=model, max_pixels=max_pixels, max_bytes=max_bytes)
    return SeriesInfo(pictures=tuple(picture.info for picture in pictures), bytes=file.bytes_read)


def _streams_for(streams: Iterator[tuple[bytes, bool]], start: int) -> Iterator[tuple[int, bytes]]:
    """(number, stream) of the pictures that have to be decoded for those from ``start`` on."""
    since_key: list[bytes] = []
    number = -1
    for number, (stream, is_key) in enumerate(streams):
        if number > start:
            yield number, stream
            continue
        if is_key:
            since_key.clear()
        since_key.append(stream)
        if number == start:
            first = start - len(since_key) + 1
            yield from enumerate(since_key, start=first)
            since_key.clear()
    if number < start:
        raise InvalidArgument(f"the series has {number + 1} pictures, there is no picture {start}")


class _CountedFile:
    """Bytes or a binary file, read in pieces."""

    def __init__(self, series: bytes | BinaryIO) -> None:
        self._file = series if hasattr(series, "read") else io.BytesIO(api.as_bytes(series))
        self.bytes_read = 0

    def read(self, size: int) -> bytes:
        piece = self._file.read(size)
        self.bytes_read += len(piece)
        return piece
