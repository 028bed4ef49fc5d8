"""`samebits bench stability`: what decodes elsewhere, by which method, and what that costs.

Streams are made in one environment and decoded in all. The codec is the float twin of a weights
file, on which the methods of EP 4 156 691 are tried; beside it the integer codec, as it is.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import samebits
from samebits.errors import InvalidArgument
from samebits.evaluation.bd_rate import bd_rate
from samebits.evaluation.benchmarks.peers import Missing
from samebits.evaluation.curves import average
from samebits.evaluation.machine import Machine, this_command, this_commit, this_machine
from samebits.evaluation.measure import Measurement, load_rgb, pixels_sha256
from samebits.evaluation.metrics import psnr_db
from samebits.stability import Precision
from samebits.stability.environments import (
    ENVIRONMENTS,
    REFERENCE,
    Environment,
    EnvironmentUnavailable,
    run_in,
)

if TYPE_CHECKING:
    from samebits.learn.stability.float_codec import Stabilization
    from samebits.learn.stability.twin_jobs import Coded

Start = Callable[[Environment, str, dict[str, Any]], Any]
JOBS = "samebits.learn.stability.twin_jobs:"
PLAIN = "nothing"
MARGIN = 1.25
"""Of the precision that codes are made for, on the largest difference seen."""
TWEAK_BETA = 4.0
"""Bits that an output on a boundary weighs for the methods that tweak latents."""
NOT_MEASURED_BY = ("perturbed",)
"""Environments whose differences are set and not found: precisions do not follow them."""


@dataclass(frozen=True)
class MeasuredPrecision:
    """The largest difference from the reference over all environments and pictures.

    Attributes
    ----------
    arithmetic : "single" or "double".
    rows, pixels : in rows of the tables, and in steps of 8 bits.
    """

    arithmetic: str
    rows: float
    pixels: float


@dataclass(frozen=True)
class KindResult:
    """How an environment's outputs of one kind differ from the reference's, over all pictures.

    Attributes
    ----------
    largest : difference. bits_percent : of float32 outputs that differ. flips : outputs that are
        rounded otherwise. flipped_pictures : pictures with at least one.
    """

    largest: float
    bits_percent: float
    flips: int
    flipped_pictures: int


@dataclass(frozen=True)
class EnvironmentResult:
    """``integer_exact`` : pictures whose decoded pixels the integer codec gives bit by bit."""

    name: str
    about: str
    pictures: int
    integer_exact: int
    rows: KindResult
    pixels: KindResult


@dataclass(frozen=True)
class MethodResult:
    """One method or combination.

    Attributes
    ----------
    row_bpp, pixel_bpp, parameter_bpp : bits per pixel of what it sends for rows of tables, for
        pixels, and of fine-tuned parameters.
    bd_rate_percent : against nothing done, by PSNR, what it sends included.
    exact : by environment, pictures that decode to the encoder's pixels; None where the environment
        computes networks by programs of its own, which the method cannot reach.
    encode_times, decode_times : of the reference's time with nothing done.
    """

    name: str
    about: str
    pictures: int
    row_bpp: float
    pixel_bpp: float
    parameter_bpp: float
    bd_rate_percent: float
    exact: dict[str, int | None]
    encode_times: float
    decode_times: float


@dataclass(frozen=True)
class StabilityBenchmark:
    """All of one run, and what it ran on."""

    command: str
    commit: str | None
    machine: Machine
    model: str
    quality: int
    qualities: tuple[int, ...]
    pictures: tuple[str, ...]
    pictures_sha256: tuple[str, ...]
    precisions: tuple[MeasuredPrecision, ...]
    environments: tuple[EnvironmentResult, ...]
    methods: tuple[MethodResult, ...]
    missing: tuple[Missing, ...] = ()


def methods_of(
    single: MeasuredPrecision, double: MeasuredPrecision, *, tweak_steps: int = 0
) -> dict[str, tuple[str, Stabilization]]:
    """By name: in words, and what is done. Precisions with their margin.

    ``tweak_steps`` : gradient steps of the methods that tweak latents; 0: they are left out.
    """
    from samebits.learn.stability import Scaling
    from samebits.learn.stability.float_codec import Method, Stabilization, Tweak

    rows, pixels = Precision(single.rows * MARGIN), Precision(single.pixels * MARGIN)
    rows64, pixels64 = Precision(double.rows * MARGIN), Precision(double.pixels * MARGIN)
    s1_rows, s1_pixels = Method(precision=rows), Method(precision=pixels)
    # Pixels tell whether rows were right.
    near_rows = replace(s1_rows, codes="nearest", check=False)
    near_pixels = replace(s1_pixels, codes="nearest")
    exact = Method(exact=Scaling())
    joint = Method(exact=Scaling(factors="joint", bound="worst"))
    twice = Method(double=True)
    # Ambiguous to an encoder is what lies within twice the precision.
    tweak = Tweak(TWEAK_BETA, 2 * rows.offset, 2 * pixels.offset, tweak_steps)
    tuned = replace(tweak, parameters="biases")
    tweaked = {
        "S2": ("latents tweaked, no codes", Stabilization(tweak=tweak)),
        "S2 + S1": ("latents tweaked, then codes", Stabilization(s1_rows, s1_pixels, tweak)),
        "S2 biases": ("latents and biases tweaked, no codes", Stabilization(tweak=tuned)),
        "S2 biases + S1": (
            "latents and biases tweaked, then codes",
            Stabilization(s1_rows, s1_pixels, tuned),
        ),
        "S2 biases + S1 nearest": (
            "latents and biases tweaked, then codes of the nearest outcome",
            Stabilization(near_rows, near_pixels, tuned),
        ),
    }
    return {
        PLAIN: ("float32, as it is", Stabilization()),
        "S1 rows": ("codes for rows of tables only", Stabilization(s1_rows)),
        "S1": ("codes for rows and pixels", Stabilization(s1_rows, s1_pixels)),
        "S1 nearest": (
            "codes for rows and pixels, of the nearest outcome",
            Stabilization(near_rows, near_pixels),
        ),
        "S3": (
            "adjustment of rows and pixels, no codes",
            Stabilization(
                Method(precision=rows, adjustment="scalar", codes="none"),
                Method(precision=pixels, adjustment="channels", codes="none"),
            ),
        ),
        "S1 + S3": (
            "adjustment of pixels, then codes for rows and pixels",
            Stabilization(s1_rows, Method(precision=pixels, adjustment="channels")),
        ),
        "double": ("double precision, nothing else", Stabilization(twice, twice)),
        "double + S1": (
            "double precision, codes for rows and pixels",
            Stabilization(
                Method(double=True, precision=rows64), Method(double=True, precision=pixels64)
            ),
        ),
        "S5": ("integer sums everywhere", Stabilization(exact, exact)),
        "S5 rows + S1 pixels": (
            "integer sums for rows, codes for pixels",
            Stabilization(exact, s1_pixels),
        ),
        "S5 rows + S1 nearest pixels": (
            "integer sums for rows, codes of the nearest outcome for pixels",
            Stabilization(exact, near_pixels),
        ),
        "S5 worst joint": (
            "S5 by the document's worst case and one factor",
            Stabilization(joint, joint),
        ),
        **(tweaked if tweak_steps > 0 else {}),
    }


def measure_stability(
    paths: Sequence[Path],
    *,
    model: Path,
    quality: int,
    qualities: Sequence[int],
    environments: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    tweak_steps: int = 0,
    jobs: int = 1,
    progress: Any = None,
    start: Start = run_in,
) -> StabilityBenchmark:
    """Measure.

    Parameters
    ----------
    paths : pictures. model : weights file.
    quality : at which streams are decoded in every environment.
    qualities : for BD-rates, at least four.
    environments, methods : names; all when not given. "reference" and "nothing" are always there.
    tweak_steps : of the methods that tweak latents (S2), which are left out at 0.
    jobs : processes at once.
    progress : a tqdm bar.
    start : how a job is started: in a process of its own.

    Raises
    ------
    InvalidArgument
        There is no environment or method of a name.
    """
    zero = MeasuredPrecision("", 0.0, 0.0)
    _refuse_unknown(environments or (), list(ENVIRONMENTS), "environment")
    _refuse_unknown(methods or (), list(methods_of(zero, zero, tweak_steps=tweak_steps)), "method")
    return _Run(
        paths,
        model,
        quality,
        qualities,
        environments,
        methods,
        tweak_steps,
        jobs,
        progress,
        start,
    ).result()


def _refuse_unknown(names: Sequence[str], known: Sequence[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise InvalidArgument(f"there is no {what} {name!r}, only {', '.join(known)}")


class _Run:
    def __init__(
        self,
        paths,
        model,
        quality,
        qualities,
        environments,
        methods,
        tweak_steps,
        jobs,
        progress,
        start,
    ) -> None:
        self.tweak_steps = tweak_steps
        self.start = start
        self.paths, self.model, self.jobs, self.progress = paths, Path(model), jobs, progress
        self.quality, self.qualities = quality, tuple(qualities)
        self.pictures = [load_rgb(path) for path in paths]
        self.pixels = sum(rgb.shape[0] * rgb.shape[1] for rgb in self.pictures)
        names = ENVIRONMENTS if environments is None else environments
        self.environments = [ENVIRONMENTS[name] for name in names if name != REFERENCE.name]
        self.wanted_methods = methods
        self.missing: list[Missing] = []

    def result(self) -> StabilityBenchmark:
        plain = self._encode([self.quality], {PLAIN: _nothing()})
        differences = {"single": self._differences(plain, double=False)}
        self.environments = [one for one in self.environments if one.name in differences["single"]]
        differences["double"] = self._differences(plain, double=True)
        precisions = {name: _precision(name, found) for name, found in differences.items()}
        methods = methods_of(
            precisions["single"], precisions["double"], tweak_steps=self.tweak_steps
        )
        if self.wanted_methods is not None:
            methods = {n: methods[n] for n in methods if n in (PLAIN, *self.wanted_methods)}
        stabilizations = {name: one for name, (_, one) in methods.items()}
        coded = self._encode(sorted({*self.qualities, self.quality}), stabilizations)
        exact = self._exact(coded, stabilizations)
        return StabilityBenchmark(
            command=this_command(),
            commit=this_commit(),
            machine=this_machine(),
            model=self.model.name,
            quality=self.quality,
            qualities=self.qualities,
            pictures=tuple(path.name for path in self.paths),
            pictures_sha256=tuple(pixels_sha256(rgb) for rgb in self.pictures),
            precisions=tuple(precisions.values()),
            environments=tuple(self._environments(differences["single"])),
            methods=tuple(
                self._method(name, methods[name][0], coded, exact[name]) for name in methods
            ),
            missing=tuple(self.missing),
        )

    def _all(self, calls: Sequence[tuple[Environment, str, dict]], what: str) -> list[Any]:
        """Results of jobs, None for environments that are not there."""
        if self.progress is not None:
            self.progress.set_description(what)
            self.progress.reset(len(calls))

        def one(call: tuple[Environment, str, dict]) -> Any:
            environment, function, arguments = call
            try:
                return self.start(environment, JOBS + function, arguments)
            except EnvironmentUnavailable as error:
                self.missing.append(Missing(environment.name, str(error), ""))
                return None
            finally:
                if self.progress is not None:
                    self.progress.update()

        with ThreadPoolExecutor(self.jobs) as pool:
            return list(pool.map(one, calls))

    def _encode(
        self, qualities: Sequence[int], stabilizations: dict[str, Stabilization]
    ) -> list[Coded]:
        """In the reference environment, picture by picture."""
        calls = [
            (
                REFERENCE,
                "encode_pictures",
                {
                    "weights": self.model,
                    "pictures": {number: rgb},
                    "qualities": qualities,
                    "methods": stabilizations,
                },
            )
            for number, rgb in enumerate(self.pictures)
        ]
        return [coded for part in self._all(calls, "encode") for coded in part]

    def _differences(self, plain: Sequence[Coded], *, double: bool) -> dict[str, list[dict]]:
        """By environment, picture by picture, how outputs differ from the reference's."""
        from samebits.learn.stability.float_codec import Method, Stabilization

        method = Method(double=double)
        given = {
            "weights": self.model,
            "quality": self.quality,
            "stabilization": Stabilization(method, method),
        }
        with tempfile.TemporaryDirectory(prefix="samebits-outputs-") as name:
            given["folder"] = Path(name)
            streams = [one.stream for one in plain]
            self._all([(REFERENCE, "save_outputs", {**given, "streams": streams})], "outputs")
            asked = [one for one in self.environments if one.has_double or not double]
            calls = [(one, "compare_outputs", given) for one in asked]
            found = self._all(calls, f"outputs, {'double' if double else 'single'} precision")
        return {
            one.name: answer for one, answer in zip(asked, found, strict=True) if answer is not None
        }

    def _exact(
        self, coded: Sequence[Coded], stabilizations: dict[str, Stabilization]
    ) -> dict[str, dict[str, int | None]]:
        """By method and environment: pictures whose pixels are the encoder's."""
        streams = [one for one in coded if one.quality == self.quality]
        calls, asked = [], []
        for environment in self.environments:
            reached = {n for n, one in stabilizations.items() if _reaches(one, environment)}
            asked.append([one for one in streams if one.method in reached])
            given = {"weights": self.model, "coded": asked[-1], "methods": stabilizations}
            calls.append((environment, "decode_streams", given))
        exact: dict[str, dict[str, int | None]] = {name: {} for name in stabilizations}
        found = self._all(calls, "decode")
        for environment, some, decoded in zip(self.environments, asked, found, strict=True):
            for name in exact:
                same = [
                    one.pixels == there.pixels
                    for one, there in zip(some, decoded, strict=True)
                    if one.method == name
                ]
                exact[name][environment.name] = sum(same) if same else None
        return exact

    def _environments(self, differences: dict[str, list[dict]]) -> list[EnvironmentResult]:
        streams = [
            samebits.encode(rgb, quality=self.quality, model=self.model) for rgb in self.pictures
        ]
        given = {"weights": self.model, "streams": streams}
        calls = [(one, "decode_integers", given) for one in (REFERENCE, *self.environments)]
        here, *elsewhere = self._all(calls, "integer codec")
        results = []
        for environment, found in zip(self.environments, elsewhere, strict=True):
            of_pictures = differences[environment.name]
            results.append(
                EnvironmentResult(
                    environment.name,
                    environment.about,
                    len(streams),
                    sum(a == b for a, b in zip(here, found, strict=True)),
                    _kind([one["rows"] for one in of_pictures]),
                    _kind([one["pixels"] for one in of_pictures]),
                )
            )
        return results

    def _method(
        self, name: str, about: str, coded: Sequence[Coded], exact: dict[str, int | None]
    ) -> MethodResult:
        mine = [one for one in coded if one.method == name]
        plain = [one for one in coded if one.method == PLAIN]
        pairs = list(zip(mine, plain, strict=True))
        at_quality = [one for one in mine if one.quality == self.quality]
        rate = bd_rate(self._curve(name, mine), self._curve(PLAIN, plain), metric="psnr_db")
        return MethodResult(
            name=name,
            about=about,
            pictures=len(self.pictures),
            row_bpp=8 * sum(one.sizes.rows for one in at_quality) / self.pixels,
            pixel_bpp=8 * sum(one.sizes.pixels for one in at_quality) / self.pixels,
            parameter_bpp=8 * sum(one.sizes.parameters for one in at_quality) / self.pixels,
            bd_rate_percent=math.nan if rate is None else rate.pchip_percent,
            exact=exact,
            encode_times=statistics.median(a.encode_s / b.encode_s for a, b in pairs),
            decode_times=statistics.median(a.decode_s / b.decode_s for a, b in pairs),
        )

    def _curve(self, name: str, coded: Sequence[Coded]):
        measurements = []
        for one in coded:
            if one.quality not in self.qualities:
                continue
            height, width = self.pictures[one.picture].shape[:2]
            size = one.sizes.total
            measurements.append(
                Measurement(
                    picture=self.paths[one.picture].name,
                    codec=name,
                    quality=one.quality,
                    size_bytes=size,
                    estimated_bytes=math.nan,
                    bpp=8 * size / (height * width),
                    mse=one.squared_error,
                    psnr_db=psnr_db(one.squared_error),
                    ms_ssim=math.nan,
                    encode_s=one.encode_s,
                    decode_s=one.decode_s,
                )
            )
        return average(name, name, measurements)


def _reaches(stabilization: Stabilization, environment: Environment) -> bool:
    """Whether an environment can compute networks as a method asks for."""
    methods = (stabilization.rows, stabilization.pixels)
    exact, double = any(one.exact for one in methods), any(one.double for one in methods)
    return (environment.keeps_operations or not exact) and (environment.has_double or not double)


def _nothing() -> Stabilization:
    from samebits.learn.stability.float_codec import Stabilization

    return Stabilization()


def _precision(arithmetic: str, differences: dict[str, list[dict]]) -> MeasuredPrecision:
    found = [
        one
        for name, of_pictures in differences.items()
        if name not in NOT_MEASURED_BY
        for one in of_pictures
    ]
    return MeasuredPrecision(
        arithmetic,
        max((one["rows"].largest for one in found), default=0.0),
        max((one["pixels"].largest for one in found), default=0.0),
    )


def _kind(differences: Sequence[Any]) -> KindResult:
    outputs = sum(one.size for one in differences)
    return KindResult(
        max(one.largest for one in differences),
        100 * sum(one.bits * one.size for one in differences) / outputs,
        sum(one.flips for one in differences),
        sum(one.flips > 0 for one in differences),
    )
