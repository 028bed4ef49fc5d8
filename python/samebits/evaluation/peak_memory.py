"""Peak memory of the codecs, encoding and decoding one picture in a process of its own each."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from samebits.evaluation.child_process import ask_child
from samebits.evaluation.codecs import CodecOptions


@dataclass(frozen=True)
class PeakMemory:
    """One operation of one codec, measured once, first call of its process.

    Attributes
    ----------
    codec : str
    operation : str
        "encode" or "decode".
    picture : str
        File name.
    quality : int
    baseline_bytes : int
        The largest resident size before the operation: Python, NumPy, Pillow, and the picture or
        the file. Memory freed until then is used again, so the difference to `peak_bytes` is the
        least that the operation took.
    peak_bytes : int
        The largest resident size of the process until the operation was done.
    """

    codec: str
    operation: str
    picture: str
    quality: int
    baseline_bytes: int
    peak_bytes: int


def measure_peak_memory(
    picture: Path, qualities: Mapping[str, int], options: CodecOptions
) -> tuple[PeakMemory, ...]:
    """Every codec (`qualities` by its name) on one picture."""
    with tempfile.TemporaryDirectory() as folder:
        return tuple(
            _ask(codec, operation, picture, quality, options, Path(folder) / "coded")
            for codec, quality in qualities.items()
            for operation in ("encode", "decode")
        )


def _ask(
    codec: str,
    operation: str,
    picture: Path,
    quality: int,
    options: CodecOptions,
    coded_file: Path,
) -> PeakMemory:
    reply = ask_child(
        "samebits.evaluation.memory_child",
        {
            "codec": codec,
            "operation": operation,
            "picture": str(picture),
            "quality": quality,
            "coded_file": str(coded_file),
            "threads": options.threads,
            "model": options.model and str(options.model),
            "checkpoint": options.checkpoint and str(options.checkpoint),
            "compare_model": options.compare_model and str(options.compare_model),
        },
        what=f"measuring the memory of {codec}, {operation} of {picture.name},",
    )
    return PeakMemory(
        codec, operation, picture.name, quality, reply["baseline_bytes"], reply["peak_bytes"]
    )
