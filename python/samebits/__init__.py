"""Samebits: a learned picture codec whose decoder is integers only.

The same file gives the same bits on every machine.

>>> import numpy as np, samebits
>>> picture = np.zeros((64, 48, 3), np.uint8)
>>> stream = samebits.encode(picture, quality=40)  # doctest: +SKIP
>>> samebits.decode(stream).shape  # doctest: +SKIP
(64, 48, 3)

Names are loaded at their first use, so that ``import samebits`` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from samebits.errors import (
    CorruptStream,
    DeviceError,
    InvalidArgument,
    LimitExceeded,
    ModelMismatch,
    NeedsSeries,
    SamebitsError,
    Truncated,
    UnsupportedVersion,
)

if TYPE_CHECKING:
    from samebits import kernels
    from samebits.api import decode, encode, info, open, verify
    from samebits.many import decode_many, encode_many
    from samebits.series import (
        SeriesInfo,
        decode_series,
        encode_series,
        series_info,
        verify_series,
        write_series,
    )
    from samebits.stream_info import StreamInfo

    __version__: str

__all__ = [
    "CorruptStream",
    "DeviceError",
    "InvalidArgument",
    "LimitExceeded",
    "ModelMismatch",
    "NeedsSeries",
    "SamebitsError",
    "SeriesInfo",
    "StreamInfo",
    "Truncated",
    "UnsupportedVersion",
    "__version__",
    "decode",
    "decode_many",
    "decode_series",
    "encode",
    "encode_many",
    "encode_series",
    "info",
    "kernels",
    "open",
    "series_info",
    "verify",
    "verify_series",
    "write_series",
]

_HOME_OF_NAME = {
    "SeriesInfo": "samebits.series",
    "StreamInfo": "samebits.stream_info",
    "decode": "samebits.api",
    "decode_many": "samebits.many",
    "decode_series": "samebits.series",
    "encode": "samebits.api",
    "encode_many": "samebits.many",
    "encode_series": "samebits.series",
    "info": "samebits.api",
    "open": "samebits.api",
    "series_info": "samebits.series",
    "verify": "samebits.api",
    "verify_series": "samebits.series",
    "write_series": "samebits.series",
}


def __getattr__(name: str):
    if name == "__version__":
        value = import_module("samebits._core").version
    elif name == "kernels":
        value = import_module("samebits.kernels")
    elif name in _HOME_OF_NAME:
        value = getattr(import_module(_HOME_OF_NAME[name]), name)
    else:
        raise AttributeError(f"module 'samebits' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
