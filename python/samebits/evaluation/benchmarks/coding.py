"""`samebits bench coding`: the range coder beside constriction, torchac and CompressAI."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from samebits.evaluation.benchmarks.coders import Coder, coder_sources
from samebits.evaluation.benchmarks.peers import Missing, gather, installed_versions
from samebits.evaluation.benchmarks.rounds import (
    Contender,
    RoundPlan,
    Spread,
    median_ratio,
    take_turns,
)
from samebits.evaluation.benchmarks.streams import MIXTURES, Stream, make_stream
from samebits.evaluation.machine import Machine, this_command, this_commit, this_machine
from samebits.kernels import target

# The size of a coder's stream says something about its rate only where fixed costs are small.
OVERHEAD_BYTES = 100_000


@dataclass(frozen=True)
class CodingTiming:
    """One coder, one direction, one stream.

    Attributes
    ----------
    stream, coder, maker : str
    operation : str
        "encode" or "decode".
    symbols : int
    spread : Spread
        Of the whole call.
    msymbol_per_s : float
        Millions of symbols a second, at the median.
    speedup_of_samebits : float
        Median over rounds of this time divided by that of Samebits, both for one symbol.
    overhead_percent : float
        Payload beyond the entropy of the Gaussians, of a stream of `overhead_bytes`.
    overhead_bytes : int
        Its payload size.
    note : str
    """

    stream: str
    coder: str
    maker: str
    operation: str
    symbols: int
    spread: Spread
    msymbol_per_s: float
    speedup_of_samebits: float
    overhead_percent: float
    overhead_bytes: int
    note: str


@dataclass(frozen=True)
class StreamInfo:
    """What was coded; `bits_per_symbol` is the entropy."""

    name: str
    symbols: int
    bits_per_symbol: float


@dataclass(frozen=True)
class CodingBenchmark:
    """All timings of one run, and what they ran on."""

    command: str
    commit: str | None
    machine: Machine
    versions: dict[str, str]
    target: str
    clock: str
    streams: tuple[StreamInfo, ...]
    timings: tuple[CodingTiming, ...]
    missing: tuple[Missing, ...]


def time_coding(
    plan: RoundPlan,
    *,
    symbols: int,
    overhead_bytes: int = OVERHEAD_BYTES,
    mixtures: Sequence[str] = tuple(MIXTURES),
    on_start: Callable[[str, int], object] = lambda stream, samples: None,
    on_sample: Callable[[], object] = lambda: None,
) -> CodingBenchmark:
    """Time every coder on every stream.

    Parameters
    ----------
    plan : RoundPlan
    symbols : int
        In each stream.
    overhead_bytes : int
        The overhead over the entropy is that of a stream of at least this many bytes.
    mixtures : sequence of str
        Names from `streams.MIXTURES`.
    on_start : callable
        Called with a stream's name and its number of samples before it is timed.
    on_sample : callable
        Called after every sample.
    """
    timings: list[CodingTiming] = []
    infos: list[StreamInfo] = []
    missing: dict[str, Missing] = {}
    for mixture in mixtures:
        stream = make_stream(mixture, symbols)
        infos.append(StreamInfo(mixture, symbols, stream.bits_per_symbol))
        coders, lacking = gather(coder_sources(stream))
        missing |= {m.name: m for m in lacking}
        on_start(mixture, 2 * plan.rounds * len(coders))
        sizes = _payload_sizes(stream, overhead_bytes)
        timings += _time_stream(coders, sizes, plan, on_sample)
    return CodingBenchmark(
        command=this_command(),
        commit=this_commit(),
        machine=this_machine(),
        versions=installed_versions(("numpy", "torch", "constriction", "torchac", "compressai")),
        target=target(),
        clock=plan.clock,
        streams=tuple(infos),
        timings=tuple(timings),
        missing=tuple(missing.values()),
    )


def _time_stream(
    coders: Sequence[Coder],
    sizes: dict[str, tuple[int, float]],
    plan: RoundPlan,
    on_sample: Callable[[], object],
) -> list[CodingTiming]:
    payloads = [checked_payload(coder) for coder in coders]
    contenders = {
        "encode": [Contender(c.name, c.maker, c.encode) for c in coders],
        "decode": [
            Contender(c.name, c.maker, lambda c=c, payload=payload: c.decode(payload))
            for c, payload in zip(coders, payloads, strict=True)
        ],
    }
    timings = []
    for operation, group in contenders.items():
        seconds = take_turns(group, plan, on_sample=on_sample)
        own = next(
            [s / c.stream.size for s in samples]
            for c, samples in zip(coders, seconds, strict=True)
            if c.maker == "samebits"
        )
        for coder, samples in zip(coders, seconds, strict=True):
            spread = Spread.of(samples)
            payload_bytes, overhead_percent = sizes[coder.name]
            timings.append(
                CodingTiming(
                    stream=coder.stream.name,
                    coder=coder.name,
                    maker=coder.maker,
                    operation=operation,
                    symbols=coder.stream.size,
                    spread=spread,
                    msymbol_per_s=coder.stream.size / spread.median_s / 1e6,
                    speedup_of_samebits=median_ratio([s / coder.stream.size for s in samples], own),
                    overhead_percent=overhead_percent,
                    overhead_bytes=payload_bytes,
                    note=coder.note,
                )
            )
    return timings


def _payload_sizes(stream: Stream, least_bytes: int) -> dict[str, tuple[int, float]]:
    """Payload bytes, and percent beyond the entropy, of a stream that is long enough."""
    needed = least_bytes * 8 / stream.bits_per_symbol
    size = stream.size
    while size < needed:
        size *= 2
    coders, _ = gather(coder_sources(make_stream(stream.name, size)))
    sizes = {}
    for coder in coders:
        payload_bytes = coder.size_bytes(coder.encode())
        sizes[coder.name] = (
            payload_bytes,
            100 * (8 * payload_bytes / coder.stream.entropy_bits - 1),
        )
    return sizes


def checked_payload(coder: Coder) -> object:
    """What it encodes to; it must decode to the same symbols.

    Raises
    ------
    AssertionError
        If it does not: then its times mean nothing, and the benchmark itself is wrong.
    """
    payload = coder.encode()
    if not np.array_equal(np.asarray(coder.decode(payload)).ravel(), coder.stream.symbols):
        raise AssertionError(f"{coder.name} does not decode what it encoded")
    return payload
