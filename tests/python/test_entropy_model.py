"""The step loop against a full recomputation of every step (requirements E1, E2, X3)."""

import numpy as np
import pytest

import reference_codec as reference
from samebits import _core
from tiny_model import TinySizes, tiny_model, wavy_picture

SCHEDULES = {
    "mode 0": {"mode": 0, "phases": 0},
    "mode 0, checkerboard": {"mode": 0, "phases": 1},
    "mode 1": {"mode": 1, "phases": 0, "groups": [2, 6]},
    "uneven groups": {"mode": 2, "phases": 0},
    "a group a channel": {"mode": 2, "phases": 0, "groups": [1] * 8},
    "phases 2": {"mode": 2, "phases": 2},
    "diagonal": {"mode": 2, "phases": 3},
    "diagonal of two": {"mode": 2, "phases": 3, "groups": [5, 3]},
    "mode 3, checkerboard": {"mode": 3, "phases": 1, "groups": [3, 1, 4]},
    "mode 4": {"mode": 4, "phases": 0},
    "mode 4, phases 2": {"mode": 4, "phases": 2, "even_groups": 3},
    "mode 5": {"mode": 5, "phases": 0, "groups": [1, 2, 2, 3], "first": 2},
    "mode 5, checkerboard": {"mode": 5, "phases": 1, "even_groups": 4, "first": 2},
    "mode 6": {"mode": 6, "phases": 0, "even_groups": 4, "first": 1},
    "mode 6, phases 2": {"mode": 6, "phases": 2, "groups": [1, 2, 2, 3], "first": 2},
}
LARGE = TinySizes(proxy_shift=0, latent_std=16000.0)


@pytest.fixture(scope="module", params=[None, LARGE], ids=["usual", "saturating"])
def weights_file(request):
    return tiny_model(seed=7, sizes=request.param)


def trace_of(weights_file, picture, schedule, *, quality):
    return _core.encode_latents(
        _core.Model(weights_file),
        picture,
        quality=quality,
        schedule=_core.ScheduleSpec(**schedule),
    )


def steps_of(weights_file, schedule):
    return _core.schedule_steps(
        _core.ScheduleSpec(**schedule), _core.Model(weights_file).channel_groups
    )


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
@pytest.mark.parametrize("size", [(150, 90), (16, 80), (33, 1)], ids=str)
def test_incremental_steps_equal_full_passes(weights_file, schedule, size):
    quality = 60
    picture = wavy_picture(*size, seed=2)
    trace = trace_of(weights_file, picture, schedule, quality=quality)
    weights = reference.Weights.parse(weights_file)
    prediction = trace.prediction.astype(np.int64)
    features = trace.features.astype(np.int64)
    state = reference.State(prediction.copy(), np.zeros_like(prediction), prediction, features)
    for step in steps_of(weights_file, schedule):
        for *rectangle, view in step:
            channels = view and {c for begin, end in view for c in range(begin, end)}
            index, mean, row, _ = reference.step_elements(
                weights, quality, state, (*rectangle, channels), values=False
            )
            np.testing.assert_array_equal(trace.mean[tuple(index)], mean)
            np.testing.assert_array_equal(trace.rows[tuple(index)], row)
        for *rectangle, _ in step:
            index = reference.rectangle_index(prediction.shape, rectangle)
            state.proxy[index] = trace.y_hat[index]
            state.mask[index] = 1


def test_latents_are_quantized_as_the_document_says(weights_file):
    quality = 35
    picture = wavy_picture(100, 70, seed=4)
    trace = trace_of(weights_file, picture, SCHEDULES["diagonal"], quality=quality)
    weights = reference.Weights.parse(weights_file)
    difference = trace.y.astype(np.int64) - trace.mean
    k = reference.round_shift(difference * weights["gain"][quality], 24)
    np.testing.assert_array_equal(trace.symbols, np.clip(k, -(2**20), 2**20))
    residual = reference.round_shift(k * weights["inverse_gain"][quality], 8)
    np.testing.assert_array_equal(trace.y_hat, reference.clamp16(trace.mean + residual))


def test_transforms_and_hyper_latents_are_those_of_the_document(weights_file):
    quality = 80
    picture = wavy_picture(70, 100, seed=5)
    trace = trace_of(weights_file, picture, SCHEDULES["mode 0"], quality=quality)
    weights = reference.Weights.parse(weights_file)
    extended = np.pad(picture, ((0, 10), (0, 12), (0, 0)), mode="edge").astype(np.int64) - 128
    y = reference.run_network(weights, "g_a", extended)
    np.testing.assert_array_equal(trace.y, y)
    z = reference.run_network(weights, "h_a", np.pad(y, ((0, 3), (0, 1), (0, 0))))
    k = reference.round_shift(z * weights["z_gain"][quality], 24)
    np.testing.assert_array_equal(trace.z_symbols, k)
    z_hat = reference.clamp16(reference.round_shift(k * weights["z_inverse_gain"][quality], 8))
    hyper = reference.run_network(weights, "h_s", z_hat)[:5, :7]
    np.testing.assert_array_equal(trace.features, hyper[..., :8])
    np.testing.assert_array_equal(trace.prediction, hyper[..., 8:])


def test_saturating_model_reaches_the_clamps():
    # Otherwise the tests above would not show that the clamps are right.
    trace = trace_of(
        tiny_model(seed=7, sizes=LARGE),
        wavy_picture(150, 90, seed=2),
        SCHEDULES["diagonal"],
        quality=60,
    )
    assert np.abs(trace.y_hat.astype(int)).max() == 32767
    assert (np.abs(trace.prediction.astype(int)) > 8191).any()


def test_one_network_codes_all_orders_differently(weights_file):
    # A schedule that changed nothing would be no schedule.
    picture = wavy_picture(150, 90, seed=2)
    means = [
        trace_of(weights_file, picture, schedule, quality=60).mean
        for schedule in SCHEDULES.values()
    ]
    for i, mean in enumerate(means):
        for other in means[:i]:
            assert (mean != other).any()


@pytest.mark.parametrize("quality", [0, 50, 100])
def test_layers_end_with_the_networks_output(weights_file, quality):
    model = _core.Model(weights_file)
    rng = np.random.default_rng(quality)
    x = rng.integers(-128, 128, (32, 48, 3)).astype(np.int16)
    layers = _core.run_layers(model, "g_a", x)
    np.testing.assert_array_equal(layers[-1], _core.run_network(model, "g_a", x))
    assert layers[0].shape == (4, 6, 192)
