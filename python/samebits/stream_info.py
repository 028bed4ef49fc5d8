"""What a stream says about itself."""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samebits import _core

ICC_PROFILE, EXIF, XMP, ALPHA = 1, 2, 3, 4
CHUNK_NAMES = {ICC_PROFILE: "icc_profile", EXIF: "exif", XMP: "xmp", ALPHA: "alpha"}


@dataclass(frozen=True)
class ChunkInfo:
    """A chunk beside the picture (bitstream.md 3): type, name and length in bytes."""

    type: int
    name: str
    bytes: int


@dataclass(frozen=True)
class StreamInfo:
    """The header of a stream in words.

    Attributes
    ----------
    width, height : int
        In pixels.
    channels : int
        1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
    quality : int
        0 (smallest file) ... 100 (best picture).
    mode, phases : int
        The schedule, bitstream.md 2.
    groups : tuple of int or None
        Sizes of the channel groups; None if they are the model's and the model is not at hand.
    distribution : str
        ``"parametric"`` or ``"values"``, see :func:`samebits.encode`.
    steps : int or None
        Steps of the entropy model; None where the groups are not known.
    model : str
        The first three bytes of the SHA-256 of the weights file, in hexadecimal.
    bytes, header_bytes, payload_bytes : int
        Length of the whole stream, of its header, of the coded picture.
    chunks : tuple of ChunkInfo
    version : int
        Format version.
    time : bool
        The picture is one of a series and needs those before it.
    """

    width: int
    height: int
    channels: int
    quality: int
    mode: int
    phases: int
    groups: tuple[int, ...] | None
    distribution: str
    steps: int | None
    model: str
    bytes: int
    header_bytes: int
    payload_bytes: int
    chunks: tuple[ChunkInfo, ...]
    version: int
    time: bool

    @property
    def bpp(self) -> float:
        """Bits of the whole stream a pixel."""
        return 8 * self.bytes / (self.width * self.height)

    def to_dict(self) -> dict:
        """All fields, ready for :mod:`json`."""
        return asdict(self)

    def to_json(self) -> str:
        """All fields as one line of JSON."""
        return json.dumps(self.to_dict())


def describe_stream(
    parsed: "_core.ParsedStream", *, size_bytes: int, model: "_core.Model | None"
) -> StreamInfo:
    """Put a parsed stream into words.

    Parameters
    ----------
    parsed : _core.ParsedStream
    size_bytes : int
        Length of the whole stream.
    model : _core.Model or None
        The stream's model, for the groups that the stream leaves to it.
    """
    header = parsed.header
    groups = _groups_of(header.schedule, model)
    chunks = tuple(
        ChunkInfo(type=kind, name=CHUNK_NAMES.get(kind, "unknown"), bytes=len(content))
        for kind, content in parsed.chunks
    )
    has_alpha = any(chunk.type == ALPHA for chunk in chunks)
    return StreamInfo(
        width=header.width,
        height=header.height,
        channels=(1 if header.grey else 3) + has_alpha,
        quality=header.quality,
        mode=header.schedule.mode,
        phases=header.schedule.phases,
        groups=groups,
        distribution="values" if header.values else "parametric",
        steps=None if groups is None else _step_count(header.schedule, groups),
        model=header.model_id.hex(),
        bytes=size_bytes,
        header_bytes=parsed.header_bytes,
        payload_bytes=len(parsed.payload),
        chunks=chunks,
        version=header.version,
        time=header.time,
    )


def _groups_of(schedule: "_core.ScheduleSpec", model: "_core.Model | None"):
    if schedule.groups:
        return tuple(schedule.groups)
    if model is None:
        return None
    if schedule.mode == 0:
        return (model.latent_channels,)
    return tuple(model.phase_groups if schedule.phases == 3 else model.groups)


def _step_count(schedule: "_core.ScheduleSpec", groups: tuple[int, ...]) -> int:
    """bitstream.md 2: phases 2 codes every group four times, phases 3 all four groups a step."""
    return 4 * len(groups) if schedule.phases == 2 else len(groups)
