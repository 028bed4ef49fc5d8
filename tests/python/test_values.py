"""A probability per value (E5) end to end: streams, models that have the head, and bad input."""

import zlib

import numpy as np
import pytest

import reference_codec as reference
import samebits
from samebits import _core
from samebits.errors import CorruptStream, InvalidArgument, SamebitsError
from tiny_model import TinySizes, gaussian_starts, tiny_tensors, wavy_picture, write_safetensors

SIZES = TinySizes(value_radius=7)
TENSORS = tiny_tensors(sizes=SIZES)
WEIGHTS = write_safetensors(TENSORS)
MODEL = _core.Model(WEIGHTS)
SCHEDULES = {
    "one step": {"mode": 0, "phases": 0},
    "groups": {"mode": 2, "phases": 0},
    "four phases": {"mode": 2, "phases": 2, "groups": [2, 6]},
    "diagonal": {"mode": 2, "phases": 3},
    "mode 4": {"mode": 4, "phases": 1, "groups": [3, 3, 2]},
    "mode 6": {"mode": 6, "phases": 0, "groups": [2, 2, 3, 1], "first": 2},
}


def encode(
    picture, *, model=MODEL, quality=50, schedule=SCHEDULES["diagonal"], values=True, **more
):
    spec = _core.ScheduleSpec(**schedule)
    return _core.encode_picture(
        model, picture, quality=quality, schedule=spec, values=values, **more
    )


def model_with(**changes) -> _core.Model:
    """The tiny model with other tensors (dots in names written as two underscores)."""
    tensors = {**TENSORS, **{name.replace("__", "."): value for name, value in changes.items()}}
    return _core.Model(write_safetensors({k: v for k, v in tensors.items() if v is not None}))


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
@pytest.mark.parametrize("size", [(1, 1), (65, 33), (150, 90)], ids=str)
def test_reference_decoder_gives_the_same_bits(size, schedule):
    picture = wavy_picture(*size, seed=size[0])
    for quality in (0, 50, 100):
        stream = encode(picture, quality=quality, schedule=schedule).stream
        assert _core.parse_stream(stream).header.values
        expected = reference.decode(stream, WEIGHTS)
        np.testing.assert_array_equal(_core.decode_latents(MODEL, stream), expected.y_hat)
        np.testing.assert_array_equal(_core.decode_picture(MODEL, stream), expected.pixels)


@pytest.mark.parametrize(
    ("radius", "coefficients", "rows"),
    [(1, 2, (0, 64)), (3, 6, (20, 21)), (7, 16, (0, 30)), (20, 2, (28, 64)), (31, 4, (3, 50))],
)
def test_heads_of_other_sizes(radius, coefficients, rows):
    sizes = TinySizes(value_radius=radius, value_coefficients=coefficients, value_rows=rows)
    weights = write_safetensors(tiny_tensors(sizes=sizes))
    model = _core.Model(weights)
    stream = encode(wavy_picture(70, 90, seed=radius), model=model, quality=60).stream
    expected = reference.decode(stream, weights)
    np.testing.assert_array_equal(_core.decode_latents(model, stream), expected.y_hat)


def test_only_probabilities_change():
    picture = wavy_picture(120, 100, seed=4)
    without, with_values = encode(picture, values=False), encode(picture)
    assert without.stream != with_values.stream
    latents = [_core.decode_latents(MODEL, coded.stream) for coded in (without, with_values)]
    np.testing.assert_array_equal(*latents)
    headers = [_core.parse_stream(coded.stream).header for coded in (without, with_values)]
    assert headers[0].latent_crc == headers[1].latent_crc
    assert [header.values for header in headers] == [False, True]


def test_the_cost_is_what_the_payload_has():
    coded = encode(wavy_picture(500, 400, seed=5), quality=90)
    estimate = (coded.y_bits + coded.z_bits) / 8
    assert coded.lanes > 1
    assert estimate <= coded.payload_bytes <= estimate * 1.001 + 4 * coded.lanes + 8


def test_a_head_of_no_corrections_costs_what_the_tables_cost():
    radius, rows = 7, (6, 34)  # of standard deviations up to 1.5, few escapes
    tables = [gaussian_starts(2.0 ** ((r - 28) / 8), radius=radius) for r in range(*rows)]
    base = [256 * np.log2(np.diff([*starts, 65536]) / 65536) for starts in tables]
    model = model_with(
        values__base=np.rint(base).astype(np.int16),
        values__rows=np.array(rows, np.int32),
        values__shapes=0 * TENSORS["values.shapes"],
    )
    picture = wavy_picture(300, 200, seed=6)
    parametric, values = (
        encode(picture, model=model, quality=50, values=flag).y_bits for flag in (False, True)
    )
    assert values == pytest.approx(parametric, rel=0.01)


def test_targets_and_threads_never_change_a_bit():
    target, threads = _core.target(), _core.thread_count()
    picture = wavy_picture(200, 130, seed=8)
    results = set()
    try:
        for name in _core.targets():
            for count in (1, 2, 7):
                _core.set_target(name)
                _core.set_thread_count(count)
                for schedule in SCHEDULES.values():
                    stream = encode(picture, quality=70, schedule=schedule).stream
                    latents = _core.decode_latents(MODEL, stream).tobytes()
                    results.add((str(schedule), stream, latents))
    finally:
        _core.set_target(target)
        _core.set_thread_count(threads)
    assert len(results) == len(SCHEDULES)


def test_files_and_command_line(tmp_path, capsys):
    from samebits.cli.program import main

    weights = tmp_path / "values.safetensors"
    weights.write_bytes(WEIGHTS)
    picture = wavy_picture(60, 50, seed=9)
    stream = samebits.encode(picture, model=weights, distribution="values")
    info = samebits.info(stream, model=weights)
    assert info.distribution == "values"
    parametric = samebits.encode(picture, model=weights)
    assert samebits.info(parametric, model=weights).distribution == "parametric"
    decoded = [samebits.decode(s, model=weights) for s in (stream, parametric)]
    np.testing.assert_array_equal(*decoded)
    from PIL import Image

    Image.fromarray(picture).save(tmp_path / "p.png")
    words = ["encode", str(tmp_path / "p.png"), "--values", "--model", str(weights)]
    assert main(words) == 0
    assert (tmp_path / "p.same").read_bytes() == stream
    assert main(["info", str(tmp_path / "p.same"), "--model", str(weights)]) == 0
    assert "a probability per value" in capsys.readouterr().out
    with pytest.raises(InvalidArgument, match="'parametric' or 'values'"):
        samebits.encode(picture, model=weights, distribution="gaussian")


def test_a_model_without_the_head():
    plain = _core.Model(write_safetensors(tiny_tensors()))
    assert not plain.has_values
    assert MODEL.has_values
    picture = wavy_picture(40, 40)
    with pytest.raises(InvalidArgument, match="needs a model that has a head"):
        encode(picture, model=plain)
    # Its own stream with the bit set and a right checksum: no encoder writes that.
    stream = bytearray(encode(picture, model=plain, values=False).stream[:-4])
    schedule = next(
        byte
        for name, byte, _ in _core.parse_stream(
            encode(picture, model=plain, values=False).stream
        ).header.describe()
        if name == "values"
    )
    stream[schedule] |= 128
    damaged = bytes(stream) + zlib.crc32(stream).to_bytes(4, "little")
    assert _core.parse_stream(damaged).header.values
    with pytest.raises(CorruptStream, match="this model has none"):
        _core.decode_picture(plain, damaged)


def test_a_stream_read_with_the_wrong_distribution_is_refused():
    stream = bytearray(encode(wavy_picture(100, 100)).stream[:-4])
    stream[7] ^= 128
    damaged = bytes(stream) + zlib.crc32(stream).to_bytes(4, "little")
    with pytest.raises(SamebitsError):
        _core.decode_picture(MODEL, damaged)


def test_damaged_payloads_end_in_an_error():
    stream = encode(wavy_picture(150, 120, seed=3), quality=80).stream
    header = _core.parse_stream(stream).header_bytes
    rng = np.random.default_rng(1)
    for _ in range(60):
        body = bytearray(stream[:-4])
        for _ in range(rng.integers(1, 4)):
            body[rng.integers(header, len(body))] = rng.integers(256)
        if body == stream[:-4]:
            continue
        with pytest.raises(SamebitsError):
            _core.decode_picture(MODEL, bytes(body) + zlib.crc32(body).to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values__rows": np.array([5, 5], np.int32)}, "rows are 5 to 5"),
        ({"values__rows": np.array([-1, 43], np.int32)}, "rows are -1 to 43"),
        ({"values__rows": np.array([21, 65], np.int32)}, "64 scale rows"),
        ({"values__rows": None}, "values.rows"),
        ({"values__base": TENSORS["values.base"][:, :15]}, "15 entries"),
        ({"values__base": TENSORS["values.base"][1:]}, "values.base"),
        ({"values__base": np.zeros((44, 66), np.int16)}, "66 entries"),
        ({"values__base": TENSORS["values.base"] - np.int16(16000)}, "the logit"),
        ({"values__shapes": TENSORS["values.shapes"][:, :3]}, "3 coefficients"),
        ({"values__shapes": np.zeros((16, 18), np.int16)}, "18 coefficients"),
        ({"values__shapes": TENSORS["values.shapes"][:, :2]}, "must give 16"),
        ({"values__shapes": TENSORS["values.shapes"][:14]}, "values.shapes"),
        ({"values__shapes": np.full((16, 4), 32000, np.int16)}, r"2\^31 is not below"),
        ({"values__shift": np.array([31], np.int32)}, "shift is 31"),
        ({"values__shift": np.array([-1], np.int32)}, "shift is -1"),
        (
            {"values__program": TENSORS["values.program"][[0, 0, 1]]},
            "chain of 1 x 1 convolutions|used",
        ),
    ],
)
def test_a_malformed_head_is_refused(changes, message):
    with pytest.raises(InvalidArgument, match=message):
        model_with(**changes)
