"""The step loop of a fixed model, step by step: symbols, scales and CDF rows of all elements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models import PictureModel
from ..models.likelihood import LOG2_SCALE_LOW, ROWS_PER_OCTAVE, SCALE_ROWS


def scale_rows(log2_scale: Tensor) -> Tensor:
    """CDF rows (int64) of log-scales, arithmetic.md 3."""
    row = (log2_scale - LOG2_SCALE_LOW) * ROWS_PER_OCTAVE + 0.5
    return row.floor().long().clamp(0, SCALE_ROWS - 1)


@dataclass(frozen=True)
class CodedStep:
    """One step of the loop, of all elements: which it codes, and what the fixed model says.

    Attributes
    ----------
    coded : (1, M, h, w), 1 where the step codes. hidden : (B, C1, h, w), context activations.
    symbols : (B, M, h, w), rounded. log2_scale : (B, M, h, w), of the symbols.
    """

    coded: Tensor
    hidden: Tensor
    symbols: Tensor
    log2_scale: Tensor

    @property
    def rows(self) -> Tensor:
        """CDF rows (B, M, h, w), arithmetic.md 3."""
        return scale_rows(self.log2_scale)


@torch.no_grad()
def coded_steps(
    model: PictureModel, y: Tensor, quality: Tensor, masks: list[Tensor]
) -> Iterator[CodedStep]:
    """Run the step loop of a fixed model over y (B, M, h, w)."""
    z_hat, _, _ = model.hyper(y, quality, noise=False)
    features, prediction = model.context_from(z_hat, *y.shape[-2:])
    bias, gain, inverse_gain = model.entropy_tables(quality)
    entropy = model.entropy
    w_proxy, w_mask, w_features = entropy.split_context()
    sums = F.conv2d(features, w_features, padding=1) + bias
    sums = sums + F.conv2d(prediction, w_proxy, padding=1)
    proxy = prediction
    for n, coded in enumerate(masks):
        hidden = F.leaky_relu(sums, 2.0**-model.config.leaky)
        delta, log2_scale = entropy.head(hidden).chunk(2, 1)
        mean = prediction + delta
        symbols = torch.floor((y - mean) * gain + 0.5)
        yield CodedStep(coded, hidden, symbols, log2_scale + torch.log2(gain))
        if n + 1 < len(masks):
            change = coded * (mean + symbols * inverse_gain - proxy)
            proxy = proxy + change
            sums = sums + F.conv2d(change, w_proxy, padding=1)
            sums = sums + F.conv2d(coded, w_mask, padding=1)
