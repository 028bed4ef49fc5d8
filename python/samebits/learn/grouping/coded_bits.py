"""Bits of latents in any coding order, by the float twin and without training anything.

The step loop of the codec over a schedule's rectangles: one network for all orders (E3, X4), sums
of their own for every view, and only what a step codes is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models import PictureModel
from ..models.entropy_model import EntropyModel
from ..models.likelihood import gaussian_bits
from ..models.transforms import PIXEL_UNIT

View = Sequence[tuple[int, int]] | None
"""Channel ranges whose known values may be seen; None is all of them."""
Steps = Sequence[Sequence[tuple[int, int, int, View]]]
"""As ``_core.schedule_steps`` gives them: (channel begin, channel end, phase mask, view)."""


@dataclass(frozen=True)
class HeldLatents:
    """What the step loop starts from, for pictures of one size at one quality.

    Attributes
    ----------
    quality : 0 ... 100.
    y, prediction : (B, M, h, w) float32. features : (B, F, h, w).
    bias : (1, C1, 1, 1). gain, inverse_gain : (1, M, 1, 1).
    z_bits : bits of all hyper-latents.
    """

    quality: float
    y: Tensor
    prediction: Tensor
    features: Tensor
    bias: Tensor
    gain: Tensor
    inverse_gain: Tensor
    z_bits: float

    @property
    def pixels(self) -> int:
        """Pixels of all pictures together."""
        return self.y.shape[0] * self.y.shape[2] * self.y.shape[3] * 256


@torch.no_grad()
def latents_of_pictures(model: PictureModel, x: Tensor, *, batch: int = 4) -> Tensor:
    """y (N, M, H / 16, W / 16) of (N, 3, H, W) uint8 pictures; sizes multiples of 16."""
    return torch.cat([model.g_a((part.float() - 128) / PIXEL_UNIT) for part in x.split(batch)])


@torch.no_grad()
def held_latents(model: PictureModel, y: Tensor, *, quality: float) -> HeldLatents:
    """Hyper-latents and gains of (N, M, h, w) latents at a quality."""
    value = torch.tensor([quality])
    z_hat, z_bits, _ = model.hyper(y, value, noise=False)
    features, prediction = model.context_from(z_hat, *y.shape[-2:])
    return HeldLatents(
        quality=quality,
        y=y,
        prediction=prediction,
        features=features,
        bias=model.at_quality(model.entropy.quality_bias, value),
        gain=torch.exp2(model.at_quality(model.log2_gain, value)),
        inverse_gain=torch.exp2(model.at_quality(model.log2_inverse_gain, value)),
        z_bits=z_bits.sum().item(),
    )


@torch.no_grad()
def schedule_bits(entropy: EntropyModel, held: HeldLatents, order: Tensor, steps: Steps) -> Tensor:
    """Bits of every channel when coded by ``steps``.

    Parameters
    ----------
    entropy : as trained. held : its latents, channels as trained.
    order : (M,) int64, the channels in the order that the rectangles of ``steps`` count.
    steps : a schedule that codes every element once.

    Returns
    -------
    (M,) float64, in the order of ``order``.
    """
    loop = _StepLoop(entropy, held, order, {_key(view) for step in steps for *_, view in step})
    for step in steps:
        loop.run(step)
    return loop.bits


def _key(view: View) -> tuple[tuple[int, int], ...] | None:
    return None if view is None else tuple(view)


class _StepLoop:
    """Sums of every view and bits so far, with the latent channels in another order."""

    def __init__(self, entropy: EntropyModel, held: HeldLatents, order: Tensor, views: set) -> None:
        self.entropy = entropy
        proxy, mask, features = entropy.split_context()
        self.proxy, self.mask = proxy[:, order], mask[:, order]
        *self.inner, last = entropy.head.layers
        both = torch.cat([order, order + len(order)])
        self.last_weight = last.weight[both, :, 0, 0]  # type: ignore[index]
        self.last_bias = last.bias[both]  # type: ignore[index]
        self.y, self.prediction = held.y[:, order], held.prediction[:, order]
        self.gain, self.inverse_gain = held.gain[:, order], held.inverse_gain[:, order]
        sums = F.conv2d(held.features, features, padding=1) + held.bias
        sums = sums + F.conv2d(self.prediction, self.proxy, padding=1)
        self.sums = dict.fromkeys(views, sums)
        height, width = held.y.shape[-2:]
        self.phases = 2 * (torch.arange(height)[:, None] % 2) + torch.arange(width)[None] % 2
        self.bits = torch.zeros(len(order), dtype=torch.float64)

    def run(self, step: Sequence[tuple[int, int, int, View]]) -> None:
        """Code all rectangles of a step, then let the views know them."""
        hidden: dict[object, Tensor] = {}
        known = []
        for begin, end, phase_mask, view in step:
            here = self._positions(phase_mask)
            at = (_key(view), phase_mask)
            if at not in hidden:
                hidden[at] = self._hidden(_rows(self.sums[at[0]], here))
            known.append((begin, here, self._code(hidden[at], begin, end, here)))
        for begin, here, change in known:
            for view in self.sums:
                for low, high in _seen(view, begin, begin + change.shape[1]):
                    part = change[:, low - begin : high - begin]
                    self.sums[view] = self.sums[view] + self._added(part, low, high, here)

    def _positions(self, phase_mask: int) -> Tensor:
        chosen = [phase for phase in range(4) if phase_mask >> phase & 1]
        return torch.isin(self.phases, torch.tensor(chosen))

    def _hidden(self, rows: Tensor) -> Tensor:
        slope = 2.0**-self.entropy.config.leaky
        rows = F.leaky_relu(rows, slope)
        for layer in self.inner:
            rows = F.leaky_relu(F.linear(rows, layer.weight[:, :, 0, 0], layer.bias), slope)  # type: ignore[index,arg-type]
        return rows

    def _code(self, hidden: Tensor, begin: int, end: int, here: Tensor) -> Tensor:
        """Bits of a rectangle; what it changes in the proxy, (B, channels, h, w)."""
        own, scales = slice(begin, end), slice(begin + len(self.bits), end + len(self.bits))
        prediction = _rows(self.prediction[:, own], here)
        mean = prediction + F.linear(hidden, self.last_weight[own], self.last_bias[own])
        log2_scale = F.linear(hidden, self.last_weight[scales], self.last_bias[scales])
        gain = self.gain[0, own, 0, 0]
        symbols = torch.floor((_rows(self.y[:, own], here) - mean) * gain + 0.5)
        cost = gaussian_bits(symbols, log2_scale + torch.log2(gain))
        self.bits[own] += cost.sum(0, dtype=torch.float64)
        change = torch.zeros_like(self.y[:, own])
        value = mean + symbols * self.inverse_gain[0, own, 0, 0]
        change.permute(0, 2, 3, 1)[:, here] = (value - prediction).unflatten(0, (len(change), -1))
        return change

    def _added(self, change: Tensor, begin: int, end: int, here: Tensor) -> Tensor:
        """What known values of some channels add to the context layer's sums."""
        mask = self.mask[:, begin:end].sum(1, keepdim=True)
        added = F.conv2d(change, self.proxy[:, begin:end], padding=1)
        return added + F.conv2d(here.float()[None, None], mask, padding=1)


def _rows(x: Tensor, here: Tensor) -> Tensor:
    """(B, C, h, w) at the positions of a mask (h, w): one row each, (B * positions, C)."""
    return x.permute(0, 2, 3, 1)[:, here].flatten(0, 1)


def _seen(view: View, begin: int, end: int) -> list[tuple[int, int]]:
    """The parts of channels begin ... end - 1 that a view sees."""
    ranges = [(begin, end)] if view is None else view
    parts = [(max(low, begin), min(high, end)) for low, high in ranges]
    return [(low, high) for low, high in parts if low < high]
