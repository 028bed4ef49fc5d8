"""What latent tweaking (S2) leaves ambiguous, and what it costs.

python benchmarks/stability/tweaking.py PICTURE ...

The shipped weights at quality 50; pixels within 4e-4 of a boundary, rows of tables within 1e-3.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from samebits import model_store
from samebits.evaluation.measure import load_rgb
from samebits.evaluation.metrics import mse, psnr_db
from samebits.learn.refinement import Latents, WeightsModel
from samebits.learn.stability.tweaking import nearness, outputs_of, tweak_latents

QUALITY = 50
PIXELS, ROWS = {"pixel_distance": 4e-4}, {"row_distance": 1e-3}
WAYS = {
    "latents, pixels": PIXELS,
    "latents, rows": ROWS,
    "latents, both": PIXELS | ROWS,
    "biases, pixels": PIXELS | {"parameters": "biases"},
    "biases, rows": ROWS | {"parameters": "biases"},
    "biases, both": PIXELS | ROWS | {"parameters": "biases"},
}


@torch.no_grad()
def report(model: WeightsModel, rgb: np.ndarray, latents: Latents) -> str:
    """What is ambiguous, bits, and PSNR."""
    height, width = rgb.shape[:2]
    outputs = outputs_of(model, latents)
    values = outputs.pixels[..., :height, :width]

    def count(values: Tensor, distance: float, largest: int) -> int:
        return int((nearness(values, distance=distance, largest=largest) > 0).sum())

    pixels = count(values, PIXELS["pixel_distance"], 255)
    rows = count(outputs.rows, ROWS["row_distance"], 79)
    x_hat = torch.floor(values + 0.5).clamp(0, 255)[0].permute(1, 2, 0).numpy().astype(np.uint8)
    psnr = psnr_db(mse(rgb, np.ascontiguousarray(x_hat)))
    return f"{pixels} | {rows} | {float(outputs.bits):.0f} | {psnr:.3f} dB"


def measure(path: Path, model: WeightsModel, *, steps: int, ways: list[str]) -> None:
    """Print rows of the table."""
    rgb = load_rgb(path)
    x = torch.from_numpy(rgb).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        latents = model.latents(x)
    print(f"| {path.name}, before | {report(model, rgb, latents)} | | |", flush=True)
    for way in ways:
        begin = time.perf_counter()
        options = {"lmbda": model.lmbda, "beta": 1.0, "steps": steps, **WAYS[way]}
        tweaked = tweak_latents(model, x, latents, **options)
        seconds = time.perf_counter() - begin
        difference = tweaked.difference
        decoder = model if difference is None else difference.applied_to(model)
        sent = 0 if difference is None else len(difference.to_bytes())
        said = report(decoder, rgb, tweaked.latents)
        print(f"| {way} | {said} | {sent} | {seconds:.1f} s |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = WeightsModel(model_store.path_for_encoding(None), quality=QUALITY)
    print("| | ambiguous pixels | rows | bits | PSNR | bytes sent | seconds |")
    for path in arguments.pictures:
        measure(path, model, steps=arguments.steps, ways=arguments.ways)


if __name__ == "__main__":
    main()
