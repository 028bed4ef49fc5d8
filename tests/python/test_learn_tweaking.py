"""Latent tweaking: latents and biases that leave no output ambiguous (S2)."""

import math
import random
import zlib

import pytest

torch = pytest.importorskip("torch")

from samebits.errors import CorruptStream, InvalidArgument  # noqa: E402
from samebits.learn.models.network import ste_round  # noqa: E402
from samebits.learn.refinement import WeightsModel  # noqa: E402
from samebits.learn.stability.parameter_difference import ParameterDifference  # noqa: E402
from samebits.learn.stability.tweaking import (  # noqa: E402
    Outputs,
    nearness,
    outputs_of,
    tweak_latents,
)
from samebits.learn.training.ambiguity import ambiguity  # noqa: E402
from tiny_float_model import smooth_pictures, tiny_weights_file  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    model = WeightsModel(tiny_weights_file(tmp_path_factory.mktemp("tweaking")), quality=60)
    # Scales of a random model are nearly the same everywhere.
    model.entropy.head.layers[-1].weight[model.config.latent_channels :] *= 100
    return model


@pytest.fixture(scope="module")
def x():
    return smooth_pictures(count=1, size=32, seed=5)[..., :30].float()


def computed(model, latents) -> Outputs:
    with torch.no_grad():
        return outputs_of(model, latents)


def ambiguous(outputs, *, pixel_distance, row_distance):
    pixels = nearness(outputs.pixels[..., :30], distance=pixel_distance, largest=255)
    rows = nearness(outputs.rows, distance=row_distance, largest=79)
    return int((pixels > 0).sum()), int((rows > 0).sum())


def cost(model, x, outputs):
    x_hat = outputs.pixels[..., :30].clamp(0, 255)
    return float(outputs.bits + model.lmbda * (x - x_hat).square().sum() / 3)


def test_outputs_are_those_of_the_model(model, x):
    latents = model.latents(x)
    outputs = computed(model, latents)
    bits, x_hat = model.decode(latents, ste_round)
    assert torch.allclose(outputs.bits, bits, rtol=1e-4)
    assert torch.allclose(outputs.pixels.clamp(0, 255), x_hat, atol=1e-2)
    again = computed(model, outputs.settled)
    assert torch.equal(again.rows, outputs.rows)
    assert torch.equal(again.pixels, outputs.pixels)


def test_nearness_is_that_of_the_document_inside_of_the_range():
    values = torch.tensor([3.5, 3.49, 3.4, 254.5, 254.51, 255.5, 300.0, -0.5, -0.49, 0.5])
    found = nearness(values, distance=0.05, largest=255)
    wanted = ambiguity(values, 0.05) / 0.05
    wanted[5:9] = 0
    assert torch.allclose(found, wanted)
    assert not nearness(values, distance=0.0, largest=255).any()


@pytest.mark.parametrize("distances", [(3e-4, 0.0), (0.0, 2e-2), (2e-4, 1e-2)])
def test_latents_alone_clear_a_few_outputs(model, x, distances):
    pixel_distance, row_distance = distances
    limits = {"pixel_distance": pixel_distance, "row_distance": row_distance}
    latents = model.latents(x)
    before = computed(model, latents)
    assert sum(ambiguous(before, **limits)) > 0
    options = {"lmbda": model.lmbda, "beta": 5.0, "steps": 300, "learning_rate": 0.01}
    tweaked = tweak_latents(model, x, latents, **options, **limits)
    after = computed(model, tweaked.latents)
    assert ambiguous(after, **limits) == (0, 0)
    assert tweaked.ambiguous_pixels == tweaked.ambiguous_rows == 0
    assert tweaked.difference is None
    assert 0 < tweaked.steps < 300
    assert cost(model, x, after) < 1.05 * cost(model, x, before)


def test_biases_clear_what_latents_cannot(model, x):
    limits = {"pixel_distance": 5e-3, "row_distance": 0.05}
    latents = model.latents(x)
    before = ambiguous(computed(model, latents), **limits)
    assert min(before) > 0
    options = {"lmbda": model.lmbda, "beta": 5.0, "steps": 5, **limits}
    alone = tweak_latents(model, x, latents, **options)
    assert 0 < alone.ambiguous_pixels + alone.ambiguous_rows <= sum(before)
    assert alone.steps == 5
    tweaked = tweak_latents(model, x, latents, parameters="biases", **options)
    assert (tweaked.ambiguous_pixels, tweaked.ambiguous_rows, tweaked.steps) == (0, 0, 0)
    sent = ParameterDifference.from_bytes(tweaked.difference.to_bytes())
    assert sent == tweaked.difference
    decoder = sent.applied_to(model)
    assert ambiguous(computed(decoder, tweaked.latents), **limits) == (0, 0)
    # What another machine computes, at most half the distance away, is rounded alike.
    here = computed(decoder, tweaked.latents)
    for values, distance, most in ((here.pixels[..., :30], 5e-3, 255), (here.rows, 0.05, 79)):
        inside = (values > 0) & (values < most)
        there = values + distance / 2 * (2 * torch.rand_like(values) - 1)
        assert torch.equal(torch.floor(there + 0.5)[inside], torch.floor(values + 0.5)[inside])
    # The model that it was applied to stays as it was.
    assert ambiguous(computed(model, tweaked.latents), **limits) == before


def test_more_than_biases_can_clear(model, x):
    latents = model.latents(x)
    options = {"lmbda": model.lmbda, "beta": 1.0, "pixel_distance": 0.1, "steps": 2}
    alone = tweak_latents(model, x, latents, **options)
    both = tweak_latents(model, x, latents, parameters="biases", **options)
    assert 0 < both.ambiguous_pixels < alone.ambiguous_pixels


def test_a_loss_that_is_not_finite(model, x):
    latents = model.latents(x)
    start = computed(model, latents).settled
    with pytest.warns(UserWarning, match="loss of tweaking is"):
        tweaked = tweak_latents(
            model, x, latents, lmbda=0.01, beta=1.0, pixel_distance=0.1, learning_rate=math.inf
        )
    assert tweaked.steps < 100
    assert all(torch.equal(tweaked.latents[name], start[name]) for name in start)


@pytest.mark.parametrize(
    "options",
    [
        {"beta": -1.0},
        {"pixel_distance": 0.5},
        {"row_distance": -1e-3},
        {"steps": -1},
        {"parameters": "weights"},
    ],
)
def test_arguments_that_are_refused(model, x, options):
    latents = model.latents(x)
    with pytest.raises(InvalidArgument):
        tweak_latents(model, x, latents, **{"lmbda": 0.01, "beta": 1.0, **options})
    with pytest.raises(InvalidArgument, match="shape"):
        tweak_latents(model, x[0], latents, lmbda=0.01, beta=1.0)


@pytest.mark.parametrize(
    "difference",
    [
        ParameterDifference(),
        ParameterDifference(pixels=(0, 1, -1, 63, -64, 64, 512, -512)),
        ParameterDifference(pixels=(0,) * 192, rows=(-3,) * 4096),
    ],
)
def test_differences_as_bytes(difference):
    assert ParameterDifference.from_bytes(difference.to_bytes()) == difference


def test_damaged_differences_are_refused(model):
    difference = ParameterDifference(pixels=(1, -200, 3), rows=(5,))
    content = difference.to_bytes()
    for size in range(len(content)):
        with pytest.raises(CorruptStream):
            ParameterDifference.from_bytes(content[:size])
    values, refused = random.Random(0), 0
    for _ in range(300):
        damaged = bytearray(content)
        damaged[values.randrange(len(content))] ^= 1 << values.randrange(8)
        try:  # bits that fill the last byte of what zlib wrote mean nothing
            assert ParameterDifference.from_bytes(bytes(damaged)) == difference
        except CorruptStream:
            refused += 1
    assert refused > 250
    for varints in (
        b"",
        b"\0",
        b"\1\0",
        b"\0\0\0",
        b"\1\x80\0\0",
        b"\1\xff\xff\0",
        b"\1\x81\x08\0",
    ):
        with pytest.raises(CorruptStream):
            ParameterDifference.from_bytes(zlib.compress(varints))
    with pytest.raises(CorruptStream):
        ParameterDifference.from_bytes(zlib.compress(bytes(10_000_000)))
    with pytest.raises(CorruptStream):
        ParameterDifference.from_bytes(content + b"\0")
    with pytest.raises(CorruptStream, match="layer"):
        ParameterDifference(pixels=(1, 2, 3)).applied_to(model)
    for channels in ((513,), (0,) * 4097):
        with pytest.raises(InvalidArgument):
            ParameterDifference(rows=channels)
