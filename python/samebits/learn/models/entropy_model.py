"""Float twin of the mask-and-proxy entropy model (E1, E2; docs/arithmetic.md 4)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cell_loop import CellLoop, CodedCells
from .config import ModelConfig
from .likelihood import code_values, gaussian_bits, rounding_noise
from .network import ste_round
from .transforms import entropy_head


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
        quantize: Callable[[Tensor], Tensor] = ste_round,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run the step loop.

        Parameters
        ----------
        y, prediction : (B, M, h, w). features : (B, F, h, w). bias : (B, C1, 1, 1).
        gain, inverse_gain : (B, M, 1, 1).
        steps : masks (1, M, h, w) that add up to one.
        noise : bits of y with uniform noise instead of rounded symbols (training).
        quantize : what takes the place of rounding (refinement).

        Returns
        -------
        y_hat : (B, M, h, w), bits : (B, M, h, w), symbols : (B, M, h, w), rounded.
        """
        uniform = rounding_noise(y) if noise else None
        cells = [CodedCells.of_mask(step) for step in steps]
        if self.head.is_plain and len(steps) > 1 and all(cells):
            loop = CellLoop(
                self, y, prediction, features, bias, gain, inverse_gain, quantize=quantize
            )
            return loop.run(steps, cells, noise=uniform)  # type: ignore[arg-type]
        w_proxy, w_mask, w_features = self.split_context()
        accumulator = F.conv2d(features, w_features, padding=1) + bias
        accumulator = accumulator + F.conv2d(prediction, w_proxy, padding=1)
        proxy = prediction
        bits = torch.zeros_like(y)
        symbols = torch.zeros_like(y)
        for i, step in enumerate(steps):
            mean, log2_scale = self.parameters_of(accumulator, prediction)
            rounded, step_bits = code_values(
                y, mean, log2_scale, gain, noise=uniform, quantize=quantize
            )
            bits = bits + step * step_bits
            symbols = symbols + step * rounded
            change = step * (mean + rounded * inverse_gain - proxy)
            proxy = proxy + change
            if i + 1 < len(steps):
                accumulator = accumulator + F.conv2d(change, w_proxy, padding=1)
                accumulator = accumulator + F.conv2d(step, w_mask, padding=1)
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
        noisy = scaled + rounding_noise(scaled)
        return target * gaussian_bits(noisy, log2_scale + torch.log2(gain))
