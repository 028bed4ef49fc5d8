"""Pictures of a folder, held decoded in memory, and random crops of them."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from .crops import draw_crops, place_crops, take_crops

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".ppm"}


@dataclass(frozen=True)
class PictureSet:
    """Decoded RGB pictures (H, W, 3) uint8, and the files that were left out with the reason."""

    train: list[np.ndarray]
    validation: list[np.ndarray]
    skipped: list[tuple[Path, str]]


def _read(path: Path, smallest: int) -> np.ndarray | str:
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        return f"unreadable: {error}"
    if min(pixels.shape[:2]) < smallest:
        return f"smaller than {smallest} pixels"
    return np.ascontiguousarray(pixels)


def is_validation(name: str, share: float) -> bool:
    """Whether a file belongs to the validation set: decided by its name alone, for ever."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def load_pictures(
    folder: Path,
    *,
    smallest: int,
    validation_share: float = 0.03,
    limit: int | None = None,
    part: tuple[int, int] = (0, 1),
    quiet: bool = False,
) -> PictureSet:
    """Decode every picture under ``folder`` (recursively); unreadable and tiny ones are skipped.

    Parameters
    ----------
    part : (r, n) keeps every n-th training picture from the r-th on; validation pictures are kept.

    Raises
    ------
    FileNotFoundError
        There is no picture to train on.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)[:limit]
    if not paths:
        raise FileNotFoundError(
            f"no pictures under {folder} (looked for {', '.join(sorted(SUFFIXES))})"
        )
    held = [path for path in paths if is_validation(path.name, validation_share)]
    rest = [path for path in paths if not is_validation(path.name, validation_share)]
    skipped: list[tuple[Path, str]] = []
    train = _read_all(rest[part[0] :: part[1]], smallest, skipped, quiet=quiet)
    validation = _read_all(held, smallest, skipped, quiet=quiet)
    if not train:
        raise FileNotFoundError(
            f"no usable training picture under {folder}: {len(skipped)} skipped"
        )
    return PictureSet(train, validation or train[:1], skipped)


def _read_all(
    paths: list[Path], smallest: int, skipped: list[tuple[Path, str]], *, quiet: bool
) -> list[np.ndarray]:
    pictures = []
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda p: _read(p, smallest), paths)
        bar = tqdm(results, total=len(paths), desc="reading pictures", disable=quiet or not paths)
        for path, result in zip(paths, bar, strict=True):
            if isinstance(result, str):
                skipped.append((path, result))
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
