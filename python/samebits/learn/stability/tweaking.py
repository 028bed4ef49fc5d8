"""Latent tweaking: latents changed at encode time until no output is ambiguous (S2).

The encoder minimizes L = D + lambda R + beta F (EP 4 156 691) with respect to the latents of one
picture. F grows with outputs near boundaries of rounding: pixels (scenario 1), rows of probability
tables (scenario 2), or both. The decoder does not know of it, unless some of its parameters are
fine-tuned as well, whose differences are then sent.

Symbols are integers, so every change of one moves all outputs that depend on it by more than the
distances at hand: some leave the neighbourhood of boundaries, and others come. Latents alone can
clear few outputs, not thousands; biases are continuous, and clear them.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from samebits.errors import InvalidArgument

from ..models.likelihood import LOG2_SCALE_LOW, ROWS_PER_OCTAVE, SCALE_ROWS, gaussian_bits
from ..models.network import ste_round
from ..refinement.refinable import Latents
from ..refinement.search import ADAM_EPSILON, LEARNING_RATES, mean_squared_error
from ..refinement.weights_model import PIXEL_OFFSET, WeightsModel
from ..training.ambiguity import ambiguity
from .parameter_difference import GRID, MOST_STEPS, ParameterDifference

PARAMETERS = ("none", "biases")
LARGEST_PIXEL, LARGEST_ROW = 255, SCALE_ROWS - 1
WIDENED = 2.0**-15
"""How much further than asked for biases move outputs away: sums near 255 in float32 are rounded to
half of it."""


@dataclass(frozen=True, eq=False)
class Tweaked:
    """Latents, and what is ambiguous with them.

    Attributes
    ----------
    latents : {"y", "z"} in units of their steps, in the middles of their symbols' intervals, so
        that every machine's encoder rounds them alike.
    ambiguous_pixels, ambiguous_rows : how many are left; 0 where no distance was given.
    steps : gradient steps taken.
    difference : what the decoder adds to parameters; None if that was not asked for, or if it
        leaves no fewer.
    """

    latents: Latents
    ambiguous_pixels: int
    ambiguous_rows: int
    steps: int
    difference: ParameterDifference | None = None


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a decoder computes from latents, differentiable in them.

    Attributes
    ----------
    bits : of y and z, one number.
    pixels : (1, 3, h * 16, w * 16), neither rounded nor cut off.
    rows : of the CDF tables, (1, M, h, w), float64, likewise.
    settled : the latents in the middles of their symbols' intervals.
    """

    bits: Tensor
    pixels: Tensor
    rows: Tensor
    settled: Latents


def outputs_of(model: WeightsModel, latents: Latents) -> Outputs:
    """Networks and step loop of the float codec, with straight-through rounding."""
    height, width = latents["y"].shape[-2:]
    z = ste_round(latents["z"])
    bits = gaussian_bits(z, model.z_scale).sum()
    out = model.h_s(z * model.z_inverse_gain)[..., :height, :width]
    features, prediction = out.split([model.features, model.gain.shape[1]], 1)
    log2_gain = torch.log2(model.gain)
    y, proxy, known = latents["y"] / model.gain, prediction, torch.zeros_like(prediction)
    settled = torch.zeros_like(prediction)
    rows = torch.zeros_like(prediction, dtype=torch.float64)
    entropy = model.entropy
    for mask in model.order.masks(height, width, y.device):
        joined = torch.cat([proxy, known, features], 1)
        sums = F.conv2d(joined, entropy.context.weight, padding=1) + model.bias
        delta, log2_scale = entropy.head(F.leaky_relu(sums, 2.0**-entropy.config.leaky)).chunk(2, 1)
        mean, scale = prediction + delta, log2_scale + log2_gain
        symbols = ste_round((y - mean) * model.gain)
        bits = bits + (mask * gaussian_bits(symbols, scale)).sum()
        rows = rows + mask * (scale.double() - LOG2_SCALE_LOW) * ROWS_PER_OCTAVE
        coded = mask.bool()
        proxy = torch.where(coded, mean + symbols * model.inverse_gain, proxy)
        settled = torch.where(coded, mean * model.gain + symbols, settled)
        known = known + mask
    pixels = model.g_s(proxy) + PIXEL_OFFSET
    return Outputs(bits, pixels, rows, {"y": settled.detach(), "z": z.detach()})


def nearness(values: Tensor, *, distance: float, largest: int) -> Tensor:
    """F of every value in shares of ``distance``, 0 ... 1, for integers 0 ... ``largest``.

    Values below 0 or above ``largest`` are cut off on every machine alike: 0.
    """
    if distance == 0:
        return torch.zeros_like(values)
    inside = (values > 0) & (values < largest)
    return torch.where(inside, ambiguity(values, distance) / distance, 0.0)


def tweak_latents(
    model: WeightsModel,
    x: Tensor,
    latents: Latents,
    *,
    lmbda: float,
    beta: float,
    pixel_distance: float = 0.0,
    row_distance: float = 0.0,
    steps: int = 100,
    parameters: str = "none",
    learning_rate: float = LEARNING_RATES["ste"],
) -> Tweaked:
    """Latents near ``latents`` with as few ambiguous outputs as can be found.

    The search ends when none is left, or after ``steps``. Of all latents on the way, rounded, those
    with the fewest ambiguous outputs are kept, and of these the ones with the least loss.

    Parameters
    ----------
    x : the picture, (1, 3, H, W) in 0 ... 255.
    latents : where to begin, as of ``model.latents(x)``.
    lmbda : bits that a squared error of 1 weighs, a pixel.
    beta : bits that an output on a boundary weighs; falls to 0 at the distance.
    pixel_distance : in steps of 8 bits, how near to a boundary a pixel is ambiguous; 0: none is.
    row_distance : the same in rows of the CDF tables, 8 an octave.
    parameters : of the decoder to be fine-tuned as well: "none", or "biases" of
        :class:`ParameterDifference`. Each becomes the smallest that leaves the fewest of its
        outputs ambiguous. Latents are only searched where that leaves any.
    learning_rate : Adam's, in quantization steps.

    Warns
    -----
    UserWarning
        The loss was not finite: the search ended there, with what was best before.

    Raises
    ------
    InvalidArgument
        An argument is not what it should be.
    """
    _check(x, beta, pixel_distance, row_distance, steps, parameters)
    goal = _Goal(model, x, lmbda, beta, pixel_distance, row_distance)
    with torch.no_grad():
        first = goal(latents)
    found = _fine_tuned(goal, first) if parameters == "biases" else _Found(first)
    taken = 0
    if found.tried.ambiguous > 0:
        best, taken = _descend(goal, latents, steps, learning_rate)
        other = _fine_tuned(goal, best) if parameters == "biases" else _Found(best)
        if other.tried.is_better_than(found.tried):
            found = other
    tried = found.tried
    return Tweaked(tried.outputs.settled, tried.pixels, tried.rows, taken, found.difference)


def _check(
    x: Tensor, beta: float, pixel_distance: float, row_distance: float, steps: int, parameters: str
) -> None:
    if x.ndim != 4 or x.shape[:2] != (1, 3):
        raise InvalidArgument(f"x has the shape {tuple(x.shape)}, must be (1, 3, H, W)")
    for name, distance in (("pixel_distance", pixel_distance), ("row_distance", row_distance)):
        if not 0 <= distance < 0.5:
            raise InvalidArgument(f"{name} is {distance}, must be from 0 to below 0.5")
    if not 0 <= beta < math.inf:
        raise InvalidArgument(f"beta is {beta}, must be a number from 0 on")
    if steps < 0:
        raise InvalidArgument(f"steps is {steps}, must not be negative")
    if parameters not in PARAMETERS:
        raise InvalidArgument(f"parameters is {parameters!r}, must be {' or '.join(PARAMETERS)}")


@dataclass(frozen=True, eq=False)
class _Tried:
    """Latents that were tried: what they give, the loss L, and ambiguous outputs."""

    outputs: Outputs
    loss: Tensor
    pixels: int
    rows: int

    @property
    def ambiguous(self) -> int:
        return self.pixels + self.rows

    def is_better_than(self, other: _Tried) -> bool:
        """Fewer ambiguous outputs, then less loss."""
        mine, its = self.loss.item(), other.loss.item()
        return (self.ambiguous, mine) < (other.ambiguous, its)


@dataclass(frozen=True, eq=False)
class _Found:
    """What was found, by the model with its parameters changed by ``difference``."""

    tried: _Tried
    difference: ParameterDifference | None = None


@dataclass(frozen=True, eq=False)
class _Goal:
    """L = D + lambda R + beta F, all of it in bits of one picture."""

    model: WeightsModel
    x: Tensor
    lmbda: float
    beta: float
    pixel_distance: float
    row_distance: float

    def __call__(self, latents: Latents) -> _Tried:
        outputs = outputs_of(self.model, latents)
        height, width = self.x.shape[-2:]
        cropped = outputs.pixels[..., :height, :width]
        error = mean_squared_error(self.x, cropped.clamp(0, 255)).sum() * height * width
        pixels = nearness(cropped, distance=self.pixel_distance, largest=LARGEST_PIXEL)
        rows = nearness(outputs.rows, distance=self.row_distance, largest=LARGEST_ROW)
        ambiguity = self.beta * (pixels.sum() + rows.sum())
        loss = outputs.bits + self.lmbda * error + ambiguity
        return _Tried(outputs, loss, int((pixels > 0).sum()), int((rows > 0).sum()))


def _descend(goal: _Goal, start: Latents, steps: int, learning_rate: float) -> tuple[_Tried, int]:
    """The best latents of the descent, and the steps taken."""
    values = {name: value.detach().clone().requires_grad_(True) for name, value in start.items()}
    variables = list(values.values())  # and not the model's parameters
    optimizer = torch.optim.Adam(variables, lr=learning_rate, eps=ADAM_EPSILON)
    best = tried = goal(values)
    for step in range(steps):
        if best.ambiguous == 0:
            return best, step
        gradients = torch.autograd.grad(tried.loss, variables)
        for value, gradient in zip(variables, gradients, strict=True):
            value.grad = gradient
        optimizer.step()
        tried = goal(values)
        if not math.isfinite(tried.loss.item()):
            warnings.warn(
                f"the loss of tweaking is {tried.loss.item()} after {step + 1} steps; what was "
                "best before is kept",
                stacklevel=3,
            )
            return best, step + 1
        if tried.is_better_than(best):
            best = tried
    return best, steps


@torch.no_grad()
def _fine_tuned(goal: _Goal, tried: _Tried) -> _Found:
    """The same latents with biases that leave less ambiguous, if there are any."""
    pixels = rows = ()
    if tried.pixels > 0:
        groups = _pixels_by_bias(goal, tried.outputs.pixels)
        pixels = _best_steps(groups, goal.pixel_distance, LARGEST_PIXEL)
    if tried.rows > 0:
        groups = tried.outputs.rows[0].flatten(1)
        rows = _best_steps(groups, goal.row_distance, LARGEST_ROW)
    difference = ParameterDifference(pixels, rows)
    changed = replace(goal, model=difference.applied_to(goal.model))
    tuned = changed(tried.outputs.settled)
    return _Found(tuned, difference) if tuned.ambiguous < tried.ambiguous else _Found(tried)


def _pixels_by_bias(goal: _Goal, pixels: Tensor) -> Tensor:
    """(C, N): the pixels that each channel of the last layer becomes; far below 0 outside of the
    picture."""
    channels = len(goal.model.g_s.last_bias)
    height, width = goal.x.shape[-2:]
    inside = torch.zeros_like(pixels, dtype=torch.bool)
    inside[..., :height, :width] = True
    factor = math.isqrt(channels // 3)  # of the shuffle that follows
    return F.pixel_unshuffle(pixels.masked_fill(~inside, -1e3), factor).reshape(channels, -1)


def _best_steps(groups: Tensor, distance: float, largest: int) -> tuple[int, ...]:
    """For each row of (C, N) outputs, the smallest step that leaves the fewest ambiguous."""
    values = groups.double().cpu().numpy()
    boundary = np.floor(values) + 0.5
    reach = distance + WIDENED
    # Of the steps, in a row's order: those with which an output is ambiguous.
    first = np.ceil((boundary - values - reach) / GRID).astype(np.int64) + MOST_STEPS
    end = np.floor((boundary - values + reach) / GRID).astype(np.int64) + MOST_STEPS + 1
    count = 2 * MOST_STEPS + 1
    counted = (boundary > 0) & (boundary < largest) & (end > 0) & (first < count)
    row = np.nonzero(counted)[0] * (count + 1)
    begins = np.bincount(row + np.maximum(first[counted], 0), minlength=len(values) * (count + 1))
    ends = np.bincount(row + np.minimum(end[counted], count), minlength=len(values) * (count + 1))
    ambiguous = np.cumsum((begins - ends).reshape(len(values), -1), axis=1)[:, :count]
    steps = np.array(sorted(range(-MOST_STEPS, MOST_STEPS + 1), key=lambda one: (abs(one), one)))
    best = np.argmin(ambiguous[:, steps + MOST_STEPS], axis=1)
    return tuple(steps[best].tolist())
