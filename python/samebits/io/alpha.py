"""The alpha chunk: one lossless plane of transparency. bitstream.md 3, type 4."""

import zlib

import numpy as np

from samebits.errors import CorruptStream

_FIRST_PREDICTION = 255  # so that an opaque picture is all zeros


def pack_alpha(alpha: np.ndarray) -> bytes:
    """The bytes of an alpha chunk.

    Parameters
    ----------
    alpha : uint8 array (H, W)
    """
    predicted = np.empty_like(alpha)
    predicted[:, 1:] = alpha[:, :-1]
    predicted[1:, 0] = alpha[:-1, 0]
    predicted[0, 0] = _FIRST_PREDICTION
    return zlib.compress(np.subtract(alpha, predicted, dtype=np.uint8).tobytes(), level=9)


def unpack_alpha(chunk: bytes, *, width: int, height: int) -> np.ndarray:
    """The alpha plane of a chunk, uint8 (height, width).

    Never inflates more than ``width * height`` bytes and one, whatever the chunk claims.
    """
    expected = width * height
    inflate = zlib.decompressobj()
    try:
        plane = inflate.decompress(chunk, expected + 1)
    except zlib.error as error:
        raise CorruptStream(f"the alpha chunk is no valid zlib stream: {error}") from error
    if len(plane) != expected or not inflate.eof:
        found = f"more than {expected}" if len(plane) >= expected else str(len(plane))
        raise CorruptStream(
            f"the alpha chunk has {found} samples, a picture of {width} x {height} has {expected}"
        )
    if inflate.unused_data:
        raise CorruptStream(f"the alpha chunk has {len(inflate.unused_data)} bytes after its end")
    alpha = np.frombuffer(bytearray(plane), np.uint8).reshape(height, width)
    alpha[0, 0] = (int(alpha[0, 0]) + _FIRST_PREDICTION) % 256  # the sums below wrap alike
    np.add.accumulate(alpha[:, 0], out=alpha[:, 0], dtype=np.uint8)
    np.add.accumulate(alpha, axis=1, out=alpha, dtype=np.uint8)
    return alpha
