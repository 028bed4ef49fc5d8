"""Decode .same and .sames files and check every bit; no file is written.

Checks the checksum of the file, every field, the end of the coded symbols, the checksum of the
decoded latents (it finds a wrong decoder, not only a damaged file), the alpha plane, and what fixes
the pixels of a floating-point synthesis: the pixels too, if torch and the weights are there.

examples:
  samebits verify photo.same
  samebits verify --jobs 4 --json archive/*.same
"""

import argparse
from typing import TYPE_CHECKING

from samebits.cli.batch import add_batch_arguments, add_limit_arguments, run_batch
from samebits.cli.float_option import add_float_argument
from samebits.errors import InvalidArgument
from samebits.io.files import is_series, open_binary

if TYPE_CHECKING:
    from samebits.stream_info import FloatInfo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "streams", nargs="+", metavar="FILE", help=".same or .sames files, or - for stdin"
    )
    parser.add_argument("--model", metavar="FILE", help="weights file; default: the installed ones")
    add_float_argument(
        parser,
        help="the pixels of the floating-point synthesis have to be checked, and are of this file",
    )
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
                wanted = arguments.float_synthesis
                info = samebits.verify(file.read(), float_synthesis=wanted, **options)
                return {
                    "name": name,
                    "width": info.width,
                    "height": info.height,
                    **_float_fields(info.float_synthesis),
                }
            if arguments.float_synthesis:
                raise InvalidArgument("--float-synthesis is for .same files, not for series")
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
            + _float_text(report)
        ),
    )


def _float_fields(info: "FloatInfo | None") -> dict:
    if info is None:
        return {}
    fields = {"float_synthesis": info.synthesis, "float_pixels_checked": info.checked}
    if not info.checked:
        fields["float_pixels_not_checked_because"] = info.not_checked_because
    return fields


def _float_text(report: dict) -> str:
    if "float_synthesis" not in report:
        return ""
    if report["float_pixels_checked"]:
        return ", float pixels exact"
    return f", float pixels not checked: {report['float_pixels_not_checked_because']}"
