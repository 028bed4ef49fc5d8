"""What share of pixels lies near boundaries of rounding, of models trained with and without S4.

python benchmarks/stability/boundaries.py CROPS CHECKPOINT ...

The float models of the checkpoints, averaged weights, at quality 50. Pictures must have sides that
are multiples of 64, as those of benchmarks/rd/crops.py.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from samebits.evaluation.measure import find_pictures, load_rgb
from samebits.evaluation.metrics import mse, psnr_db
from samebits.learn.models.schedule import default_order
from samebits.learn.stability.tweaking import nearness
from samebits.learn.training.checkpoint import model_from_checkpoint

DISTANCES = (2e-4, 1e-3, 1e-2, 5e-2)
QUALITY = 50


@torch.no_grad()
def measure(checkpoint: Path, pictures: list[Path]) -> str:
    """A row of the table."""
    model = model_from_checkpoint(checkpoint)
    near, samples = np.zeros(len(DISTANCES)), 0
    bpp, psnr = [], []
    for path in pictures:
        rgb = load_rgb(path)
        x = torch.from_numpy(rgb).permute(2, 0, 1)[None].float()
        height, width = rgb.shape[:2]
        steps = default_order(model.config).masks(height // 16, width // 16, torch.device("cpu"))
        coded = model(x, torch.tensor([float(QUALITY)]), steps, noise=False)
        near += [(nearness(coded.x_hat, distance=d, largest=255) > 0).sum() for d in DISTANCES]
        samples += x.numel()
        bpp.append(float(coded.y_bits + coded.z_bits) / (height * width))
        x_hat = torch.floor(coded.x_hat + 0.5).clamp(0, 255)[0].permute(1, 2, 0)
        psnr.append(psnr_db(mse(rgb, x_hat.numpy().astype(np.uint8))))
    shares = " | ".join(f"{share:.4f} %" for share in 100 * near / samples)
    return f"| {checkpoint} | {shares} | {np.mean(psnr):.3f} dB | {np.mean(bpp):.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crops", type=Path)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    arguments = parser.parse_args()
    print("| checkpoint |", " | ".join(f"{d:g}" for d in DISTANCES), "| PSNR | bits/pixel |")
    for checkpoint in arguments.checkpoints:
        print(measure(checkpoint, find_pictures(arguments.crops)), flush=True)


if __name__ == "__main__":
    main()
