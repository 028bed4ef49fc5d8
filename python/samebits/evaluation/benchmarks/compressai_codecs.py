# pyright: reportMissingImports=false
"""CompressAI's models as whole codecs, timed beside Samebits on the CPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from samebits.evaluation.benchmarks.compressai_import import import_compressai
from samebits.evaluation.time_child import load_enlarged
from samebits.evaluation.time_codec import Configuration, Measured, TimingPlan

MODELS = ("bmshj2018-hyperprior", "mbt2018-mean", "cheng2020-anchor")
QUALITY = 3  # of 8, or 6: the rate of Samebits' quality 50, roughly
MULTIPLE = 64  # sides must be multiples of it


def compressai_configurations(
    picture: Path, plan: TimingPlan, model_name: str
) -> list[Configuration]:
    """Encoding (array to strings) and decoding (strings to array) at each thread count.

    Pretrained weights are used if they are in torch's cache of downloads. Nothing is downloaded:
    random weights do the same work in the networks, and the note says so.
    """
    import torch

    model, weights = _load(model_name)
    rgb = load_enlarged(str(picture), None if plan.size is None else list(plan.size))
    coder = _Coder(model, rgb)
    warm: set[Callable[[], object]] = set()

    def measure(operation: Callable[[], object], repeats: int, threads: int) -> Measured:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            first_s = _seconds(operation) if operation not in warm else None
            warm.add(operation)
            seconds = tuple(_seconds(operation) for _ in range(repeats))
        finally:
            torch.set_num_threads(before)
        height, width = rgb.shape[:2]
        size = sum(len(string) for (string,) in coder.strings)
        return Measured(width, height, first_s, seconds, size)

    return [
        Configuration(
            picture.name,
            operation,
            f"CompressAI {model_name}",
            "torch",
            threads,
            lambda repeats, work=work, threads=threads: measure(work, repeats, threads),
            note=f"quality {QUALITY}, {weights} weights",
        )
        for threads in plan.threads
        for operation, work in (("encode", coder.encode), ("decode", coder.decode))
    ]


def _seconds(operation: Callable[[], object]) -> float:
    begin = time.perf_counter()
    operation()
    return time.perf_counter() - begin


class _Coder:
    """A model with a picture to encode, and the strings of the last one encoded."""

    def __init__(self, model, rgb: np.ndarray):
        self.model = model
        self.rgb = rgb
        self.strings: list[list[bytes]] = []
        self.shape = None

    def encode(self) -> None:
        import torch
        from torch.nn import functional

        with torch.inference_mode():
            x = torch.from_numpy(self.rgb).permute(2, 0, 1)[None].float() / 255
            missing = (-x.shape[3] % MULTIPLE, -x.shape[2] % MULTIPLE)
            padded = functional.pad(x, (0, missing[0], 0, missing[1]), mode="replicate")
            coded = self.model.compress(padded)
        self.strings, self.shape = coded["strings"], coded["shape"]

    def decode(self) -> np.ndarray:
        """Of what was encoded last: encoding comes first in every pass."""
        import torch

        height, width = self.rgb.shape[:2]
        with torch.inference_mode():
            x_hat = self.model.decompress(self.strings, self.shape)["x_hat"]
            pixels = (x_hat[0, :, :height, :width] * 255).round().clamp(0, 255)
            return pixels.to(torch.uint8).permute(1, 2, 0).numpy()


def _load(model_name: str):
    """The model ready to code, and "pretrained" or "random"."""
    import_compressai()
    import torch
    from compressai.zoo import image_models
    from compressai.zoo.image import model_urls

    url = model_urls.get(model_name, {}).get("mse", {}).get(QUALITY, "")
    cached = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    pretrained = bool(url) and cached.is_file()
    torch.manual_seed(1)
    model = image_models[model_name](quality=QUALITY, metric="mse", pretrained=pretrained).eval()
    model.update(force=True)
    return model, "pretrained" if pretrained else "random"
