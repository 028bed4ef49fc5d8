"""`samebits bench orders`: what each coding order gives in size and costs in time, one model."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import samebits
from samebits import _core, model_store
from samebits.evaluation.bd_rate import bd_rate
from samebits.evaluation.benchmarks.peers import Missing
from samebits.evaluation.curves import average
from samebits.evaluation.machine import Machine, this_command, this_commit, this_machine
from samebits.evaluation.measure import Measurement, load_rgb, pixels_sha256
from samebits.evaluation.metrics import mse, psnr_db
from samebits.orders import Groups, schedule_of


@dataclass(frozen=True)
class OrderChoice:
    """An order by the keywords of `samebits.encode`; the first of a list is the one step."""

    name: str
    mode: int
    phases: str = "none"
    groups: Groups = None
    first: int | None = None
    distribution: str = "parametric"

    def schedule(self) -> _core.ScheduleSpec:
        """For the core."""
        return schedule_of(mode=self.mode, phases=self.phases, groups=self.groups, first=self.first)

    def encode(self, rgb: np.ndarray, *, quality: int, model: str | None) -> bytes:
        """A picture in this order."""
        return samebits.encode(
            rgb,
            quality=quality,
            model=model,
            mode=self.mode,
            phases=self.phases,
            groups=self.groups,
            first=self.first,
            distribution=self.distribution,
        )


ORDERS = (
    OrderChoice("one step", 0),
    OrderChoice("diagonal (default)", 2, "diagonal"),
    OrderChoice("diagonal, 2 groups", 2, "diagonal", 2),
    OrderChoice("checkerboard", 0, "checkerboard"),
    OrderChoice("2x2", 0, "2x2"),
    OrderChoice("mode 1, 8 seeds", 1, "none", (8, 248)),
    OrderChoice("mode 2", 2),
    OrderChoice("mode 2, 8 even groups", 2, "none", 8),
    OrderChoice("mode 2, checkerboard", 2, "checkerboard"),
    OrderChoice("mode 2, 2x2", 2, "2x2"),
    OrderChoice("mode 3", 3),
    OrderChoice("mode 4, 16 groups", 4, "none", 16),
    OrderChoice("mode 5, 4 x 4 + 2 groups", 5, "none", (4, 4, 4, 4, 112, 128), 4),
    OrderChoice("mode 5, the same, 2x2", 5, "2x2", (4, 4, 4, 4, 112, 128), 4),
    OrderChoice("mode 6, 8 + 8 groups", 6, "none", 16, 8),
)

VALUES = (
    OrderChoice("one step", 0),
    OrderChoice("one step, values", 0, distribution="values"),
    OrderChoice("diagonal (default)", 2, "diagonal"),
    OrderChoice("diagonal, values", 2, "diagonal", distribution="values"),
)
"""Mean and scale beside a probability per value (requirement E5)."""


@dataclass(frozen=True)
class OrderResult:
    """One order over all pictures and qualities.

    Attributes
    ----------
    name : str
    mode, steps : int
    phases : str
    bd_rate_percent : float
        Of PSNR against the first order (one step): negative is smaller; NaN if not comparable.
    bpp : tuple of float
        Mean over pictures, of whole files, by quality.
    psnr_db : tuple of float
    encode_s, decode_s : float
        Medians over pictures and qualities.
    encode_times, decode_times : float
        Median of the time against that of the first order for the same picture and quality.
    loop_s, loop_times : float
        The step loop alone (no range coder), and against one full pass of the entropy network over
        everything, of one picture: the work that steps cost (X3).
    """

    name: str
    mode: int
    phases: str
    steps: int
    bd_rate_percent: float
    bpp: tuple[float, ...]
    psnr_db: tuple[float, ...]
    encode_s: float
    decode_s: float
    encode_times: float
    decode_times: float
    loop_s: float
    loop_times: float


@dataclass(frozen=True)
class OrderBenchmark:
    """All orders of one run, and what they ran on."""

    command: str
    commit: str | None
    machine: Machine
    model: str
    threads: int
    pictures: tuple[str, ...]
    pictures_sha256: tuple[str, ...]
    qualities: tuple[int, ...]
    orders: tuple[OrderResult, ...]
    missing: tuple[Missing, ...] = ()


def measure_orders(
    paths: Sequence[Path],
    *,
    qualities: Sequence[int],
    threads: int,
    orders: Sequence[OrderChoice] = ORDERS,
    model: str | None = None,
    repeats: int = 1,
    on_picture: Callable[[], object] = lambda: None,
) -> OrderBenchmark:
    """Code every picture at every quality in every order; orders take turns.

    Parameters
    ----------
    paths : sequence of Path
    qualities : sequence of int
        At least four, for a BD-rate.
    threads : int
        Only reported: the caller has set them.
    orders : sequence of OrderChoice
        The first is what the others are compared with.
    model : str, optional
        Weights file; default: the installed one.
    repeats : int
        Times are the fastest of this many.
    on_picture : callable
        Called after every picture.
    """
    warm = orders[0].encode(np.zeros((64, 64, 3), np.uint8), quality=50, model=model)
    samebits.decode(warm, model=model)
    measured: dict[str, list[Measurement]] = {order.name: [] for order in orders}
    steps: dict[str, int] = {}
    hashes = []
    for path in paths:
        rgb = load_rgb(path)
        hashes.append(pixels_sha256(rgb))
        for quality in qualities:
            for order in orders:
                measurement, order_steps = _measure(order, rgb, quality, path.name, model, repeats)
                measured[order.name].append(measurement)
                steps[order.name] = order_steps
        on_picture()
    reference = measured[orders[0].name]
    loops = loop_times(load_rgb(paths[0]), orders, model=model)
    return OrderBenchmark(
        command=this_command(),
        commit=this_commit(),
        machine=this_machine(),
        model=samebits.info(orders[0].encode(rgb, quality=50, model=model), model=model).model,
        threads=threads,
        pictures=tuple(path.name for path in paths),
        pictures_sha256=tuple(hashes),
        qualities=tuple(qualities),
        orders=tuple(
            _summary(order, steps[order.name], measured[order.name], reference, loops[order.name])
            for order in orders
        ),
    )


LOOP_QUALITY = 50
LOOP_ROUNDS = 7


def loop_times(
    rgb: np.ndarray, orders: Sequence[OrderChoice], *, model: str | None
) -> dict[str, tuple[float, float]]:
    """For each order, seconds of the step loop, and how many full passes that is.

    Loops and passes take turns; seconds are the fastest of several, ratios medians of rounds.

    Parameters
    ----------
    rgb : uint8 array (H, W, 3)
    orders : sequence of OrderChoice
    model : str, optional
        Weights file; default: the installed one.
    """
    loaded = model_store.model_for_encoding(model)
    latents = _core.encode_latents(loaded, rgb, quality=LOOP_QUALITY, schedule=orders[0].schedule())
    rounds: dict[str, list[tuple[float, float]]] = {order.name: [] for order in orders}
    for _ in range(LOOP_ROUNDS):
        for order in orders:
            schedule = order.schedule()
            pass_s = _seconds(lambda: _core.full_pass(loaded, latents, quality=LOOP_QUALITY))
            loop_s = _seconds(
                lambda s=schedule: _core.code_latents(
                    loaded, latents, quality=LOOP_QUALITY, schedule=s
                )
            )
            rounds[order.name].append((loop_s, loop_s / pass_s))
    return {
        name: (min(t for t, _ in pairs), statistics.median(r for _, r in pairs))
        for name, pairs in rounds.items()
    }


def _seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def _measure(
    order: OrderChoice, rgb: np.ndarray, quality: int, picture: str, model: str | None, repeats: int
) -> tuple[Measurement, int]:
    encode_s = decode_s = math.inf
    for _ in range(repeats):
        begin = time.perf_counter()
        stream = order.encode(rgb, quality=quality, model=model)
        encoded = time.perf_counter()
        x_hat = samebits.decode(stream, model=model)
        decode_s = min(decode_s, time.perf_counter() - encoded)
        encode_s = min(encode_s, encoded - begin)
    error = mse(rgb, np.asarray(x_hat))
    measurement = Measurement(
        picture=picture,
        codec=order.name,
        quality=quality,
        size_bytes=len(stream),
        estimated_bytes=math.nan,
        bpp=8.0 * len(stream) / (rgb.shape[0] * rgb.shape[1]),
        mse=error,
        psnr_db=psnr_db(error),
        ms_ssim=math.nan,
        encode_s=encode_s,
        decode_s=decode_s,
    )
    steps = samebits.info(stream, model=model).steps
    return measurement, 0 if steps is None else int(steps)


def _summary(
    order: OrderChoice,
    steps: int,
    measurements: Sequence[Measurement],
    reference: Sequence[Measurement],
    loop: tuple[float, float],
) -> OrderResult:
    curve = average(order.name, order.name, measurements)
    anchor = average(reference[0].codec, reference[0].codec, reference)
    rate = bd_rate(curve, anchor, metric="psnr_db")
    pairs = list(zip(measurements, reference, strict=True))
    return OrderResult(
        name=order.name,
        mode=order.mode,
        phases=order.phases,
        steps=steps,
        bd_rate_percent=math.nan if rate is None else rate.pchip_percent,
        bpp=tuple(point.bpp for point in curve.points),
        psnr_db=tuple(point.psnr_db for point in curve.points),
        encode_s=statistics.median(m.encode_s for m in measurements),
        decode_s=statistics.median(m.decode_s for m in measurements),
        encode_times=statistics.median(m.encode_s / r.encode_s for m, r in pairs),
        decode_times=statistics.median(m.decode_s / r.decode_s for m, r in pairs),
        loop_s=loop[0],
        loop_times=loop[1],
    )
