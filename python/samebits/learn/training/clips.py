"""Clips of a folder as latents, computed once and kept on disk, and crops of neighboring frames."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from samebits.io.frames import VIDEO_SUFFIXES, read_frames

from ..models import PictureModel
from .latents import latents_of
from .pictures import is_validation

SUFFIXES = (*VIDEO_SUFFIXES, ".y4m", ".gif")
MOST_FRAMES = 56
VALIDATION_SHARE = 0.15
MOST_GAP = 5
FRAMES = 3
"""Frames of a crop: the third has two before it."""


@dataclass(frozen=True)
class ClipSet:
    """Latents (T, M, h, w) float16 of every clip, mapped from disk."""

    train: list[np.ndarray]
    validation: list[np.ndarray]


def load_clips(
    folder: Path,
    cache: Path,
    model: PictureModel,
    *,
    smallest: int,
    device: torch.device,
    limit: int | None = None,
) -> ClipSet:
    """Latents of the first frames of all clips under ``folder``.

    Parameters
    ----------
    cache : folder where latents are kept; they are found again if the analysis is the same.
    smallest : least size of a frame, in pixels; clips that are smaller are left out.

    Raises
    ------
    FileNotFoundError
        There are fewer than two clips that can be used.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)[:limit]
    cache.mkdir(parents=True, exist_ok=True)
    digest = _analysis_digest(model)
    train, validation = [], []
    for path in tqdm(paths, desc="analysis of the clips"):
        file = cache / f"{path.stem}-{digest}.npy"
        if not file.exists():
            _save(file, _latents_of_clip(path, model, device=device))
        latents = np.load(file, mmap_mode="r")
        if len(latents) < FRAMES or min(latents.shape[2:]) < smallest // 16:
            continue
        (validation if is_validation(path.name, VALIDATION_SHARE) else train).append(latents)
    if len(train) < 2:
        raise FileNotFoundError(
            f"{len(train)} clips of {FRAMES} frames and {smallest} pixels under {folder} to train "
            f"on (looked for {', '.join(SUFFIXES)})"
        )
    return ClipSet(train, validation or train[:1])


def _analysis_digest(model: PictureModel) -> str:
    state = model.g_a.state_dict()
    content = b"".join(state[name].float().cpu().numpy().tobytes() for name in sorted(state))
    return hashlib.sha256(content).hexdigest()[:8]


def _latents_of_clip(path: Path, model: PictureModel, *, device: torch.device) -> np.ndarray:
    frames = [
        frame if isinstance(frame, np.ndarray) else np.asarray(frame.convert("RGB"))
        for frame in islice(read_frames(str(path)), MOST_FRAMES)
    ]
    rgb = [np.dstack([frame] * 3) if frame.ndim == 2 else frame for frame in frames]
    return np.stack(latents_of(model, rgb, device=device, quiet=True))


def _save(path: Path, latents: np.ndarray) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.save(file, latents)
    os.replace(temporary, path)


def random_clip_crops(
    clips: list[np.ndarray],
    *,
    count: int,
    size: int,
    cuts: float,
    moves: float,
    random: np.random.Generator,
) -> Tensor:
    """(count, 3, M, size, size) float32: crops of three frames, in time or against it.

    Mostly of frames that follow each other, some up to five frames apart, some all the same; of a
    share ``moves`` the window moves from frame to frame, and a share ``cuts`` begins with a frame
    of another clip.
    """
    crops = []
    for _ in range(count):
        clip = clips[random.integers(len(clips))]
        most = min(MOST_GAP, (len(clip) - 1) // 2)
        gap = min(1, most) if random.random() < 0.65 else int(random.integers(0, most + 1))
        first = int(random.integers(len(clip) - 2 * gap))
        numbers = [first, first + gap, first + 2 * gap]
        if random.random() < 0.5:
            numbers.reverse()
        step = random.integers(-1, 2, 2) if random.random() < moves else np.zeros(2, int)
        crop = _crop(clip, numbers, size, step, random)
        if random.random() < cuts:
            other = clips[random.integers(len(clips))]
            crop[0] = _crop(other, [0], size, np.zeros(2, int), random)[0]
        crops.append(crop)
    return torch.from_numpy(np.stack(crops)).float()


def _crop(
    clip: np.ndarray, numbers: list[int], size: int, step: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """The same window of some frames, moved by ``step`` from one to the next within the clip."""
    room = np.array(clip.shape[2:]) - size
    corner = random.integers(room + 1)
    crops = []
    for n in numbers:
        top, left = corner
        crops.append(clip[n, :, top : top + size, left : left + size])
        corner = np.clip(corner + step, 0, room)
    return np.stack(crops)
