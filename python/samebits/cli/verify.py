"""Decode .same and .sames files and check every bit; no file is written.

Checks the checksum of the file, every field, the end of the coded symbols, the checksum of the
decoded latents (it finds a wrong decoder, not only a damaged file) and the alpha plane.

examples:
  samebits verify photo.same
  samebits verify --jobs 4 --json archive/*.same
"""

import argparse

from samebits.cli.batch import add_batch_arguments, add_limit_arguments, run_batch
from samebits.io.files import is_series, open_binary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "streams", nargs="+", metavar="FILE", help=".same or .sames files, or - for stdin"
    )
    parser.add_argument("--model", metavar="FILE", help="weights file; default: the installed ones")
    add_limit_arguments(parser)
    add_batch_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    import samebits

    def verify_file(index: int) -> dict:
        name = arguments.streams[index]
        options = {
            "model": arguments.model,
            "max_pixels": arguments.max_pixels,
            "max_bytes": arguments.max_bytes,
        }
        with open_binary(name) as file:
            if not is_series(file):
                info = samebits.verify(file.read(), **options)
                return {"name": name, "width": info.width, "height": info.height}
            pictures = samebits.verify_series(file, **options).pictures
        first = pictures[0]
        return {
            "name": name,
            "width": first.width,
            "height": first.height,
            "pictures": len(pictures),
        }

    return run_batch(
        arguments.streams,
        verify_file,
        arguments=arguments,
        to_dict=lambda report: {
            "ok": True,
            **{key: value for key, value in report.items() if key != "name"},
        },
        to_text=lambda report: (
            f"{report['name']}: ok, {report['width']} x {report['height']}"
            + (f", {report['pictures']} pictures" if "pictures" in report else "")
        ),
    )
