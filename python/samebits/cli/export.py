"""Turn a trained model into an integer weights file.

Activations are calibrated on the given pictures; for every layer the proof that no accumulator can
overflow is printed, beside the worst-case bound k*k*C*m_i*m_k of EP 4 156 691.

example:
  samebits export runs/first/last.ckpt --data photos --out mine.safetensors
"""

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits export``."""
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of pictures for calibration"
    )
    parser.add_argument("--out", type=Path, required=True, help="weights file, *.safetensors")
    parser.add_argument("--crops", type=int, default=128, help="calibration crops of 256x256")
    parser.add_argument("--limit", type=int, default=200, help="use at most LIMIT pictures")
    parser.add_argument(
        "--groups",
        type=Path,
        metavar="JSON",
        help="learned groups (samebits group): the channels are put in their order",
    )
    parser.add_argument("--name", default="", help="name of the model, kept in the file")


def run(arguments: argparse.Namespace) -> int:
    """Export; returns the exit code."""
    from samebits.learn.export.exporter import export_checkpoint

    try:
        exported, sha256 = export_checkpoint(
            arguments.checkpoint,
            arguments.data,
            arguments.out,
            crops=arguments.crops,
            limit=arguments.limit,
            name=arguments.name or arguments.out.stem,
            groups=arguments.groups,
        )
    except ValueError as error:
        print(f"samebits export: {error}", file=sys.stderr)
        return 1
    print("layer           accumulator bits   worst case (S5)   gained")
    for proof in exported.proofs:
        print(
            f"{proof.layer:14s} {proof.accumulator_bits:10.2f} {proof.worst_case_bits:18.2f} "
            f"{proof.bits_gained:11.2f}"
        )
    worst = max(proof.accumulator_bits for proof in exported.proofs)
    print(f"no accumulator exceeds 2^{worst:.2f}; int32 holds 2^31")
    print(f"{arguments.out}: sha256 {sha256}")
    return 0
