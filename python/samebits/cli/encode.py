"""Code pictures into .same files.

Reads what Pillow reads: 8-bit grey, palette, RGB and RGBA, with ICC profile, Exif, XMP and
orientation. Alpha is kept without loss. CMYK, 16-bit pictures and animations are refused.

examples:
  samebits encode photo.jpg                         writes photo.same
  samebits encode photo.jpg -q 80 -o small.same     another quality and name
  samebits encode *.png -o out/ --jobs 4            many files into a folder
  cat photo.png | samebits encode - > photo.same    stdin to stdout
  samebits encode --series frame*.png -o clip.sames pictures of a burst or a clip into one file
  samebits encode --series clip.y4m                 all its frames; .gif and so on too, and video
                                                    files if PyAV is installed (pip install av)
"""

import argparse
import time
import warnings

from samebits.cli.batch import add_batch_arguments, add_limit_arguments, positive, run_batch
from samebits.cli.exit_codes import EXIT_USAGE
from samebits.cli.outputs import add_output_arguments, output_names, print_usage_error
from samebits.errors import InvalidArgument
from samebits.io.files import STANDARD, STREAM_SUFFIX, read_bytes, refuse_existing, write_bytes
from samebits.limits import MAX_PIXELS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="files, or - for stdin")
    add_output_arguments(parser, default="PICTURE with the suffix .same")
    parser.add_argument(
        "--quality",
        "-q",
        type=quality,
        default=50,
        metavar="N",
        help="0 (smallest file) ... 100 (best picture), default 50",
    )
    parser.add_argument("--model", metavar="FILE", help="weights file; default: the installed one")
    parser.add_argument(
        "--series",
        action="store_true",
        help="code all pictures, and all frames of clips, into one .sames file, each with the two "
        "before it as context",
    )
    parser.add_argument(
        "--key-every",
        type=positive,
        default=32,
        metavar="N",
        help="of a series: pictures from one that needs no other to the next (default 32)",
    )
    add_limit_arguments(parser)
    add_batch_arguments(parser)
    schedule = parser.add_argument_group("schedule (docs/bitstream.md, section 2)")
    schedule.add_argument("--mode", type=int, choices=(0, 2), default=2, help="default 2")
    schedule.add_argument(
        "--phases", type=int, choices=(0, 2, 3), help="default 3, and 0 in mode 0"
    )
    schedule.add_argument(
        "--groups",
        type=group_sizes,
        default=(),
        metavar="N,N,...",
        help="sizes of the channel groups; default: the model's",
    )
    schedule.add_argument(
        "--values",
        action="store_true",
        help="a probability per value instead of mean and scale; the model must have a head for it",
    )


def quality(word: str) -> int:
    """An argparse type: 0 to 100."""
    number = int(word)
    if not 0 <= number <= 100:
        raise argparse.ArgumentTypeError("must be 0 to 100")
    return number


def group_sizes(word: str) -> tuple[int, ...]:
    """An argparse type: integers with commas."""
    return tuple(int(size) for size in word.split(","))


def run(arguments: argparse.Namespace) -> int:
    allow_large_pictures()
    if arguments.series:
        from samebits.cli import encode_series

        return encode_series.run(arguments)
    try:
        outputs = output_names(arguments.pictures, output=arguments.output, suffix=STREAM_SUFFIX)
    except InvalidArgument as error:
        print_usage_error(error)
        return EXIT_USAGE

    def encode_file(index: int) -> dict:
        return _encode_file(arguments.pictures[index], outputs[index], arguments=arguments)

    return run_batch(
        arguments.pictures,
        encode_file,
        arguments=arguments,
        to_dict=dict,
        to_text=lambda report: (
            f"{report['output']}: {report['width']} x {report['height']}, "
            f"{report['bytes']:,} bytes, {report['bpp']:.3f} bpp"
        ),
        report_to_stderr=STANDARD in outputs,
    )


def allow_large_pictures() -> None:
    """PIL stops at 179 megapixels to protect servers; files named on our command line are meant."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # PIL warns above this and refuses above twice this
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def _encode_file(name: str, output: str, *, arguments: argparse.Namespace) -> dict:
    import samebits
    from samebits.io.images import read_image

    refuse_existing(output, overwrite=arguments.force)
    image = read_image(read_bytes(name))
    start = time.perf_counter()
    stream = samebits.encode(
        image,
        quality=arguments.quality,
        model=arguments.model,
        mode=arguments.mode,
        phases=arguments.phases,
        groups=arguments.groups,
        distribution="values" if arguments.values else "parametric",
        max_pixels=arguments.max_pixels,
        max_bytes=arguments.max_bytes,
    )
    encode_ms = 1000 * (time.perf_counter() - start)
    write_bytes(output, stream, overwrite=arguments.force)
    info = samebits.info(stream, model=arguments.model)
    return {
        "output": output,
        "width": info.width,
        "height": info.height,
        "channels": info.channels,
        "quality": info.quality,
        "bytes": info.bytes,
        "bpp": info.bpp,
        "encode_ms": encode_ms,
    }
