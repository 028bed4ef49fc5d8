"""Refining the latents of pictures by gradient descent (requirement R1, Algorithm 300)."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from samebits.errors import InvalidArgument
from samebits.refinement import RefineStep, check_method

from ..models.network import ste_round
from .refinable import Latents, RefinableModel
from .relaxations import relaxation

LEARNING_RATES = {"noise": 1e-2, "ste": 3e-3, "sga": 1e-2, "sga+": 1e-2}
"""Adam's, in quantization steps."""
ADAM_EPSILON = 0.1
"""In bits a step: what matters less than this to the loss moves slowly. Adam's own makes the
tiniest gradient of a zero latent a full step."""
STRAIGHT_THROUGH_SHARE = 0.1
"""Of the budget: the last stage, straight-through rounding from the best latents."""
STRAIGHT_THROUGH_RATE = 0.1
"""Its learning rate, of the method's own."""
EVALUATIONS = 40
"""How often rounded latents are looked at, over the budget."""
CONVERGED_GAIN = 1e-4
"""``until_converged`` ends when an evaluation gains less than this share, several times."""
CONVERGED_TIMES = 3
CONVERGED_EVERY = 20
MOST_STEPS = 100_000

Distortion = Callable[[Tensor, Tensor], Tensor]
"""(x, x_hat), both (B, 3, H, W) in 0 ... 255, to (B,): a mean over a picture."""


@dataclass(frozen=True)
class Refined:
    """The best latents found, in units of the step, and what they cost, rounded.

    Attributes
    ----------
    latents : by name, (B, C, h, w): those of the encoder for pictures that nothing improved.
    loss, plain_loss : (B,), bits + lambda * pixels * distortion; after and before.
    steps : gradient steps taken. history : rounded and relaxed losses on the way.
    """

    latents: Latents
    loss: Tensor
    plain_loss: Tensor
    steps: int
    history: list[RefineStep] = field(default_factory=list)


@dataclass(frozen=True)
class Budget:
    """When to stop: after steps, after seconds, or when nothing is gained any more."""

    steps: int | None
    seconds: float | None

    def used(self, step: int, seconds: float) -> float:
        """The share that is used up, 0 ... 1."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / self.steps)
        if self.seconds is not None:
            shares.append(seconds / self.seconds)
        return min(max(shares), 1.0)


def mean_squared_error(x: Tensor, x_hat: Tensor) -> Tensor:
    """(B,)"""
    return (x - x_hat).square().mean((1, 2, 3))


def refine_latents(
    model: RefinableModel,
    x: Tensor,
    *,
    lmbda: float,
    method: str = "sga",
    steps: int | None = None,
    seconds: float | None = None,
    until_converged: bool = False,
    learning_rate: float | None = None,
    optimizer: Callable[[list[Tensor], float], torch.optim.Optimizer] | None = None,
    distortion: Distortion = mean_squared_error,
    start: Latents | None = None,
    progress: Callable[[RefineStep], None] | None = None,
) -> Refined:
    """Search latents that cost least for each picture alone; the model stays as it is (R1, R2).

    Parameters
    ----------
    model : RefinableModel
    x : (B, 3, H, W) in 0 ... 255.
    lmbda : weight of the distortion: what is minimized is bits + lmbda * H * W * distortion.
    method : the stand-in for rounding, see ``METHODS``.
    steps, seconds, until_converged : the budget; steps or seconds, or whichever ends first.
        With ``until_converged`` the search ends when nothing is gained any more, and the relaxation
        is that of the end of the schedule throughout if no other budget is given.
    learning_rate : in quantization steps; by method when not given.
    optimizer : makes one from tensors and a learning rate; Adam with ``ADAM_EPSILON`` when not
        given.
    distortion : see ``Distortion``; mean squared error when not given.
    start : where to begin; what ``model.latents(x)`` gives when not given.
    progress : hears of every step.

    Returns
    -------
    Refined
        Never worse than where it began, picture by picture, as this model sees it.

    Warns
    -----
    UserWarning
        The loss was not finite: the search ended there.

    Raises
    ------
    InvalidArgument
        An argument is not what it should be.
    """
    rate = _checked(method, steps, seconds, until_converged, learning_rate)
    search = _Search(model, x, lmbda, distortion, start, steps or 0)
    budget = Budget(steps, seconds)
    make = optimizer or (lambda tensors, rate: torch.optim.Adam(tensors, lr=rate, eps=ADAM_EPSILON))
    search.run(
        method, budget, rate=rate, make=make, until_converged=until_converged, progress=progress
    )
    return Refined(search.best, search.best_loss, search.plain_loss, search.step, search.history)


def _checked(
    method: str,
    steps: int | None,
    seconds: float | None,
    until_converged: bool,
    learning_rate: float | None,
) -> float:
    check_method(method)
    if steps is None and seconds is None and not until_converged:
        raise InvalidArgument("a budget is needed: steps, seconds or until_converged")
    if steps is not None and not 1 <= steps <= MOST_STEPS:
        raise InvalidArgument(f"steps is {steps}, must be 1 to {MOST_STEPS}")
    if seconds is not None and not 0 < seconds < math.inf:
        raise InvalidArgument(f"seconds is {seconds}, must be above 0")
    rate = LEARNING_RATES[method] if learning_rate is None else learning_rate
    if not 0 < rate < math.inf:
        raise InvalidArgument(f"learning_rate is {rate}, must be above 0")
    return rate


class _Search:
    def __init__(
        self,
        model: RefinableModel,
        x: Tensor,
        lmbda: float,
        distortion: Distortion,
        start: Latents | None,
        planned: int,
    ) -> None:
        self.model, self.x, self.distortion = model, x, distortion
        self.weight = lmbda * x.shape[-2] * x.shape[-1]
        self.planned = planned
        self.begin = time.monotonic()
        self.step = 0
        self.history: list[RefineStep] = []
        with torch.no_grad():
            start = model.latents(x) if start is None else start
            plain = {name: value.detach() for name, value in start.items()}
            self.best = {name: value.clone() for name, value in plain.items()}
            self.plain_loss, *self.plain = self._loss(plain, ste_round)
        self.best_loss = self.plain_loss.clone()
        self.values = {name: value.clone().requires_grad_(True) for name, value in plain.items()}

    def _loss(self, latents: Latents, quantize) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, bits and distortion, (B,) each."""
        bits, x_hat = self.model.decode(latents, quantize)
        error = self.distortion(self.x, x_hat[..., : self.x.shape[-2], : self.x.shape[-1]])
        return bits + self.weight * error, bits, error

    def run(
        self, method: str, budget: Budget, *, rate: float, make, until_converged: bool, progress
    ) -> None:
        relaxed_end = 1 - STRAIGHT_THROUGH_SHARE
        self._note(self.plain_loss, *self.plain, rounded=True, progress=progress)
        optimizer = make(list(self.values.values()), rate)
        straight = False
        looked, quiet, least = 0.0, 0, float(self.best_loss.sum())
        while True:
            used = budget.used(self.step, time.monotonic() - self.begin)
            if used >= 1:
                break
            if not straight and used >= relaxed_end:
                straight = True
                self._look(progress)
                self._back_to_best()
                optimizer = make(list(self.values.values()), rate * STRAIGHT_THROUGH_RATE)
            no_schedule = budget.steps is None and budget.seconds is None
            share = 1.0 if no_schedule else min(used / relaxed_end, 1.0)
            quantize = ste_round if straight else relaxation(method, share)
            if not self._descend(optimizer, quantize, progress):
                break
            every = CONVERGED_EVERY if no_schedule else None
            due = self.step % every == 0 if every else used - looked >= 1 / EVALUATIONS
            if due:
                looked = used
                self._look(progress)
                total = float(self.best_loss.sum())
                quiet = quiet + 1 if total > least * (1 - CONVERGED_GAIN) else 0
                least = min(total, least)
                if until_converged and quiet >= CONVERGED_TIMES:
                    break
            if self.step >= MOST_STEPS:
                break
        self._look(progress)

    def _descend(self, optimizer, quantize, progress) -> bool:
        """One gradient step; False if the loss is not finite."""
        loss, bits, error = self._loss(self.values, quantize)
        total = loss.sum()
        if not math.isfinite(float(total.detach())):
            warnings.warn(
                f"the loss of refinement is {float(total.detach())} after {self.step} steps; what "
                "was best before is kept",
                stacklevel=4,
            )
            return False
        values = list(self.values.values())  # and not the model's parameters
        for value, gradient in zip(values, torch.autograd.grad(total, values), strict=True):
            value.grad = gradient
        optimizer.step()
        self.step += 1
        self._note(loss, bits, error, rounded=False, progress=progress)
        return True

    @torch.no_grad()
    def _look(self, progress) -> None:
        """Rounds the latents and keeps them where they are the best so far."""
        loss, bits, error = self._loss(self.values, ste_round)
        better = torch.isfinite(loss) & (loss < self.best_loss)
        for name, value in self.values.items():
            self.best[name][better] = value.detach()[better]
        self.best_loss = torch.where(better, loss, self.best_loss)
        self._note(loss, bits, error, rounded=True, progress=progress)

    @torch.no_grad()
    def _back_to_best(self) -> None:
        for name, value in self.values.items():
            value.copy_(self.best[name])

    def _note(self, loss, bits, error, *, rounded: bool, progress) -> None:
        note = RefineStep(
            step=self.step,
            planned=self.planned,
            seconds=time.monotonic() - self.begin,
            bits=float(bits.detach().mean()),
            distortion=float(error.detach().mean()),
            loss=float(loss.detach().mean()),
            first_loss=float(self.plain_loss.mean()),
            rounded=rounded,
        )
        self.history.append(note)
        if progress is not None:
            progress(note)
