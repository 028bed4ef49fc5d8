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
    folder: Path, *, smallest: int, validation_share: float = 0.03, limit: int | None = None
) -> PictureSet:
    """Decode every picture under ``folder`` (recursively); unreadable and tiny ones are skipped."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)[:limit]
    if not paths:
        raise FileNotFoundError(
            f"no pictures under {folder} (looked for {', '.join(sorted(SUFFIXES))})"
        )
    train, validation, skipped = [], [], []
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda p: _read(p, smallest), paths)
        bar = tqdm(results, total=len(paths), desc="reading pictures")
        for path, result in zip(paths, bar, strict=True):
            if isinstance(result, str):
                skipped.append((path, result))
            elif is_validation(path.name, validation_share):
                validation.append(result)
            else:
                train.append(result)
    if not train:
        raise FileNotFoundError(
            f"no usable training picture under {folder}: {len(skipped)} skipped"
        )
    return PictureSet(train, validation or train[:1], skipped)


def random_crops(
    pictures: list[np.ndarray], *, count: int, size: int, random: np.random.Generator
) -> Tensor:
    """(count, 3, size, size) uint8 crops; larger pictures are drawn more often; flips and turns."""
    areas = np.array([p.shape[0] * p.shape[1] for p in pictures], dtype=np.float64)
    chosen = random.choice(len(pictures), size=count, p=areas / areas.sum())
    crops = np.empty((count, size, size, 3), dtype=np.uint8)
    for n, index in enumerate(chosen):
        picture = pictures[index]
        top = random.integers(picture.shape[0] - size + 1)
        left = random.integers(picture.shape[1] - size + 1)
        crop = picture[top : top + size, left : left + size]
        if random.random() < 0.5:
            crop = crop[:, ::-1]
        if random.random() < 0.25:
            crop = crop.transpose(1, 0, 2)
        crops[n] = crop
    return torch.from_numpy(crops).permute(0, 3, 1, 2)


def center_crops(pictures: list[np.ndarray], *, size: int) -> Tensor:
    """(N, 3, size, size) uint8 crops from the middle, the same in every run."""
    crops = []
    for picture in pictures:
        top = (picture.shape[0] - size) // 2
        left = (picture.shape[1] - size) // 2
        crops.append(picture[top : top + size, left : left + size])
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
