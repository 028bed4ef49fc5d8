"""Files: whole reads, and writes that never leave half a file under its final name."""

import os
import sys
import tempfile
from pathlib import Path

from samebits.errors import InvalidArgument

STREAM_SUFFIX = ".same"
STANDARD = "-"  # stdin or stdout


def read_bytes(name: str) -> bytes:
    """The whole content of a file, or of stdin for ``-``."""
    if name == STANDARD:
        return sys.stdin.buffer.read()
    return Path(name).read_bytes()


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
    if name == STANDARD:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    # A link keeps pointing where it did: its target is what gets replaced.
    path = Path(os.path.realpath(name))
    if path.exists() and not path.is_file():
        path.write_bytes(content)  # a device or a pipe has no half file
        return
    refuse_existing(name, overwrite=overwrite)
    descriptor, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part"
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
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
