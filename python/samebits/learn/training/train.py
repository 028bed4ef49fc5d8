"""The training loop: any folder of pictures in, resumable checkpoints out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..export.calibration import Ranges, calibrate
from ..export.rounding import round_like_integers
from ..models import ModelConfig, PictureModel
from ..models.schedule import random_view, spread
from .ambiguity import AmbiguityTerm
from .budget import learning_rate_at, progress_of
from .checkpoint import (
    check_kind,
    check_resumable,
    config_of,
    load_checkpoint,
    load_weights,
    restore_optimizer,
    save_checkpoint,
)
from .crops import draw_crops
from .data_on_device import CropSource, crop_source
from .distributed import TrainingPass, join_processes
from .folder_lock import locked
from .initialization import initialize_linear
from .loop import TrainingLoop
from .loss import LossTerms, rate_distortion_loss
from .machine import machine_row
from .memory import keep_freed_memory
from .optimizer import make_optimizer
from .options import TrainOptions, check_options
from .order_mix import OrderMix
from .perceptual import PerceptualTerm
from .pictures import PictureSet, center_crops, load_pictures, random_crops
from .precision import (
    Precision,
    allowed_precisions,
    check_precision,
    generators_kept,
    seconds_of_a_step,
)
from .random_state import random_state, restore_random_state
from .run_log import LossMeans, RunLog
from .seen import Seen
from .validation import validation_losses

VALIDATION_CROPS = 16
RANDOM_MASKS = 0.15
"""Share of the training steps with random masks; the others run real orders."""
START_CROPS, ROUNDING_CROPS = 256, 64
HEADS = ("time", "values")
EMA_DECAY = 0.999
LARGEST_GRADIENT = 1.0
MOST_FAILED_STEPS = 10
"""Steps in a row whose gradients are not finite, after which a run ends."""


class Trainer:
    """State of one training run; :meth:`run` trains until it is done.

    Parameters
    ----------
    config : sizes of the model; None for those of the checkpoint that the run begins with, or the
        default ones.

    Raises
    ------
    ValueError
        The options contradict each other, the data or the checkpoint.
    FileExistsError
        The run folder holds a run, and ``options.resume`` is not given.
    """

    has_late_crops = True
    has_low_precision = True
    """Whether the passes of this training may be computed in bfloat16."""
    can_branch = True
    """Whether all state of another run, its optimizer's too, is of use to this training."""

    def __init__(self, options: TrainOptions, config: ModelConfig | None = None) -> None:
        self.options = options
        self.processes = join_processes(options.device)
        self.device = self.processes.device
        self.late_crops = self.has_late_crops and not options.hot
        check_options(options, processes=self.processes.count, has_late_crops=self.has_late_crops)
        check_precision(options.precision, self.device)
        if options.branch is not None and not self.can_branch:
            raise ValueError("--branch is for training the whole model: use --start-from")
        self.steps_done = 0
        self.optimizer_steps = 0
        self.failed_steps = 0
        self.elapsed = 0.0
        self.pixels = 0
        self.seen_before = Seen()
        self.stopped_by: str | None = None
        self.has_begun = False
        options.out.mkdir(parents=True, exist_ok=True)
        self.path = options.out / "last.ckpt"
        self.is_resumed = (options.resume or options.hot) and self.path.exists()
        self.terms = _further_terms(options, self.device)
        torch.manual_seed(options.seed)
        self.random = np.random.default_rng(options.seed)
        state = self._saved_state()
        self.config = self._config(state, config)
        self.pictures = self._load_pictures()
        self.model = self._first_model(state)
        self.model.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.orders = OrderMix(
            self.config, permuted=options.permuted_orders, default_only=options.default_order
        )
        self.trained = self.trained_parameters()
        self.optimizer = make_optimizer(options.optimizer, self.trained, options.learning_rate)
        self.extra_state: dict | None = None
        if state is not None:
            load_weights(self.average, state["ema"], self._source)
            self._restore_run(state)
        self.precision = Precision("fp32-torch", self.device.type)
        self.saved_precision = state.get("precision") if state and self.is_resumed else None
        self.losses = self.processes.parallel(TrainingPass(self.model, self.forward_batch))
        self.crops: CropSource | None = None
        if self.pictures.train:
            quiet = not self.processes.is_first
            self.crops = crop_source(self.pictures.train, self.device, quiet=quiet)
        self.log = RunLog(options.out) if self.processes.is_first else None

    @property
    def _source(self) -> Path:
        """The checkpoint that the run begins with."""
        return self.path if self.is_resumed else self.options.source or self.path

    def _saved_state(self) -> dict | None:
        if self.path.exists() and not self.is_resumed:
            raise FileExistsError(f"{self.path} exists: use --resume, or another --out")
        if self.is_resumed or self.options.source is not None:
            state = load_checkpoint(self._source)
            self.written = self._source.stat().st_mtime_ns
            self._check_same_everywhere(state)
            return state
        return None

    def _check_same_everywhere(self, state: dict) -> None:
        """Another run may write its checkpoint while the processes of this one read it."""
        steps = self.processes.gather([str(state.get("steps_done"))])
        if len(set(steps)) > 1:
            raise ValueError(f"{self._source} was replaced while it was read: start again")

    def _config(self, state: dict | None, wanted: ModelConfig | None) -> ModelConfig:
        if state is None:
            return wanted or ModelConfig()
        saved = config_of(state, self._source)
        if wanted is not None and wanted != saved:
            names = [n for n, v in asdict(saved).items() if v != getattr(wanted, n)]
            raise ValueError(
                f"{self._source} has a model of another config: {', '.join(names)} differ; "
                "leave --config out to take the checkpoint's"
            )
        return saved

    def _first_model(self, state: dict | None) -> PictureModel:
        """The model on the CPU, with its first weights, alike in all processes."""
        model = PictureModel(self.config)
        if state is not None:
            load_weights(model, state["model"], self._source)
        else:
            initialize_linear(model, self.shared_crops(START_CROPS, self.random))
        self.rounding: dict | None = None
        if self.options.rounding:
            self._round_like_integers(model, state)
        return model

    def shared_crops(self, count: int, random: np.random.Generator) -> Tensor:
        """Crops (count, 3, H, W) uint8 on the CPU, the same in all processes."""
        crops = random_crops(
            self.pictures.train, count=count, size=self.options.crop, random=random
        )
        return self.processes.from_first(crops)

    def _round_like_integers(self, model: PictureModel, state: dict | None) -> None:
        """Scales come from the weights that the fine-tuning begins with, also when resumed."""
        if state is None:
            raise ValueError("rounding needs a trained model: give start_from or resume")
        if self.is_resumed and state.get("rounding"):
            self.rounding = state["rounding"]
        load_weights(model, self.rounding["weights"] if self.rounding else state["ema"], self.path)
        if self.rounding is None:
            crops = self.shared_crops(ROUNDING_CROPS, np.random.default_rng(0))
            ranges = calibrate(model, crops)
            self.rounding = {"weights": state["ema"], "ranges": asdict(ranges)}
        round_like_integers(model, Ranges(**self.rounding["ranges"]))
        if self.is_resumed:
            load_weights(model, state["model"], self.path)

    def _restore_run(self, state: dict) -> None:
        """Go on where ``state`` was saved, or take over what this run begins with."""
        seen = Seen.of(state)
        if self.is_resumed or self.options.branch is not None:
            check_resumable(state, self._source, optimizer=self.optimizer)
            self.optimizer_steps = state.get("optimizer_steps", state["steps_done"])
            restore_optimizer(self.optimizer, state["optimizer"], self._source)
            restore_random_state(state["random"], self.random, self.device)
        if not self.is_resumed:
            self.seen_before = seen
            return
        check_kind(state, self.path, hot=self.options.hot)
        self.steps_done, self.elapsed = state["steps_done"], state["elapsed"]
        self.pixels = state.get("pixels", 0)
        self.seen_before = seen - self._seen_here
        self.extra_state = state.get("extra")

    @property
    def _seen_here(self) -> Seen:
        return Seen(self.steps_done, self.elapsed, self.pixels)

    @property
    def seen(self) -> Seen:
        """What the weights were trained on, in this run and those that it comes from."""
        return self.seen_before + self._seen_here

    def _load_pictures(self) -> PictureSet:
        part = (0, 1)
        if self.options.data_per_process:
            part = (self.processes.rank, self.processes.count)
        pictures = load_pictures(
            self.options.data,
            smallest=self.options.crop,
            limit=self.options.limit,
            part=part,
            quiet=not self.processes.is_first,
        )
        largest = max(min(picture.shape[:2]) for picture in pictures.train)
        if self.late_crops and largest < self.options.late_crop:
            raise ValueError(
                f"no picture under {self.options.data} has the {self.options.late_crop} pixels of "
                "the late crops: give a smaller --late-crop or larger pictures"
            )
        lines = self.processes.gather([f"{path}: {why}" for path, why in pictures.skipped])
        if lines and self.processes.is_first:
            (self.options.out / "skipped.txt").write_text("\n".join(lines) + "\n")
            print(f"{len(lines)} files skipped, listed in {self.options.out / 'skipped.txt'}")
        return pictures

    @property
    def progress(self) -> float:
        """What part of the run is done, 0 ... 1."""
        return progress_of(self.options, steps_done=self.steps_done, elapsed=self.elapsed)

    def learning_rate(self) -> float:
        """Of the next step."""
        return learning_rate_at(
            self.progress,
            first=self.options.learning_rate,
            decay_share=self.options.decay_share,
            steps_done=self.optimizer_steps,
        )

    def _choose_precision(self) -> None:
        """The fastest that is allowed, by a few steps; the choice and their times are logged."""
        low = self.has_low_precision and self.rounding is None
        names = allowed_precisions(
            self.options.precision, saved=self.saved_precision, device=self.device, low=low
        )
        row: dict[str, str | float] = {}
        if len(names) > 1 and self.device.type == "cpu":
            seconds = self.processes.mean(torch.tensor([self._seconds_with(n) for n in names]))
            row = {f"{n}_s": round(s, 3) for n, s in zip(names, seconds.tolist(), strict=True)}
            names = (names[int(seconds.argmin())],)
        self._use_precision(names[-1])
        if self.log is not None:
            row = {"precision": self.precision.name, **row, "processes": self.processes.count}
            self.log.note({"step": self.steps_done, **row, **machine_row(self.device)})

    def _use_precision(self, name: str) -> None:
        self.precision = Precision(name, self.device.type)
        self.precision.use(self.model)

    def _seconds_with(self, name: str) -> float:
        """Seconds of the forward and backward passes of a step; gradients are left to be reset."""
        self._use_precision(name)
        with generators_kept(self.random, self.device):
            return seconds_of_a_step(lambda: self.forward_batch().loss.backward())

    def trained_parameters(self) -> list[torch.nn.Parameter]:
        """What the optimizer changes: all but the heads that pictures alone do not use."""
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name.split(".")[0] not in HEADS)
        return [p for p in self.model.parameters() if p.requires_grad]

    def saved_extra(self) -> dict | None:
        """What a subclass needs to be resumed; it finds it in ``extra_state``."""
        return None

    def coding_steps(self, height: int, width: int) -> list[Tensor]:
        """Mostly orders of few steps, some random masks (E7)."""
        if not self.options.default_order and self.random.random() < RANDOM_MASKS:
            view = random_view(self.config.latent_channels, self.random)
            known = spread(view.visible, height, width)[None].to(self.device)
            return [known, 1 - known]
        return self.orders.order(self.random).masks(height, width, self.device)

    @property
    def is_late(self) -> bool:
        """Whether the next step has late crops."""
        return self.late_crops and self.progress > 1 - self.options.late_share

    @property
    def step_crops(self) -> int:
        """Crops of the next step, of all processes together."""
        return self.options.late_batch if self.is_late else self.options.batch

    @property
    def crop_size(self) -> int:
        """Side of the next step's crops in pixels."""
        return self.options.late_crop if self.is_late else self.options.crop

    @property
    def rows(self) -> slice:
        """Which of the next step's crops this process computes."""
        return self.processes.rows(self.step_crops)

    def draw_qualities(self) -> Tensor:
        """Qualities (B,) of this process's crops."""
        drawn = self.random.random(self.step_crops) * 100
        return torch.from_numpy(drawn[self.rows]).float().to(self.device)

    def batch(self) -> Tensor:
        """This process's crops (B, 3, H, W), float32 in 0 ... 255, channels last."""
        assert self.crops is not None
        numbers = draw_crops(self.step_crops, self.random)[self.rows]
        crops = self.crops(numbers, size=self.crop_size)
        return crops.float().contiguous(memory_format=torch.channels_last)

    def forward_batch(self) -> LossTerms:
        """Losses of a new batch."""
        x = self.batch()
        quality = self.draw_qualities()
        steps = self.coding_steps(x.shape[-2] // 16, x.shape[-1] // 16)
        with self.precision.products():
            coded = self.model(x, quality, steps)
        return rate_distortion_loss(
            x,
            coded,
            quality,
            self.config,
            distortion=self.options.distortion,
            terms=self.terms,
        )

    def train_step(self) -> LossTerms:
        """One step of all processes; returns this one's losses."""
        crops = self.step_crops
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        with self.processes.noise(crops):
            terms = self.losses()
        self.optimizer.zero_grad(set_to_none=True)
        (terms.loss * self.processes.weight(crops)).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.trained, LARGEST_GRADIENT)
        self.steps_done += 1
        self.pixels += crops * self.crop_size**2
        if self._is_usable(norm):
            self.optimizer.step()
            self.optimizer_steps += 1
            self._follow()
        return terms

    def _is_usable(self, norm: Tensor) -> bool:
        """Whether the gradient is finite; all processes have the same one.

        Raises
        ------
        ValueError
            Many steps in a row were not.
        """
        if bool(norm.isfinite()):
            self.failed_steps = 0
            return True
        self.failed_steps += 1
        if self.failed_steps == MOST_FAILED_STEPS:
            raise ValueError(
                f"the gradients of {self.failed_steps} steps in a row are not finite: use a "
                f"smaller --learning-rate; {self.path} is from before"
            )
        return False

    def _follow(self) -> None:
        """The average takes the new weights in."""
        decay = min(EMA_DECAY, (1 + self.optimizer_steps) / (10 + self.optimizer_steps))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.model.parameters(), strict=True)
            for mean, value in pairs:
                mean.lerp_(value, 1 - decay)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Losses of the averaged model on the validation crops (:func:`.validation_losses`)."""
        size = self.options.late_crop
        usable = [p for p in self.pictures.validation if min(p.shape[:2]) >= size]
        if not usable:
            size, usable = self.options.crop, self.pictures.validation
        x = center_crops(usable[:VALIDATION_CROPS], size=size).to(self.device).float()
        return validation_losses(self.average, x, self.options.distortion)

    def save(self) -> None:
        """Write the checkpoint: all that decides how the run goes on."""
        state = {
            "config": self.config.to_dict(),
            "model": self.model.state_dict(),
            "ema": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "optimizer_name": type(self.optimizer).__name__,
            "random": random_state(self.random, self.device),
            "hot": self.options.hot,
            "steps_done": self.steps_done,
            "optimizer_steps": self.optimizer_steps,
            "elapsed": self.elapsed,
            "pixels": self.pixels,
            "seen": self.seen.to_dict(),
            "precision": self.precision.name,
            "rounding": self.rounding,
            "extra": self.saved_extra(),
        }
        save_checkpoint(self.path, state)

    def report(self, means: LossMeans, *, crops_per_s: float) -> None:
        """A checkpoint, then a validation and its line of the log.

        ``crops_per_s`` is the speed of training, per device.
        """
        values = self.processes.mean(means.values()).tolist()
        if self.log is None:
            return
        self.save()
        train = {f"train_{k}": round(v, 5) for k, v in zip(means.names(), values, strict=True)}
        row = {"step": self.steps_done, "minutes": round(self.elapsed / 60, 2), **train}
        speed = {"crops_per_s_per_device": round(crops_per_s, 2)}
        self.log.write({**row, **self.validate(), **speed, **self.seen.row()})

    def run(self) -> Path:
        """Train until the run is done, ``stop_after_minutes`` are over, or a signal asks to stop.

        ``stopped_by`` is then the name of the signal.
        """
        with locked(self.options.out) if self.processes.is_first else nullcontext():
            if self.is_resumed and self.path.stat().st_mtime_ns != self.written:
                raise ValueError(f"{self.path} was written by another process: start again")
            self.has_begun = True
            if self.device.type == "cpu":
                keep_freed_memory()
            self._choose_precision()
            self.stopped_by = TrainingLoop(self).run()
        return self.path


def _further_terms(
    options: TrainOptions, device: torch.device
) -> list[Callable[[Tensor, Tensor], Tensor]]:
    """What is added to the distortion."""
    terms: list[Callable[[Tensor, Tensor], Tensor]] = []
    if options.lpips_weight:
        terms.append(PerceptualTerm(options.lpips_weight, device))
    if options.stability_weight:
        terms.append(AmbiguityTerm(options.stability_weight))
    return terms
