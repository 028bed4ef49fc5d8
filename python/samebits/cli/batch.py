"""Many files at once: threads, a progress bar, one line of JSON or text a file, the exit code."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from samebits.cli.exit_codes import EXIT_FAILED, EXIT_OK
from samebits.errors import SamebitsError
from samebits.limits import MAX_BYTES, MAX_PIXELS

Result = TypeVar("Result")

# What a foreign picture may throw at us: PIL raises SyntaxError for broken PNG chunks and
# ValueError for odd headers.
FILE_ERRORS = (SamebitsError, OSError, ValueError, SyntaxError, MemoryError)


def add_batch_arguments(parser: argparse.ArgumentParser) -> None:
    """``--jobs``, ``--threads``, ``--json``, ``--quiet``."""
    parser.add_argument(
        "--jobs", "-j", type=positive, default=1, metavar="N", help="files at once (default 1)"
    )
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads a file (default: all cores, or SAMEBITS_THREADS); never changes a bit",
    )
    parser.add_argument("--json", action="store_true", help="one line of JSON a file on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no result lines")


def add_limit_arguments(parser: argparse.ArgumentParser) -> None:
    """``--max-pixels`` and ``--max-bytes``, for everything that codes."""
    parser.add_argument(
        "--max-pixels",
        type=positive,
        default=MAX_PIXELS,
        metavar="N",
        help="refuse larger pictures (default 2^28)",
    )
    parser.add_argument(
        "--max-bytes",
        type=positive,
        default=MAX_BYTES,
        metavar="N",
        help="refuse pictures that need more memory (default 2^30, 1 GiB)",
    )


def positive(word: str) -> int:
    """An argparse type: an integer of at least 1."""
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def run_batch(
    names: Sequence[str],
    work: Callable[[int], Result],
    *,
    arguments: argparse.Namespace,
    to_dict: Callable[[Result], dict],
    to_text: Callable[[Result], str],
    report_to_stderr: bool = False,
) -> int:
    """Do the work for each file, go on when one fails, and return the exit code.

    Parameters
    ----------
    names : sequence of str
        What to call the files in messages.
    work : callable
        Gets the index of a file.
    arguments : Namespace
        With what :func:`add_batch_arguments` added.
    to_dict, to_text : callable
        A result as JSON object and as text.
    report_to_stderr : bool
        stdout is taken by the data.
    """
    if arguments.threads is not None:
        # Read by the core when it starts its threads, which is at their first use.
        os.environ["SAMEBITS_THREADS"] = str(arguments.threads)
    failed = False
    arguments.interrupted = Event()  # long work looks at it
    pool = ThreadPoolExecutor(max_workers=arguments.jobs)
    try:
        futures = [pool.submit(work, index) for index in range(len(names))]
        with _progress_bar(len(names), quiet=arguments.quiet) as bar:
            for name, future in zip(names, futures, strict=True):
                error = _wait(future)
                failed |= error is not None
                bar.update()
                with bar.external_write_mode(file=sys.stderr):
                    if error is not None:
                        print(f"samebits: {name}: {sentence(error)}", file=sys.stderr)
                    line = _line(
                        name, future, error, arguments=arguments, to_dict=to_dict, to_text=to_text
                    )
                    if line:
                        print(line, file=sys.stderr if report_to_stderr else sys.stdout, flush=True)
    except KeyboardInterrupt:
        arguments.interrupted.set()
        raise
    finally:
        # After Ctrl-C the files in work are finished, the waiting ones are not begun.
        pool.shutdown(wait=True, cancel_futures=True)
    return EXIT_FAILED if failed else EXIT_OK


def _progress_bar(files: int, *, quiet: bool):
    from tqdm import tqdm

    # disable=None: no bar where stderr is no terminal.
    return tqdm(total=files, unit="file", disable=True if quiet or files < 2 else None)


def _wait(future: Future) -> Exception | None:
    """The error of a file's work, None if all went well. Our own mistakes are raised."""
    try:
        future.result()
    except FILE_ERRORS as error:
        return error
    return None


def _line(name, future, error, *, arguments, to_dict, to_text) -> str:
    if error is None:
        if arguments.json:
            return json.dumps({"file": name, **to_dict(future.result())})
        return "" if arguments.quiet else to_text(future.result())
    if arguments.json:
        kind = type(error).__name__
        return json.dumps({"file": name, "error": kind, "message": sentence(error)})
    return ""


def sentence(error: Exception) -> str:
    """An error as one line for people."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
