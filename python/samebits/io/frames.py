"""Frames of clips: .y4m, animations that Pillow reads, and video files if PyAV is installed."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from samebits.errors import InvalidArgument
from samebits.io import y4m
from samebits.io.files import STANDARD, open_binary
from samebits.io.images import read_image

# Containers and raw streams that are left to PyAV.
VIDEO_SUFFIXES = (
    ".mp4",
    ".mkv",
    ".webm",
    ".mov",
    ".avi",
    ".m4v",
    ".264",
    ".h264",
    ".265",
    ".hevc",
    ".ivf",
)


def read_frames(name: str) -> Iterator:
    """The frames of a file, or the one picture in it.

    Parameters
    ----------
    name : str
        A path, or ``-`` for stdin: .y4m, a picture or an animation; a video by a path only.

    Yields
    ------
    uint8 array (H, W) or (H, W, 3), or PIL image
        What :func:`samebits.encode` takes.
    """
    if name.lower().endswith(VIDEO_SUFFIXES):
        yield from _read_video(name)
        return
    with open_binary(name) as file:
        if file.peek(len(y4m.MAGIC)).startswith(y4m.MAGIC):
            yield from y4m.read_y4m(file)
        else:
            yield from _read_pictures(file)


def _read_pictures(file: BinaryIO) -> Iterator:
    image = read_image(file.read())
    frames = getattr(image, "n_frames", 1)
    # Phones put previews and depth beside the photo (MPO); the photo comes first.
    if frames == 1 or image.format == "MPO":
        yield image
        return
    for number in range(frames):
        image.seek(number)
        yield image.copy()


def _read_video(name: str) -> Iterator[np.ndarray]:
    if name == STANDARD:
        raise InvalidArgument("a video is read from a file, not from stdin")
    try:
        import av
    except ImportError as error:
        raise InvalidArgument(
            "video files are read by PyAV, which is not installed: pip install av; or convert the "
            "clip to .y4m first"
        ) from error
    try:
        with av.open(name) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
    except av.FFmpegError as error:
        raise InvalidArgument(f"PyAV cannot read it: {error}") from error
