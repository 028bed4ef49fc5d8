"""Where results go: ``-o`` names a file, a folder or stdout; without it, beside the input."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from samebits.errors import InvalidArgument
from samebits.io.files import STANDARD


def add_output_arguments(parser: argparse.ArgumentParser, *, default: str) -> None:
    """``-o`` and ``--force``."""
    parser.add_argument(
        "--output",
        "-o",
        metavar="PATH",
        help=f"file, folder (made if it ends in / or there are many files), or - for stdout; "
        f"default: {default}",
    )
    parser.add_argument("--force", "-f", action="store_true", help="overwrite files that exist")


def output_names(inputs: Sequence[str], *, output: str | None, suffix: str) -> list[str]:
    """The output of each input.

    Parameters
    ----------
    inputs : sequence of str
        Paths, or ``-`` for stdin.
    output : str or None
        The value of ``-o``.
    suffix : str
        For names made from an input's name.

    Raises
    ------
    InvalidArgument
        Two inputs would write the same file, several would go to one, or bytes to a terminal.
    """
    if output is None:
        names = [_beside(name, suffix=suffix) for name in inputs]
    elif output == STANDARD or not _is_folder(output, several=len(inputs) > 1):
        if len(inputs) > 1:
            raise InvalidArgument(f"{len(inputs)} pictures do not fit in {output}; name a folder")
        names = [output]
    else:
        names = [os.path.join(output, _plain_name(name, suffix=suffix)) for name in inputs]
    _refuse_collisions(inputs, names)
    if STANDARD in names and sys.stdout.isatty():
        raise InvalidArgument("stdout is a terminal; send it to a file or name one by -o")
    if output is not None and output != STANDARD:
        folder = Path(names[0]).parent
        folder.mkdir(parents=True, exist_ok=True)
    return names


def _is_folder(output: str, *, several: bool) -> bool:
    if os.path.isdir(output) or output.endswith(("/", os.sep)):
        return True
    return several and not Path(output).suffix


def _beside(name: str, *, suffix: str) -> str:
    return STANDARD if name == STANDARD else str(Path(name).with_suffix(suffix))


def _plain_name(name: str, *, suffix: str) -> str:
    return "stdin" + suffix if name == STANDARD else Path(name).with_suffix(suffix).name


def _refuse_collisions(inputs: Sequence[str], outputs: Sequence[str]) -> None:
    source_of: dict[str, str] = {}
    for source, target in zip(inputs, outputs, strict=True):
        place = os.path.realpath(target) if target != STANDARD else target
        if target != STANDARD and place == os.path.realpath(source):
            raise InvalidArgument(f"{source} would be overwritten by its own result; use -o")
        if place in source_of:
            raise InvalidArgument(
                f"{source_of[place]} and {source} would both be written to {target}; "
                "use -o with another folder for one of them"
            )
        source_of[place] = source


def print_usage_error(error: Exception) -> None:
    """A mistake in the command line that argparse could not see."""
    print(f"samebits: {error}", file=sys.stderr)
