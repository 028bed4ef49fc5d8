"""The float twin as a codec: fails elsewhere, unless it is made stable (S1, S3, S5, S6)."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from samebits.errors import SamebitsError  # noqa: E402
from samebits.learn.stability import Scaling  # noqa: E402
from samebits.learn.stability.float_codec import FloatCodec, Method, Stabilization, Tweak  # noqa: E402
from samebits.stability import Precision  # noqa: E402
from tiny_float_model import smooth_pictures, tiny_weights_file  # noqa: E402

NOISE = 1e-4


def noisy(network, *tensors):
    """An environment whose networks give slightly other numbers."""
    y = network(*tensors)
    random = torch.Generator().manual_seed(y.numel())
    return y + NOISE * (2 * torch.rand(y.shape, generator=random) - 1)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights_file(tmp_path_factory.mktemp("stability"))


@pytest.fixture(scope="module")
def pictures():
    return [
        np.ascontiguousarray(x.permute(1, 2, 0).numpy()[:90, :77])
        for x in smooth_pictures(count=3, size=96, seed=3)
    ]


def decoded(weights, picture, stabilization, run):
    here = FloatCodec(weights, quality=70, stabilization=stabilization)
    there = FloatCodec(weights, quality=70, stabilization=stabilization, run=run)
    stream, sizes = here.encode(picture)
    wanted = here.decode(stream)
    assert wanted.shape == picture.shape
    assert np.abs(wanted.astype(int) - picture).mean() < 60
    try:
        return wanted, there.decode(stream), sizes
    except SamebitsError:
        return wanted, None, sizes


def test_without_stabilization_other_machines_differ(weights, pictures):
    results = [decoded(weights, picture, Stabilization(), noisy) for picture in pictures]
    assert not all(found is not None and (found == wanted).all() for wanted, found, _ in results)


@pytest.mark.parametrize("adjustment", ["none", "channels"])
def test_codes_repair(weights, pictures, adjustment):
    # Rows have 8 to an octave, and errors of one step go on into the next.
    rows = Method(
        precision=Precision(0.05), adjustment="none" if adjustment == "none" else "scalar"
    )
    pixels = Method(precision=Precision(0.05), adjustment=adjustment)
    stabilization = Stabilization(rows, pixels)
    for picture in pictures:
        wanted, found, sizes = decoded(weights, picture, stabilization, noisy)
        assert found is not None
        assert (found == wanted).all()
        assert sizes.rows > 0
        assert sizes.pixels > 0


@pytest.mark.parametrize("parameters", ["none", "biases"])
def test_tweaked_latents(weights, pictures, parameters):
    codes = Method(precision=Precision(0.01))
    tweak = Tweak(4.0, 0.02, 0.02, steps=3, parameters=parameters)
    wanted, found, sizes = decoded(weights, pictures[0], Stabilization(codes, codes, tweak), noisy)
    assert found is not None
    assert (found == wanted).all()
    assert (sizes.parameters > 0) == (parameters == "biases")


def test_exact_arithmetic(weights, pictures):
    def strided(network, *tensors):
        return network(*(x.contiguous(memory_format=torch.channels_last) for x in tensors))

    threads = torch.get_num_threads()
    try:
        with torch.backends.mkldnn.flags(enabled=False):
            torch.set_num_threads(1)
            exact = Method(exact=Scaling())
            stabilization = Stabilization(exact, exact)
            wanted, found, sizes = decoded(weights, pictures[0], stabilization, strided)
    finally:
        torch.set_num_threads(threads)
    assert (found == wanted).all()
    assert sizes.rows == sizes.pixels == 0


def test_damage_is_an_error(weights, pictures):
    codec = FloatCodec(
        weights,
        quality=70,
        stabilization=Stabilization(
            Method(precision=Precision(0.01), adjustment="linear"),
            Method(precision=Precision(0.01)),
        ),
    )
    stream, _ = codec.encode(pictures[0])
    for size in (0, 3, 8, 40, len(stream) - 1):
        with pytest.raises(SamebitsError):
            codec.decode(stream[:size])
