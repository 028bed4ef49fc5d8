"""The float twin as a codec: what Samebits would give if its networks stayed in floating point."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import numpy as np

from samebits.errors import InvalidArgument
from samebits.evaluation.codecs import Codec, CodecOptions, EncodedFile


def make_twin_codec(options: CodecOptions) -> Codec:
    """The twin of the checkpoint in `options`. Needs ``samebits[torch]``."""
    try:
        import torch

        from samebits.learn import twin
    except ImportError as error:
        raise InvalidArgument(f"the float twin needs torch: {error}") from error
    if options.checkpoint is None:
        raise InvalidArgument("the float twin needs a checkpoint: --checkpoint FILE")
    torch.set_num_threads(options.threads)
    model = _load(options.checkpoint)

    def encode(rgb: np.ndarray, quality: int) -> EncodedFile:
        result = twin.run_float_twin(model, rgb, quality=quality)
        estimate = (result.y_bits + result.z_bits) / 8.0
        # There is no stream: the decoded pixels take its place.
        buffer = io.BytesIO()
        np.save(buffer, result.pixels)
        return EncodedFile(buffer.getvalue(), estimate, estimate)

    return Codec(
        name="twin",
        label="Float twin",
        settings=f"torch {torch.__version__}, estimated bits; encode is the whole forward pass",
        encode=encode,
        decode=lambda data: np.load(io.BytesIO(data)),
    )


@functools.lru_cache(maxsize=1)
def _load(checkpoint: Path):
    from samebits.learn import twin

    return twin.load_twin(checkpoint)
