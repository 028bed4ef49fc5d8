"""Training pictures as tar shards of a limited size, for a machine that gets few megabytes.

    python benchmarks/gpu/pack_data.py photos shards --limit-mib 30

Files are taken as they are. All validation pictures come along, so that validation losses can be
compared with those of other runs; of the others as many as fit, evenly over the names.
``samebits train --data shards`` reads the result.
"""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

try:
    import samebits  # noqa: F401
except ModuleNotFoundError:  # not installed: the one of this checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from samebits.learn.training.picture_files import PictureFile, find_pictures
from samebits.learn.training.pictures import is_validation

MIB = 2**20
SHARD_BYTES = 16 * MIB
BLOCK, RECORD = 512, 10240
"""Of the tar format: members fill blocks, a shard fills records."""
LONGEST_NAME = 90
"""Characters of a name that fit into a member's block, with room for letters of several bytes."""
VALIDATION_SHARE = 0.03
"""As in training."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of pictures, or shards")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of shards, new or empty")
    parser.add_argument("--limit-mib", type=float, default=30, help="of all shards (default 30)")
    arguments = parser.parse_args()
    try:
        pictures, _ = find_pictures(arguments.data)
        chosen = choose(pictures, limit=int(arguments.limit_mib * MIB))
        shards = write_shards(chosen, arguments.out)
    except (OSError, ValueError) as error:
        raise SystemExit(f"pack_data.py: {error}") from error
    size = sum(path.stat().st_size for path in shards) / MIB
    print(f"{len(chosen)} of {len(pictures)} pictures, {size:.1f} MiB in {len(shards)} shards")


def size_of(picture: PictureFile) -> int:
    """Bytes of a picture's member in a tar."""
    size = picture.path.stat().st_size if picture.size is None else picture.size
    long_name = 3 * BLOCK if len(picture.name) > LONGEST_NAME else 0
    return BLOCK + long_name + -(-size // BLOCK) * BLOCK


def choose(pictures: Sequence[PictureFile], *, limit: int) -> list[PictureFile]:
    """All validation pictures, and others evenly, in the given order.

    Raises
    ------
    ValueError
        The limit leaves no room for pictures to train on.
    """
    sizes = [size_of(picture) for picture in pictures]
    held = [is_validation(picture.name, VALIDATION_SHARE) for picture in pictures]
    ends = RECORD * (2 + limit // SHARD_BYTES)
    room = limit - ends - sum(s for s, kept in zip(sizes, held, strict=True) if kept)
    whole = sum(s for s, kept in zip(sizes, held, strict=True) if not kept)
    if room <= 0:
        raise ValueError(f"{limit / MIB:.1f} MiB are too few for the validation pictures alone")
    share = min(1.0, room / max(1, whole))
    chosen, seen, taken = [], 0, 0
    for picture, size, kept in zip(pictures, sizes, held, strict=True):
        seen += 0 if kept else size
        if kept or taken + size <= share * seen:
            taken += 0 if kept else size
            chosen.append(picture)
    return chosen


def write_shards(pictures: Sequence[PictureFile], folder: Path) -> list[Path]:
    """Write tar files of SHARD_BYTES or one member more.

    Raises
    ------
    ValueError
        The folder has shards already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.tar")):
        raise ValueError(f"{folder} has shards already: give an empty folder")
    shards: list[Path] = []
    remaining = list(reversed(pictures))
    while remaining:
        path = folder / f"pictures{len(shards):02}.tar"
        with tarfile.open(path, "w") as shard:
            while remaining and shard.offset < SHARD_BYTES:
                picture = remaining.pop()
                content = picture.read()
                member = tarfile.TarInfo(picture.name)
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))
        shards.append(path)
    return shards


if __name__ == "__main__":
    main()
