"""Pictures of a folder, held decoded in memory, and random crops of them."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from .crops import draw_crops, place_crops, take_crops
from .picture_files import PictureFile, find_pictures


@dataclass(frozen=True)
class PictureSet:
    """Decoded RGB pictures (H, W, 3) uint8, and the files that were left out with the reason."""

    train: list[np.ndarray]
    validation: list[np.ndarray]
    skipped: list[tuple[Path, str]]


def _read(picture: PictureFile, smallest: int) -> np.ndarray | str:
    try:
        with Image.open(io.BytesIO(picture.read())) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"unreadable: {error}"
    if min(pixels.shape[:2]) < smallest:
        return f"smaller than {smallest} pixels"
    return np.ascontiguousarray(pixels)


def is_validation(name: str, share: float) -> bool:
    """Whether a file belongs to the validation set: decided by its name alone, for ever."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def load_pictures(
    data: Path,
    *,
    smallest: int,
    validation_share: float = 0.03,
    limit: int | None = None,
    part: tuple[int, int] = (0, 1),
    quiet: bool = False,
) -> PictureSet:
    """Decode every picture of a folder or of shards; unreadable and tiny ones are skipped.

    Parameters
    ----------
    data : folder, .tar file or pattern of .tar files (`find_pictures`).
    part : (r, n) keeps every n-th training picture from the r-th on; validation pictures are kept.

    Raises
    ------
    FileNotFoundError
        There is no picture to train on.
    """
    pictures, skipped = find_pictures(data)
    held, rest = [], []
    for picture in pictures[:limit]:
        (held if is_validation(picture.name, validation_share) else rest).append(picture)
    train = _read_all(rest[part[0] :: part[1]], smallest, skipped, quiet=quiet)
    validation = _read_all(held, smallest, skipped, quiet=quiet)
    if not train:
        raise FileNotFoundError(f"no usable training picture under {data}: {len(skipped)} skipped")
    return PictureSet(train, validation or train[:1], skipped)


def _read_all(
    files: list[PictureFile], smallest: int, skipped: list[tuple[Path, str]], *, quiet: bool
) -> list[np.ndarray]:
    pictures = []
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda file: _read(file, smallest), files)
        bar = tqdm(results, total=len(files), desc="reading pictures", disable=quiet or not files)
        for file, result in zip(files, bar, strict=True):
            if isinstance(result, str):
                skipped.append((file.place, result))
            else:
                pictures.append(result)
    return pictures


def random_crops(
    pictures: list[np.ndarray], *, count: int, size: int, random: np.random.Generator
) -> Tensor:
    """(count, 3, size, size) uint8 crops; larger pictures are drawn more often; flips and turns."""
    return take_crops(pictures, place_crops(pictures, draw_crops(count, random), size=size))


def center_crops(pictures: list[np.ndarray], *, size: int) -> Tensor:
    """(N, 3, size, size) uint8 crops from the middle, the same in every run."""
    crops = []
    for picture in pictures:
        top = (picture.shape[0] - size) // 2
        left = (picture.shape[1] - size) // 2
        crops.append(picture[top : top + size, left : left + size])
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
