"""Native refinement (R5): better files, the same everywhere, decoded like any other."""

import numpy as np
import pytest

import samebits
from samebits import _core
from samebits.errors import InvalidArgument, LimitExceeded
from tiny_model import tiny_model, tiny_tensors, wavy_picture, write_safetensors

LMBDA = 0.02


def model_with_lmbda() -> _core.Model:
    tensors = tiny_tensors() | {"lmbda": np.full(101, round(LMBDA * 2**24), np.int32)}
    return _core.Model(write_safetensors(tensors, metadata={"name": "tiny"}))


MODEL = model_with_lmbda()
PICTURE = wavy_picture(90, 70)


def cost(stream: bytes, picture=PICTURE, model=MODEL) -> float:
    """Bits and the squared error that they leave, weighed."""
    decoded = samebits.decode(stream, model=model).astype(float)
    return 8 * len(stream) + LMBDA * float(np.square(decoded - picture).sum()) / 3


@pytest.mark.parametrize("quality", [0, 50, 100])
def test_refined_costs_less(quality):
    plain = samebits.encode(PICTURE, model=MODEL, quality=quality)
    refined = samebits.encode(PICTURE, model=MODEL, quality=quality, refine="fast")
    assert cost(refined) < cost(plain)
    info = samebits.verify(refined, model=MODEL)
    assert (info.width, info.height, info.quality) == (70, 90, quality)


def test_the_same_on_every_target_and_thread_count(restore_machine):
    streams = set()
    for target in _core.targets():
        for threads in (1, 2, 7):
            _core.set_target(target)
            _core.set_thread_count(threads)
            streams.add(samebits.encode(PICTURE, model=MODEL, refine="fast"))
    assert len(streams) == 1


@pytest.mark.parametrize("order", [{"preset": "fast"}, {"mode": 4}, {"preset": "small"}])
def test_any_order(order):
    plain = samebits.encode(PICTURE, model=MODEL, **order)
    refined = samebits.encode(PICTURE, model=MODEL, refine="fast", **order)
    assert cost(refined) <= cost(plain)


def test_grey_alpha_and_many():
    grey = PICTURE[:, :, 0]
    stream = samebits.encode(grey, model=MODEL, refine="fast")
    assert samebits.decode(stream, model=MODEL).shape == grey.shape
    rgba = np.dstack([PICTURE, np.full(PICTURE.shape[:2], 9, np.uint8)])
    stream = samebits.encode(rgba, model=MODEL, refine="fast")
    assert (samebits.decode(stream, model=MODEL)[:, :, 3] == 9).all()
    one = samebits.encode(PICTURE, model=MODEL, refine="fast")
    assert list(samebits.encode_many([PICTURE] * 3, model=MODEL, refine="fast")) == [one] * 3


def test_series():
    tensors = tiny_tensors(time=True) | {"lmbda": np.full(101, 2**18, np.int32)}
    model = _core.Model(write_safetensors(tensors, metadata={"name": "tiny"}))
    frames = [wavy_picture(40, 60, seed=n // 2) for n in range(4)]
    stream = samebits.encode_series(frames, model=model, refine="fast")
    plain = samebits.encode_series(frames, model=model)
    assert stream != plain
    assert len(list(samebits.decode_series(stream, model=model))) == 4


def test_what_is_refused():
    for refine in ("quick", 0, -1, True, 10**9):
        with pytest.raises(InvalidArgument, match="'fast'"):
            samebits.encode(PICTURE, model=MODEL, refine=refine)
    with pytest.raises(InvalidArgument, match="path"):
        samebits.encode(PICTURE, model=MODEL, refine="medium")
    without = _core.Model(tiny_model())
    with pytest.raises(InvalidArgument, match="lmbda"):
        samebits.encode(PICTURE, model=without, refine="fast")
    large = wavy_picture(600, 600)
    samebits.encode(large, model=MODEL, max_bytes=2_000_000)
    with pytest.raises(LimitExceeded):
        samebits.encode(large, model=MODEL, refine="fast", max_bytes=2_000_000)
    bad = tiny_tensors() | {"lmbda": np.zeros(101, np.int32)}
    with pytest.raises(InvalidArgument, match="lmbda"):
        _core.Model(write_safetensors(bad, metadata={}))


def test_latents_that_are_returned_count_as_memory():
    enough, low = 4_000_000, 0
    while enough - low > 100:
        middle = (enough + low) // 2
        try:
            _core.encode_picture(MODEL, PICTURE, quality=50, max_bytes=middle)
            enough = middle
        except LimitExceeded:
            low = middle
    with pytest.raises(LimitExceeded):
        _core.encode_picture(MODEL, PICTURE, quality=50, max_bytes=enough, return_latents=True)


def test_region_of_interest():
    mask = np.zeros(PICTURE.shape[:2], np.uint8)
    mask[:40] = 255
    plain = samebits.encode(PICTURE, model=MODEL, refine="fast")
    region = samebits.encode(PICTURE, model=MODEL, refine="fast", weights=mask)

    def errors(stream):
        error = np.square(samebits.decode(stream, model=MODEL).astype(float) - PICTURE)
        return error[:40].mean(), error[48:].mean()

    assert errors(region)[0] < errors(plain)[0]
    assert errors(region)[1] > errors(plain)[1]
    same = samebits.encode(PICTURE, model=MODEL, refine="fast", weights=np.full_like(mask, 7))
    assert same == plain


@pytest.mark.parametrize(
    "weights", [np.zeros((90, 70), np.uint8), np.ones((9, 7), np.uint8), np.ones((90, 70))]
)
def test_weights_that_are_refused(weights):
    with pytest.raises(InvalidArgument, match="weights"):
        samebits.encode(PICTURE, model=MODEL, refine="fast", weights=weights)
    with pytest.raises(InvalidArgument, match="weights"):
        samebits.encode(PICTURE, model=MODEL, weights=np.ones((90, 70), np.uint8))


def given(quality: int):
    """The encoder's own latents."""
    trace = _core.encode_latents(MODEL, PICTURE, quality=quality)
    return trace.y, trace.z_symbols


def test_given_latents_are_coded():
    y, z = given(50)
    plain = samebits.encode(PICTURE, model=MODEL)
    encode = _core.encode_picture
    assert encode(MODEL, PICTURE, quality=50, latents=(y, z)).stream == plain
    # Worse latents are not taken.
    assert encode(MODEL, PICTURE, quality=50, latents=(y + 3000, z)).stream == plain
    # Better ones are, and the search goes on from them.
    first = encode(MODEL, PICTURE, quality=50, refine_rounds=4)
    y_hat = _core.decode_latents(MODEL, first.stream)
    second = encode(MODEL, PICTURE, quality=50, latents=(y_hat, z), refine_rounds=4)
    assert cost(second.stream) <= cost(plain)


@pytest.mark.parametrize(
    "change",
    [
        lambda y, z: (y[1:], z),
        lambda y, z: (y, z[:, 1:]),
        lambda y, z: (y, z + 2**15),
        lambda y, z: (y[..., 1:].copy(), z),
    ],
)
def test_latents_that_do_not_fit(change):
    latents = tuple(np.ascontiguousarray(a) for a in change(*given(50)))
    with pytest.raises(InvalidArgument):
        _core.encode_picture(MODEL, PICTURE, quality=50, latents=latents)
