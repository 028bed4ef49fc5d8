"""Training of the network for series alone (E6): everything else of the model stays as it is.

A step codes three frames of a clip: the first alone, the second knowing the first, the third
knowing both, each as it comes out of the codec. What is minimized is the rate of the last two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..models import ModelConfig, PictureModel
from ..models.likelihood import code_values, gaussian_bits, rounding_noise
from ..models.schedule import View, default_order, spread
from .checkpoint import load_checkpoint
from .clips import ClipSet, load_clips, random_clip_crops
from .latents import STRIDE
from .loss import quality_weight
from .options import refuse_parts
from .train import Trainer, TrainOptions

VALIDATION_QUALITIES = (10.0, 50.0, 90.0)
VALIDATION_CROPS = 16
START_CROPS = 48
CUTS = 0.04
"""Share of the crops in which the second frame has nothing to do with the first."""
MOVES = 0.1
"""Share of the crops whose window moves by a latent position from frame to frame."""
STICKY = 0.25
"""How the encoder rounds hyper-latents beside expected ones (csrc/codec/hyper_latents.cpp)."""
THRESHOLD = 0.5
"""Of a difference to the last frame, in sizes of its channel: above it may be motion."""
NOTHING_KNOWN, DEFAULT_STEPS = 0.3, 0.55
"""Shares of the crops in which nothing of the frame is known, and in which a step of the default
order is coded; the rest draws from all orders."""


@dataclass(frozen=True)
class TimeTerms:
    """Means over batch and frames: the weighted rate that is minimized, bits of y per pixel."""

    loss: Tensor
    bpp: Tensor


class TimeTrainer(Trainer):
    """Trains the network `time` of a checkpoint (``start_from``), which need not have one yet.

    Parameters
    ----------
    time_from : another checkpoint whose network `time` is the first one; by default a linear
        predictor, fitted to the clips.

    Raises
    ------
    ValueError
        Without a checkpoint to start from.
    """

    has_late_crops = False
    has_low_precision = False
    can_branch = False

    def __init__(
        self, options: TrainOptions, *, time_width: int, time_from: Path | None = None
    ) -> None:
        if options.source is None and not (options.out / "last.ckpt").exists():
            raise ValueError("a network for series needs a trained model: give --start-from")
        self.time_width = time_width
        self.time_from = time_from
        self.is_fitted = True
        refuse_parts(options)
        super().__init__(options)
        self.size = options.crop // STRIDE
        with self.processes.first_alone():
            self.clips = load_clips(
                options.data,
                options.out / "latents",
                self.model,
                smallest=options.crop,
                device=self.device,
                limit=options.limit,
            )
        random = np.random.default_rng(0)
        self.validation_crops = self._crops(self.clips.validation, VALIDATION_CROPS, random)
        if not self.is_fitted:
            fit_time(self.model, self._crops(self.clips.train, START_CROPS, random))
            self.average.load_state_dict(self.model.state_dict())

    def _load_pictures(self) -> ClipSet:
        return ClipSet([], [])  # clips need the model first

    def _saved_state(self) -> dict:
        """The checkpoint, with a network `time` in any case."""
        state = super()._saved_state()
        assert state is not None, "checked before"
        config = ModelConfig.from_dict(state["config"])
        if config.time_width and self.time_from is None:
            return state
        if self.time_from is not None and not (self.options.resume and self.path.exists()):
            other = load_checkpoint(self.time_from)
            width, source = other["config"].get("time_width", 0), other["ema"]
            if not width:
                raise ValueError(f"{self.time_from} has no network for series")
        elif config.time_width:
            return state
        else:
            self.is_fitted = False
            width = self.time_width
            source = PictureModel(replace(config, time_width=width)).state_dict()
        time = {name: value for name, value in source.items() if name.startswith("time.")}
        weights = {k: v for k, v in state["ema"].items() if not k.startswith("time.")} | time
        config = replace(config, time_width=width)
        return {**state, "config": config.to_dict(), "model": weights, "ema": weights}

    def trained_parameters(self) -> list[torch.nn.Parameter]:
        """The network `time`."""
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name.startswith("time."))
        return [p for p in self.model.parameters() if p.requires_grad]

    def _crops(self, clips: list[np.ndarray], count: int, random: np.random.Generator) -> Tensor:
        crops = random_clip_crops(
            clips, count=count, size=self.size, cuts=CUTS, moves=MOVES, random=random
        )
        return crops.to(self.device)

    def forward_batch(self) -> TimeTerms:  # type: ignore[override]
        """Weighted rate of new crops."""
        frames = self._crops(self.clips.train, self.step_crops, self.random)[self.rows]
        quality = self.draw_qualities()
        with torch.no_grad():
            nothing = torch.zeros_like(frames[:1, 0])
            y_hat, _ = code_frame(self.model, frames[:, 0], quality, [], nothing)
        earlier, bits = [y_hat], torch.zeros((), device=self.device)
        for n in (1, 2):
            y_hat, rate = code_frame(self.model, frames[:, n], quality, earlier, self._known())
            earlier = [y_hat.detach(), *earlier]
            bits = bits + rate
        return self._terms(bits, quality)

    def _known(self) -> Tensor:
        """(1, M, h, w) mask of what is known of a frame before the step that is coded."""
        kind = self.random.random()
        if kind < NOTHING_KNOWN:
            view = None
        elif kind < NOTHING_KNOWN + DEFAULT_STEPS:
            steps = default_order(self.config).steps[1:]
            view = steps[self.random.integers(len(steps))][0]
        else:
            view = self.orders.view(self.random)
        if view is None or view.visible.all():
            shape = (1, self.config.latent_channels, self.size, self.size)
            return torch.zeros(shape, device=self.device)
        return self._spread(view)

    def _spread(self, view: View) -> Tensor:
        return spread(view.visible, self.size, self.size)[None].to(self.device)

    def _terms(self, y_bits: Tensor, quality: Tensor, *, frames: int = 2) -> TimeTerms:
        bpp = y_bits / (frames * (self.size * STRIDE) ** 2)
        loss = (quality_weight(quality, self.config) * bpp).mean()
        return TimeTerms(loss, bpp.mean())

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Bits of y a pixel, default order: third frames alone, and knowing those before."""
        model, frames = self.average, self.validation_crops
        steps = default_order(self.config).masks(self.size, self.size, self.device)
        row: dict[str, float] = {}
        total = 0.0
        for value in VALIDATION_QUALITIES:
            quality = torch.full((len(frames),), value, device=self.device)
            alone, _ = _whole_order(model, frames[:, 2], quality, [], steps)
            earlier: list[Tensor] = []
            for n in range(3):
                bits, y_hat = _whole_order(model, frames[:, n], quality, earlier, steps)
                earlier = [y_hat, *earlier][:2]
            row[f"alone_{value:.0f}"] = round(self._terms(alone, quality, frames=1).bpp.item(), 5)
            terms = self._terms(bits, quality, frames=1)
            row[f"series_{value:.0f}"] = round(terms.bpp.item(), 5)
            total += terms.loss.item() / len(VALIDATION_QUALITIES)
        return {"validation_loss": round(total, 5), **row}


def _context(
    model: PictureModel, y: Tensor, quality: Tensor, earlier: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """Features and prediction of frames that know ``earlier`` ones."""
    with torch.no_grad():
        z_hat, _, _ = model.hyper(y, quality, noise=False)
        features, prediction = model.context_from(z_hat, *y.shape[-2:])
    if not earlier or model.time is None:
        return features, prediction
    return model.time(features, prediction, earlier, quality)


def _whole_order(
    model: PictureModel, y: Tensor, quality: Tensor, earlier: list[Tensor], steps: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """Bits of y (B,) and y_hat of a whole order with rounded symbols."""
    features, prediction = _context(model, y, quality, earlier)
    tables = model.entropy_tables(quality)
    y_hat, bits, _ = model.entropy(y, prediction, features, *tables, steps, noise=False)
    return bits.sum((1, 2, 3)), y_hat


def code_frame(
    model: PictureModel, y: Tensor, quality: Tensor, earlier: list[Tensor], known: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of coding in one pass of the network.

    Parameters
    ----------
    y : (B, M, h, w). earlier : y_hat of frames before, the last one first.
    known : (1, M, h, w), 1 where the step sees true values.

    Returns
    -------
    y_hat : (B, M, h, w); bits : (B,), of the unknown elements, as if all were.
    """
    entropy = model.entropy
    features, prediction = _context(model, y, quality, earlier)
    bias, gain, inverse_gain = model.entropy_tables(quality)
    with torch.no_grad():
        rounded = torch.round((y - prediction) * gain) * inverse_gain
    proxy = prediction + known * rounded
    inputs = torch.cat([proxy, known.expand_as(proxy), features], 1)
    accumulator = F.conv2d(inputs, entropy.context.weight, padding=1) + bias
    mean, log2_scale = entropy.parameters_of(accumulator, prediction)
    symbols, bits = code_values(y, mean, log2_scale, gain, noise=rounding_noise(y))
    share = (1 - known).mean()
    return mean + symbols * inverse_gain, ((1 - known) * bits).sum((1, 2, 3)) / share


@torch.no_grad()
def fit_time(model: PictureModel, frames: Tensor) -> None:
    """First values of a new network: scales of its inputs and outputs, a linear predictor by least
    squares, inner units that see what has changed, and scales of the hyper-latents' differences.

    ``frames`` (B, 3, M, h, w).
    """
    time, config = model.time, model.config
    assert time is not None
    quality = torch.linspace(0, 100, len(frames), device=frames.device)
    nothing = torch.zeros_like(frames[:1, 0])
    before = [code_frame(model, frames[:, n], quality, [], nothing)[0] for n in (1, 0)]
    features, prediction = _context(model, frames[:, 2], quality, [])
    f, m = _rms(features), _rms(frames[:, 1])
    one = torch.ones(1, device=frames.device)
    parts = [1 / f, 1 / m, 1 / m, one, 1 / m, one, one]
    time.input_scale.copy_(torch.cat(parts)[None, :, None, None])
    time.output_scale.copy_(torch.cat([f, m])[None, :, None, None])
    _fit_linear_path(time.network.layers[-1], frames[:, 2], prediction, before, m, config)
    _see_changes(time.network.layers[0], config)
    _see_copies(*time.network.layers[6:9], config)
    _fit_hyper_scales(model, frames)


def _rms(x: Tensor) -> Tensor:
    return x.square().mean((0, 2, 3)).sqrt().clamp_min(1e-3)


def _places(config: ModelConfig) -> tuple[slice, slice, slice]:
    """Input channels of prediction, y1 and y2."""
    f, m = config.hyper_features, config.latent_channels
    return slice(f, f + m), slice(f + m, f + 2 * m), slice(f + 2 * m + 1, f + 3 * m + 1)


def _fit_linear_path(
    layer: torch.nn.Conv2d,
    y: Tensor,
    prediction: Tensor,
    before: list[Tensor],
    scale: Tensor,
    config: ModelConfig,
) -> None:
    """Per channel: prediction + a (y1 - prediction) + b (y2 - prediction) nearest to y. Errors
    count by their inverse, so that still parts, which can be predicted, weigh more."""
    target, first, second = (x - prediction for x in (y, *before))
    weight = 1 / (target.abs() + first.abs() + 0.1 * scale[:, None, None])

    def product(a: Tensor, b: Tensor) -> Tensor:
        return (weight * a * b).sum((0, 2, 3))

    aa, ab, bb = product(first, first) + 1e-6, product(first, second), product(second, second)
    ta, tb = product(target, first), product(target, second)
    determinant = aa * (bb + 1e-6) - ab * ab + 1e-9
    a = (ta * (bb + 1e-6) - tb * ab) / determinant
    b = (tb * aa - ta * ab) / determinant
    outputs = slice(config.hyper_features, None)
    for place, share in zip(_places(config), (-a - b, a, b), strict=True):
        layer.weight[outputs, place, 0, 0] = torch.diag(share)


def _see_changes(layer: torch.nn.Conv2d, config: ModelConfig) -> None:
    """A third of the units look at y1 - y2, a third at y1 - prediction, each with both signs, so
    that their sum behind the activation is a magnitude; the rest look at everything."""
    prediction, first, second = _places(config)
    weight = layer.weight[:, :, 0, 0]
    weight.normal_(std=1 / math.sqrt(weight.shape[1]))
    pairs = len(weight) // 6
    for n, other in enumerate((second, prediction)):
        rows = torch.randn(pairs, config.latent_channels, device=weight.device)
        rows = rows / math.sqrt(2 * config.latent_channels)
        for sign in (1, -1):
            begin = (2 * n + (sign < 0)) * pairs
            part = weight[begin : begin + pairs]
            part.zero_()
            part[:, first], part[:, other] = sign * rows, -sign * rows


def _see_copies(
    units: torch.nn.Conv2d, evidence: torch.nn.Conv2d, look: torch.nn.Conv2d, config: ModelConfig
) -> None:
    """Two units a channel see y1 - prediction with both signs, beyond about its own size."""
    prediction, first, _ = _places(config)
    same = torch.eye(config.latent_channels, device=units.weight.device)
    units.weight.zero_()
    for part, sign in zip(units.weight[:, :, 0, 0].chunk(2), (1, -1), strict=True):
        part[:, first], part[:, prediction] = sign * same, -sign * same
    units.bias.fill_(-THRESHOLD)  # type: ignore[union-attr]
    evidence.weight.zero_()
    look.weight.zero_()
    look.weight[:, 0, 1, 1] = 1


def _fit_hyper_scales(model: PictureModel, frames: Tensor) -> None:
    """For each knot of quality and channel the scale at which the differences cost least."""
    assert model.time is not None
    candidates = torch.arange(-3.5, 4.0, 0.25, device=frames.device)
    knots = len(model.time.log2_z_scale)
    for knot in range(knots):
        quality = torch.full((len(frames),), 100.0 * knot / (knots - 1), device=frames.device)
        gain = torch.exp2(model.at_quality(model.log2_z_gain, quality))
        before = torch.round(model.hyper(frames[:, 1], quality, noise=False)[0] * gain)
        # hyper() rounds; the encoder's own rounding needs the value itself.
        change = model.h_a(_padded(frames[:, 2])) * gain - before
        symbols = change.sign() * torch.floor(change.abs() + STICKY)
        costs = torch.stack([gaussian_bits(symbols, c).sum((0, 2, 3)) for c in candidates])
        model.time.log2_z_scale[knot] = candidates[costs.argmin(0)]


def _padded(y: Tensor) -> Tensor:
    return F.pad(y, (0, -y.shape[-1] % 4, 0, -y.shape[-2] % 4))
