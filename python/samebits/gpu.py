"""Decoding on a CUDA device: which device, which stream, and what to do without one."""

import sys
import warnings
from functools import lru_cache

from samebits import _core
from samebits.errors import DeviceError, InvalidArgument, LimitExceeded

_MODELS_KEPT = 4


def decode_on_gpu(
    content: bytes,
    model: _core.Model,
    *,
    device: str,
    cuda_stream,
    max_pixels: int,
    max_bytes: int,
) -> _core.DeviceArray:
    """Decode a stream without alpha to samples that stay on the device.

    Parameters
    ----------
    device : str
        ``"cuda"`` (the current device) or ``"cuda:N"``.
    cuda_stream : int, object with an attribute ``cuda_stream``, or None
        See :func:`samebits.decode`.

    Raises
    ------
    DeviceError
        CUDA cannot be used, or the device is full or has failed.
    """
    number = _device_number(device)
    options = {"max_pixels": max_pixels, "max_bytes": max_bytes}
    handle = _stream_handle(cuda_stream, number)
    result = _decoder(model, number).decode([content], stream=handle, **options)[0]
    if isinstance(result, Exception):
        raise result
    return result


def decode_if_possible(content: bytes, model: _core.Model, **options) -> _core.DeviceArray | None:
    """Like :func:`decode_on_gpu` on the current device; None, with a warning that says why, if
    only the CPU can do it."""
    try:
        return decode_on_gpu(content, model, device="cuda", **options)
    except (DeviceError, LimitExceeded) as error:
        warn_of_cpu(str(error))
        return None


def warn_of_cpu(reason: str) -> None:
    """Tell that ``device="auto"`` means the CPU this time."""
    warnings.warn(f"samebits decodes on the CPU: {reason}", RuntimeWarning, stacklevel=4)


@lru_cache(maxsize=_MODELS_KEPT)
def _decoder(model: _core.Model, device: int) -> _core.GpuDecoder:
    return _core.GpuDecoder(model, device)


def _device_number(device: str) -> int:
    if device == "cuda":
        return _core.cuda_current_device()
    prefix, _, number = device.partition(":")
    if prefix != "cuda" or not number.isdecimal():
        raise InvalidArgument(f"device is {device!r}; there are 'cpu', 'cuda', 'cuda:N' and 'auto'")
    return int(number)


def _stream_handle(cuda_stream, device: int) -> int | None:
    if cuda_stream is None:
        return _torch_stream(device)
    handle = getattr(cuda_stream, "cuda_stream", cuda_stream)
    if isinstance(handle, bool) or not isinstance(handle, int) or handle < 0:
        raise InvalidArgument(
            f"cuda_stream is {cuda_stream!r}; it must be the number of a CUDA stream or an object "
            "with an attribute cuda_stream"
        )
    return handle


def _torch_stream(device: int) -> int | None:
    """The current stream of torch, if the program uses torch with CUDA."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda") or not torch.cuda.is_initialized():
        return None
    return torch.cuda.current_stream(device).cuda_stream
