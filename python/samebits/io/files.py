"""Files: whole reads, and writes that never leave half a file under its final name."""

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from samebits.errors import InvalidArgument

STREAM_SUFFIX = ".same"
SERIES_SUFFIX = ".sames"
SERIES_MAGIC = b"\xf5\x54"  # bitstream.md 6
STANDARD = "-"  # stdin or stdout


def read_bytes(name: str) -> bytes:
    """The whole content of a file, or of stdin for ``-``."""
    if name == STANDARD:
        return sys.stdin.buffer.read()
    return Path(name).read_bytes()


@contextmanager
def open_binary(name: str) -> Iterator[io.BufferedReader]:
    """A file, or stdin for ``-``, to be read piece by piece; it has ``peek``."""
    if name == STANDARD:
        yield sys.stdin.buffer  # type: ignore[misc]
        return
    with open(name, "rb") as file:
        yield file


def is_series(file: io.BufferedReader) -> bool:
    """Whether a .sames file begins here; nothing is read."""
    return file.peek(len(SERIES_MAGIC))[: len(SERIES_MAGIC)] == SERIES_MAGIC


def write_bytes(name: str, content: bytes, *, overwrite: bool) -> None:
    """Write a file as a whole, or stdout for ``-``.

    The bytes go to a temporary file in the same folder, which then takes the final name in one
    step: a write that fails or is killed leaves the old file, or none.

    Raises
    ------
    InvalidArgument
        The file exists and ``overwrite`` is false.
    OSError
        The file cannot be written.
    """
    with writing(name, overwrite=overwrite) as file:
        file.write(content)


@contextmanager
def writing(name: str, *, overwrite: bool) -> Iterator[BinaryIO]:
    """A file to write to piece by piece, with what :func:`write_bytes` promises: it gets its name
    when the block ends well, and nothing is left if it does not."""
    if name == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    # A link keeps pointing where it did: its target is what gets replaced.
    path = Path(os.path.realpath(name))
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file  # a device or a pipe has no half file
        return
    refuse_existing(name, overwrite=overwrite)
    descriptor, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part"
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _permissions(path))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def refuse_existing(name: str, *, overwrite: bool) -> None:
    """Raise InvalidArgument if the file is there already and must not be overwritten."""
    if name != STANDARD and not overwrite and os.path.isfile(name):
        raise InvalidArgument(f"{name} exists; --force overwrites it, -o chooses another name")


def _permissions(path: Path) -> int:
    """Those of the file to replace, or those a new file would get (mkstemp gives private ones)."""
    if path.exists():
        return path.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
