"""BD-rate and time of the integer codec against its float twin, in one run.

    python benchmarks/rd/integer_vs_float.py CHECKPOINT MODEL.safetensors FOLDER [--qualities ...]

The twin's rate is its own estimate (rounded symbols under its float probabilities); the integer
codec's is the size of its real files. Both pictures are rounded to 8 bits.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
import time
from pathlib import Path

import bjontegaard
import numpy as np
from PIL import Image
from tqdm import tqdm

import samebits
from samebits.learn.twin import load_twin, run_float_twin


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR over all samples of two uint8 pictures."""
    error = np.square(a.astype(np.float64) - b).mean()
    return 10 * math.log10(255**2 / error)


def measure(arguments: argparse.Namespace) -> dict:
    """Mean bpp, PSNR and seconds per quality for both codecs."""
    twin = load_twin(arguments.checkpoint)
    paths = sorted(arguments.folder.glob("*.png"))[: arguments.limit]
    rows = []
    bar = tqdm(total=len(paths) * len(arguments.qualities), file=sys.stderr)
    for quality in arguments.qualities:
        sums = dict.fromkeys(
            ("float_bpp", "float_psnr_db", "integer_bpp", "integer_psnr_db",
             "float_s", "encode_s", "decode_s"), 0.0,
        )
        for path in paths:
            pixels = np.asarray(Image.open(path).convert("RGB"))
            area = pixels.shape[0] * pixels.shape[1]
            result = run_float_twin(twin, pixels, quality=quality)
            begin = time.perf_counter()
            stream = samebits.encode(pixels, quality=quality, model=arguments.model)
            middle = time.perf_counter()
            decoded = samebits.decode(stream, model=arguments.model)
            end = time.perf_counter()
            sums["float_bpp"] += (result.y_bits + result.z_bits) / area
            sums["float_psnr_db"] += psnr_db(pixels, result.pixels)
            sums["integer_bpp"] += 8 * len(stream) / area
            sums["integer_psnr_db"] += psnr_db(pixels, decoded)
            sums["float_s"] += result.seconds
            sums["encode_s"] += middle - begin
            sums["decode_s"] += end - middle
            bar.update()
        rows.append({"quality": quality, **{k: v / len(paths) for k, v in sums.items()}})
    bar.close()
    return {"pictures": len(paths), "rows": rows}


def main() -> None:
    """Measure, print a table, write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--qualities", type=int, nargs="+", default=[0, 20, 40, 60, 80, 100])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--out", type=Path, help="JSON file")
    arguments = parser.parse_args()
    result = measure(arguments)
    rows = result["rows"]
    for row in rows:
        print(
            f"quality {row['quality']:3d}: float {row['float_bpp']:.4f} bpp {row['float_psnr_db']:.3f} dB, "
            f"integer {row['integer_bpp']:.4f} bpp {row['integer_psnr_db']:.3f} dB, twin {row['float_s']:.2f} s, "
            f"encode {row['encode_s']:.2f} s, decode {row['decode_s']:.2f} s"
        )
    columns = [
        [row[name] for row in rows]
        for name in ("float_bpp", "float_psnr_db", "integer_bpp", "integer_psnr_db")
    ]
    for method in ("pchip", "akima"):
        result[f"bd_rate_{method}_percent"] = bjontegaard.bd_rate(*columns, method=method)
        print(f"BD-rate of the integer files against the float estimate, {method}: "
              f"{result[f'bd_rate_{method}_percent']:+.3f} %")
    if arguments.out:
        result["command"] = "python " + " ".join(sys.argv)
        result["machine"] = platform.processor() or platform.machine()
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
