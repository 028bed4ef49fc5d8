"""One picture on its way into a stream: plainly, refined, or tried at several qualities."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from samebits import _core
from samebits.evaluation.metrics import ms_ssim, mse, psnr_db
from samebits.io.source import SourcePicture
from samebits.refinement import (
    MS_SSIM_SCALE,
    Latents,
    RefinePlan,
    RefineStep,
    latents_by_gradients,
)
from samebits.targets import Trial

PLAIN_ROUNDING = 128
WIDEST_ZERO = 64
"""Offsets of the rounding of latents, in 1/256: plain, and with the widest zone of zero."""
LEAST_LMBDA = 1 / 16
"""Of the model's lambda, for refined files that are to be smaller than their quality's."""


@dataclass(frozen=True, eq=False)
class PictureEncoder:
    """A picture and how to code it, all but the quality.

    Attributes
    ----------
    source : what is coded. model : loaded. weights : its file, or None if nobody said which.
    options : further arguments of ``_core.encode_picture``.
    limits : ``max_pixels`` and ``max_bytes``. on_step : hears of gradient steps.
    error_weights : of the pixels, uint16. searched : latents found so far, by quality.
    """

    source: SourcePicture
    model: _core.Model
    weights: Path | None
    plan: RefinePlan
    schedule: _core.ScheduleSpec
    options: dict
    limits: dict
    error_weights: np.ndarray | None = None
    on_step: Callable[[RefineStep], None] | None = None
    searched: dict[int, Latents] = field(default_factory=dict)

    def code(self, quality: int, share: float = 1.0) -> _core.EncodeResult:
        """The picture at a quality; a ``share`` below 1 makes the file smaller."""
        if self.plan.rounds == 0:
            options: dict = {"deadzone_q8": _zone_of_zero(share)}
        else:
            options = {
                "refine_rounds": self.plan.rounds,
                "error_weights": self.error_weights,
                "refine_lmbda_q24": self._lmbda_q24(quality, share),
            }
        if self.plan.steps == 0:
            return self._encode(quality, **options)
        coded = self._encode(quality, return_latents=True, **options)
        searched = self._search(quality, coded.latents)
        again = self._encode(
            quality, latents=searched, keep_latents=self.plan.rounds == 0, **options
        )
        return min(coded, again, key=lambda result: self._cost(quality, result))

    def try_plainly(self, quality: int, share: float, *, psnr: bool) -> Trial:
        """A trial without refinement."""
        assert share == 1
        return self._trial(self._encode(quality), psnr=psnr)

    def try_finally(self, quality: int, share: float, *, psnr: bool) -> Trial:
        """A trial of what :meth:`code` makes."""
        return self._trial(self.code(quality, share), psnr=psnr)

    def _encode(self, quality: int, **options) -> _core.EncodeResult:
        return _core.encode_picture(
            self.model,
            self.source.rgb,
            quality=quality,
            schedule=self.schedule,
            grey=self.source.grey,
            **self.options,
            **options,
            **self.limits,
        )

    def _lmbda_q24(self, quality: int, share: float) -> int:
        """What the error weighs, 0 for the model's own."""
        if share == 1 or not self.model.lmbda_q24:
            return 0
        return max(1, round(self.model.lmbda_q24[quality] * LEAST_LMBDA ** (1 - share)))

    def _search(self, quality: int, start: Latents) -> Latents:
        if quality not in self.searched:
            self.searched[quality] = latents_by_gradients(
                self.source.rgb,
                start,
                self.weights,
                quality=quality,
                schedule=self.schedule,
                plan=self.plan,
                weights=self.error_weights,
                on_step=self.on_step,
            )
        return self.searched[quality]

    def _cost(self, quality: int, coded: _core.EncodeResult) -> float:
        """Bits of the file, and what its error counts."""
        if self.plan.rounds > 0:
            return coded.cost
        wanted, samples = self._compared(coded)
        if self.plan.distortion == "ms-ssim":
            error = MS_SSIM_SCALE * (1 - ms_ssim(wanted, samples))
        else:
            error = mse(wanted, samples)
        lmbda = self.model.lmbda_q24[quality] / 2**24
        return 8 * len(coded.stream) + lmbda * wanted.shape[0] * wanted.shape[1] * error

    def _trial(self, coded: _core.EncodeResult, *, psnr: bool) -> Trial:
        measured = float("inf")
        if psnr:
            measured = psnr_db(mse(*self._compared(coded)))
        return Trial(coded, len(coded.stream), measured)

    def _compared(self, coded: _core.EncodeResult) -> tuple[np.ndarray, np.ndarray]:
        """The picture, and what a file decodes to: both (H, W, 3), or grey (H, W)."""
        samples = _core.decode_picture(self.model, coded.stream, **self.limits)
        wanted = self.source.rgb if samples.ndim == 3 else self.source.rgb[:, :, 0]
        return np.ascontiguousarray(wanted), samples


def _zone_of_zero(share: float) -> int:
    """Offset of the rounding of latents for a share of a quality's file."""
    return round(PLAIN_ROUNDING - (1 - share) * (PLAIN_ROUNDING - WIDEST_ZERO))
