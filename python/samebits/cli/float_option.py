"""The option ``--float-synthesis``."""

import argparse


def add_float_argument(parser: argparse.ArgumentParser, *, help: str) -> None:
    """``--float-synthesis``, with a file or without: a path, True, or None if it is not there."""
    parser.add_argument(
        "--float-synthesis",
        nargs="?",
        const=True,
        metavar="FILE",
        help=f"{help}; without FILE it stands behind the other words, or before another option",
    )
