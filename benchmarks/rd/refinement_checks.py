"""What refinement and targets promise, checked on a folder of pictures by real files.

    python benchmarks/rd/refinement_checks.py KODAK --targets
    python benchmarks/rd/refinement_checks.py KODAK --decode-times
    python benchmarks/rd/refinement_checks.py KODAK --never-worse OUT/results.json

--targets: --target-bytes is met within 1 % from below, --target-psnr within 0.05 dB.
--decode-times: files with and without refinement decode in the same time, measured in turns.
--never-worse: no refined file of an evaluation is larger at equal or lower PSNR.
"""

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
from tqdm import tqdm

import samebits
from samebits.evaluation.measure import find_pictures, load_rgb
from samebits.evaluation.metrics import mse, psnr_db

BITS_PER_PIXEL = (0.3, 0.7, 1.3)
PSNR_DB = (30.0, 33.0, 36.0)
ROUNDS = 15


def check_targets(paths: list[Path], *, refine: str | None) -> None:
    shares, distances, missed = [], [], []
    for path in tqdm(paths, unit="picture"):
        rgb = load_rgb(path)
        pixels = rgb.shape[0] * rgb.shape[1]
        for bpp in BITS_PER_PIXEL:
            wanted = int(bpp * pixels / 8)
            size = len(_encode(rgb, missed, path, refine=refine, target_bytes=wanted))
            shares.append(size / wanted)
        for wanted_db in PSNR_DB:
            stream = _encode(rgb, missed, path, refine=refine, target_psnr=wanted_db)
            distances.append(abs(psnr_db(mse(rgb, samebits.decode(stream))) - wanted_db))
    print(f"bytes / wanted: {min(shares):.4f} to {max(shares):.4f}, {len(shares)} files")
    print(f"PSNR: at most {max(distances):.3f} dB away, {len(distances)} files")
    print(f"out of reach, said by a warning: {len(missed)}", *missed, sep="\n  ")


def _encode(rgb, missed: list[str], path: Path, **options) -> bytes:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stream = samebits.encode(rgb, **options)
    missed += [f"{path.name}: {warning.message}" for warning in caught]
    return stream


def check_decode_times(paths: list[Path], *, refine: str | None) -> None:
    pairs = []
    for path in tqdm(paths, unit="picture"):
        rgb = load_rgb(path)
        files = [samebits.encode(rgb, quality=50, refine=name) for name in (None, refine)]
        times: list[list[float]] = [[], []]
        for turn in range(2 * ROUNDS):
            which = (turn + turn // 2) % 2  # 0 1 1 0: neither is always first
            start = time.perf_counter()
            samebits.decode(files[which])
            times[which].append(time.perf_counter() - start)
        pairs.append(statistics.median(times[1]) / statistics.median(times[0]))
    low, _, high = statistics.quantiles(pairs, n=4)
    print(
        f"decode time, refined / plain: median {statistics.median(pairs):.3f} over {len(pairs)} "
        f"pictures (quartiles {low:.3f} to {high:.3f})"
    )


def check_never_worse(results: Path, *, codec: str) -> None:
    points: dict[tuple[str, int], dict[str, dict]] = {}
    for picture in json.loads(results.read_text())["pictures"]:
        for point in picture["measurements"]:
            key = (picture["name"], point["quality"])
            points.setdefault(key, {})[point["codec"]] = point
    both = {key: pair for key, pair in points.items() if codec in pair and "samebits" in pair}
    worse = [
        key
        for key, pair in both.items()
        if pair[codec]["size_bytes"] > pair["samebits"]["size_bytes"]
        and pair[codec]["mse"] >= pair["samebits"]["mse"]
    ]
    size = np.mean([p[codec]["size_bytes"] / p["samebits"]["size_bytes"] for p in both.values()])
    print(f"{codec}: {len(both)} files, {len(worse)} worse; sizes {100 * size - 100:+.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--targets", action="store_true")
    parser.add_argument("--decode-times", action="store_true")
    parser.add_argument("--never-worse", type=Path, metavar="RESULTS.json")
    parser.add_argument("--codec", default="samebits-fast")
    parser.add_argument("--refine", help="of --targets (default: none) and --decode-times")
    arguments = parser.parse_args()
    paths = find_pictures(arguments.pictures)
    if arguments.targets:
        check_targets(paths, refine=arguments.refine)
    if arguments.decode_times:
        check_decode_times(paths, refine=arguments.refine or "fast")
    if arguments.never_worse:
        check_never_worse(arguments.never_worse, codec=arguments.codec)


if __name__ == "__main__":
    main()
