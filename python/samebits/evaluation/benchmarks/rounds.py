"""Timing of several contenders in turn, so that the machine's noise hits all of them alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Before a shorter sample there is a call that is not timed: it brings the data back into the
# caches, from which the contender before drove it out. A longer call does not notice.
LONG_CALL_S = 0.05


@dataclass(frozen=True)
class Contender:
    """Something to be timed.

    Attributes
    ----------
    name : str
        Unique among those it is timed with.
    maker : str
        Whose work it is: "samebits", "torch", ...
    run : callable
        One piece of work. What can be prepared once was prepared before.
    note : str
        What a reader of the result has to know; may be empty.
    """

    name: str
    maker: str
    run: Callable[[], object]
    note: str = ""


@dataclass(frozen=True)
class RoundPlan:
    """How to time.

    Attributes
    ----------
    rounds : int
        Samples of each contender.
    sample_s : float
        A sample is as many calls as take about this long, at least one.
    clock : str
        "thread" counts the processor time of the calling thread, and is right only for work in
        that thread; "wall" counts time.
    """

    rounds: int
    sample_s: float
    clock: str

    @staticmethod
    def for_threads(threads: int, *, rounds: int, sample_s: float) -> RoundPlan:
        """One thread is timed by its own clock, which stands still while others have the core."""
        return RoundPlan(rounds, sample_s, "thread" if threads == 1 else "wall")


@dataclass(frozen=True)
class Spread:
    """Seconds of one call over `samples` samples."""

    samples: int
    fastest_s: float
    lower_quartile_s: float
    median_s: float
    upper_quartile_s: float

    @staticmethod
    def of(seconds: Sequence[float]) -> Spread:
        """Of at least one sample."""
        lower, median, upper = (
            statistics.quantiles(seconds, n=4, method="inclusive")
            if len(seconds) > 1
            else 3 * [seconds[0]]
        )
        return Spread(len(seconds), min(seconds), lower, median, upper)


def take_turns(
    contenders: Sequence[Contender],
    plan: RoundPlan,
    *,
    on_sample: Callable[[], object] = lambda: None,
) -> list[list[float]]:
    """Time every contender once in every round; each round begins with another one.

    Parameters
    ----------
    contenders : sequence of Contender
    plan : RoundPlan
    on_sample : callable
        Called after every sample.

    Returns
    -------
    list of list of float
        Seconds of one call, by contender and round: samples of one round belong together.
    """
    clock = time.thread_time if plan.clock == "thread" else time.perf_counter
    once = [_second_call_s(contender) for contender in contenders]
    calls = [max(1, math.ceil(plan.sample_s / seconds)) for seconds in once]
    seconds: list[list[float]] = [[] for _ in contenders]
    for turn in range(plan.rounds):
        for place in range(len(contenders)):
            chosen = (turn + place) % len(contenders)
            run = contenders[chosen].run
            if once[chosen] < LONG_CALL_S:
                run()
            begin = clock()
            for _ in range(calls[chosen]):
                run()
            seconds[chosen].append((clock() - begin) / calls[chosen])
            on_sample()
    return seconds


def median_ratio(reference: Sequence[float], seconds: Sequence[float]) -> float:
    """How many times faster than the reference: the median over rounds of the ratios in a round."""
    return statistics.median(a / b for a, b in zip(reference, seconds, strict=True))


def _second_call_s(contender: Contender) -> float:
    contender.run()  # the first call may compile, allocate, start threads
    begin = time.perf_counter()
    contender.run()
    return max(time.perf_counter() - begin, 1e-7)
