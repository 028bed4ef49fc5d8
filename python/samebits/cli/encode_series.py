"""``samebits encode --series``: pictures and clips, in the order given, into one .sames file."""

import argparse
import os
import time
from collections.abc import Iterator, Sequence

from samebits.cli.batch import run_batch, sentence
from samebits.cli.encode import order_arguments, quality_of, target_arguments
from samebits.cli.exit_codes import EXIT_USAGE
from samebits.cli.outputs import output_names, print_usage_error
from samebits.errors import InvalidArgument, SamebitsError
from samebits.io.files import SERIES_SUFFIX, STANDARD, refuse_existing, writing


def run(arguments: argparse.Namespace) -> int:
    """Code all pictures into one file; returns the exit code."""
    try:
        if any(value is not None for value in target_arguments(arguments).values()):
            raise InvalidArgument("a series has a quality, no target; use --quality")
        if arguments.weights is not None or arguments.plot is not None:
            raise InvalidArgument("--weights and --plot are not for series")
        if arguments.float_synthesis or arguments.precision is not None:
            raise InvalidArgument("--float-synthesis and --precision are not for series")
        output = _output_name(arguments.pictures, output=arguments.output)
    except InvalidArgument as error:
        print_usage_error(error)
        return EXIT_USAGE
    return run_batch(
        [output],
        lambda _: _encode_into(output, arguments=arguments),
        arguments=arguments,
        to_dict=dict,
        to_text=lambda report: (
            f"{report['output']}: {report['pictures']} pictures, {report['key_pictures']} of them "
            f"key pictures, {report['bytes']:,} bytes, {report['bpp']:.3f} bpp"
        ),
        report_to_stderr=output == STANDARD,
    )


def _output_name(pictures: Sequence[str], *, output: str | None) -> str:
    if output is None and len(pictures) > 1:
        raise InvalidArgument(f"{len(pictures)} files become one series; name it by -o")
    if output is not None and os.path.isdir(output):
        raise InvalidArgument(f"{output} is a folder; name the file of the series by -o")
    return output_names(pictures[:1], output=output, suffix=SERIES_SUFFIX)[0]


def _encode_into(output: str, *, arguments: argparse.Namespace) -> dict:
    import samebits

    refuse_existing(output, overwrite=arguments.force)
    start = time.perf_counter()
    with writing(output, overwrite=arguments.force) as file:
        info = samebits.write_series(
            file,
            _frames(arguments.pictures, quiet=arguments.quiet),
            quality=quality_of(arguments),
            key_every=arguments.key_every,
            model=arguments.model,
            **order_arguments(arguments),
            distribution="values" if arguments.values else "parametric",
            refine=arguments.refine,
            max_pixels=arguments.max_pixels,
            max_bytes=arguments.max_bytes,
        )
    return {
        "output": output,
        "pictures": len(info.pictures),
        "key_pictures": len(info.key_pictures),
        "quality": quality_of(arguments),
        "bytes": info.bytes,
        "bpp": info.bpp,
        "encode_ms": 1000 * (time.perf_counter() - start),
    }


def _frames(names: Sequence[str], *, quiet: bool) -> Iterator:
    """All frames of all files; an error says which file it is about."""
    from tqdm import tqdm

    from samebits.io.frames import read_frames

    # disable=None: no bar where stderr is no terminal.
    with tqdm(unit="picture", disable=True if quiet else None) as bar:
        for name in names:
            try:
                for frame in read_frames(name):
                    bar.update()
                    yield frame
            except (SamebitsError, OSError) as error:
                raise type(error)(f"{name}: {sentence(error)}") from error
