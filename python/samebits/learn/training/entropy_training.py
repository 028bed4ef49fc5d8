"""Training of the entropy model alone, for all its orders: transforms and y's gains stay fixed.

The latents of all pictures are computed once, so a step costs a fraction of one of the whole model,
and every decoded picture stays what it was: files only become smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..models import ModelConfig
from ..models.schedule import default_order, make_order, spread
from .latents import STRIDE, latents_of, random_latent_crops
from .loss import quality_weight
from .options import refuse_parts
from .train import Trainer, TrainOptions
from .validation import VALIDATION_QUALITIES

TRAINED = ("h_a", "h_s", "entropy", "log2_z_gain", "log2_z_scale")
DEFAULT_AT_FIRST, DEFAULT_AT_LAST = 0.4, 0.6
"""Share of the training steps that run the default order; it grows with the time used."""
SINGLE_STEPS = 0.2
"""Share of the others that code single steps of any mode; the rest run whole orders."""
SMALLEST_SHARE = 0.02
"""A step of fewer elements than this share of all counts as if it were as large."""


@dataclass(frozen=True)
class EntropyTerms:
    """Means over the batch: the weighted rate that is minimized, bits per pixel, those of z."""

    loss: Tensor
    bpp: Tensor
    z_bpp: Tensor


class EntropyTrainer(Trainer):
    """Trains hyper transforms and entropy model of a checkpoint (``start_from``).

    Raises
    ------
    ValueError
        Without a checkpoint to start from, or with ``data_per_process``.
    """

    has_late_crops = False
    can_branch = False

    def __init__(self, options: TrainOptions, config: ModelConfig | None = None) -> None:
        if options.source is None and not (options.out / "last.ckpt").exists():
            raise ValueError("the entropy model alone needs a trained model: give --start-from")
        refuse_parts(options)
        super().__init__(options, config)
        self.y_train = latents_of(self.model, self.pictures.train, device=self.device)
        validation = latents_of(self.model, self.pictures.validation, device=self.device)
        self.pictures = None  # type: ignore[assignment]
        size = options.crop // STRIDE
        self.y_validation = torch.from_numpy(
            np.stack([y[:, :size, :size] for y in validation])
        ).float()
        # In the order of the table in docs/training.md.
        self.validated = {"default": default_order(self.config)}
        if not options.default_order:
            self.validated |= {
                "one_step": make_order(self.config, mode=0),
                "checkerboard": make_order(self.config, mode=0, phases="checkerboard"),
                "2x2": make_order(self.config, mode=0, phases="2x2"),
                "groups": make_order(self.config, mode=2),
                "groups_2x2": make_order(self.config, mode=2, phases="2x2"),
            }

    def trained_parameters(self) -> list[torch.nn.Parameter]:
        """Hyper transforms, entropy model, z's gains and scales."""
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name.split(".")[0] in TRAINED)
        return [p for p in self.model.parameters() if p.requires_grad]

    def latent_crops(self, size: int) -> Tensor:
        """This process's crops (B, M, size, size) of latents."""
        count = self.step_crops
        y = random_latent_crops(self.y_train, count=count, size=size, random=self.random)
        return y[self.rows].to(self.device)

    def forward_batch(self) -> EntropyTerms:  # type: ignore[override]
        """Weighted rate of new crops: a whole order, or one step of another order per crop."""
        size = self.options.crop // STRIDE
        y = self.latent_crops(size)
        quality = self.draw_qualities()
        with self.precision.products():
            z_hat, z_bits, _ = self.model.hyper(y, quality, noise=True)
            features, prediction = self.model.context_from(z_hat, size, size)
            inputs = (y, prediction, features, *self.model.entropy_tables(quality))
            y_bits = self._bits(inputs, size)
        return self._terms(y_bits, z_bits, quality, pixels=(size * STRIDE) ** 2)

    def _bits(self, inputs: tuple, size: int) -> Tensor:
        """Bits of y (B,), in an order drawn by its expected use (E7)."""
        share = DEFAULT_AT_FIRST + (DEFAULT_AT_LAST - DEFAULT_AT_FIRST) * self.progress
        whole = share + (1 - share) * (1 - SINGLE_STEPS)
        if not self.options.default_order and self.random.random() > whole:
            return self._bits_of_single_steps(inputs, size)
        order = self.orders.order(self.random, default_share=share / whole)
        steps = order.masks(size, size, self.device)
        return self.model.entropy(*inputs, steps, noise=True)[1].sum((1, 2, 3))

    def _bits_of_single_steps(self, inputs: tuple, size: int) -> Tensor:
        views = [self.orders.view(self.random) for _ in range(self.step_crops)][self.rows]
        visible = torch.stack([spread(v.visible, size, size) for v in views]).to(self.device)
        target = torch.stack([spread(v.target, size, size) for v in views]).to(self.device)
        bits = self.model.entropy.one_step(*inputs, visible=visible, target=target)
        return bits.sum((1, 2, 3)) / target.mean((1, 2, 3)).clamp_min(SMALLEST_SHARE)

    def _terms(
        self, y_bits: Tensor, z_bits: Tensor, quality: Tensor, *, pixels: int
    ) -> EntropyTerms:
        bpp = (y_bits + z_bits) / pixels
        loss = (quality_weight(quality, self.config) * bpp).mean()
        return EntropyTerms(loss, bpp.mean(), (z_bits / pixels).mean())

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Weighted rate of the averaged model on the validation crops, for some orders."""
        y = self.y_validation.to(self.device)
        size = y.shape[-1]
        row: dict[str, float] = {}
        for name, order in self.validated.items():
            steps = order.masks(size, size, self.device)
            total = 0.0
            for value in VALIDATION_QUALITIES:
                quality = torch.full((len(y),), value, device=self.device)
                z_hat, z_bits, _ = self.average.hyper(y, quality, noise=False)
                features, prediction = self.average.context_from(z_hat, size, size)
                tables = self.average.entropy_tables(quality)
                bits = self.average.entropy(y, prediction, features, *tables, steps, noise=False)[1]
                terms = self._terms(
                    bits.sum((1, 2, 3)), z_bits, quality, pixels=(size * STRIDE) ** 2
                )
                total += terms.loss.item() / len(VALIDATION_QUALITIES)
            row[f"rate_{name}"] = round(total, 5)
        return row
