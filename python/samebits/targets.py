"""Files of a wanted size or quality: which quality, and how much less than it, meets a target."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from samebits.errors import InvalidArgument

HIGHEST_QUALITY = 100
BYTES_SHARE = 0.995
"""The search for a size ends between this share of it and the size itself."""
PSNR_DB = 0.02
"""The search for a PSNR ends this near to it."""
MOST_HALVINGS = 9


@dataclass(frozen=True)
class Target:
    """``kind`` is "bytes" (at most ``value`` of them) or "psnr" (near ``value`` dB)."""

    kind: str
    value: float


@dataclass(frozen=True)
class Trial:
    """A file that was tried: what came out, its bytes, and the PSNR of what it decodes to.

    The PSNR is infinite where it was not measured, for targets of bytes.
    """

    coded: object
    bytes: int
    psnr_db: float


Try = Callable[[int, float], Trial]
"""(quality, share) to a trial: share 1 is all of the quality, less is a smaller file, down to 0.

A share of 0 should be no larger than the quality below is plainly."""


def target_of(
    *,
    target_bytes: int | None,
    target_bpp: float | None,
    target_psnr: float | None,
    pixels: int,
) -> Target | None:
    """The one target of a caller, or None.

    Raises
    ------
    InvalidArgument
        There are several, or it is not above 0.
    """
    given = {
        "target_bytes": target_bytes,
        "target_bpp": target_bpp,
        "target_psnr": target_psnr,
    }
    named = {name: value for name, value in given.items() if value is not None}
    if not named:
        return None
    if len(named) > 1:
        raise InvalidArgument(f"only one target can be met, there are {' and '.join(named)}")
    ((name, value),) = named.items()
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidArgument(f"{name} is {value!r}, must be a number above 0")
    if name == "target_psnr":
        return Target("psnr", float(value))
    return Target("bytes", math.floor(value * pixels / 8) if name == "target_bpp" else value)


def meet_target(target: Target, plain: Try, final: Try) -> Trial:
    """The file that meets a target best.

    Parameters
    ----------
    plain : a quick way to try a quality, to find the right one.
    final : what the file is made by.

    Warns
    -----
    UserWarning
        The target is out of reach, and what is nearest.
    """
    above = _first_above(target, lru_cache(None)(plain))
    tried: list[Trial] = []

    def is_above(place: float) -> bool:
        # A place is a quality and a share of it: what is below 1 behind the point.
        quality = min(math.floor(place), HIGHEST_QUALITY)
        tried.append(final(quality, place - quality))
        return _is_above(target, tried[-1])

    low, high = float(above), float(above + 1)
    while is_above(low) and low > 0:
        low, high = low - 1, low
    while not is_above(high) and high <= HIGHEST_QUALITY:
        low, high = high, high + 1
    for _ in range(MOST_HALVINGS):
        if any(_is_met(target, trial) for trial in tried):
            break
        middle = (low + high) / 2
        low, high = (low, middle) if is_above(middle) else (middle, high)
    best = min(tried, key=lambda trial: _distance(target, trial))
    _warn_of_misses(target, best)
    return best


def _first_above(target: Target, plain: Try) -> int:
    """The lowest quality that is above the target, or the highest there is."""
    low, high = 0, HIGHEST_QUALITY
    while low < high:
        middle = (low + high) // 2
        if _is_above(target, plain(middle, 1.0)):
            high = middle
        else:
            low = middle + 1
    return low


def _is_above(target: Target, trial: Trial) -> bool:
    if target.kind == "bytes":
        return trial.bytes > target.value
    return trial.psnr_db >= target.value


def _is_met(target: Target, trial: Trial) -> bool:
    if target.kind == "bytes":
        return BYTES_SHARE * target.value <= trial.bytes <= target.value
    return abs(trial.psnr_db - target.value) <= PSNR_DB


def _distance(target: Target, trial: Trial) -> tuple:
    """How far a trial is from the target; sizes above it are further than all below."""
    if target.kind == "bytes":
        return (trial.bytes > target.value, abs(trial.bytes - target.value))
    return (abs(trial.psnr_db - target.value),)


def _warn_of_misses(target: Target, best: Trial) -> None:
    if target.kind == "bytes" and not 0.99 * target.value <= best.bytes <= target.value:
        warnings.warn(
            f"{target.value:.0f} bytes are out of reach, the nearest file has {best.bytes}",
            stacklevel=5,
        )
    if target.kind == "psnr" and abs(best.psnr_db - target.value) > 0.05:
        warnings.warn(
            f"{target.value:g} dB are out of reach, the nearest file has {best.psnr_db:.2f} dB",
            stacklevel=5,
        )
