"""What a stream says about itself."""

import json
from dataclasses import asdict, dataclass

from samebits import _core
from samebits.errors import CorruptStream, InvalidArgument, SamebitsError
from samebits.stability.float_chunk import FloatChunk

ICC_PROFILE, EXIF, XMP, ALPHA = 1, 2, 3, 4
FLOAT_SYNTHESIS = 128
CHUNK_NAMES = {
    ICC_PROFILE: "icc_profile",
    EXIF: "exif",
    XMP: "xmp",
    ALPHA: "alpha",
    FLOAT_SYNTHESIS: "float_synthesis",
}


@dataclass(frozen=True)
class ChunkInfo:
    """A chunk beside the picture (bitstream.md 3): type, name and length in bytes."""

    type: int
    name: str
    bytes: int


@dataclass(frozen=True)
class FloatInfo:
    """What fixes the pixels of a floating-point synthesis (bitstream.md 3.1).

    Attributes
    ----------
    synthesis : str
        The first eight bytes of the SHA-256 of its file, in hexadecimal.
    precision, precision_slope : float
        How far outputs may lie from the encoder's, in steps of 8 bits: the first, and the second
        times the output's magnitude.
    adjustment : str
        ``"none"``, ``"scalar"``, ``"channels"`` or ``"linear"``.
    code_bytes : int
        Length of the code that tells the encoder's pixels from all others.
    checked : bool or None
        Whether the pixels were computed and are right. Only :func:`samebits.verify` tries.
    not_checked_because : str
        Of a verified stream: why not.
    """

    synthesis: str
    precision: float
    precision_slope: float
    adjustment: str
    code_bytes: int
    checked: bool | None = None
    not_checked_because: str = ""


@dataclass(frozen=True)
class Rectangle:
    """Elements that a step codes together (arithmetic.md 4).

    Attributes
    ----------
    channels : tuple of int
        First channel, and the one behind the last.
    phases : tuple of int
        At positions of these phases, 2 * (row mod 2) + (column mod 2).
    view : tuple of tuples of int, or None
        Ranges of channels whose known values these elements depend on; None for all channels.
    """

    channels: tuple[int, int]
    phases: tuple[int, ...]
    view: tuple[tuple[int, int], ...] | None


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
        Sizes of the channel groups; None if they depend on the model and it is not at hand.
    first : int
        Modes 5 and 6: how many groups are in the first part; 0 in the others.
    distribution : str
        ``"parametric"`` or ``"values"``, see :func:`samebits.encode`.
    steps : int or None
        Steps of the entropy model; None where the groups are not known.
    order : tuple of tuples of Rectangle, or None
        What is coded in every step; None where the groups are not known.
    model : str
        The first three bytes of the SHA-256 of the weights file, in hexadecimal.
    bytes, header_bytes, payload_bytes : int
        Length of the whole stream, of its header, of the coded picture.
    chunks : tuple of ChunkInfo
    version : int
        Format version.
    time : bool
        The picture is one of a series and needs those before it.
    float_synthesis : FloatInfo or None
        None if the stream has no such chunk, or one that cannot be read, which only
        :func:`samebits.verify` minds.
    """

    width: int
    height: int
    channels: int
    quality: int
    mode: int
    phases: int
    groups: tuple[int, ...] | None
    first: int
    distribution: str
    steps: int | None
    order: tuple[tuple[Rectangle, ...], ...] | None
    model: str
    bytes: int
    header_bytes: int
    payload_bytes: int
    chunks: tuple[ChunkInfo, ...]
    version: int
    time: bool
    float_synthesis: FloatInfo | None = None

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
    parsed: _core.ParsedStream, *, size_bytes: int, model: _core.Model | None
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
    schedule = header.schedule
    groups = _groups_of(schedule, model)
    order = None if groups is None else _order_of(schedule, groups)
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
        mode=schedule.mode,
        phases=schedule.phases,
        groups=groups,
        distribution="values" if header.values else "parametric",
        first=schedule.first,
        steps=None if order is None else len(order),
        order=order,
        model=header.model_id.hex(),
        bytes=size_bytes,
        header_bytes=parsed.header_bytes,
        payload_bytes=len(parsed.payload),
        chunks=chunks,
        version=header.version,
        time=header.time,
        float_synthesis=_float_info(dict(parsed.chunks).get(FLOAT_SYNTHESIS)),
    )


def _float_info(content: bytes | None) -> FloatInfo | None:
    if content is None:
        return None
    try:
        chunk = FloatChunk.from_bytes(content)
    except SamebitsError:
        return None
    return FloatInfo(
        synthesis=chunk.synthesis.hex(),
        precision=chunk.precision.offset,
        precision_slope=chunk.precision.slope,
        adjustment=chunk.adjustment.kind,
        code_bytes=len(chunk.code),
    )


def _groups_of(schedule: _core.ScheduleSpec, model: _core.Model | None):
    """Sizes of the groups, if they are known. CorruptStream if they do not fit the model."""
    if model is None:
        return tuple(schedule.groups) or None
    if schedule.mode == 0:
        return (model.latent_channels,)
    try:
        return tuple(_core.group_sizes(schedule, model.channel_groups))
    except InvalidArgument as error:
        raise CorruptStream(f"the schedule does not fit the model: {error}") from error


def _order_of(schedule: _core.ScheduleSpec, groups: tuple[int, ...]):
    """The steps, as rectangles."""
    known = _core.ChannelGroups(latent_channels=sum(groups), groups=groups, phase_groups=groups)
    try:
        steps = _core.schedule_steps(schedule, known)
    except InvalidArgument as error:
        raise CorruptStream(str(error)) from error
    return tuple(
        tuple(
            Rectangle(
                channels=(begin, end),
                phases=tuple(phase for phase in range(4) if mask >> phase & 1),
                view=None if view is None else tuple(view),
            )
            for begin, end, mask, view in step
        )
        for step in steps
    )
