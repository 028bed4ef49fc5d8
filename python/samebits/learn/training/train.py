"""The training loop: any folder of pictures in, resumable checkpoints out."""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from ..export.calibration import calibrate
from ..export.rounding import round_like_integers
from ..models import ModelConfig, PictureModel
from ..models.schedule import default_order, random_view, spread
from .checkpoint import load_checkpoint, save_checkpoint
from .initialization import initialize_linear
from .loss import LossTerms, rate_distortion_loss
from .order_mix import OrderMix
from .pictures import PictureSet, center_crops, load_pictures, random_crops

VALIDATION_QUALITIES = (10.0, 30.0, 50.0, 70.0, 90.0)
RANDOM_MASKS = 0.15
"""Share of the training steps with random masks; the others run real orders."""


@dataclass(frozen=True)
class TrainOptions:
    """What ``samebits train`` is asked for.

    ``minutes`` is the whole training time over all resumed runs; learning rate and crop size follow
    elapsed time / minutes, so a run always ends annealed. ``start_from`` takes the weights
    of another run's checkpoint; ``rounding`` trains through the rounding of the integer network
    (the exporter's scales, straight-through gradients). ``default_order`` trains no other order;
    ``permuted_orders`` is the share of orders whose channels are shuffled (OrderMix).
    """

    data: Path
    out: Path
    minutes: float = 60.0
    resume: bool = False
    batch: int = 8
    crop: int = 128
    late_crop: int = 256
    late_share: float = 0.25
    learning_rate: float = 1e-3
    ms_ssim_weight: float = 0.0
    seed: int = 1
    device: str = "auto"
    limit: int | None = None
    validate_every_minutes: float = 4.0
    stop_after_minutes: float | None = None
    start_from: Path | None = None
    rounding: bool = False
    default_order: bool = False
    permuted_orders: float = 0.0


class Trainer:
    """State of one training run; :meth:`run` trains until the time is used up."""

    def __init__(self, options: TrainOptions, config: ModelConfig) -> None:
        self.options = options
        name = options.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(name)
        self.steps_done = 0
        self.elapsed = 0.0
        options.out.mkdir(parents=True, exist_ok=True)
        self.path = options.out / "last.ckpt"
        torch.manual_seed(options.seed)
        self.random = np.random.default_rng(options.seed)
        state = self._saved_state()
        self.config = ModelConfig.from_dict(state["config"]) if state else config
        self.pictures = self._load_pictures()
        self.model = PictureModel(self.config)
        self.is_new = state is None
        if state is not None:
            self.model.load_state_dict(state["model"])
        else:
            crops = random_crops(
                self.pictures.train, count=256, size=options.crop, random=self.random
            )
            initialize_linear(self.model, crops)
        if options.rounding:
            self._round_like_integers(state)
        self.model.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.orders = OrderMix(
            self.config, permuted=options.permuted_orders, default_only=options.default_order
        )
        self.optimizer = torch.optim.Adam(self.trained_parameters(), lr=options.learning_rate)
        if state is not None:
            self.average.load_state_dict(state["ema"])
            self._restore_progress(state)
        self.log = SummaryWriter(str(options.out / "tensorboard"))

    def _saved_state(self) -> dict | None:
        if self.options.resume and self.path.exists():
            return load_checkpoint(self.path)
        if self.options.start_from is not None:
            return load_checkpoint(self.options.start_from)
        if self.path.exists():
            raise FileExistsError(f"{self.path} exists: use --resume, or another --out")
        return None

    def _restore_progress(self, state: dict) -> None:
        if not (self.options.resume and self.path.exists()):
            return
        self.steps_done, self.elapsed = state["steps_done"], state["elapsed"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.random = np.random.default_rng([self.options.seed, self.steps_done])
        torch.manual_seed(self.options.seed + self.steps_done)

    def _round_like_integers(self, state: dict | None) -> None:
        if state is None:
            raise ValueError("rounding needs a trained model: give start_from or resume")
        random = np.random.default_rng(0)
        crops = random_crops(self.pictures.train, count=64, size=self.options.crop, random=random)
        self.model.load_state_dict(state["ema"])
        round_like_integers(self.model, calibrate(self.model, crops))
        if self.options.resume and self.path.exists():
            self.model.load_state_dict(state["model"])

    def _load_pictures(self) -> PictureSet:
        pictures = load_pictures(
            self.options.data, smallest=self.options.crop, limit=self.options.limit
        )
        if pictures.skipped:
            lines = [f"{path}: {reason}" for path, reason in pictures.skipped]
            (self.options.out / "skipped.txt").write_text("\n".join(lines) + "\n")
            print(f"{len(lines)} files skipped, listed in {self.options.out / 'skipped.txt'}")
        return pictures

    @property
    def progress(self) -> float:
        return min(1.0, self.elapsed / (60 * self.options.minutes))

    def learning_rate(self) -> float:
        """Short warm-up, then cosine decay to 1 % over the whole time."""
        warm = min(1.0, (self.steps_done + 1) / 200)
        decay = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.progress))
        return self.options.learning_rate * warm * decay

    def trained_parameters(self) -> list[torch.nn.Parameter]:
        """What the optimizer changes: everything."""
        return list(self.model.parameters())

    def coding_steps(self, height: int, width: int) -> list[Tensor]:
        """Mostly orders of few steps, some random masks (E7)."""
        if not self.options.default_order and self.random.random() < RANDOM_MASKS:
            view = random_view(self.config.latent_channels, self.random)
            known = spread(view.visible, height, width)[None].to(self.device)
            return [known, 1 - known]
        return self.orders.order(self.random).masks(height, width, self.device)

    def batch(self) -> Tensor:
        late = self.progress > 1 - self.options.late_share
        size = self.options.late_crop if late else self.options.crop
        count = self.options.batch
        if late:
            count = max(1, count * self.options.crop**2 // self.options.late_crop**2)
        usable = [p for p in self.pictures.train if min(p.shape[:2]) >= size]
        crops = random_crops(usable, count=count, size=size, random=self.random)
        return crops.to(self.device).float().contiguous(memory_format=torch.channels_last)

    def forward_batch(self) -> LossTerms:
        """Losses of a new batch."""
        x = self.batch()
        quality = torch.rand(len(x), device=self.device) * 100
        steps = self.coding_steps(x.shape[-2] // 16, x.shape[-1] // 16)
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            coded = self.model(x, quality, steps)
        return rate_distortion_loss(
            x, coded, quality, self.config, ms_ssim_weight=self.options.ms_ssim_weight
        )

    def train_step(self) -> LossTerms:
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        terms = self.forward_batch()
        self.optimizer.zero_grad(set_to_none=True)
        terms.loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained_parameters(), 1.0)
        self.optimizer.step()
        self.steps_done += 1
        decay = min(0.999, (1 + self.steps_done) / (10 + self.steps_done))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.model.parameters(), strict=True)
            for mean, value in pairs:
                mean.lerp_(value, 1 - decay)
        return terms

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Losses of the averaged model on the validation crops, rounded symbols, default order."""
        size = self.options.late_crop
        usable = [p for p in self.pictures.validation if min(p.shape[:2]) >= size][:16]
        if not usable:
            size, usable = self.options.crop, self.pictures.validation[:16]
        x = center_crops(usable, size=size).to(self.device).float()
        steps = default_order(self.config).masks(size // 16, size // 16, self.device)
        row: dict[str, float] = {}
        total = 0.0
        for value in VALIDATION_QUALITIES:
            quality = torch.full((len(x),), value, device=self.device)
            coded = self.average(x, quality, steps, noise=False)
            terms = rate_distortion_loss(x, coded, quality, self.config)
            row[f"bpp_{value:.0f}"] = round(terms.bpp.item(), 5)
            row[f"psnr_{value:.0f}"] = round(terms.psnr_db.item(), 3)
            total += terms.loss.item() / len(VALIDATION_QUALITIES)
        return {"validation_loss": round(total, 5), **row}

    def save(self) -> None:
        save_checkpoint(
            self.path,
            {
                "config": self.config.to_dict(),
                "model": self.model.state_dict(),
                "ema": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "steps_done": self.steps_done,
                "elapsed": self.elapsed,
            },
        )

    def report(self, train: dict[str, float]) -> None:
        """Validation, one line of log.jsonl, TensorBoard and a checkpoint."""
        row = {
            "step": self.steps_done,
            "minutes": round(self.elapsed / 60, 2),
            **train,
            **self.validate(),
        }
        with (self.options.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        for name, value in row.items():
            self.log.add_scalar(name, value, self.steps_done)
        self.log.flush()
        self.save()

    def run(self) -> Path:
        """Train until ``minutes`` (or ``stop_after_minutes`` of this run) are used up."""
        options = self.options
        begin = time.monotonic()
        before = self.elapsed
        last_report = self.elapsed if not self.is_new else -math.inf
        sums: dict[str, float] = {}
        count = 0
        bar = tqdm(total=round(60 * options.minutes), initial=round(self.elapsed), unit="s")
        while self.progress < 1.0:
            terms = self.train_step()
            count += 1
            for name in (field.name for field in fields(terms)):
                sums[name] = sums.get(name, 0.0) + getattr(terms, name).item()
            self.elapsed = before + time.monotonic() - begin
            bar.n = round(self.elapsed)
            bar.set_postfix(step=self.steps_done, loss=f"{sums['loss'] / count:.3f}")
            if self.elapsed - last_report >= 60 * options.validate_every_minutes:
                self.report({f"train_{k}": round(v / count, 5) for k, v in sums.items()})
                last_report, sums, count = self.elapsed, {}, 0
            if (
                options.stop_after_minutes
                and self.elapsed - before > 60 * options.stop_after_minutes
            ):
                break
        if count:
            self.report({f"train_{k}": round(v / count, 5) for k, v in sums.items()})
        bar.close()
        return self.path
