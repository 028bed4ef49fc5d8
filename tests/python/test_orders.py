"""Every order of bitstream.md 2: all modes with all phases, one model for all of them."""

import numpy as np
import pytest

import reference_codec as reference
from reference_schedule import make_steps
from samebits import _core
from tiny_model import tiny_model, wavy_picture

GROUPS = {
    0: [{}],
    1: [{"groups": [3, 5]}, {"even_groups": 4}],
    2: [{}, {"even_groups": 3}],
    3: [{"groups": [3, 4, 1]}, {"groups": [8]}],
    4: [{}, {"groups": [3, 5]}],
    5: [{"first": 1}, {"groups": [2, 1, 3, 2], "first": 2}],
    6: [{"even_groups": 5, "first": 2}, {"groups": [4, 4], "first": 1}],
}
ORDERS = [
    {"mode": mode, "phases": phases, **groups}
    for mode, layouts in GROUPS.items()
    for phases in (0, 1, 2)
    for groups in layouts
] + [{"mode": 2, "phases": 3, "even_groups": 2}, {"mode": 2, "phases": 3, "groups": [1, 2, 2, 3]}]
WEIGHTS = tiny_model()
MODEL = _core.Model(WEIGHTS)
each_order = pytest.mark.parametrize("order", ORDERS, ids=str)


def encode(picture, order, *, quality=60):
    spec = _core.ScheduleSpec(**order)
    return _core.encode_picture(MODEL, picture, quality=quality, schedule=spec).stream


@pytest.mark.usefixtures("restore_machine")
@each_order
def test_the_same_bits_on_every_target_with_any_number_of_threads(order):
    picture = wavy_picture(90, 70, seed=8)
    results = set()
    for target in _core.targets():
        for threads in (1, 2, 7):
            _core.set_target(target)
            _core.set_thread_count(threads)
            stream = encode(picture, order)
            latents = _core.decode_latents(MODEL, stream)
            results.add((stream, latents.tobytes()))
    assert len(results) == 1
    stream, latents = results.pop()
    assert reference.decode(stream, WEIGHTS).y_hat.tobytes() == latents


@each_order
@pytest.mark.parametrize("size", [(1, 1), (17, 1), (33, 100)], ids=str)
def test_the_reference_decoder_gives_the_same_picture(order, size):
    stream = encode(wavy_picture(*size, seed=3), order, quality=90)
    expected = reference.decode(stream, WEIGHTS)
    np.testing.assert_array_equal(_core.decode_picture(MODEL, stream), expected.pixels)


@each_order
def test_steps_are_those_of_the_document(order):
    groups = MODEL.channel_groups
    stream = reference.parse_stream(encode(wavy_picture(16, 16), order))
    model_groups = groups.phase_groups if order["phases"] == 3 else groups.groups
    expected = make_steps(stream, groups.latent_channels, model_groups)
    steps = [
        [
            (begin, end, phase_mask, {c for part in view or [(0, 8)] for c in range(*part)})
            for begin, end, phase_mask, view in step
        ]
        for step in _core.schedule_steps(_core.ScheduleSpec(**order), groups)
    ]
    assert steps == expected


def test_orders_differ():
    picture = wavy_picture(60, 90, seed=1)
    # Both are the channels one after another.
    same = [{"mode": 3, "phases": 0, "groups": [8]}, {"mode": 4, "phases": 0, "groups": [8]}]
    payloads = [_core.parse_stream(encode(picture, order)).payload for order in same]
    assert payloads[0] == payloads[1]
    streams = [encode(picture, order) for order in ORDERS]
    latents = {_core.decode_latents(MODEL, stream).tobytes() for stream in streams}
    assert len(latents) >= len(ORDERS) - 3
