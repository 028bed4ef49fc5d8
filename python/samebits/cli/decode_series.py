"""``samebits decode`` of a .sames file: every picture becomes a file of its own."""

import argparse
import time
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from samebits.errors import InvalidArgument
from samebits.io.files import STANDARD, refuse_existing, write_bytes


def numbered(output: str, number: int) -> str:
    """The name of a picture of a series: ``clip.png`` becomes ``clip_00012.png``."""
    path = Path(output)
    return str(path.with_name(f"{path.stem}_{number:05}{path.suffix}"))


def decode_series_file(file: BinaryIO, output: str, *, arguments: argparse.Namespace) -> dict:
    """Decode the pictures that are asked for; returns the report."""
    from samebits.io.images import encode_image, to_image
    from samebits.series import decode_series_pictures

    if output == STANDARD:
        raise InvalidArgument("a series has several pictures; name a folder by -o")
    start = time.perf_counter()
    pictures = decode_series_pictures(
        file,
        start=arguments.start,
        model=arguments.model,
        max_pixels=arguments.max_pixels,
        max_bytes=arguments.max_bytes,
    )
    info, number = None, arguments.start
    for number, picture in enumerate(islice(pictures, arguments.count), start=arguments.start):
        name = numbered(output, number)
        refuse_existing(name, overwrite=arguments.force)
        content = encode_image(to_image(picture), suffix=Path(name).suffix)
        write_bytes(name, content, overwrite=arguments.force)
        info = picture.info
    assert info is not None, "a series has a picture, or reading it fails"
    return {
        "output": f"{numbered(output, arguments.start)} to {Path(numbered(output, number)).name}",
        "width": info.width,
        "height": info.height,
        "pictures": number - arguments.start + 1,
        "quality": info.quality,
        "decode_ms": 1000 * (time.perf_counter() - start),
    }
