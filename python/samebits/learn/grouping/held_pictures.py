"""Crops of the pictures of a folder, the training share and the held share apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..training.picture_files import SUFFIXES
from ..training.pictures import is_validation

SHARES = ("training", "validation", "all")
VALIDATION_SHARE = 0.03
"""As in training: these pictures were never trained on."""


def center_crops_of(folder: Path, *, share: str, size: int, limit: int | None = None) -> Tensor:
    """(N, 3, size, size) uint8 from the middle of each picture of a share, in order of names.

    Parameters
    ----------
    share : ``training``, ``validation`` (by name, as in training) or ``all``.
    limit : at most so many, spread evenly over the names.

    Raises
    ------
    FileNotFoundError
        No picture of the share is there, readable and large enough.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if share != "all":
        held = share == "validation"
        paths = [p for p in paths if is_validation(p.name, VALIDATION_SHARE) == held]
    if limit is not None and len(paths) > limit:
        paths = [paths[n * len(paths) // limit] for n in range(limit)]
    crops = [crop for path in paths if (crop := _center_crop(path, size)) is not None]
    if not crops:
        raise FileNotFoundError(
            f"no usable picture of the {share} share under {folder}: it takes "
            f"{size} x {size} pixels or more"
        )
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)


def _center_crop(path: Path, size: int) -> np.ndarray | None:
    try:
        with Image.open(path) as image:
            if min(image.size) < size:
                return None
            left, top = ((side - size) // 2 for side in image.size)
            box = (left, top, left + size, top + size)
            return np.asarray(image.convert("RGB").crop(box))
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
