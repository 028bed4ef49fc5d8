"""Where pictures lie: files of a folder, and members of tar shards as WebDataset writes them.

A member of an uncompressed tar is a range of bytes of it, so both are read alike and in any order.
"""

from __future__ import annotations

import glob
import tarfile
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".ppm"}
SHARD = ".tar"


@dataclass(frozen=True)
class PictureFile:
    """A picture: ``size`` bytes of the file ``path`` from ``offset`` on (all of it if None).

    ``name`` decides whether it is trained on; ``place`` is what messages call it.
    """

    path: Path
    name: str
    place: Path
    offset: int = 0
    size: int | None = None

    def read(self) -> bytes:
        """The encoded picture."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(-1 if self.size is None else self.size)


def find_pictures(data: Path) -> tuple[list[PictureFile], list[tuple[Path, str]]]:
    """Pictures of a folder (recursively, its shards too), of a shard, or of a pattern of shards.

    Returns
    -------
    pictures in order of their places; shards that are damaged, with the reason: what comes before
    the damage is among the pictures.

    Raises
    ------
    FileNotFoundError
        There is none.
    """
    if data.is_dir():
        paths = sorted(data.rglob("*"))
    elif data.is_file():
        paths = [data]
    else:
        paths = [Path(path) for path in sorted(glob.glob(str(data), recursive=True))]
    pictures = [PictureFile(p, p.name, p) for p in paths if p.suffix.lower() in SUFFIXES]
    damaged: list[tuple[Path, str]] = []
    for path in paths:
        if path.suffix.lower() == SHARD:
            pictures += _members(path, damaged)
    if not pictures:
        raise FileNotFoundError(
            f"no pictures under {data} (looked for {', '.join(sorted(SUFFIXES))} and {SHARD} "
            "files of them)"
        )
    return sorted(pictures, key=lambda picture: picture.place), damaged


def _members(path: Path, damaged: list[tuple[Path, str]]) -> list[PictureFile]:
    found = []
    try:
        with tarfile.open(path, "r:") as shard:
            for member in shard:
                name = Path(member.name)
                if member.isreg() and not member.issparse() and name.suffix.lower() in SUFFIXES:
                    place = path / member.name
                    found.append(
                        PictureFile(path, name.name, place, member.offset_data, member.size)
                    )
    except (tarfile.TarError, OSError) as error:
        damaged.append((path, f"damaged shard: {error}"))
    return found
