"""Code pictures into .same files.

Reads what Pillow reads: 8-bit grey, palette, RGB and RGBA, with ICC profile, Exif, XMP and
orientation. Alpha is kept without loss. CMYK, 16-bit pictures and animations are refused.

examples:
  samebits encode photo.jpg                         writes photo.same
  samebits encode photo.jpg -q 80 -o small.same     another quality and name
  samebits encode *.png -o out/ --jobs 4            many files into a folder
  samebits encode photo.jpg --target-bytes 20000    as good as 20,000 bytes can be
  samebits encode photo.jpg --preset small          a smaller file that takes longer to decode
  samebits encode photo.jpg --refine fast           a better file that takes longer to encode
  cat photo.png | samebits encode - > photo.same    stdin to stdout
  samebits encode photo.jpg --float-synthesis       fixes the floating-point picture, too: for
                                                    samebits decode --float-synthesis
  samebits encode --series frame*.png -o clip.sames pictures of a burst or a clip into one file
  samebits encode --series clip.y4m                 all its frames; .gif and so on too, and video
                                                    files if PyAV is installed (pip install av)
"""

import argparse
import os
import time
import warnings
from pathlib import Path

from samebits.cli.batch import add_batch_arguments, add_limit_arguments, positive, run_batch
from samebits.cli.exit_codes import EXIT_USAGE
from samebits.cli.float_option import add_float_argument
from samebits.cli.outputs import add_output_arguments, output_names, print_usage_error
from samebits.cli.refine_progress import RefineProgress
from samebits.errors import InvalidArgument
from samebits.io.files import STANDARD, STREAM_SUFFIX, read_bytes, refuse_existing, write_bytes
from samebits.limits import MAX_PIXELS
from samebits.orders import MODES, PHASES, PRESETS
from samebits.refinement import DISTORTIONS, REFINEMENTS, plan_of

TARGET_NAMES = ("target_bytes", "target_bpp", "target_psnr")
ORDER_NAMES = ("preset", "mode", "phases", "groups", "first")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="files, or - for stdin")
    add_output_arguments(parser, default="PICTURE with the suffix .same")
    wanted = parser.add_mutually_exclusive_group()
    wanted.add_argument(
        "--quality",
        "-q",
        type=quality,
        metavar="N",
        help="0 (smallest file) ... 100 (best picture), default 50",
    )
    wanted.add_argument(
        "--target-bytes", type=positive, metavar="N", help="the largest file of at most N bytes"
    )
    wanted.add_argument(
        "--target-bpp", type=float, metavar="X", help="the same in bits per pixel of the whole file"
    )
    wanted.add_argument("--target-psnr", type=float, metavar="DB", help="the file nearest to it")
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
    parser.add_argument(
        "--refine",
        type=refinement,
        metavar="fast | medium | slow | STEPS",
        help="spend time on a better file: latents are searched for which bits and error cost "
        "least; all but fast need samebits[torch]; decoding is not affected",
    )
    parser.add_argument(
        "--distortion",
        choices=DISTORTIONS,
        default=DISTORTIONS[0],
        help="what --refine medium, slow or STEPS weighs against bits; default %(default)s",
    )
    parser.add_argument(
        "--weights",
        metavar="MASK",
        help="with --refine: a picture of the same size, brighter where errors count more",
    )
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="bits and PSNR by step of one picture's refinement by gradients: .png, .svg, .pdf",
    )
    add_float_argument(
        parser,
        help="also fix the pixels of a floating-point synthesis: of the model's own weights, or of "
        "another weights file or a checkpoint (samebits[torch])",
    )
    parser.add_argument(
        "--precision",
        type=float,
        metavar="D",
        help="with --float-synthesis: how far other machines' outputs may lie from this one's, in "
        "steps of 8 bits; default 2^-20; the larger, the more bytes",
    )
    parser.add_argument(
        "--skip-existing",
        action="store_true",
        help="leave out pictures whose output exists: goes on where a run was interrupted",
    )
    add_limit_arguments(parser)
    add_batch_arguments(parser)
    schedule = parser.add_argument_group(
        "order of coding", "one model codes all orders; the more steps, the smaller and slower"
    )
    schedule.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        help="fast (fewest steps), balanced (the default) or small (smallest file); or say it:",
    )
    schedule.add_argument(
        "--mode",
        type=int,
        choices=tuple(MODES),
        help="channel dependencies, docs/bitstream.md 2; default 2",
    )
    schedule.add_argument(
        "--phases",
        choices=PHASES,
        help="positions of a step; default diagonal in mode 2 with two or four groups, else none",
    )
    schedule.add_argument(
        "--groups",
        type=group_layout,
        metavar="N | N,N,...",
        help="number of even channel groups, or their sizes; default: the model's",
    )
    schedule.add_argument(
        "--first", type=int, metavar="N", help="modes 5 and 6: groups in the first part"
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


def refinement(word: str) -> str | int:
    """An argparse type: a name of REFINEMENTS, or a number of steps."""
    return word if word in REFINEMENTS else positive(word)


def group_layout(word: str) -> int | tuple[int, ...]:
    """An argparse type: an integer, or several with commas."""
    try:
        sizes = tuple(int(size) for size in word.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of groups, nor sizes") from None
    return sizes if "," in word else sizes[0]


def order_arguments(arguments: argparse.Namespace) -> dict:
    """What the arguments say of the order, for :func:`samebits.encode`."""
    return {name: getattr(arguments, name) for name in ORDER_NAMES}


def target_arguments(arguments: argparse.Namespace) -> dict:
    """What the arguments say of a target, for :func:`samebits.encode`."""
    return {name: getattr(arguments, name) for name in TARGET_NAMES}


def quality_of(arguments: argparse.Namespace) -> int:
    """The quality that is asked for, or the default one."""
    return 50 if arguments.quality is None else arguments.quality


def run(arguments: argparse.Namespace) -> int:
    allow_large_pictures()
    if arguments.series:
        from samebits.cli import encode_series

        return encode_series.run(arguments)
    try:
        outputs = output_names(arguments.pictures, output=arguments.output, suffix=STREAM_SUFFIX)
        if arguments.plot is not None and (
            len(outputs) > 1 or plan_of(arguments.refine).steps == 0
        ):
            raise InvalidArgument("--plot is for one picture and --refine medium, slow or STEPS")
    except InvalidArgument as error:
        print_usage_error(error)
        return EXIT_USAGE
    pictures = arguments.pictures
    if arguments.skip_existing:
        left = [n for n, output in enumerate(outputs) if not os.path.exists(output)]
        pictures, outputs = [pictures[n] for n in left], [outputs[n] for n in left]

    def encode_file(index: int) -> dict:
        return _encode_file(pictures[index], outputs[index], arguments=arguments)

    return run_batch(
        pictures,
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


def read_mask(name: str):
    """A picture as weights: uint8 (H, W)."""
    import numpy as np

    from samebits.io.images import read_image

    return np.asarray(read_image(read_bytes(name)).convert("L"))


def _encode_file(name: str, output: str, *, arguments: argparse.Namespace) -> dict:
    import samebits
    from samebits.io.images import read_image

    refuse_existing(output, overwrite=arguments.force)
    image = read_image(read_bytes(name))
    pixels = image.width * image.height
    start = time.perf_counter()
    with RefineProgress(name, pixels, arguments=arguments) as progress:
        stream = samebits.encode(
            image,
            quality=arguments.quality,
            model=arguments.model,
            **order_arguments(arguments),
            distribution="values" if arguments.values else "parametric",
            refine=arguments.refine,
            **target_arguments(arguments),
            distortion=arguments.distortion,
            weights=None if arguments.weights is None else read_mask(arguments.weights),
            on_step=progress.step,
            float_synthesis=arguments.float_synthesis,
            precision=arguments.precision,
            max_pixels=arguments.max_pixels,
            max_bytes=arguments.max_bytes,
        )
    encode_ms = 1000 * (time.perf_counter() - start)
    write_bytes(output, stream, overwrite=arguments.force)
    if arguments.plot is not None:
        from samebits.evaluation.refinement_plot import plot_refinement

        plot_refinement(
            progress.steps,
            Path(arguments.plot),
            pixels=pixels,
            distortion=arguments.distortion,
        )
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
