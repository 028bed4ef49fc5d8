"""Decoding 1920x1080 on a GPU, beside the same networks in torch float16. Ends by itself.

    PYTHONPATH=python python benchmarks/kernels/cuda_decode.py --json cuda_decode.json

tests/cuda/on_a_gpu.sh builds the package for it, runs the tests, and then this.

First it checks that the device gives the bits of the CPU. Then, in one process:

* whole decodes of pictures in batches of 1 and 8, pixels left on the device;
* the same networks in torch, float16, channels-last, in a CUDA graph: hyper-synthesis, the entropy
  network once for each step, synthesis; random weights, and no range coder, no checksum;
* the kernels of one decode by name, from torch's profiler, and for each convolution its share of
  the int8 peak (--int8-tops, dense, of the card's data sheet), counting the products of digits that
  it really makes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import samebits
from samebits import _core, model_store
from samebits.evaluation.machine import this_commit, this_machine

HEIGHT, WIDTH = 1080, 1920
CONV, ADD, UNSHUFFLE, SHUFFLE, CLAMP, LUT = range(1, 7)
PRODUCTS_16_BIT, PRODUCTS_14_BIT = 4, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quality", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=8, help="for each measurement")
    parser.add_argument("--int8-tops", type=float, default=1979, help="of the card, dense")
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()

    model = model_store.model_for_encoding(options.model)
    tensors = read_weights(options.model)
    streams = [
        samebits.encode(picture(seed), quality=options.quality, model=options.model)
        for seed in range(8)
    ]
    decoder = _core.GpuDecoder(model, torch.cuda.current_device())
    check(decoder, model, streams)
    report = {
        "command": " ".join(["python", *sys.argv]),
        "commit": this_commit(),
        "machine": asdict(this_machine()),
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "picture": [HEIGHT, WIDTH],
        "quality": options.quality,
        "stream_bytes": [len(stream) for stream in streams],
        "decode": {
            str(batch): frames_per_second(
                lambda n=batch: decoder.decode(streams[:n]), batch, options
            )
            for batch in (1, 8)
        },
        "torch_float16_networks": {
            str(batch): frames_per_second(graph_of_peer(tensors, batch), batch, options)
            for batch in (1, 8)
        },
        "kernels": kernels_of(decoder, streams[0]),
    }
    report["networks_of_a_decode_ms"] = round(
        sum(row["ms"] for row in report["kernels"] if "range" not in row["kernel"]), 4
    )
    report["synthesis_layers"] = layers_of(tensors, decoder, streams[0], options.int8_tops)
    print(json.dumps(report, indent=1))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def picture(seed: int) -> np.ndarray:
    """Something like a photograph: gradients, edges and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = 90 * np.sin(x / 97 + seed) * np.cos(y / 123) + 60 * (x // 211 % 2) + y / 16
    noise = rng.normal(0, 3, (HEIGHT, WIDTH, 3))
    return np.clip(waves[:, :, None] + noise + [100, 90, 80], 0, 255).astype(np.uint8)


def check(decoder: _core.GpuDecoder, model: _core.Model, streams: list[bytes]) -> None:
    for stream, found in zip(streams, decoder.decode(streams), strict=True):
        if isinstance(found, Exception):
            raise found
        if not np.array_equal(found.to_numpy(), _core.decode_picture(model, stream)):
            raise SystemExit("the device gives other pixels than the CPU: nothing is measured")


def frames_per_second(run, batch: int, options: argparse.Namespace) -> dict[str, float]:
    """Fastest and median of calls that end when their pictures are done."""
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    times = []
    end = time.perf_counter() + options.seconds
    while time.perf_counter() < end or len(times) < 5:
        begin = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return {
        "fastest_fps": round(batch / min(times), 2),
        "median_fps": round(batch / statistics.median(times), 2),
        "runs": len(times),
    }


def read_weights(path: Path | None) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(path or Path(samebits.__file__).parent / "weights" / "default.safetensors")


class Peer(nn.Module):
    """A network of the weights file as a float network of the same shapes."""

    def __init__(self, tensors: dict[str, np.ndarray], name: str):
        super().__init__()
        self.program = tensors[f"{name}.program"].tolist()
        self.layers = nn.ModuleDict()
        for code, _, _, _, number, shape, _, depthwise in self.program:
            if code != CONV or str(number) in self.layers:
                continue
            out, kernel, _, inputs = tensors[f"{name}.{number}.weight"].shape
            groups = out if depthwise else 1
            self.layers[str(number)] = nn.Conv2d(
                inputs * groups, out, kernel, shape % 16, kernel // 2, groups=groups
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = {0: x}
        for code, to, first, second, a0, _, leaky, _ in self.program:
            x = values[first]
            if code == CONV:
                x = self.layers[str(a0)](x)
                x = functional.leaky_relu(x, 2.0**-leaky) if leaky >= 0 else x
            elif code == ADD:
                x = x + values[second]
            elif code == SHUFFLE:
                x = functional.pixel_shuffle(x, a0)
            elif code == CLAMP:
                x = x.clamp(-128, 127)
            else:
                raise SystemExit(f"the peer has no operation {code}")
            values[to] = x
        return x


def graph_of_peer(tensors: dict[str, np.ndarray], batch: int):
    """Runs the networks of a decode once, in a CUDA graph."""
    _, latents, hyper, features, context = tensors["config"][:5].tolist()
    height, width = -(-HEIGHT // 16), -(-WIDTH // 16)
    options = {"device": "cuda", "dtype": torch.float16}
    hyper_synthesis, entropy, synthesis = (
        Peer(tensors, name).to(**options).to(memory_format=torch.channels_last)
        for name in ("h_s", "entropy", "g_s")
    )
    first = nn.Conv2d(2 * latents + features, context, 3, padding=1).to(**options)
    first = first.to(memory_format=torch.channels_last)
    steps = len(tensors["phase_groups"])

    def tensor(channels: int, rows: int, columns: int) -> torch.Tensor:
        x = torch.rand(batch, channels, rows, columns, **options)
        return x.to(memory_format=torch.channels_last)

    z = tensor(hyper, -(-height // 4), -(-width // 4))
    state, y = tensor(2 * latents + features, height, width), tensor(latents, height, width)

    def run() -> torch.Tensor:
        hyper_synthesis(z)
        for _ in range(steps):
            entropy(functional.leaky_relu(first(state), 0.125))
        return synthesis(y)

    torch.backends.cudnn.benchmark = True
    with torch.no_grad():
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                run()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run()
    return graph.replay


def profile(decoder: _core.GpuDecoder, stream: bytes) -> list[tuple[str, float]]:
    """Names and milliseconds of the kernels of one decode, in their order."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    decoder.decode([stream])
    with profiler(activities=[ProfilerActivity.CUDA]) as recorded:
        decoder.decode([stream])
        torch.cuda.synchronize()
    events = [e for e in recorded.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    events.sort(key=lambda e: e.time_range.start)
    return [(e.name, e.time_range.elapsed_us() / 1000) for e in events]


def short_name(name: str) -> str:
    known = {"decode_kernel": "range decoder", "dense_conv_kernel": "dense convolution"}
    for part, text in known.items():
        if part in name:
            return text
    return name.split("(")[0].split("::")[-1]


def kernels_of(decoder: _core.GpuDecoder, stream: bytes) -> list[dict]:
    totals: dict[str, list[float]] = defaultdict(list)
    for name, ms in profile(decoder, stream):
        totals[short_name(name)].append(ms)
    rows = [
        {"kernel": name, "launches": len(times), "ms": round(sum(times), 4)}
        for name, times in totals.items()
    ]
    return sorted(rows, key=lambda row: -row["ms"])


def layers_of(
    tensors: dict[str, np.ndarray], decoder: _core.GpuDecoder, stream: bytes, int8_tops: float
) -> list[dict]:
    """The dense convolutions of the synthesis, the last ones of a decode."""
    rows, scale = [], 1
    ranges = {0: 32767}
    positions = -(-HEIGHT // 16) * -(-WIDTH // 16)
    for code, to, first, _, number, shape, _, depthwise in tensors["g_s.program"].tolist():
        if code == SHUFFLE:
            scale *= number * number
            ranges[to] = ranges[first]
        elif code in (ADD, CLAMP):
            ranges[to] = max(abs(number), abs(shape))
        else:
            weight = tensors[f"g_s.{number}.weight"]
            if not depthwise:
                narrow = ranges[first] <= 8191 and np.abs(weight.astype(int)).max() <= 8191
                macs = int(np.prod(weight.shape)) * positions * scale
                products = PRODUCTS_14_BIT if narrow else PRODUCTS_16_BIT
                rows.append(
                    {
                        "layer": f"g_s.{number}",
                        "shape": list(weight.shape),
                        "mmac": macs / 1e6,
                        "products": products,
                    }
                )
            ranges[to] = int(np.abs(tensors[f"g_s.{number}.clamp"].astype(int)).max())
    times = [ms for name, ms in profile(decoder, stream) if "dense_conv_kernel" in name]
    for row, ms in zip(rows, times[-len(rows) :], strict=True):
        operations = row["mmac"] * 1e6 * 2 * row["products"]
        row["ms"] = round(ms, 5)
        row["share_of_int8_peak"] = round(operations / (ms * 1e-3) / (int8_tops * 1e12), 4)
    return rows


if __name__ == "__main__":
    main()
