"""Speed and size of the range coder, printed and written as JSON.

    python benchmarks/coding/bench_range_coder.py --json benchmarks/results/range_coder.json

Symbols are rounded Gaussians with a standard deviation each, as a picture's latents are: the same
mixture of table rows for every number of lanes. One process, one thread. `overhead_percent` is the
payload beyond the sum of -log2 of the tables' probabilities. Where the package constriction is
installed, its range coder codes the same symbols with the same standard deviations; it computes its
Gaussian for each symbol, where this one looks up a table made beforehand.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from samebits.kernels import CdfTables, range_decode, range_encode
from samebits.kernels.coding import estimated_bits

# Table rows (8 to an octave, row 28 is standard deviation 1) and the bits per symbol they give.
MIXTURES = {"0.25 bit": (4, 18), "1 bit": (8, 28), "4 bits": (36, 52), "all rows": (0, 80)}
LANES = (1, 2, 4, 8, 16, 32)


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed and size of the range coder.")
    parser.add_argument("--symbols", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()

    results = []
    for mixture, rows in MIXTURES.items():
        results += measure_mixture(mixture, rows, options.symbols, options.repeats)
    report = {
        "command": " ".join(["python", *sys.argv]),
        "commit": commit(),
        "machine": machine(),
        "symbols": options.symbols,
        "repeats": options.repeats,
        "results": results,
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def measure_mixture(name: str, rows: tuple[int, int], size: int, repeats: int) -> list[dict]:
    tables = CdfTables.gaussian_octaves()
    rng = np.random.default_rng(1)
    index = rng.integers(*rows, size, dtype=np.uint8)
    scales = 2.0 ** ((index.astype(np.float64) - 28) / 8)
    symbols = np.rint(rng.normal(0, scales)).astype(np.int32)
    bits = estimated_bits(symbols, index, tables)
    print(f"{name}: {bits / size:.3f} bits per symbol")
    results = []

    def add(coder: str, payload_bytes: int, encode: Callable, decode: Callable) -> None:
        encode_ms, decode_ms = times_ms(encode, repeats), times_ms(decode, repeats)
        result = {
            "mixture": name,
            "bits_per_symbol": round(bits / size, 4),
            "coder": coder,
            "payload_bytes": payload_bytes,
            "overhead_percent": round(100 * (payload_bytes * 8 / bits - 1), 5),
            "encode_ms": encode_ms,
            "decode_ms": decode_ms,
        }
        results.append(result)
        speed = [size / 1000 / t["fastest"] for t in (encode_ms, decode_ms)]
        print(
            f"  {coder:24} {payload_bytes:9} bytes ({result['overhead_percent']:+.4f} %)  "
            f"encode {speed[0]:6.1f}, decode {speed[1]:6.1f} million symbols/s"
        )

    for lanes in LANES:
        stream = range_encode(symbols, index, tables, lanes=lanes)
        assert np.array_equal(range_decode(stream, index, tables), symbols)
        add(
            f"samebits, {lanes} lanes",
            len(stream),
            lambda lanes=lanes: range_encode(symbols, index, tables, lanes=lanes),
            lambda stream=stream: range_decode(stream, index, tables),
        )
    if importlib.util.find_spec("constriction"):
        add("constriction", *constriction_coder(symbols, scales))
    return results


def constriction_coder(symbols: np.ndarray, scales: np.ndarray) -> tuple[int, Callable, Callable]:
    import constriction

    model = constriction.stream.model.QuantizedGaussian(-1000, 1000)
    means = np.zeros(len(symbols))

    def encode():
        encoder = constriction.stream.queue.RangeEncoder()
        encoder.encode(symbols, model, means, scales)
        return encoder.get_compressed()

    words = encode()

    def decode():
        return constriction.stream.queue.RangeDecoder(words).decode(model, means, scales)

    assert np.array_equal(decode(), symbols)
    return words.nbytes, encode, decode


def times_ms(work: Callable, repeats: int) -> dict[str, float]:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - begin))
    return {"fastest": round(min(times), 3), "median": round(statistics.median(times), 3)}


def machine() -> dict[str, object]:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": [round(x, 1) for x in os.getloadavg()],
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def commit() -> str | None:
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


if __name__ == "__main__":
    main()
