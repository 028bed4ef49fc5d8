r"""The program ``samebits``: finds the subcommand and runs it.

A subcommand is a module with ``add_arguments(parser)`` and ``run(arguments) -> int`` (the exit
code); its docstring is the description that ``--help`` shows. Only the module of the chosen one is
imported, so that ``samebits info`` does not wait for what ``samebits train`` needs.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from samebits.cli.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from samebits.errors import SamebitsError


class Command(NamedTuple):
    module: str
    summary: str


COMMANDS = {
    "encode": Command("samebits.cli.encode", "code pictures into .same files"),
    "decode": Command("samebits.cli.decode", "turn .same files back into pictures"),
    "info": Command("samebits.cli.info", "show what .same files say about themselves"),
    "verify": Command("samebits.cli.verify", "decode .same files and check every bit"),
    "demo": Command("samebits.cli.demo", "show the codec at work on one HTML page"),
    "eval": Command(
        "samebits.cli.evaluate", "compare with JPEG, WebP, AVIF and JPEG XL on a folder"
    ),
    "bench": Command("samebits.cli.bench", "time it beside other libraries"),
    "train": Command("samebits.cli.train", "train a model (needs samebits[torch])"),
    "group": Command("samebits.cli.group", "learn groups of latent channels (samebits[torch])"),
    "export": Command(
        "samebits.cli.export", "turn a trained model into integers (samebits[torch])"
    ),
}

EPILOG = """\
exit codes:
  0    all went well
  1    some file failed; a line on stderr says which and why
  2    the command line is wrong
  130  interrupted

examples:
  samebits encode photo.jpg                  writes photo.same beside it
  samebits decode photo.same -o photo.png
  samebits info --json *.same

'samebits COMMAND --help' has more.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after the program's name; ``sys.argv[1:]`` when not given.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser(chosen=next((word for word in words if not word.startswith("-")), None))
    parsed = parser.parse_args(words)
    parsed.words = words
    if parsed.command is None:
        parser.print_help()
        return EXIT_USAGE
    format_before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_args, **_options: f"samebits: {message}\n"
    try:
        return parsed.run(parsed)
    except KeyboardInterrupt:
        print("samebits: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python flushes stdout at exit: give it a sink.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except (SamebitsError, OSError, ImportError) as error:  # an extra may not be installed
        print(f"samebits: {error}", file=sys.stderr)
        return EXIT_FAILED
    finally:
        warnings.formatwarning = format_before


def make_parser(*, chosen: str | None) -> argparse.ArgumentParser:
    """The parser of the whole program, with the arguments of the chosen subcommand only."""
    parser = argparse.ArgumentParser(
        prog="samebits",
        description="A learned picture codec: the same file gives the same bits on every machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=PrintVersion)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, command in COMMANDS.items():
        if name != chosen:
            commands.add_parser(name, help=command.summary)
            continue
        module = import_module(command.module)
        subparser = commands.add_parser(
            name,
            help=command.summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


class PrintVersion(argparse.Action):
    """``--version``: prints and ends. The version is in the core, loaded only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str):
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser, namespace, values, option_string=None):
        import samebits

        print(f"samebits {samebits.__version__}")
        parser.exit()
