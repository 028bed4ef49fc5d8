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
"""Of the search by gradients in torch (requirement R1), with a native search before and after."""
REFINEMENTS = ("fast", *GRADIENT_STEPS)
METHODS = ("noise", "ste", "sga", "sga+")
"""Of the search by gradients, what stands in for rounding. noise: uniform noise (US 2020/0366914);
ste: straight-through rounding; sga: stochastic Gumbel annealing (Yang, Bamler and Mandt 2020);
sga+: the same with scaled sigmoid logits (Perugachi-Diaz and others 2024)."""
DISTORTIONS = ("mse", "ms-ssim")
MS_SSIM_SCALE = 2400.0
"""1 - MS-SSIM times this is comparable with a mean squared error of the same picture."""
MOST_STEPS = 100_000
MOST_ROUNDS = 1000
MOST_WEIGHT = 2**15


@dataclass(frozen=True)
class RefineStep:
    """What is known after a gradient step: means over the batch.

    Attributes
    ----------
    step : steps taken. planned : steps there will be, 0 if that is not known.
    seconds : since the search began.
    bits : of a picture, by the model. distortion : by the search's own measure.
    loss : bits + lambda * pixels * distortion. first_loss : that of the latents it began from.
    rounded : whether the latents were rounded for it, as a file's are, or relaxed.

    Large pictures are searched in tiles, one after the other: bits and losses are then those of
    the tile at hand, times what it is smaller than the picture.
    """

    step: int
    planned: int
    seconds: float
    bits: float
    distortion: float
    loss: float
    first_loss: float
    rounded: bool


@dataclass(frozen=True)
class RefinePlan:
    """How latents are searched.

    Attributes
    ----------
    steps : of the search by gradients. rounds : of the native one, before and after; 0: none of it.
    method : of the search by gradients, of ``METHODS``.
    distortion : of ``DISTORTIONS``; the native search knows the first only.
    """

    steps: int = 0
    rounds: int = 0
    method: str = "sga"
    distortion: str = "mse"

    @property
    def is_plain(self) -> bool:
        """Whether nothing is searched."""
        return self.steps == 0 and self.rounds == 0


Refine = str | int | RefinePlan | None
"""What a caller says: a name of ``REFINEMENTS``, a number of gradient steps, or all of it."""


def plan_of(refine: Refine, distortion: str = "mse") -> RefinePlan:
    """The plan of what a caller asks for.

    Raises
    ------
    InvalidArgument
        ``refine`` is neither None, nor a name of ``REFINEMENTS``, nor a number of steps, nor a
        plan; or ``distortion`` is none of ``DISTORTIONS``, or one the refinement does not know.
    """
    if isinstance(refine, RefinePlan):
        return _checked(refine)
    if distortion not in DISTORTIONS:
        names = " or ".join(repr(name) for name in DISTORTIONS)
        raise InvalidArgument(f"distortion is {distortion!r}, must be {names}")
    steps = _steps_of(refine)
    if distortion == "mse":
        return RefinePlan(steps, 0 if refine is None else FAST_ROUNDS)
    if steps == 0:
        raise InvalidArgument(
            f"distortion {distortion!r} is for refine='medium', 'slow' or a number of steps"
        )
    return RefinePlan(steps, distortion=distortion)


def check_method(method: str) -> None:
    """Refuse what is no name of ``METHODS``.

    Raises
    ------
    InvalidArgument
        There is no such method.
    """
    if method not in METHODS:
        raise InvalidArgument(f"method is {method!r}, must be one of {', '.join(METHODS)}")


def _checked(plan: RefinePlan) -> RefinePlan:
    check_method(plan.method)
    if not 0 <= plan.steps <= MOST_STEPS or not 0 <= plan.rounds <= MOST_ROUNDS:
        raise InvalidArgument(
            f"steps and rounds are {plan.steps} and {plan.rounds}, must be 0 to {MOST_STEPS} and 0 "
            f"to {MOST_ROUNDS}"
        )
    if plan.distortion != "mse" and (plan.rounds > 0 or plan.distortion not in DISTORTIONS):
        raise InvalidArgument("distortion is 'mse', or 'ms-ssim' with rounds=0")
    return plan


def _steps_of(refine: str | int | None) -> int:
    if refine is None or refine == "fast":
        return 0
    if isinstance(refine, str) and refine in GRADIENT_STEPS:
        return GRADIENT_STEPS[refine]
    if isinstance(refine, int) and not isinstance(refine, bool) and 1 <= refine <= MOST_STEPS:
        return refine
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
    if plan.is_plain:
        raise InvalidArgument("weights are for refinement: refine='fast', ...")
    if plan.distortion != "mse":
        raise InvalidArgument(f"weights do not go with distortion {plan.distortion!r}")
    weights = np.asarray(weights)
    if weights.dtype != np.uint8 or weights.shape != shape:
        raise InvalidArgument(
            f"weights are {weights.dtype} {weights.shape}, must be uint8 {shape}, a value a pixel"
        )
    if not weights.any():
        raise InvalidArgument("weights must not all be 0")
    scaled = np.rint(weights * (256 / weights.mean()))
    return np.minimum(scaled, MOST_WEIGHT).astype(np.uint16)


Latents = tuple[np.ndarray, np.ndarray]
"""y, int16 (h, w, M), and the symbols of z, int32 (h / 4, w / 4, Nz), of a picture."""


def latents_by_gradients(
    rgb: np.ndarray,
    start: Latents,
    model_file: "Path",
    *,
    quality: int,
    schedule: "_core.ScheduleSpec",
    plan: RefinePlan,
    weights: np.ndarray | None = None,
    on_step: Callable[[RefineStep], None] | None = None,
) -> Latents:
    """Latents of a picture, searched in torch from others.

    ``weights`` as of :func:`error_weights`.

    Raises
    ------
    InvalidArgument
        torch is not installed, the gradient of the model is not known, or the picture is too small
        for the distortion.
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
        start,
        model_file,
        quality=quality,
        schedule=schedule,
        plan=plan,
        weights=weights,
        on_step=on_step,
    )
