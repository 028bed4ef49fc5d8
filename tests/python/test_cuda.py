"""CUDA against the CPU: kernels, golden streams, pictures, DLPack, streams, errors.

Without a CUDA device (or a build with SAMEBITS_CUDA=EMULATOR) what needs one is skipped, aloud; the
kernels themselves are tested on the emulator by tests/cuda.
"""

import ctypes
import hashlib
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import samebits
from samebits import _core, gpu, kernels
from samebits.errors import CorruptStream, DeviceError, InvalidArgument, LimitExceeded

HAS_GPU = _core.cuda_device_count() > 0
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CPU_ONLY = ("mode4", "mode5", "mode6")


def golden_streams(folder):
    """(stream, model file, SHA-256 of latents, of pixels) of those that a GPU decodes."""
    lines = [line.split() for line in (GOLDEN / folder / "manifest.txt").read_text().splitlines()]
    model = next(line[1] for line in lines if line[:1] == ["model"])
    return [
        pytest.param(
            GOLDEN / folder / line[1], GOLDEN / folder / model, line[3], line[4], id=line[1]
        )
        for line in lines
        if line[:1] == ["stream"] and not line[1].startswith(CPU_ONLY)
    ]


def picture(height, width, seed=0):
    """Something like a photograph: gradients, edges and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = 90 * np.sin(x / 17 + seed) * np.cos(y / 23) + 60 * (x // 31 % 2) + y / 4
    noise = rng.normal(0, 6, (height, width, 3))
    return np.clip(waves[:, :, None] + noise + [100, 90, 80], 0, 255).astype(np.uint8)


def on_target(name, function):
    before = kernels.target()
    kernels.set_target(name)
    try:
        return function()
    finally:
        kernels.set_target(before)


@pytest.fixture
def device():
    if not HAS_GPU:
        message = "no CUDA device (or built without nvcc): CUDA was NOT tested"
        warnings.warn(message, stacklevel=2)
        pytest.skip(message)
    return "cuda"


@pytest.fixture
def torch_cuda(device):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch has no CUDA here")
    return torch


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("channels", [1, 7, 64, 130])
@pytest.mark.usefixtures("device")
def test_equals_scalar(kernel, stride, depthwise, channels):
    rng = np.random.default_rng(channels)
    x = rng.integers(-32768, 32767, (2, 11, 19, channels), np.int16, endpoint=True)
    shape = (channels if depthwise else 33, kernel, kernel, 1 if depthwise else channels)
    weight = rng.integers(-50, 50, shape, np.int16)
    options = {
        "bias": rng.integers(-(2**20), 2**20, shape[0], np.int32),
        "stride": stride,
        "padding": kernel // 2,
        "groups": channels if depthwise else 1,
    }
    requantization = {
        "multiplier": rng.integers(0, 65536, shape[0]),
        "shift": rng.integers(1, 47, shape[0]),
        "leaky": 3,
        "clamp": (-2000, 3000),
    }

    def run():
        return (
            kernels.conv2d(x, weight, **options),
            kernels.conv2d_requantized(x, weight, **requantization, **options),
        )

    for expected, actual in zip(on_target("scalar", run), on_target("cuda", run), strict=True):
        assert np.array_equal(actual, expected)


@pytest.mark.parametrize(
    ("path", "model", "latents", "pixels"), golden_streams("tiny") + golden_streams("default")
)
def test_golden_streams(device, path, model, latents, pixels):
    stream = path.read_bytes()
    if path.stem == "chunks":
        stream = without_alpha(stream)
    decoded = samebits.decode(stream, model=model, device=device)
    assert hashlib.sha256(decoded.to_numpy().tobytes()).hexdigest() == pixels
    loaded = _core.Model(Path(model).read_bytes())
    y_hat = _core.GpuDecoder(loaded, 0).decode_latents(stream)
    assert hashlib.sha256(y_hat.astype("<i2").tobytes()).hexdigest() == latents


def without_alpha(stream):
    parsed = _core.parse_stream(stream)
    chunks = [chunk for chunk in parsed.chunks if chunk[0] != 4]
    return _core.write_stream(header=parsed.header, chunks=chunks, payload=parsed.payload)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": 0},
        {"phases": 0},
        {"phases": 2},
        {"phases": 3},
        {"groups": 2},
        {"mode": 0, "phases": "checkerboard"},
        {"mode": 1, "groups": (5, 251)},
        {"mode": 3, "groups": (3, 100, 153), "phases": "checkerboard"},
    ],
)
def test_every_order(device, options):
    stream = samebits.encode(picture(40, 70), quality=60, **options)
    assert np.array_equal(
        samebits.decode(stream, device=device).to_numpy(), samebits.decode(stream)
    )


@pytest.mark.parametrize("options", [{"mode": 4}, {"mode": 6, "groups": 8, "first": 2}])
def test_orders_with_views_are_for_the_cpu(device, options):
    stream = samebits.encode(picture(20, 30), quality=60, **options)
    with pytest.raises(DeviceError, match="modes 4 to 6"):
        samebits.decode(stream, device=device)
    with pytest.warns(RuntimeWarning, match="modes 4 to 6"):
        assert np.array_equal(samebits.decode(stream, device="auto"), samebits.decode(stream))


@pytest.mark.slow
@pytest.mark.parametrize("quality", [0, 30, 60, 100])
@pytest.mark.parametrize("size", [(512, 768), (768, 512), (1080, 1920), (1, 3000), (333, 777)])
def test_pictures(device, size, quality):
    stream = samebits.encode(picture(*size, seed=quality), quality=quality)
    expected = samebits.decode(stream)
    for _ in range(2):
        assert np.array_equal(samebits.decode(stream, device=device).to_numpy(), expected)


def test_many_streams_some_damaged(device):
    streams = [samebits.encode(picture(4 + 2 * n, 16, n), quality=50) for n in range(10)]
    model = samebits.model_store.model_for_encoding(None)
    damaged = list(streams)
    damaged[3] = streams[3][:-5]
    results = _core.GpuDecoder(model, 0).decode(damaged)
    assert isinstance(results.pop(3), CorruptStream)
    del streams[3]
    for stream, result in zip(streams, results, strict=True):
        assert np.array_equal(result.to_numpy(), samebits.decode(stream))


def test_several_threads(device):
    streams = [samebits.encode(picture(16, 16 * (1 + n % 2), n)) for n in range(6)]
    expected = [samebits.decode(stream) for stream in streams]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda s: samebits.decode(s, device=device).to_numpy(), streams))
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


class DlTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


def tensor_in(capsule, name, offset):
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return DlTensor.from_address(get(capsule, name) + offset)


@pytest.mark.parametrize(
    ("version", "name", "offset"),
    [(None, b"dltensor", 0), ((1, 0), b"dltensor_versioned", 32), ((0, 8), b"dltensor", 0)],
)
def test_dlpack_capsule(device, version, name, offset):
    array = samebits.decode(samebits.encode(picture(20, 33)), device=device)
    assert array.shape == (20, 33, 3)
    assert array.dtype == np.uint8
    assert array.__dlpack_device__() == (2, 0)
    capsule = array.__dlpack__(stream=1, max_version=version)
    tensor = tensor_in(capsule, name, offset)
    assert (tensor.device_type, tensor.device_id, tensor.ndim) == (2, 0, 3)
    assert (tensor.code, tensor.bits, tensor.lanes, tensor.byte_offset) == (1, 8, 1, 0)
    assert tensor.shape[:3] == [20, 33, 3]
    assert tensor.strides[:3] == [99, 3, 1]


def test_dlpack_refusals(device):
    array = samebits.decode(samebits.encode(picture(20, 33)), device=device)
    with pytest.raises(InvalidArgument, match="stream 0"):
        array.__dlpack__(stream=0)
    with pytest.raises(BufferError, match="to_numpy"):
        array.__dlpack__(dl_device=(1, 0))
    with pytest.raises(BufferError, match="shared"):
        array.__dlpack__(copy=True)


def test_torch_takes_the_pixels(torch_cuda):
    torch = torch_cuda
    stream = samebits.encode(picture(50, 60))
    expected = samebits.decode(stream)
    for cuda_stream in (None, torch.cuda.Stream(), torch.cuda.current_stream().cuda_stream):
        array = samebits.decode(stream, device="cuda", cuda_stream=cuda_stream)
        tensor = torch.from_dlpack(array)
        del array
        assert tensor.is_cuda
        assert np.array_equal(tensor.cpu().numpy(), expected)
    with torch.cuda.stream(torch.cuda.Stream()):
        tensor = torch.from_dlpack(samebits.decode(stream, device="cuda"))
    assert np.array_equal(tensor.cpu().numpy(), expected)


def test_stream_handles(device):
    stream = samebits.encode(picture(20, 33))
    for cuda_stream in (0, 1):
        array = samebits.decode(stream, device=device, cuda_stream=cuda_stream)
        assert np.array_equal(array.to_numpy(), samebits.decode(stream))
    with pytest.raises(InvalidArgument, match="cuda_stream"):
        samebits.decode(stream, device=device, cuda_stream="fast")


def test_the_current_stream_of_torch(monkeypatch):
    class Torch:
        class cuda:
            @staticmethod
            def is_initialized():
                return True

            @staticmethod
            def current_stream(device):
                class Stream:
                    cuda_stream = 77 + device

                return Stream

    monkeypatch.setitem(sys.modules, "torch", Torch)
    assert gpu._stream_handle(None, 1) == 78
    assert gpu._stream_handle(5, 1) == 5
    monkeypatch.delitem(sys.modules, "torch")
    assert gpu._stream_handle(None, 1) is None


def test_limits(device):
    stream = samebits.encode(picture(64, 64))
    with pytest.raises(LimitExceeded, match="device memory"):
        samebits.decode(stream, device=device, max_bytes=10000)
    with pytest.raises(LimitExceeded, match="max_pixels"):
        samebits.decode(stream, device=device, max_pixels=10)


def test_alpha_is_for_the_cpu():
    rgba = np.dstack([picture(20, 20), picture(20, 20)[:, :, 0]])
    stream = samebits.encode(rgba)
    with pytest.raises(InvalidArgument, match="alpha"):
        samebits.decode(stream, device="cuda")
    with pytest.warns(RuntimeWarning, match="alpha"):
        decoded = samebits.decode(stream, device="auto")
    assert decoded.shape == rgba.shape


def test_wrong_devices():
    stream = samebits.encode(picture(20, 20))
    for name in ("gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0"):
        with pytest.raises(InvalidArgument, match="device is"):
            samebits.decode(stream, device=name)
    with pytest.raises(InvalidArgument, match="cuda_stream is given"):
        samebits.decode(stream, cuda_stream=3)
    with pytest.raises(DeviceError):
        samebits.decode(stream, device="cuda:99")


def test_auto(recwarn):
    stream = samebits.encode(picture(20, 20))
    decoded = samebits.decode(stream, device="auto")
    if HAS_GPU:
        assert isinstance(decoded, _core.DeviceArray)
        assert not recwarn.list
        decoded = decoded.to_numpy()
    else:
        assert any("decodes on the CPU" in str(warning.message) for warning in recwarn.list)
    assert np.array_equal(decoded, samebits.decode(stream))


def test_cuda_is_never_chosen_silently():
    assert kernels.target() != "cuda"
    assert isinstance(samebits.decode(samebits.encode(picture(20, 20))), np.ndarray)


@pytest.mark.skipif(HAS_GPU, reason="this machine has a CUDA device")
def test_asking_for_cuda_without_a_device_is_an_error():
    with pytest.raises(InvalidArgument, match="target 'cuda' is not available"):
        kernels.set_target("cuda")
    assert kernels.target() != "cuda"
    with pytest.raises(DeviceError, match="CUDA cannot be used"):
        samebits.decode(samebits.encode(picture(20, 20)), device="cuda")
