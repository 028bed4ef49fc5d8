"""One picture on its way into a stream: plainly, refined, or tried at several qualities."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from samebits import _core
from samebits.evaluation.metrics import mse, psnr_db
from samebits.io.source import SourcePicture
from samebits.refinement import RefinePlan, RefineStep, latents_by_gradients
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
    searched: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def code(self, quality: int, share: float = 1.0) -> _core.EncodeResult:
        """The picture at a quality; a ``share`` below 1 makes the file smaller."""
        plan, options = self.plan, {}
        if plan.rounds == 0:
            options["deadzone_q8"] = round(
                PLAIN_ROUNDING - (1 - share) * (PLAIN_ROUNDING - WIDEST_ZERO)
            )
        else:
            options["refine_rounds"] = plan.rounds
            options["error_weights"] = self.error_weights
            if share < 1 and self.model.lmbda_q24:
                lmbda = self.model.lmbda_q24[quality] * LEAST_LMBDA ** (1 - share)
                options["refine_lmbda_q24"] = max(1, round(lmbda))
        if plan.steps > 0:
            options["latents"] = self._latents(quality)
        return self._encode(quality, **options)

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

    def _latents(self, quality: int) -> tuple[np.ndarray, np.ndarray]:
        if quality not in self.searched:
            self.searched[quality] = latents_by_gradients(
                self.source.rgb,
                self.weights,
                quality=quality,
                schedule=self.schedule,
                steps=self.plan.steps,
                weights=self.error_weights,
                on_step=self.on_step,
            )
        return self.searched[quality]

    def _trial(self, coded: _core.EncodeResult, *, psnr: bool) -> Trial:
        measured = float("inf")
        if psnr:
            samples = _core.decode_picture(self.model, coded.stream, **self.limits)
            wanted = self.source.rgb if samples.ndim == 3 else self.source.rgb[:, :, 0]
            measured = psnr_db(mse(np.ascontiguousarray(wanted), samples))
        return Trial(coded, len(coded.stream), measured)
