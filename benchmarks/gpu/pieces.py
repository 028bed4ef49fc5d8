"""Files in pieces, for a way home that takes small files only.

    python benchmarks/gpu/pieces.py split FILE FOLDER [--limit-mib 16]
    python benchmarks/gpu/pieces.py join PIECE [MORE PIECES] --out FILE

A piece is called ``NAME.CHECKSUM.1of3``; the checksum, 16 digits of the SHA-256 of the whole file,
says what belongs together and whether it arrived whole.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

MIB = 2**20
LIMIT_BYTES = 16 * MIB
CHECKSUM_DIGITS = 16
BLOCK = MIB
NAME = re.compile(r"(?P<name>.+)\.(?P<checksum>[0-9a-f]{16})\.(?P<number>\d+)of(?P<count>\d+)")


def checksum_of(path: Path) -> str:
    """The first digits of the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()[:CHECKSUM_DIGITS]


def piece_count(size: int, *, limit: int = LIMIT_BYTES) -> int:
    """How many pieces a file of ``size`` bytes has."""
    return max(1, -(-size // limit))


def split_file(path: Path, folder: Path, *, limit: int = LIMIT_BYTES) -> list[Path]:
    """Write a file as pieces into a folder.

    Parameters
    ----------
    path : the file, which stays.
    folder : where the pieces go; it is made if it is not there.
    limit : bytes of a piece at most.

    Returns
    -------
    The pieces, in order; an empty file has one.
    """
    count = piece_count(path.stat().st_size, limit=limit)
    stem = f"{path.name}.{checksum_of(path)}"
    folder.mkdir(parents=True, exist_ok=True)
    pieces = []
    with path.open("rb") as file:
        for number in range(1, count + 1):
            piece = folder / f"{stem}.{number}of{count}"
            piece.write_bytes(file.read(limit))
            pieces.append(piece)
    return pieces


def join_file(pieces: Sequence[Path], target: Path) -> None:
    """Write the file that was split; ``target`` is not touched unless all is well.

    Parameters
    ----------
    pieces : all of them, in any order.
    target : the file to write.

    Raises
    ------
    ValueError
        Pieces are missing or belong to different files, or the checksum differs.
    """
    ordered, checksum = _ordered(pieces)
    temporary = target.with_name(target.name + ".tmp")
    with temporary.open("wb") as file:
        for piece in ordered:
            file.write(piece.read_bytes())
    if checksum_of(temporary) != checksum:
        temporary.unlink()
        raise ValueError(f"{target}: the checksum of the pieces differs; fetch them again")
    os.replace(temporary, target)


def _ordered(pieces: Sequence[Path]) -> tuple[list[Path], str]:
    """The pieces by their numbers, and the checksum in their names."""
    found: dict[int, Path] = {}
    files = set()
    for piece in pieces:
        match = NAME.fullmatch(piece.name)
        if match is None:
            raise ValueError(f"{piece} is not the name of a piece (NAME.CHECKSUM.1of3)")
        files.add((match["name"], match["checksum"], int(match["count"])))
        found[int(match["number"])] = piece
    if len(files) != 1:
        raise ValueError(f"{len(files)} files among the pieces: give the pieces of one")
    name, checksum, count = files.pop()
    missing = [str(n) for n in range(1, count + 1) if n not in found]
    if missing:
        raise ValueError(f"{name}: of {count} pieces, {', '.join(missing)} not given")
    return [found[n] for n in range(1, count + 1)], checksum


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    split = commands.add_parser("split")
    split.add_argument("file", type=Path, metavar="FILE")
    split.add_argument("folder", type=Path, metavar="FOLDER")
    split.add_argument("--limit-mib", type=float, default=LIMIT_BYTES / MIB)
    join = commands.add_parser("join")
    join.add_argument("pieces", type=Path, nargs="+", metavar="PIECE")
    join.add_argument("--out", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    try:
        if arguments.command == "split":
            limit = int(arguments.limit_mib * MIB)
            print(*split_file(arguments.file, arguments.folder, limit=limit), sep="\n")
        else:
            join_file(arguments.pieces, arguments.out)
            print(f"wrote {arguments.out}")
    except (OSError, ValueError) as error:
        raise SystemExit(f"pieces.py: {error}") from error


if __name__ == "__main__":
    main()
