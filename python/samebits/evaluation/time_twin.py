"""Times of the float twin in torch, on the machine and in the run that timed the integers."""

from __future__ import annotations

from pathlib import Path

from samebits.errors import InvalidArgument
from samebits.evaluation.time_child import load_enlarged
from samebits.evaluation.time_codec import Configuration, Measured, TimingPlan


def twin_configurations(
    picture: Path, plan: TimingPlan, *, checkpoint: Path
) -> list[Configuration]:
    """The float decoder (without range coding, which it does not have) at each thread count.

    Needs ``samebits[torch]``.
    """
    try:
        # The one way from here into the torch ring, taken only if asked for.
        from samebits.learn import twin
    except ImportError as error:
        raise InvalidArgument(f"timing the float twin needs torch: {error}") from error
    rgb = load_enlarged(str(picture), None if plan.size is None else list(plan.size))
    model = twin.load_twin(checkpoint)

    def measure(repeats: int, threads: int) -> Measured:
        first, *seconds = twin.time_float_twin_decode(
            model, rgb, quality=plan.quality, threads=threads, repeats=1 + repeats
        )
        return Measured(rgb.shape[1], rgb.shape[0], first, tuple(seconds))

    return [
        Configuration(
            picture.name,
            "decode",
            "twin",
            "torch",
            threads,
            lambda repeats, threads=threads: measure(repeats, threads),
            note="the same network in float32, without range coding",
        )
        for threads in plan.threads
    ]
