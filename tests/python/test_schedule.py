"""Schedules as data (requirement E3, bitstream.md 2)."""

import numpy as np
import pytest

from samebits import _core
from samebits.errors import InvalidArgument
from tiny_model import TinySizes, tiny_model

SIZES = TinySizes(latent_channels=8, groups=(1, 2, 5), phase_groups=(1, 1, 2, 4))

VALID = [
    {"mode": 0, "phases": 0},
    {"mode": 0, "phases": 1},
    {"mode": 0, "phases": 2},
    {"mode": 1, "phases": 0},
    {"mode": 2, "phases": 1},
    {"mode": 3, "phases": 1, "even_groups": 3},
    {"mode": 4, "phases": 2},
    {"mode": 5, "phases": 0, "first": 1},
    {"mode": 6, "phases": 1, "groups": [2, 1, 3, 2], "first": 2},
    {"mode": 2, "phases": 0},
    {"mode": 2, "phases": 0, "groups": [8]},
    {"mode": 2, "phases": 0, "groups": [1] * 8},
    {"mode": 2, "phases": 2},
    {"mode": 2, "phases": 2, "groups": [3, 5]},
    {"mode": 2, "phases": 3},
    {"mode": 2, "phases": 3, "groups": [5, 1, 1, 1]},
]


@pytest.fixture(scope="module")
def model():
    return _core.Model(tiny_model(sizes=SIZES))


def steps_of(model, **spec):
    return _core.schedule_steps(_core.ScheduleSpec(**spec), model.channel_groups)


def seeing_everything(steps):
    """Steps of rectangles without views."""
    return [[(*rectangle, None) for rectangle in step] for step in steps]


@pytest.mark.parametrize("spec", VALID, ids=str)
def test_every_element_is_coded_exactly_once(model, spec):
    times = np.zeros((4, 8), int)
    for step in steps_of(model, **spec):
        for begin, end, phase_mask, _ in step:
            for phase in range(4):
                times[phase, begin:end] += phase_mask >> phase & 1
    assert (times == 1).all()


def test_mode_0_is_one_step(model):
    assert steps_of(model, mode=0, phases=0) == [[(0, 8, 15, None)]]


def test_mode_2_is_one_step_a_group(model):
    assert steps_of(model, mode=2, phases=0) == seeing_everything(
        [[(0, 1, 15)], [(1, 3, 15)], [(3, 8, 15)]]
    )


def test_explicit_groups_replace_the_models(model):
    assert steps_of(model, mode=2, phases=0, groups=[6, 2]) == seeing_everything(
        [[(0, 6, 15)], [(6, 8, 15)]]
    )


def test_phases_2_codes_all_groups_of_a_phase_before_the_next(model):
    assert steps_of(model, mode=2, phases=2, groups=[3, 5]) == seeing_everything(
        [
            [(0, 3, 1)],
            [(3, 8, 1)],
            [(0, 3, 8)],
            [(3, 8, 8)],
            [(0, 3, 2)],
            [(3, 8, 2)],
            [(0, 3, 4)],
            [(3, 8, 4)],
        ]
    )


def test_phases_3_is_diagonal(model):
    assert steps_of(model, mode=2, phases=3) == seeing_everything(
        [
            [(0, 1, 1), (1, 2, 8), (2, 4, 2), (4, 8, 4)],
            [(0, 1, 8), (1, 2, 2), (2, 4, 4), (4, 8, 1)],
            [(0, 1, 2), (1, 2, 4), (2, 4, 1), (4, 8, 8)],
            [(0, 1, 4), (1, 2, 1), (2, 4, 8), (4, 8, 2)],
        ]
    )


@pytest.mark.parametrize(
    "spec",
    [
        {"mode": 7, "phases": 0},
        {"mode": -1, "phases": 0},
        {"mode": 2, "phases": 4},
        {"mode": 0, "phases": 3},
        {"mode": 4, "phases": 3},
        {"mode": 0, "phases": 0, "groups": [8]},
        {"mode": 2, "phases": 3, "groups": [4, 3, 1]},
        {"mode": 2, "phases": 0, "groups": [4, 4], "even_groups": 2},
        {"mode": 5, "phases": 0},
        {"mode": 3, "phases": 0, "first": 1},
    ],
    ids=str,
)
def test_fields_that_contradict_each_other_are_refused(model, spec):
    with pytest.raises(InvalidArgument, match="no schedule of mode"):
        steps_of(model, **spec)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"mode": 1, "phases": 0, "groups": [8]}, "two groups or more"),
        ({"mode": 5, "phases": 0, "first": 3}, "`first` is 3 and there are 3 groups"),
        ({"mode": 4, "phases": 0, "even_groups": 9}, "the model has 8 latent channels"),
        ({"mode": 4, "phases": 0, "even_groups": 65}, "at most 64"),
    ],
    ids=str,
)
def test_schedules_that_do_not_fit_the_model_are_refused(model, spec, words):
    with pytest.raises(InvalidArgument, match=words):
        steps_of(model, **spec)


def test_views_of_chains():
    groups = _core.ChannelGroups(latent_channels=6, groups=[1, 2, 1, 2])
    spec = _core.ScheduleSpec(mode=6, phases=0, first=2)
    assert _core.schedule_steps(spec, groups) == [
        [(0, 1, 15, [(0, 1)]), (1, 2, 15, [(1, 3)])],
        [(2, 3, 15, [(1, 3)])],
        [(3, 4, 15, [(0, 4)]), (4, 5, 15, [(0, 3), (4, 6)])],
        [(5, 6, 15, [(0, 3), (4, 6)])],
    ]


@pytest.mark.parametrize("groups", [[7], [9], [4, 5], [0, 8], [2**32 - 1, 9], [1] * 65], ids=str)
def test_groups_must_add_up(model, groups):
    with pytest.raises(InvalidArgument, match="channel groups"):
        steps_of(model, mode=2, phases=0, groups=groups)
