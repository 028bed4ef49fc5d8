"""What callers say of refinement: latents searched for each picture at encode time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from samebits.errors import InvalidArgument

if TYPE_CHECKING:
    from pathlib import Path

    from samebits import _core

FAST_ROUNDS = 12
"""Of the native search (requirement R5), each a forward and a backward pass."""
GRADIENT_STEPS = {"medium": 150, "slow": 1500}
"""Of the search by gradients in torch (requirement R1); the native search goes on from there."""
REFINEMENTS = ("fast", *GRADIENT_STEPS)
MOST_STEPS = 100_000
MOST_WEIGHT = 2**15


@dataclass(frozen=True)
class RefineStep:
    """What is known after a gradient step: means over the batch.

    Attributes
    ----------
    step : steps taken. seconds : since the search began.
    bits : of a picture, by the model. distortion : by the search's own measure.
    loss : bits + lambda * pixels * distortion.
    rounded : whether the latents were rounded for it, as a file's are, or relaxed.
    """

    step: int
    seconds: float
    bits: float
    distortion: float
    loss: float
    rounded: bool


@dataclass(frozen=True)
class RefinePlan:
    """Steps of the search by gradients, then rounds of the native one; 0: none of it."""

    steps: int
    rounds: int


def plan_of(refine: str | int | None) -> RefinePlan:
    """The plan of what a caller asks for.

    Raises
    ------
    InvalidArgument
        It is neither None, nor a name of ``REFINEMENTS``, nor a number of steps.
    """
    if refine is None:
        return RefinePlan(0, 0)
    if refine == "fast":
        return RefinePlan(0, FAST_ROUNDS)
    if isinstance(refine, str) and refine in GRADIENT_STEPS:
        return RefinePlan(GRADIENT_STEPS[refine], FAST_ROUNDS)
    if isinstance(refine, int) and not isinstance(refine, bool) and 1 <= refine <= MOST_STEPS:
        return RefinePlan(refine, FAST_ROUNDS)
    names = ", ".join(repr(name) for name in REFINEMENTS)
    raise InvalidArgument(
        f"refine is {refine!r}, must be {names}, a number of steps (1 to {MOST_STEPS}), or None"
    )


def error_weights(
    weights: np.ndarray | None, *, shape: tuple[int, int], plan: RefinePlan
) -> np.ndarray | None:
    """What a caller says of the pixels' errors, as the core takes it: uint16, 256 on the average.

    Raises
    ------
    InvalidArgument
        It is no uint8 array (H, W) of the picture's size, all 0, or given without refinement.
    """
    if weights is None:
        return None
    if plan == RefinePlan(0, 0):
        raise InvalidArgument("weights are for refinement: refine='fast', ...")
    weights = np.asarray(weights)
    if weights.dtype != np.uint8 or weights.shape != shape:
        raise InvalidArgument(
            f"weights are {weights.dtype} {weights.shape}, must be uint8 {shape}, a value a pixel"
        )
    if not weights.any():
        raise InvalidArgument("weights must not all be 0")
    scaled = np.rint(weights * (256 / weights.mean()))
    return np.minimum(scaled, MOST_WEIGHT).astype(np.uint16)


def latents_by_gradients(
    rgb: np.ndarray,
    model_file: "Path",
    *,
    quality: int,
    schedule: "_core.ScheduleSpec",
    steps: int,
    weights: np.ndarray | None = None,
    on_step: Callable[[RefineStep], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Latents of a picture, searched in torch: y and the symbols of z, for the encoder.

    ``weights`` as of :func:`error_weights`.

    Raises
    ------
    InvalidArgument
        torch is not installed, or the gradient of the model is not known.
    """
    try:
        from samebits.learn.refinement.pictures import search_latents
    except ImportError as error:
        raise InvalidArgument(
            f"this refinement needs torch ({error}): pip install 'samebits[torch]', or use "
            "refine='fast', which needs nothing"
        ) from error
    return search_latents(
        rgb,
        model_file,
        quality=quality,
        schedule=schedule,
        steps=steps,
        weights=weights,
        on_step=on_step,
    )
