"""Makes the golden files: streams, their pictures, and a manifest of SHA-256 values.

    python tests/golden/make_golden.py

writes tests/golden/tiny (a tiny random model, every kind of schedule), tests/golden/values (the
same with a head for a probability per value), tests/golden/series (series of pictures, with a tiny
model that knows time) and tests/golden/default (the model in the package, if it is there). The
latents and pixels in the manifests are those of the slow
reference decoder (tests/python/reference_codec.py), which shares no code with the package; the
package must agree before anything is written. Run it after a change of the format or of a model,
and say so in the changelog.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).resolve().parent
sys.path[:0] = [str(GOLDEN), str(GOLDEN.parent / "python")]

from pictures import woven_picture  # noqa: E402

import reference_codec  # noqa: E402
from samebits import _core, decode_series, encode_series, model_store  # noqa: E402
from tiny_model import TinySizes, tiny_model, write_safetensors  # noqa: E402

ICC_PROFILE, EXIF, XMP, ALPHA = 1, 2, 3, 4
PRIVATE_CHUNK = 200  # decoders ignore it


@dataclass(frozen=True)
class Case:
    """A golden stream: the picture and how it is coded."""

    name: str
    height: int
    width: int
    quality: int
    mode: int = 2
    phases: int = 3
    groups: tuple[int, ...] = ()
    even_groups: int = 0
    first: int = 0
    values: bool = False
    grey: bool = False
    chunks: tuple[tuple[int, bytes], ...] = ()


CHUNKS = (
    (ICC_PROFILE, b"not a real profile"),
    (EXIF, b"II*\0"),
    (XMP, b"<x:xmpmeta/>"),
    (PRIVATE_CHUNK, bytes(300)),
)

TINY_CASES = (
    Case("one_pixel", 1, 1, 50),
    Case("one_step", 17, 33, 0, mode=0, phases=0),
    Case("channel_groups", 40, 56, 100, phases=0),
    Case("four_phases", 70, 3, 20, phases=2),
    Case("diagonal", 48, 64, 50),
    Case("own_groups", 32, 49, 75, phases=0, groups=(3, 4, 1)),
    Case("own_groups_four_phases", 33, 32, 90, phases=2, groups=(8,)),
    Case("own_groups_diagonal", 64, 31, 60, groups=(2, 2, 2, 2)),
    Case("grey", 24, 40, 80, grey=True),
    Case("chunks", 16, 16, 40, chunks=CHUNKS),
    Case("several_lanes", 400, 272, 100),
    Case("even_groups_diagonal", 19, 50, 70, even_groups=2),
    Case("checkerboard", 37, 40, 30, mode=0, phases=1),
    Case("mode1", 33, 47, 65, mode=1, phases=0, groups=(3, 5)),
    Case("mode3_checkerboard", 50, 35, 85, mode=3, phases=1, groups=(2, 1, 5)),
    Case("mode4_four_phases", 41, 64, 55, mode=4, phases=2, even_groups=3),
    Case("mode5", 64, 40, 95, mode=5, phases=0, groups=(2, 1, 3, 2), first=2),
    Case("mode6_checkerboard", 36, 52, 45, mode=6, phases=1, even_groups=4, first=1),
)

VALUE_CASES = (
    Case("one_pixel", 1, 1, 60, values=True),
    Case("diagonal", 48, 64, 50, values=True),
    Case("one_step", 33, 40, 90, mode=0, phases=0, values=True),
    Case("channel_groups", 40, 56, 100, phases=0, values=True),
    Case("several_lanes", 208, 272, 100, values=True),
    Case("without", 48, 64, 50),
)

DEFAULT_CASES = (
    Case("low", 64, 96, 15),
    Case("diagonal", 96, 128, 50),
    Case("four_phases", 75, 61, 85, phases=2),
    Case("one_step", 40, 72, 100, mode=0, phases=0),
)


def source_picture(case: Case, *, seed: int) -> np.ndarray:
    """The picture of a case, uint8 (height, width, 3)."""
    rgb = woven_picture(case.height, case.width, seed=seed)
    return np.repeat(rgb[:, :, :1], 3, axis=2) if case.grey else rgb


def encode(case: Case, rgb: np.ndarray, model: _core.Model) -> bytes:
    """The stream of a case."""
    schedule = _core.ScheduleSpec(
        mode=case.mode,
        phases=case.phases,
        groups=list(case.groups),
        even_groups=case.even_groups,
        first=case.first,
    )
    return _core.encode_picture(
        model,
        rgb,
        quality=case.quality,
        schedule=schedule,
        values=case.values,
        grey=case.grey,
        chunks=list(case.chunks),
    ).stream


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def manifest_line(name: str, stream: bytes, weights: bytes, model: _core.Model) -> str:
    """Decode with the reference, compare with the package, give the manifest's line."""
    expected = reference_codec.decode(stream, weights)
    latents = np.ascontiguousarray(expected.y_hat.astype("<i2")).tobytes()
    pixels = np.ascontiguousarray(expected.pixels).tobytes()
    if _core.decode_latents(model, stream).astype("<i2").tobytes() != latents:
        raise SystemExit(f"{name}: the package decodes other latents than the reference decoder")
    if _core.decode_picture(model, stream).tobytes() != pixels:
        raise SystemExit(f"{name}: the package decodes other pixels than the reference decoder")
    return f"stream {name}.same {sha256(stream)} {sha256(latents)} {sha256(pixels)} {name}.rgb"


def make_folder(folder: Path, weights_path: Path, cases: tuple[Case, ...]) -> None:
    """Write the streams, the pictures and the manifest of one model."""
    weights = weights_path.read_bytes()
    model = _core.Model(weights)
    lines = [
        "# Made by tests/golden/make_golden.py; tests/golden/manifest.h says what the columns are.",
        f"model {os.path.relpath(weights_path, folder)} {sha256(weights)}",
    ]
    for seed, case in enumerate(cases):
        rgb = source_picture(case, seed=seed)
        stream = encode(case, rgb, model)
        lines.append(manifest_line(case.name, stream, weights, model))
        (folder / f"{case.name}.same").write_bytes(stream)
        (folder / f"{case.name}.rgb").write_bytes(rgb.tobytes())
        print(f"{folder.name}/{case.name}: {case.width} x {case.height}, {len(stream)} bytes")
    (folder / "manifest.txt").write_text("\n".join(lines) + "\n")


def series_pictures() -> list[np.ndarray]:
    """A picture that moves, and one of another size."""
    large = woven_picture(40, 64, seed=4)
    return [large[n : n + 32, 2 * n : 2 * n + 50].copy() for n in range(5)] + [large[:17, :20]]


def make_series_folder(folder: Path) -> None:
    """Write a series, its pictures and its model; key pictures 0, 3, and 5 for its size."""
    weights = tiny_model(time=True)
    (folder / "tiny_time.safetensors").write_bytes(weights)
    pictures = series_pictures()
    model = _core.Model(weights)
    series = encode_series(pictures, quality=80, key_every=3, keys="regular", model=model)
    expected = reference_codec.decode_series(series, weights)
    latents = b"".join(picture.y_hat.astype("<i2").tobytes() for picture in expected)
    pixels = b"".join(np.ascontiguousarray(picture.pixels).tobytes() for picture in expected)
    if b"".join(picture.tobytes() for picture in decode_series(series, model=model)) != pixels:
        raise SystemExit("the package decodes other pixels of a series than the reference decoder")
    hashes = " ".join(map(sha256, (series, latents, pixels)))
    lines = [
        "# Made by tests/golden/make_golden.py; tests/golden/manifest.h says what the columns are.",
        f"model tiny_time.safetensors {sha256(weights)}",
        f"series moving.sames {hashes} moving.rgb",
    ]
    (folder / "moving.sames").write_bytes(series)
    (folder / "moving.rgb").write_bytes(b"".join(picture.tobytes() for picture in pictures))
    (folder / "manifest.txt").write_text("\n".join(lines) + "\n")
    print(f"{folder.name}/moving: {len(pictures)} pictures, {len(series)} bytes")


def write_wrong_manifest(folder: Path) -> None:
    """A manifest with the latents and the pixels of one stream swapped: its check must fail."""
    lines = (folder / "manifest.txt").read_text().splitlines()
    model, first = (line.split() for line in lines[1:3])
    first[3], first[4] = first[4], first[3]
    lines = ["# Wrong on purpose.", " ".join(model), " ".join(first)]
    (folder / "wrong_manifest.txt").write_text("\n".join(lines) + "\n")


def write_weights_seed(path: Path) -> None:
    """A small weights file of every type, where the fuzzer of the weights parser starts."""
    types = (np.int8, np.uint8, np.int16, np.uint16, np.int32)
    tensors = {np.dtype(kind).name: np.arange(4, dtype=kind).reshape(2, 2) for kind in types}
    path.write_bytes(write_safetensors(tensors, metadata={"name": "seed"}))


def main() -> None:
    tiny = GOLDEN / "tiny"
    tiny.mkdir(exist_ok=True)
    weights_path = tiny / "tiny.safetensors"
    weights_path.write_bytes(tiny_model())
    make_folder(tiny, weights_path, TINY_CASES)
    write_wrong_manifest(tiny)
    write_weights_seed(tiny / "types.safetensors")
    values = GOLDEN / "values"
    values.mkdir(exist_ok=True)
    weights_path = values / "values.safetensors"
    weights_path.write_bytes(tiny_model(sizes=TinySizes(value_radius=7)))
    make_folder(values, weights_path, VALUE_CASES)
    series = GOLDEN / "series"
    series.mkdir(exist_ok=True)
    make_series_folder(series)
    shipped = GOLDEN.parents[1] / "python" / "samebits" / "weights" / model_store.DEFAULT_NAME
    if not shipped.exists():
        print(f"there is no {shipped}; only the tiny model was used")
        return
    default = GOLDEN / "default"
    default.mkdir(exist_ok=True)
    make_folder(default, shipped, DEFAULT_CASES)


if __name__ == "__main__":
    main()
