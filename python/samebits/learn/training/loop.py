"""The loop around a trainer's steps: clock, signals, progress bar, reports, checkpoints."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

from .interruption import StopSignals, is_orphan
from .run_log import LossMeans

if TYPE_CHECKING:
    from .train import Trainer

SHOWN_EVERY = 1.0
"""Seconds between looks at the loss, each of which waits for the device."""


class TrainingLoop:
    """Runs a trainer; used once."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.before = trainer.elapsed
        self.begin = self.means_begin = self.shown = time.monotonic()
        self.means = LossMeans()
        is_new = trainer.options.source is None and not trainer.is_resumed
        self.last_report = -math.inf if is_new else trainer.elapsed
        self.last_save = trainer.elapsed

    def run(self) -> str | None:
        """Train until the run is done or has to stop; returns the signal that asked for it."""
        trainer = self.trainer
        with StopSignals() as signals, self._bar() as bar:
            while trainer.progress < 1.0:
                self._step()
                if self._agree(stop=signals.received is not None or is_orphan()):
                    self._save_only()
                    return signals.received or "the end of another process"
                self._show(bar)
                if self._is_due(self.last_report, trainer.options.validate_every_minutes):
                    self._report()
                elif self._is_due(self.last_save, trainer.options.save_every_minutes):
                    self._save_only()
                if self._is_over():
                    break
            if self.means.steps:
                self._report()
        return None

    def _step(self) -> None:
        crops = self.trainer.step_crops
        terms = self.trainer.train_step()
        self.means.add(terms, crops=crops, weight=self.trainer.processes.weight(crops))

    def _agree(self, *, stop: bool) -> bool:
        """All processes take the same time, so that they do the same next."""
        elapsed = self.before + time.monotonic() - self.begin
        self.trainer.elapsed, stop = self.trainer.processes.agree(elapsed, stop)
        return stop

    def _is_due(self, last: float, every_minutes: float) -> bool:
        return self.trainer.elapsed - last >= 60 * every_minutes

    def _is_over(self) -> bool:
        most = self.trainer.options.stop_after_minutes
        return most is not None and self.trainer.elapsed - self.before > 60 * most

    def _save_only(self) -> None:
        """A checkpoint without a validation, for which who sends a signal may not wait."""
        if self.trainer.processes.is_first:
            self.trainer.save()
        self.last_save = self.trainer.elapsed

    def _speed(self) -> float:
        """Crops per second and device since the last report."""
        seconds = max(time.monotonic() - self.means_begin, 1e-9)
        return self.means.crops / seconds / self.trainer.processes.count

    def _report(self) -> None:
        if self.trainer.device.type == "cuda":
            torch.cuda.synchronize(self.trainer.device)
        self.trainer.report(self.means, crops_per_s=self._speed())
        self.means = LossMeans()
        self.means_begin = time.monotonic()
        self.last_report = self.last_save = self.trainer.elapsed

    def _bar(self) -> tqdm:
        trainer, options = self.trainer, self.trainer.options
        in_minutes = options.steps is None and not options.hot
        total = round(60 * options.minutes) if in_minutes else options.steps
        return tqdm(
            total=None if options.hot else total,
            initial=round(trainer.elapsed) if in_minutes else trainer.steps_done,
            unit="s" if in_minutes else "step",
            disable=not trainer.processes.is_first,
        )

    def _show(self, bar: tqdm) -> None:
        now = time.monotonic()
        if bar.disable or now - self.shown < SHOWN_EVERY:
            return
        self.shown = now
        trainer = self.trainer
        bar.n = round(trainer.elapsed) if bar.unit == "s" else trainer.steps_done
        loss = self.means.values()[self.means.names().index("loss")].item()
        bar.set_postfix(
            step=trainer.steps_done, loss=f"{loss:.3f}", crops_per_s=f"{self._speed():.1f}"
        )
