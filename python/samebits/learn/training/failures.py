"""What a user reads when a run ends because of its surroundings: disk, GPU, other processes."""

from __future__ import annotations

import torch

DEVICE_WORDS = ("CUDA error", "CUDA driver", "cuDNN error", "CUDNN_STATUS", "CUBLAS_STATUS", "NCCL")
PEER_WORDS = ("Connection closed by peer", "Connection reset by peer", "gloo")


def sentence_of(error: BaseException) -> str | None:
    """One sentence about an error that is not a mistake in the program; None for one that is."""
    first = (str(error).splitlines() or [type(error).__name__])[0]
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return f"the GPU's memory is full: use a smaller --batch or --crop ({first})"
    if isinstance(error, (ValueError, OSError)):
        return first
    if not isinstance(error, RuntimeError):
        return None
    if isinstance(error, getattr(torch, "AcceleratorError", ())) or _has(first, DEVICE_WORDS):
        return f"the GPU is lost or failed: {first}"
    backend_error = getattr(torch.distributed, "DistError", ())
    if isinstance(error, backend_error) or _has(first, PEER_WORDS):
        return f"another process of this run ended: {first}"
    return None


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)
