"""Training of the head for a probability per value (E5) alone: everything else stays fixed.

Symbols and means do not depend on the head, so decoded pictures stay what they were, and the loss
is the true number of bits of rounded symbols.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..models import ModelConfig, PictureModel
from ..models.likelihood import gaussian_bits
from ..models.value_head import ValueHead
from .coded_steps import CodedStep, coded_steps
from .entropy_training import EntropyTrainer
from .latents import STRIDE
from .loss import quality_weight
from .train import TrainOptions
from .validation import VALIDATION_QUALITIES

DEFAULT_SHARE = 0.6
"""Share of the training steps that run the default order."""


@dataclass(frozen=True)
class ValueTerms:
    """Means over the batch: the weighted rate that is minimized, bits per pixel of y with and
    without the head."""

    loss: Tensor
    bpp: Tensor
    parametric_bpp: Tensor


def step_bits(head: ValueHead, step: CodedStep) -> tuple[Tensor, Tensor]:
    """Bits (B,) of a step's symbols with the head, and without it."""
    coded = (step.coded > 0).expand_as(step.symbols)
    parametric = gaussian_bits(step.symbols, step.log2_scale) * coded
    own = coded & head.has(step.rows)
    batch, channels, height, width = step.symbols.shape
    coefficients = head.network(step.hidden)
    coefficients = coefficients.view(batch, channels, -1, height, width).movedim(2, -1)
    bits = head.bits(step.rows[own], coefficients[own], step.symbols[own])
    values = (parametric * ~own).masked_scatter(own, bits)
    return values.sum((1, 2, 3)), parametric.sum((1, 2, 3))


class ValueTrainer(EntropyTrainer):
    """Trains the head of a checkpoint (``start_from``), which gets one if it has none.

    Raises
    ------
    ValueError
        Without a checkpoint to start from.
    """

    has_low_precision = False

    def __init__(self, options: TrainOptions, config: ModelConfig | None = None) -> None:
        self.wanted = config or ModelConfig()
        super().__init__(options)

    def _saved_state(self) -> dict | None:
        state = super()._saved_state()
        if state is None or state["config"].get("value_width", 0):
            return state
        sizes = {name: getattr(self.wanted, name) for name in _HEAD_SIZES}
        sizes["value_width"] = sizes["value_width"] or DEFAULT_WIDTH
        config = replace(ModelConfig.from_dict(state["config"]), **sizes)
        head = {f"values.{k}": v for k, v in ValueHead(config).state_dict().items()}
        weights = state["ema"] | head
        return {**state, "config": config.to_dict(), "model": weights, "ema": dict(weights)}

    def trained_parameters(self) -> list[torch.nn.Parameter]:
        """The head."""
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name.startswith("values."))
        return [p for p in self.model.parameters() if p.requires_grad]

    def forward_batch(self) -> ValueTerms:  # type: ignore[override]
        """Weighted rate of new crops in an order of few steps."""
        size = self.options.crop // STRIDE
        y = self.latent_crops(size)
        quality = self.draw_qualities()
        order = self.orders.order(self.random, default_share=DEFAULT_SHARE)
        return self._rate(self.model, y, quality, order.masks(size, size, self.device))

    def _rate(
        self, model: PictureModel, y: Tensor, quality: Tensor, masks: list[Tensor]
    ) -> ValueTerms:
        assert model.values is not None
        bits = [step_bits(model.values, step) for step in coded_steps(model, y, quality, masks)]
        pixels = y.shape[-1] * y.shape[-2] * STRIDE**2
        values, parametric = (sum(part) / pixels for part in zip(*bits, strict=True))
        loss = (quality_weight(quality, self.config) * values).mean()
        return ValueTerms(loss, values.mean(), parametric.mean())

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Bits of y on the validation crops in the default order, and what the head saves (%)."""
        y = self.y_validation.to(self.device)
        size = y.shape[-1]
        masks = self.validated["default"].masks(size, size, self.device)
        row: dict[str, float] = {}
        for value in VALIDATION_QUALITIES:
            quality = torch.full((len(y),), value, device=self.device)
            terms = self._rate(self.average, y, quality, masks)
            row[f"bpp_{value:.0f}"] = round(terms.bpp.item(), 5)
            saved = 100 * (1 - terms.bpp.item() / terms.parametric_bpp.item())
            row[f"saved_percent_{value:.0f}"] = round(saved, 3)
        return row


DEFAULT_WIDTH = 64
_HEAD_SIZES = ("value_width", "value_radius", "value_coefficients", "value_rows")
