"""Float twin of the mask-and-proxy entropy model (E1, E2; docs/arithmetic.md 4)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig
from .network import ste_round
from .transforms import entropy_head

LOG2_SCALE_LOW = -3.5
"""log2 of the smallest standard deviation of the shipped CDF rows (row 0)."""
SCALE_ROWS = 80
ROWS_PER_OCTAVE = 8
LOG2_SCALE_HIGH = LOG2_SCALE_LOW + (SCALE_ROWS - 1) / ROWS_PER_OCTAVE


def gaussian_bits(value: Tensor, log2_scale: Tensor) -> Tensor:
    """Bits of ``value`` (noisy or rounded symbols) under N(0, 2**log2_scale) integrated over +-1/2.

    Elementwise; gradients pass the clamp of the scale when they point back inside.
    """
    log2_scale = clamp_with_gradient(log2_scale, LOG2_SCALE_LOW, LOG2_SCALE_HIGH)
    inverse = torch.exp2(-log2_scale) * math.sqrt(0.5)
    magnitude = value.abs()
    upper = torch.erfc((magnitude - 0.5) * inverse)
    lower = torch.erfc((magnitude + 0.5) * inverse)
    mass = 0.5 * (upper - lower)
    floor = 2.0**-17
    bits = -torch.log2(mass.clamp_min(floor))
    # Beyond the table an escape costs its own row entry and a few bytes that grow with log2.
    excess = (mass < floor) * (magnitude * inverse)
    return bits + torch.log2(1 + excess)


class _ClampWithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, low: float, high: float) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(x)
        ctx.bounds = (low, high)
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[override]
        (x,) = ctx.saved_tensors
        low, high = ctx.bounds
        keep = ((x > low) | (gradient < 0)) & ((x < high) | (gradient > 0))
        return gradient * keep, None, None


def clamp_with_gradient(x: Tensor, low: float, high: float) -> Tensor:
    """Clamp whose gradient is kept where a descent step would lead back into the range."""
    return _ClampWithGradient.apply(x, low, high)  # type: ignore[no-any-return]


def code_values(
    y: Tensor, mean: Tensor, log2_scale: Tensor, gain: Tensor, *, noise: bool
) -> tuple[Tensor, Tensor]:
    """Symbols of y around ``mean``, and bits of all elements (of noisy symbols if ``noise``)."""
    scaled = (y - mean) * gain
    rounded = ste_round(scaled)
    measured = scaled + torch.rand_like(scaled) - 0.5 if noise else rounded
    return rounded, gaussian_bits(measured, log2_scale + torch.log2(gain))


def phase_of_step(step: Tensor) -> int | None:
    """The phase 2 * (i mod 2) + (j mod 2) where a mask (1, M, h, w) is not 0, if it is one."""
    found = [p for p in range(4) if step[..., p // 2 :: 2, p % 2 :: 2].any()]
    return found[0] if len(found) == 1 else None


def _conv_at_phase(x: Tensor, weight: Tensor, phase: int) -> Tensor:
    """A 3 x 3 convolution (zero padding 1) at the positions of a phase only."""
    return F.conv2d(F.pad(x, (1, 1, 1, 1))[..., phase // 2 :, phase % 2 :], weight, stride=2)


class EntropyModel(nn.Module):
    """Context layer over (proxy, mask, hyper features), then 1x1 layers, for every step the same.

    Values are in the unit of y (gains not applied). ``context_bias`` depends on the quality.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        channels = 2 * config.latent_channels + config.hyper_features
        self.context = nn.Conv2d(channels, config.context_channels, 3, padding=1, bias=False)
        self.quality_bias = nn.Parameter(torch.zeros(config.gain_knots, config.context_channels))
        self.head = entropy_head(config)
        self.tap: Callable[[Tensor], Tensor] | None = None
        last = self.head.layers[-1]
        nn.init.normal_(last.weight, std=0.01)  # type: ignore[arg-type]

    def split_context(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weights of the context layer for proxy, mask and hyper features."""
        m = self.config.latent_channels
        weight = self.context.weight
        return weight[:, :m], weight[:, m : 2 * m], weight[:, 2 * m :]

    def parameters_of(self, accumulator: Tensor, prediction: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log2 scale of every element, from the context layer's sums."""
        hidden = F.leaky_relu(accumulator, 2.0**-self.config.leaky)
        if self.tap is not None:
            hidden = self.tap(hidden)
        delta, log2_scale = self.head(hidden).chunk(2, 1)
        return prediction + delta, log2_scale

    def forward(
        self,
        y: Tensor,
        prediction: Tensor,
        features: Tensor,
        bias: Tensor,
        gain: Tensor,
        inverse_gain: Tensor,
        steps: list[Tensor],
        *,
        noise: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run the step loop.

        Parameters
        ----------
        y, prediction : (B, M, h, w). features : (B, F, h, w). bias : (B, C1, 1, 1).
        gain, inverse_gain : (B, M, 1, 1).
        steps : masks (1, M, h, w) that add up to one.
        noise : bits of y with uniform noise instead of rounded symbols (training).

        Returns
        -------
        y_hat : (B, M, h, w), bits : (B, M, h, w), symbols : (B, M, h, w), rounded.
        """
        phases = [phase_of_step(step) for step in steps]
        if len(steps) > 1 and all(phase is not None for phase in phases):
            tensors = (y, prediction, features, bias, gain, inverse_gain)
            return self._phase_by_phase(*tensors, steps, phases, noise=noise)
        w_proxy, w_mask, w_features = self.split_context()
        accumulator = F.conv2d(features, w_features, padding=1) + bias
        accumulator = accumulator + F.conv2d(prediction, w_proxy, padding=1)
        proxy = prediction
        bits = torch.zeros_like(y)
        symbols = torch.zeros_like(y)
        for i, step in enumerate(steps):
            mean, log2_scale = self.parameters_of(accumulator, prediction)
            rounded, step_bits = code_values(y, mean, log2_scale, gain, noise=noise)
            bits = bits + step * step_bits
            symbols = symbols + step * rounded
            change = step * (mean + rounded * inverse_gain - proxy)
            proxy = proxy + change
            if i + 1 < len(steps):
                accumulator = accumulator + F.conv2d(change, w_proxy, padding=1)
                accumulator = accumulator + F.conv2d(step, w_mask, padding=1)
        return proxy, bits, symbols

    def _phase_by_phase(
        self,
        y: Tensor,
        prediction: Tensor,
        features: Tensor,
        bias: Tensor,
        gain: Tensor,
        inverse_gain: Tensor,
        steps: list[Tensor],
        phases: list,
        *,
        noise: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """:meth:`forward` for steps that code at one phase each: computed only there."""
        w_proxy, w_mask, w_features = self.split_context()
        base = F.conv2d(features, w_features, padding=1) + bias
        proxy, known = prediction, torch.zeros_like(steps[0])
        bits, symbols = torch.zeros_like(y), torch.zeros_like(y)
        for step, phase in zip(steps, phases, strict=True):
            here = (..., slice(phase // 2, None, 2), slice(phase % 2, None, 2))
            accumulator = base[here] + _conv_at_phase(proxy, w_proxy, phase)
            accumulator = accumulator + _conv_at_phase(known, w_mask, phase)
            mean, log2_scale = self.parameters_of(accumulator, prediction[here])
            rounded, step_bits = code_values(y[here], mean, log2_scale, gain, noise=noise)
            coded = step[here]
            bits, symbols, new = bits.clone(), symbols.clone(), proxy.clone()
            bits[here] += coded * step_bits
            symbols[here] += coded * rounded
            new[here] += coded * (mean + rounded * inverse_gain - proxy[here])
            proxy, known = new, known + step
        return proxy, bits, symbols

    def one_step(
        self,
        y: Tensor,
        prediction: Tensor,
        features: Tensor,
        bias: Tensor,
        gain: Tensor,
        inverse_gain: Tensor,
        *,
        visible: Tensor,
        target: Tensor,
    ) -> Tensor:
        """Bits (B, M, h, w) of one step out of an order too long to run whole (training).

        Parameters
        ----------
        visible, target : (B, M, h, w), per picture: what the step sees, and what it codes.
            Others as in :meth:`forward`. What is seen is quantized around the means of an empty
            mask, in place of those of the earlier steps.
        """
        w_proxy, w_mask, w_features = self.split_context()
        accumulator = F.conv2d(features, w_features, padding=1) + bias
        accumulator = accumulator + F.conv2d(prediction, w_proxy, padding=1)
        with torch.no_grad():
            mean, _ = self.parameters_of(accumulator, prediction)
            seen = mean + torch.round((y - mean) * gain) * inverse_gain
        accumulator = accumulator + F.conv2d(visible * (seen - prediction), w_proxy, padding=1)
        accumulator = accumulator + F.conv2d(visible, w_mask, padding=1)
        mean, log2_scale = self.parameters_of(accumulator, prediction)
        scaled = (y - mean) * gain
        noisy = scaled + torch.rand_like(scaled) - 0.5
        return target * gaussian_bits(noisy, log2_scale + torch.log2(gain))
