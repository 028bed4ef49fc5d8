"""What a training run is asked for, and what of it cannot work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .distortion import DISTORTIONS, Distortion

STRIDE = 16
PRECISIONS = ("auto", "fp32", "fp32-torch", "bf16")


@dataclass(frozen=True)
class TrainOptions:
    """What ``samebits train`` is asked for.

    ``steps`` is the whole length of the run, over all resumed runs; if None, ``minutes`` is, and
    then the speed of the machine decides what is computed. Learning rate and crop size follow the
    part that is done, so a run always ends annealed: the rate falls over the last ``decay_share``,
    the last ``late_share`` has crops of ``late_crop`` pixels. ``batch`` counts the crops of all
    processes together. ``start_from`` takes the weights of another run's checkpoint; ``rounding``
    trains through the rounding of the integer network (the exporter's scales, straight-through
    gradients). ``default_order`` trains no other order; ``permuted_orders`` is the share of orders
    whose channels are shuffled (OrderMix). ``lpips_weight`` times LPIPS and
    ``stability_weight`` times AmbiguityTerm are added to ``distortion``.
    ``optimizer`` is a name in ``optimizer.OPTIMIZERS``.
    ``data_per_process`` gives each process its own part of the training pictures.
    ``precision`` is one of PRECISIONS: what products are computed in on a CPU.
    ``hot`` is a run without an end, at a constant rate: neither its steps nor its minutes count.
    ``branch`` begins with the whole state of another run, optimizer and random generators too.
    """

    data: Path
    out: Path
    minutes: float = 60.0
    steps: int | None = None
    resume: bool = False
    batch: int = 8
    crop: int = 128
    late_crop: int = 256
    late_share: float = 0.25
    learning_rate: float = 1e-3
    decay_share: float = 1.0
    optimizer: str = "adam"
    distortion: Distortion = DISTORTIONS["mix"]
    lpips_weight: float = 0.0
    stability_weight: float = 0.0
    seed: int = 1
    device: str = "auto"
    limit: int | None = None
    validate_every_minutes: float = 4.0
    save_every_minutes: float = 4.0
    stop_after_minutes: float | None = None
    hot: bool = False
    start_from: Path | None = None
    branch: Path | None = None
    precision: str = "auto"
    rounding: bool = False
    default_order: bool = False
    permuted_orders: float = 0.0
    data_per_process: bool = False

    @property
    def source(self) -> Path | None:
        """The checkpoint of another run that this one begins with."""
        return self.branch or self.start_from

    @property
    def late_batch(self) -> int:
        """Crops of a step at the end, about as many pixels as before."""
        return max(1, self.batch * self.crop**2 // self.late_crop**2)


def check_options(options: TrainOptions, *, processes: int, has_late_crops: bool) -> None:
    """Refuse what would fail later. Trainings on stored latents have no late crops.

    Raises
    ------
    ValueError
        With a sentence that says what to change.
    """
    if options.steps is not None and options.steps < 1:
        raise ValueError(f"{options.steps} steps: a run takes at least one")
    if options.steps is None and not options.minutes > 0:
        raise ValueError(f"{options.minutes} minutes: a run takes some time")
    sizes = {"crop": options.crop}
    if has_late_crops:
        sizes["late crop"] = options.late_crop
    for name, size in sizes.items():
        if size < STRIDE or size % STRIDE:
            raise ValueError(f"a {name} of {size} pixels: give a multiple of {STRIDE}")
        options.distortion.check_size(name, size)
    if not 0 < options.decay_share <= 1:
        raise ValueError(f"--decay {options.decay_share}: a share above 0 and at most 1")
    if not 0 <= options.late_share <= 1:
        raise ValueError(f"--late {options.late_share}: a share is from 0 to 1")
    if options.precision not in PRECISIONS:
        raise ValueError(f"--precision {options.precision}: give {', '.join(PRECISIONS)}")
    if options.branch is not None and options.rounding:
        raise ValueError("--rounding begins from averaged weights: use --start-from, not --branch")
    if options.branch is not None and options.start_from is not None:
        raise ValueError("--branch and --start-from both say what to begin with: give one")
    if options.lpips_weight < 0:
        raise ValueError(f"--lpips {options.lpips_weight}: a weight is not negative")
    if options.stability_weight < 0:
        raise ValueError(f"--stability {options.stability_weight}: a weight is not negative")
    if not options.learning_rate > 0:
        raise ValueError(f"--learning-rate {options.learning_rate}: give one above 0")
    if options.batch < 1:
        raise ValueError(f"--batch {options.batch}: a step has at least one crop")
    late = has_late_crops and not options.hot
    smallest = min(options.batch, options.late_batch) if late else options.batch
    if smallest < processes:
        kind = "late crops" if smallest < options.batch else "crops"
        raise ValueError(
            f"a step of {smallest} {kind} cannot be shared by {processes} processes: give a larger "
            "--batch, which counts the crops of all processes"
        )


def refuse_parts(options: TrainOptions) -> None:
    """Trainings on stored latents draw alike in all processes only if all have the same pictures.

    Raises
    ------
    ValueError
        If ``data_per_process`` is set.
    """
    if options.data_per_process:
        raise ValueError("--data-per-process works for training the whole model only")
