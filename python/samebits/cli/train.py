r"""Train a model on a folder of pictures.

The run folder gets last.ckpt (resume from it), log.jsonl (training and validation losses, crops
per second and device), TensorBoard files, and skipped.txt if some pictures could not be used. An
interrupted run goes on with --resume, as if it had not been interrupted if its length is given in
steps. Ctrl-C and SIGTERM let it finish its step and save. Several processes: --processes, or the
same command under torchrun.

A hot run (--hot) trains at a constant rate until it is stopped; the same command goes on with it,
bit for bit on the same machine. --branch begins another run with its whole state, without touching
it: to let the learning rate fall and export the result, while the hot run goes on.

exit codes: 0 done; 1 an error, said on stderr; 130 stopped by a signal, a checkpoint is written.

examples:
  samebits train --data photos --out runs/first --steps 20000
  samebits train --data photos --out runs/first --steps 20000 --resume
  torchrun --nproc-per-node 8 -m samebits train --data 'shards/*.tar' --out runs/first \
      --steps 20000 --batch 128
  samebits train --data photos --out runs/tuned --minutes 10 --rounding \
      --start-from runs/first/last.ckpt
  nice samebits train --hot --data photos --out runs/hot --processes 2
  samebits train --branch runs/hot/last.ckpt --data photos --out runs/release --minutes 60
  samebits train --data photos --out runs/orders --minutes 30 --entropy --crop 256 \
      --start-from runs/first/last.ckpt
  samebits train --series --data clips --out runs/series --minutes 15 --crop 176 --batch 6 \
      --start-from runs/first/last.ckpt
  samebits train --data photos --out runs/values --minutes 10 --values --crop 256 \
      --start-from runs/orders/last.ckpt
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samebits.cli.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK
from samebits.cli.train_processes import is_worker, run_processes

if TYPE_CHECKING:
    from samebits.learn.models import ModelConfig
    from samebits.learn.training.distortion import Distortion
    from samebits.learn.training.train import Trainer, TrainOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits train``."""
    _add_run_arguments(parser)
    _add_kind_arguments(parser)
    _add_learning_arguments(parser)


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folder of pictures and .tar shards of pictures, searched recursively; one .tar; or a "
        "quoted pattern of .tar files",
    )
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--steps",
        type=int,
        help="training steps over all resumed runs; with one --precision, not auto, the run can be "
        "repeated exactly",
    )
    length.add_argument(
        "--minutes",
        type=float,
        help="training time over all resumed runs, instead of steps (default 60)",
    )
    parser.add_argument(
        "--stop-after", type=float, metavar="MINUTES", help="end this run earlier; --resume goes on"
    )
    parser.add_argument(
        "--validate-every",
        type=float,
        default=4.0,
        metavar="MINUTES",
        help="time between validations, each a line of the log (default 4; 0: after every step)",
    )
    parser.add_argument(
        "--save-every",
        type=float,
        default=4.0,
        metavar="MINUTES",
        help="time between checkpoints, which a run that is killed loses at most (default 4)",
    )
    parser.add_argument("--resume", action="store_true", help="go on from OUT/last.ckpt")
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="train in N processes of this machine, which share its cores (default 1)",
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu or cuda; under torchrun a GPU each"
    )
    parser.add_argument("--limit", type=int, help="use only the first LIMIT pictures")
    parser.add_argument(
        "--data-per-process",
        action="store_true",
        help="under torchrun: each process holds its own part of the training pictures",
    )


def _add_kind_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--start-from", type=Path, metavar="CKPT", help="begin with the weights of this checkpoint"
    )
    parser.add_argument(
        "--hot",
        action="store_true",
        help="train at a constant rate until stopped, and go on with OUT/last.ckpt if it is there",
    )
    parser.add_argument(
        "--branch",
        type=Path,
        metavar="CKPT",
        help="begin with the weights, the optimizer and the random generators of another run",
    )
    parser.add_argument(
        "--rounding", action="store_true", help="fine-tune through the integer rounding"
    )
    alone = parser.add_mutually_exclusive_group()
    alone.add_argument(
        "--entropy",
        action="store_true",
        help="train hyper transforms and entropy model alone, for all orders (needs --start-from)",
    )
    alone.add_argument(
        "--values",
        action="store_true",
        help="train a head for a probability per value alone (needs --start-from)",
    )
    parser.add_argument(
        "--series",
        action="store_true",
        help="train the network for series alone, on a folder of clips (needs --start-from)",
    )
    parser.add_argument(
        "--time-from",
        type=Path,
        metavar="CKPT",
        help="with --series: begin with the network for series of this checkpoint",
    )
    parser.add_argument(
        "--time-width", type=int, default=192, help="with --series: channels of a new network"
    )
    parser.add_argument(
        "--default-order", action="store_true", help="train the default coding order and no other"
    )
    parser.add_argument(
        "--permuted-orders",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of orders with shuffled channels, before groups are chosen; default 0",
    )
    parser.add_argument(
        "--clustering",
        type=float,
        metavar="WEIGHT",
        help="add this times a k-means distance of the latent channels to the loss",
    )


def _add_learning_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--batch",
        type=int,
        help="crops of a step, of all processes together; default 8, hot runs and branches 16",
    )
    parser.add_argument(
        "--crop",
        type=int,
        help="crop size, a multiple of 64 (16 of series); default 128, hot runs and branches 192",
    )
    parser.add_argument(
        "--late-crop", type=int, help="crop size of the last part of the run (twice --crop)"
    )
    parser.add_argument(
        "--late", type=float, default=0.25, metavar="SHARE", help="that part; default 0.25"
    )
    parser.add_argument(
        "--decay",
        type=float,
        metavar="SHARE",
        help="part of the run, at its end, in which the learning rate falls; default 1: all of it",
    )
    parser.add_argument(
        "--learning-rate",
        type=float,
        help="default 0.0007, hot runs and branches 0.0006, --values 0.002",
    )
    parser.add_argument(
        "--optimizer",
        choices=("adam", "soap"),
        help="soap gains more in a step and takes longer for it; default adam, hot runs and "
        "branches soap",
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "fp32-torch", "bf16"),
        default="auto",
        help="of products on a CPU; fp32-torch leaves them to torch; auto takes what is fastest; "
        "default %(default)s",
    )
    distortion = parser.add_mutually_exclusive_group()
    distortion.add_argument(
        "--distortion",
        default="mix",
        metavar="NAME",
        help="mix (mean squared error and SSIMULACRA 2 together), mse, ms-ssim, or weights, as in "
        "mse=0.4,ssimulacra2=3.6; default %(default)s",
    )
    distortion.add_argument(
        "--ms-ssim",
        type=float,
        metavar="SHARE",
        help="in place of --distortion: mean squared error with this share of MS-SSIM, 0 to 1",
    )
    parser.add_argument(
        "--lpips",
        type=float,
        default=0.0,
        metavar="WEIGHT",
        help="add this times LPIPS to the distortion (needs samebits[perceptual])",
    )
    parser.add_argument(
        "--stability",
        type=float,
        default=0.0,
        metavar="BETA",
        help="add this times the share of pixels near a boundary of rounding to the distortion",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--config",
        type=Path,
        metavar="JSON",
        help="sizes of the model (samebits.learn.models.ModelConfig)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train; returns the exit code."""
    if arguments.processes < 1:
        print(f"samebits train: --processes {arguments.processes}: at least 1", file=sys.stderr)
        return EXIT_FAILED
    if arguments.processes > 1 and not is_worker():
        return run_processes(arguments.processes, arguments.words)
    from samebits.learn.training.distributed import is_first_process, leave_processes
    from samebits.learn.training.failures import sentence_of

    trainer = None
    try:
        trainer = _trainer(arguments)
        path = trainer.run()
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        last = arguments.out / "last.ckpt"
        began = trainer is not None and trainer.has_begun and last.exists()
        resume = f"; --resume goes on from {last}" if began else ""
        if is_first_process() or not isinstance(error, ValueError):
            print(f"samebits train: {sentence}{resume}", file=sys.stderr)
        return EXIT_FAILED
    finally:
        leave_processes()
    if trainer.stopped_by is not None:
        if is_first_process():
            print(
                f"samebits train: stopped by {trainer.stopped_by} after step {trainer.steps_done}; "
                f"the same command with --resume goes on from {path}",
                file=sys.stderr,
            )
        return EXIT_INTERRUPTED
    if is_first_process():
        print(f"checkpoint: {path}")
    return EXIT_OK


def _trainer(arguments: argparse.Namespace) -> "Trainer":
    """The trainer of what is asked for."""
    from samebits.learn.grouping.clustering_trainer import ClusteringTrainer
    from samebits.learn.training.entropy_training import EntropyTrainer
    from samebits.learn.training.time_training import TimeTrainer
    from samebits.learn.training.train import Trainer
    from samebits.learn.training.value_training import ValueTrainer

    config = _config(arguments.config)
    options = _options(arguments)
    if arguments.entropy:
        return EntropyTrainer(options, config)
    if arguments.series:
        return TimeTrainer(options, time_width=arguments.time_width, time_from=arguments.time_from)
    if arguments.values:
        return ValueTrainer(options, config)
    if arguments.clustering is not None:
        return ClusteringTrainer(options, config, weight=arguments.clustering)
    return Trainer(options, config)


def _config(path: Path | None) -> "ModelConfig | None":
    from samebits.learn.models import ModelConfig

    if path is None:
        return None
    try:
        return ModelConfig.from_dict(json.loads(path.read_text()))
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is not a config of a model: {error}") from error


def _options(arguments: argparse.Namespace) -> "TrainOptions":
    from samebits.learn.training.options import TrainOptions

    whole = arguments.hot or arguments.branch is not None
    crop = _or(arguments.crop, 192 if whole else 128)
    if arguments.hot:
        _refuse_ends(arguments)
    return TrainOptions(
        data=arguments.data,
        out=arguments.out,
        minutes=_or(arguments.minutes, 60.0),
        steps=arguments.steps,
        resume=arguments.resume,
        batch=_or(arguments.batch, 16 if whole else 8),
        crop=crop,
        late_crop=_or(arguments.late_crop, 2 * crop),
        late_share=arguments.late,
        decay_share=_or(arguments.decay, 1.0),
        optimizer=arguments.optimizer or ("soap" if whole else "adam"),
        learning_rate=_or(arguments.learning_rate, _learning_rate(arguments, whole=whole)),
        distortion=_distortion(arguments),
        lpips_weight=arguments.lpips,
        stability_weight=arguments.stability,
        seed=arguments.seed,
        device=arguments.device,
        limit=arguments.limit,
        validate_every_minutes=arguments.validate_every,
        save_every_minutes=arguments.save_every,
        stop_after_minutes=arguments.stop_after,
        hot=arguments.hot,
        start_from=arguments.start_from,
        branch=arguments.branch,
        precision=arguments.precision,
        rounding=arguments.rounding,
        default_order=arguments.default_order,
        permuted_orders=arguments.permuted_orders,
        data_per_process=arguments.data_per_process,
    )


def _or(value: float | None, default: float) -> Any:
    return default if value is None else value


def _refuse_ends(arguments: argparse.Namespace) -> None:
    """A hot run has neither a length nor a falling rate."""
    given = [name for name in ("steps", "minutes", "decay") if getattr(arguments, name) is not None]
    if given:
        raise ValueError(
            f"--hot has no end: leave --{given[0]} out; --stop-after MINUTES ends it for now"
        )


def _learning_rate(arguments: argparse.Namespace, *, whole: bool) -> float:
    if arguments.values:
        return 2e-3
    return 6e-4 if whole else 7e-4


def _distortion(arguments: argparse.Namespace) -> "Distortion":
    from samebits.learn.training.distortion import Distortion

    share = arguments.ms_ssim
    if share is None:
        return Distortion.named(arguments.distortion)
    if not 0 <= share <= 1:
        raise ValueError(f"--ms-ssim {share}: a share is from 0 to 1")
    return Distortion(mse=1 - share, ms_ssim=share)
