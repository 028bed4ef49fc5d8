"""Turn .same and .sames files back into pictures.

Writes PNG, or what the suffix of -o says: .png, .webp (lossless), .tif, .bmp, .ppm, .pgm, .jpg or
.npy. ICC profile, Exif and XMP go along where the format has room for them. The pictures of a
series (.sames) get numbers: clip_00000.png and so on.

examples:
  samebits decode photo.same                        writes photo.png
  samebits decode photo.same -o photo.tif
  samebits decode *.same -o out/ --format webp --jobs 4
  samebits decode clip.sames -o frames/
  samebits decode clip.sames -o frames/ --start 100 --count 10
  samebits decode - -o - < photo.same > photo.png   stdin to stdout
  samebits decode photo.same --float-synthesis      the floating-point picture, if it has one
"""

import argparse
import time
from pathlib import Path

from samebits.cli.batch import add_batch_arguments, add_limit_arguments, positive, run_batch
from samebits.cli.decode_series import decode_series_file
from samebits.cli.exit_codes import EXIT_USAGE
from samebits.cli.float_option import add_float_argument
from samebits.cli.outputs import add_output_arguments, output_names, print_usage_error
from samebits.errors import InvalidArgument
from samebits.io.files import STANDARD, is_series, open_binary, refuse_existing, write_bytes

FORMATS = ("png", "webp", "tif", "bmp", "ppm", "pgm", "jpg", "npy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "streams", nargs="+", metavar="FILE", help=".same or .sames files, or - for stdin"
    )
    add_output_arguments(parser, default="FILE with the suffix of the format")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="png",
        help="for folders and stdout, default png",
    )
    parser.add_argument(
        "--start",
        type=int,
        default=0,
        metavar="N",
        help="of a series: the first picture to write, from 0",
    )
    parser.add_argument(
        "--count", type=positive, metavar="N", help="of a series: pictures to write, default all"
    )
    parser.add_argument("--model", metavar="FILE", help="weights file; default: the installed ones")
    add_float_argument(
        parser,
        help="the pixels of the floating-point synthesis that a file was encoded with, exactly, or "
        "an error (samebits[torch])",
    )
    add_limit_arguments(parser)
    add_batch_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    suffix = "." + arguments.format
    try:
        outputs = output_names(arguments.streams, output=arguments.output, suffix=suffix)
    except InvalidArgument as error:
        print_usage_error(error)
        return EXIT_USAGE

    def decode_file(index: int) -> dict:
        name, output = arguments.streams[index], outputs[index]
        with open_binary(name) as file:
            if is_series(file):
                if arguments.float_synthesis:
                    raise InvalidArgument("--float-synthesis is for .same files, not for series")
                return decode_series_file(file, output, arguments=arguments)
            stream = file.read()
        return _decode_stream(stream, output, default_suffix=suffix, arguments=arguments)

    return run_batch(
        arguments.streams,
        decode_file,
        arguments=arguments,
        to_dict=dict,
        to_text=lambda report: (
            f"{report['output']}: {report['width']} x {report['height']}"
            + (f", {report['pictures']} pictures" if "pictures" in report else "")
        ),
        report_to_stderr=STANDARD in outputs,
    )


def _decode_stream(
    stream: bytes, output: str, *, default_suffix: str, arguments: argparse.Namespace
) -> dict:
    from samebits.api import decode_picture
    from samebits.io.images import encode_image, to_image

    refuse_existing(output, overwrite=arguments.force)
    start = time.perf_counter()
    decoded = decode_picture(
        stream,
        model=arguments.model,
        float_synthesis=arguments.float_synthesis,
        max_pixels=arguments.max_pixels,
        max_bytes=arguments.max_bytes,
    )
    decode_ms = 1000 * (time.perf_counter() - start)
    suffix = default_suffix if output == STANDARD else Path(output).suffix
    picture = encode_image(to_image(decoded), suffix=suffix)
    write_bytes(output, picture, overwrite=arguments.force)
    return {
        "output": output,
        "width": decoded.info.width,
        "height": decoded.info.height,
        "channels": decoded.info.channels,
        "quality": decoded.info.quality,
        "bytes": decoded.info.bytes,
        "decode_ms": decode_ms,
    }
