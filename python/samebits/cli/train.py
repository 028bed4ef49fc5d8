"""Train a model on a folder of pictures.

The run folder gets last.ckpt (resume from it), log.jsonl (training and validation losses),
TensorBoard files, and skipped.txt if some pictures could not be used. An
interrupted run goes on with --resume.

examples:
  samebits train --data photos --out runs/first --minutes 60
  samebits train --data photos --out runs/first --minutes 60 --resume
  samebits train --data photos --out runs/tuned --minutes 10 --rounding \
      --start-from runs/first/last.ckpt
  samebits train --data photos --out runs/orders --minutes 30 --entropy --crop 256 \
      --start-from runs/first/last.ckpt
  samebits train --series --data clips --out runs/series --minutes 15 --crop 176 --batch 6 \
      --start-from runs/first/last.ckpt
  samebits train --data photos --out runs/values --minutes 10 --values --crop 256 \
      --start-from runs/orders/last.ckpt
"""

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits train``."""
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of pictures, searched recursively"
    )
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="training time over all resumed runs"
    )
    parser.add_argument("--resume", action="store_true", help="go on from OUT/last.ckpt")
    parser.add_argument(
        "--start-from", type=Path, metavar="CKPT", help="begin with the weights of this checkpoint"
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
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument(
        "--crop", type=int, default=128, help="crop size, a multiple of 64 (16 of series)"
    )
    parser.add_argument(
        "--late-crop", type=int, help="crop size of the last quarter of the time (twice --crop)"
    )
    parser.add_argument("--learning-rate", type=float, help="default 0.0007, with --values 0.002")
    parser.add_argument(
        "--ms-ssim",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of MS-SSIM in the distortion: 0 (mean squared error) to 1",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--limit", type=int, help="use only the first LIMIT pictures")
    parser.add_argument(
        "--stop-after", type=float, metavar="MINUTES", help="end this run earlier; --resume goes on"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="JSON",
        help="sizes of the model (samebits.learn.models.ModelConfig)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train; returns the exit code."""
    import json

    from samebits.learn.grouping.clustering_trainer import ClusteringTrainer
    from samebits.learn.models import ModelConfig
    from samebits.learn.training.entropy_training import EntropyTrainer
    from samebits.learn.training.time_training import TimeTrainer
    from samebits.learn.training.train import Trainer, TrainOptions
    from samebits.learn.training.value_training import ValueTrainer

    config = ModelConfig()
    if arguments.config is not None:
        config = ModelConfig.from_dict(json.loads(arguments.config.read_text()))
    options = TrainOptions(
        data=arguments.data,
        out=arguments.out,
        minutes=arguments.minutes,
        resume=arguments.resume,
        batch=arguments.batch,
        crop=arguments.crop,
        late_crop=arguments.late_crop or 2 * arguments.crop,
        learning_rate=arguments.learning_rate or (2e-3 if arguments.values else 7e-4),
        ms_ssim_weight=arguments.ms_ssim,
        seed=arguments.seed,
        device=arguments.device,
        limit=arguments.limit,
        stop_after_minutes=arguments.stop_after,
        start_from=arguments.start_from,
        rounding=arguments.rounding,
        default_order=arguments.default_order,
        permuted_orders=arguments.permuted_orders,
    )
    try:
        if arguments.entropy:
            trainer = EntropyTrainer(options, config)
        elif arguments.series:
            trainer = TimeTrainer(
                options, time_width=arguments.time_width, time_from=arguments.time_from
            )
        elif arguments.values:
            trainer = ValueTrainer(options, config)
        elif arguments.clustering is not None:
            trainer = ClusteringTrainer(options, config, weight=arguments.clustering)
        else:
            trainer = Trainer(options, config)
        path = trainer.run()
    except (ValueError, FileNotFoundError) as error:
        print(f"samebits train: {error}", file=sys.stderr)
        return 1
    print(f"checkpoint: {path}")
    return 0
