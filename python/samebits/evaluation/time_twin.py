"""Times of the float twin in torch, on the machine and in the run that timed the integers."""

from __future__ import annotations

from pathlib import Path

from samebits.errors import InvalidArgument
from samebits.evaluation.time_child import load_enlarged
from samebits.evaluation.time_codec import CodecTiming, TimingPlan, summarize_seconds


def time_twin(picture: Path, plan: TimingPlan, *, checkpoint: Path) -> list[CodecTiming]:
    """Time the float decoder (without range coding, which it does not have) at each thread count.

    Needs ``samebits[torch]``.
    """
    try:
        # The one way from here into the torch ring, taken only if asked for.
        from samebits.learn import twin
    except ImportError as error:
        raise InvalidArgument(f"timing the float twin needs torch: {error}") from error
    rgb = load_enlarged(str(picture), None if plan.size is None else list(plan.size))
    model = twin.load_twin(checkpoint)
    timings = []
    for threads in plan.threads:
        first, *seconds = twin.time_float_twin_decode(
            model, rgb, quality=plan.quality, threads=threads, repeats=1 + plan.repeats
        )
        fastest, median = summarize_seconds(seconds)
        timings.append(
            CodecTiming(
                picture=picture.name,
                width=rgb.shape[1],
                height=rgb.shape[0],
                operation="decode",
                codec="twin",
                target="torch",
                threads=threads,
                repeats=plan.repeats,
                first_s=first,
                fastest_s=fastest,
                median_s=median,
                size_bytes=None,
                baseline_bytes=None,
                peak_bytes=None,
            )
        )
    return timings
