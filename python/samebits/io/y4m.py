"""Frames of a .y4m file (YUV4MPEG2): uncompressed video, as many tools write it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from samebits.errors import InvalidArgument, LimitExceeded, Truncated
from samebits.limits import MAX_PIXELS

MAGIC = b"YUV4MPEG2"
_LONGEST_LINE = 1024
# Colorspace -> how often chroma has a sample, down and across; None: there is no chroma.
_CHROMA = {
    "420": (2, 2),
    "420jpeg": (2, 2),
    "420mpeg2": (2, 2),
    "420paldv": (2, 2),
    "422": (1, 2),
    "444": (1, 1),
    "mono": None,
}


@dataclass(frozen=True)
class Y4mHeader:
    """What the first line of a file says."""

    width: int
    height: int
    chroma: tuple[int, int] | None
    full_range: bool

    def plane_shapes(self) -> list[tuple[int, int]]:
        """(height, width) of the planes of a frame, luma first."""
        luma = (self.height, self.width)
        if self.chroma is None:
            return [luma]
        down, across = self.chroma
        chroma = (-(-self.height // down), -(-self.width // across))
        return [luma, chroma, chroma]


def read_y4m(file: BinaryIO) -> Iterator[np.ndarray]:
    """Frames as uint8 (H, W, 3), or (H, W) of a file without chroma.

    Chroma is interpolated between its samples, taken as centered on their pixels, and converted
    by BT.601 in integers: the same pixels everywhere.

    Raises
    ------
    InvalidArgument
        Not a progressive 8-bit .y4m file.
    Truncated
        It ends inside of a frame.
    """
    header = _read_header(file)
    while line := file.readline(_LONGEST_LINE):
        if not line.startswith(b"FRAME") or not line.endswith(b"\n"):
            raise InvalidArgument("the .y4m file has no FRAME where one should begin")
        yield _to_rgb([_read_plane(file, shape) for shape in header.plane_shapes()], header)


def _read_header(file: BinaryIO) -> Y4mHeader:
    line = file.readline(_LONGEST_LINE)
    if not line.startswith(MAGIC) or not line.endswith(b"\n"):
        raise InvalidArgument("not a .y4m file: it does not begin with YUV4MPEG2")
    fields = {word[0]: word[1:] for word in line.decode("latin-1").split()[1:] if word[0] != "X"}
    colorspace = fields.get("C", "420jpeg")
    if colorspace not in _CHROMA:
        raise InvalidArgument(
            f"the .y4m file has colorspace {colorspace}; 8-bit ones are supported: "
            + ", ".join(_CHROMA)
        )
    if fields.get("I", "p") not in ("p", "?"):
        raise InvalidArgument("the .y4m file is interlaced; deinterlace it first")
    sides = [fields.get(name, "") for name in "WH"]
    if not all(re.fullmatch("[1-9][0-9]{0,8}", side) for side in sides):
        raise InvalidArgument(f"the .y4m file has the size {' x '.join(sides)}")
    width, height = map(int, sides)
    if width * height > MAX_PIXELS:
        raise LimitExceeded(f"the frames have {width} x {height} pixels, more than {MAX_PIXELS}")
    return Y4mHeader(width, height, _CHROMA[colorspace], b"XCOLORRANGE=FULL" in line)


def _read_plane(file: BinaryIO, shape: tuple[int, int]) -> np.ndarray:
    size = shape[0] * shape[1]
    content = file.read(size)
    if len(content) < size:
        raise Truncated("the .y4m file ends inside of a frame; is it cut?")
    return np.frombuffer(content, np.uint8).reshape(shape).astype(np.int32)


def _to_rgb(planes: list[np.ndarray], header: Y4mHeader) -> np.ndarray:
    """BT.601 in 16-bit fixed point."""
    low, gain = (0, 65536) if header.full_range else (16, 76309)
    luma = (planes[0] - low) * gain
    if header.chroma is None:
        return _to_uint8(luma)
    blue, red = (
        _stretch(plane - 128, header.chroma)[: header.height, : header.width]
        for plane in planes[1:]
    )
    weights = (91881, 22554, 46802, 116130) if header.full_range else (104597, 25675, 53279, 132201)
    red_to_r, blue_to_g, red_to_g, blue_to_b = weights
    channels = (
        luma + red_to_r * red,
        luma - blue_to_g * blue - red_to_g * red,
        luma + blue_to_b * blue,
    )
    return np.stack([_to_uint8(channel) for channel in channels], -1)


def _to_uint8(value_q16: np.ndarray) -> np.ndarray:
    return np.clip((value_q16 + 32768) >> 16, 0, 255).astype(np.uint8)


def _stretch(plane: np.ndarray, factors: tuple[int, int]) -> np.ndarray:
    for axis, factor in enumerate(factors):
        if factor == 2:
            plane = _double(plane, axis=axis)
    return plane


def _double(plane: np.ndarray, *, axis: int) -> np.ndarray:
    """Twice as many samples along an axis: three parts of the nearest, one of the next."""
    last = plane.shape[axis] - 1
    before = plane.take(np.maximum(np.arange(last + 1) - 1, 0), axis)
    after = plane.take(np.minimum(np.arange(last + 1) + 1, last), axis)
    pair = np.stack([(3 * plane + before + 2) >> 2, (3 * plane + after + 2) >> 2], axis + 1)
    shape = list(plane.shape)
    shape[axis] *= 2
    return pair.reshape(shape)
