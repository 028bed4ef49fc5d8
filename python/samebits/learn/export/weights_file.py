"""Writes a weights file: safetensors, integers only, the same bytes for the same model."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
from safetensors.numpy import save


def write_weights(
    path: Path, tensors: dict[str, np.ndarray], *, description: dict[str, str]
) -> str:
    """Write ``tensors`` (int8, uint8, int16, uint16, int32) and return the file's SHA-256.

    ``description`` is informational metadata (training data, licence, command).
    """
    for name, value in tensors.items():
        if value.dtype.kind not in "iu":
            raise TypeError(f"{name} is {value.dtype}: a weights file holds integers only")
    ordered = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
    # One metadata entry only: the order of several is not fixed, and the bytes must be.
    data = save(ordered, metadata={"samebits": json.dumps(description, sort_keys=True)})
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)
    return hashlib.sha256(data).hexdigest()
