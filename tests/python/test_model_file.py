"""Weights files: what the loader refuses, and that it says why."""

import hashlib

import numpy as np
import pytest

from samebits import _core
from samebits.errors import InvalidArgument
from tiny_model import (
    NetworkWriter,
    TinySizes,
    tiny_model,
    tiny_tensors,
    wavy_picture,
    write_safetensors,
)


def load_changed(change):
    """Load a tiny model after `change(tensors)`."""
    tensors = tiny_tensors()
    change(tensors)
    return _core.Model(write_safetensors(tensors))


def set_value(name, index, value):
    def change(tensors):
        tensors[name][index] = value

    return change


def replace(name, make):
    def change(tensors):
        tensors[name] = make(tensors[name])

    return change


def test_a_good_file_loads():
    data = tiny_model()
    model = _core.Model(data)
    digest = hashlib.sha256(data).digest()
    assert model.sha256 == digest
    assert model.id == digest[:3]
    assert (model.latent_channels, model.hyper_channels) == (8, 4)
    assert (model.feature_channels, model.context_channels) == (8, 16)
    assert model.groups == [1, 2, 5]
    assert model.phase_groups == [1, 1, 2, 4]


def test_describe_names_the_overflow_bound():
    tensors = tiny_tensors()
    weight = np.abs(tensors["context.weight"].astype(np.int64)).sum((1, 2))
    # h_s ends with a clamp of ±20000 in the tiny model
    bound = weight[:, :8].sum(1) * 8191 + weight[:, 8:16].sum(1) * 256
    bound += weight[:, 16:].sum(1) * 20000 + np.abs(tensors["context.bias"]).max(0)
    text = _core.Model(write_safetensors(tensors)).describe()
    assert f"largest possible accumulator {bound.max()}" in text


def test_other_sizes_load():
    sizes = TinySizes(
        latent_channels=12,
        hyper_channels=1,
        feature_channels=3,
        context_channels=20,
        proxy_shift=0,
        groups=(12,),
        phase_groups=(9, 1, 1, 1),
    )
    assert _core.Model(tiny_model(seed=3, sizes=sizes)).latent_channels == 12


BAD_VALUES = {
    "other version": set_value("config", 0, 2),
    "no latents": set_value("config", 1, 0),
    "too many latents": set_value("config", 1, 1025),
    "latents do not fit": set_value("config", 1, 9),
    "hyper channels do not fit": set_value("config", 2, 5),
    "features do not fit": set_value("config", 3, 9),
    "context does not fit": set_value("config", 4, 17),
    "proxy shift": set_value("config", 5, 16),
    "negative proxy shift": set_value("config", 5, -1),
    "qualities": set_value("config", 6, 100),
    "more scale rows than rows": set_value("config", 7, 69),
    "no scale rows": set_value("config", 7, 0),
    "reserved config": set_value("config", 12, 1),
    "negative gain": set_value("gain", (50, 3), -1),
    "negative inverse gain": set_value("inverse_gain", (50, 3), -1),
    "negative z gain": set_value("z_gain", (50, 3), -1),
    "negative inverse z gain": set_value("z_inverse_gain", (50, 3), -1),
    "z row": set_value("z_row", (100, 0), 68),
    "group of zero": set_value("groups", 0, 0),
    "groups too large": set_value("groups", 0, 2),
    "phase groups too small": set_value("phase_groups", 3, 3),
    "context multiplier": set_value("context.multiplier", 3, 65536),
    "context shift 0": set_value("context.shift", 3, 0),
    "context shift 47": set_value("context.shift", 3, 47),
    "context clamp reversed": set_value("context.clamp", 0, 5000),
    "context clamp beyond int16": set_value("context.clamp", 1, 32768),
    "context leaky": set_value("context.leaky", 0, -2),
    "layer multiplier": set_value("g_s.0.multiplier", 3, -1),
    "layer shift": set_value("g_s.0.shift", 3, 47),
    "layer clamp": set_value("g_s.0.clamp", 0, 5000),
    "synthesis not clamped": set_value("g_s.program", (-1, 5), 128),
    "synthesis not clamped below": set_value("g_s.program", (-1, 4), -129),
    "unknown opcode": set_value("g_a.program", (0, 0), 7),
    "unknown register": set_value("g_a.program", (0, 2), 9),
    "unused column": set_value("g_a.program", (0, 7), 1),
    "analysis of another stride": set_value("g_a.program", (-1, 5), 3 * 16 + 1),
    "hyper-analysis of another stride": set_value("h_a.program", (-1, 5), 3 * 16 + 1),
    "entropy network not pointwise": replace(
        "entropy.program", lambda p: np.vstack([p, [5, 1, 1, -1, -9, 9, 0, 0]]).astype(np.int32)
    ),
    "synthesis of another scale": replace(
        "g_s.program", lambda p: np.vstack([p, [3, 5, 5, -1, 1, 0, 0, 0]])[:-2].astype(np.int32)
    ),
    "first CDF start": set_value("cdf.starts", 0, 1),
    "CDF row not increasing": set_value("cdf.starts", 2, 0),
    "CDF row begin": set_value("cdf.row_begin", 1, 1),
    "CDF rows cut": replace("cdf.row_begin", lambda rows: rows[:-1]),
    "empty groups": replace("groups", lambda groups: groups[:0]),
    "three phase groups": replace("phase_groups", lambda groups: np.array([1, 3, 4], np.int32)),
    "weight too short": replace("context.weight", lambda weight: weight[:-1]),
    "bias too short": replace("context.bias", lambda bias: bias[:-1]),
    "lut too short": replace("h_s.1.lut", lambda lut: lut[:-1]),
}


@pytest.mark.parametrize("change", BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_bad_values_are_refused_with_a_sentence(change):
    with pytest.raises(InvalidArgument) as caught:
        load_changed(change)
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize("name", tiny_tensors().keys())
def test_every_tensor_is_needed(name):
    def change(tensors):
        del tensors[name]

    with pytest.raises(InvalidArgument, match=name.replace(".", r"\.")):
        load_changed(change)


def test_context_layer_must_not_overflow():
    # The largest weights that pass, and one step more (arithmetic.md 6).
    def weights(proxy_weight):
        def change(tensors):
            tensors["context.weight"][:] = 0
            tensors["context.bias"][:] = 0
            tensors["context.weight"][5, :, :, :8] = proxy_weight

        return change

    largest = (2**31 - 1) // (8191 * 9 * 8)
    load_changed(weights(largest))
    load_changed(weights(-largest))
    with pytest.raises(InvalidArgument, match="accumulators of the context layer"):
        load_changed(weights(largest + 1))


def test_context_bias_counts_for_overflow():
    with pytest.raises(InvalidArgument, match="accumulators of the context layer"):
        load_changed(set_value("context.bias", (77, 2), -(2**31)))


def test_network_must_not_overflow():
    with pytest.raises(InvalidArgument, match="int32"):
        load_changed(set_value("h_a.1.bias", 0, 2**31 - 1))


def test_every_cut_is_refused():
    data = tiny_model()
    cuts = {*range(16), *range(16, len(data), 997), len(data) - 1}
    for length in cuts:
        with pytest.raises(InvalidArgument):
            _core.Model(data[:length])


def test_bytes_behind_the_end_are_refused():
    with pytest.raises(InvalidArgument):
        _core.Model(tiny_model() + b"\0")


def test_flipped_bits_never_crash():
    # A flip in the header or in a value is refused, or gives another valid model.
    data = tiny_model()
    rng = np.random.default_rng(5)
    header_bits = 8 * (8 + int.from_bytes(data[:8], "little"))
    bits = np.concatenate(
        [rng.integers(0, header_bits, 400), rng.integers(header_bits, 8 * len(data), 200)]
    )
    refused = 0
    for bit in bits:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            assert _core.Model(bytes(changed)).sha256 != hashlib.sha256(data).digest()
        except InvalidArgument:
            refused += 1
    assert refused > 300


def shrinking(network, *, inputs, outputs, factors, halvings):
    """Rows and tensors of a network that scales by slightly less than it should.

    Sizes up to eight come out right because they are rounded up.
    """
    net = NetworkWriter(network, np.random.default_rng(1))
    channels = inputs
    for factor in factors:
        net.conv(1, 1 if net.rows else 0, inputs=channels, outputs=factor * factor)
        net.shuffle(1, 1, factor=factor)
        channels = 1
    for last in [False] * (halvings - 1) + [True]:
        count = outputs if last else 1
        net.conv(1, 1, inputs=1, outputs=count, kernel=3, stride=2, clamp=(-128, 127))
    return net.finish()


def test_networks_that_change_their_scale_are_found_when_used():
    # 15 / 64 instead of 1 / 4, and 31 * 33 / 64 instead of 16: right for small pictures only.
    wide = wavy_picture(16, 1024)
    small = wavy_picture(16, 80)
    tensors = tiny_tensors() | shrinking("h_a", inputs=8, outputs=4, factors=[15], halvings=6)
    model = _core.Model(write_safetensors(tensors))
    _core.encode_picture(model, small, quality=50)
    with pytest.raises(InvalidArgument, match="must give 1 x 16"):
        _core.encode_picture(model, wide, quality=50)

    tensors = tiny_tensors() | shrinking("g_s", inputs=8, outputs=3, factors=[31, 33], halvings=6)
    model = _core.Model(write_safetensors(tensors))
    _core.decode_picture(model, _core.encode_picture(model, small, quality=50).stream)
    stream = _core.encode_picture(model, wide, quality=50).stream
    with pytest.raises(InvalidArgument, match="must give 16 x 1024"):
        _core.decode_picture(model, stream)
