"""Range coder for arrays: round trips, equality with the slow reference, refusals, overhead."""

import sys
import threading

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import reference_range_coder as reference
from samebits import _core
from samebits.errors import CorruptStream, InvalidArgument, Truncated
from samebits.kernels import CdfTables, range_decode, range_encode
from samebits.kernels.coding import estimated_bits

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
LANES = (1, 2, 4, 8, 16, 32)

EXTREME = CdfTables(
    [
        [0, 65535, 65536],
        [0, 1, 65536],
        [0, 1, 2, 3, 65536],
        [0, 65533, 65534, 65535, 65536],
        [0, 1, 65534, 65535, 65536],
        [0, 32768, 65536],
        [0, 30000, 60000, 65536],
        np.arange(65537),
        [0, 1, 2],
    ],
    [0, 5, -1, -2, -1, INT32_MIN, INT32_MAX - 1, -32768, 0],
)


@st.composite
def coding_cases(draw):
    """Tables, symbols and table index of one small array, and a number of lanes."""
    tables = EXTREME
    if draw(st.booleans()):
        rows = draw(
            st.lists(
                st.sets(st.integers(1, 65535), min_size=1, max_size=40), min_size=1, max_size=9
            )
        )
        offsets = [draw(st.integers(-100, 20)) for _ in rows]
        tables = CdfTables([[0, *sorted(row), 65536] for row in rows], offsets)
    size = draw(st.integers(0, 130))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    index = rng.integers(0, tables.rows, size, dtype=np.uint8)
    low = tables.min_symbol[index].astype(np.int64)
    symbols = rng.integers(low, tables.max_symbol[index].astype(np.int64) + 1)
    outside = rng.random(size) < draw(st.sampled_from([0, 0.1, 1]))
    anything = int(rng.integers(INT32_MIN, INT32_MAX))
    symbols[outside] = rng.choice([INT32_MIN, INT32_MAX, 0, -2000, 70000, anything], outside.sum())
    return tables, symbols.astype(np.int32), index, draw(st.sampled_from(LANES))


@settings(max_examples=150, deadline=None)
@given(coding_cases())
def test_equals_the_reference_in_both_directions(case):
    tables, symbols, index, lanes = case
    stream = range_encode(symbols, index, tables, lanes=lanes)
    rows = reference.rows_of(tables)
    assert stream == reference.encode([(symbols.tolist(), index.tolist())], rows, lanes=lanes)
    assert reference.decode(stream, [index.tolist()], rows) == [symbols.tolist()]
    decoded = range_decode(stream, index, tables)
    assert decoded.dtype == np.int32
    np.testing.assert_array_equal(decoded, symbols)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 40), st.integers(0, 2**32 - 1))
@example(bytes([0, 255, 255, 255, 255]), 1, 0)
@example(bytes([0]), 40, 0)
def test_any_bytes_are_refused_or_decoded_like_the_reference(payload, size, seed):
    index = np.random.default_rng(seed).integers(0, EXTREME.rows, size, dtype=np.uint8)
    try:
        expected = reference.decode(payload, [index.tolist()], reference.rows_of(EXTREME))[0]
    except reference.Refused:
        with pytest.raises(CorruptStream):
            range_decode(payload, index, EXTREME)
    else:
        assert range_decode(payload, index, EXTREME).tolist() == expected


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (31,), (32,), (33,), (5, 7, 9)])
def test_keeps_any_shape(shape, lanes):
    rng = np.random.default_rng(8)
    index = np.array(rng.integers(0, 80, shape), np.uint8)
    symbols = np.array(rng.integers(-90, 91, shape), np.int32)
    tables = CdfTables.gaussian_octaves()
    stream = range_encode(symbols, index, tables, lanes=lanes)
    decoded = range_decode(stream, index, tables)
    assert decoded.shape == shape
    np.testing.assert_array_equal(decoded, symbols)


def test_takes_views_and_any_bytes_like_stream():
    tables = CdfTables.gaussian(["0.5", 3, 20])
    rng = np.random.default_rng(9)
    index = rng.integers(0, 3, (40, 60), dtype=np.uint8)
    symbols = rng.integers(-9, 9, (40, 60), dtype=np.int32)
    stream = range_encode(symbols.T[::2], index.T[::2], tables)
    assert stream == range_encode(symbols.T[::2].copy(), index.T[::2].copy(), tables)
    forms = [stream, bytearray(stream), memoryview(stream), np.frombuffer(stream, np.uint8)]
    padded = np.zeros((len(stream), 2), np.uint8)
    padded[:, 0] = forms[3]
    for form in forms:
        np.testing.assert_array_equal(range_decode(form, index.T[::2], tables), symbols.T[::2])
    with pytest.raises(InvalidArgument, match="contiguous"):
        range_decode(padded[:, 0], index.T[::2], tables)


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 10_001])
def test_takes_narrow_symbols(dtype, size):
    tables = CdfTables.gaussian(["0.5", 3, 20])
    rng = np.random.default_rng(15)
    index = rng.integers(0, 3, size, dtype=np.uint8)
    symbols = rng.integers(-128, 128, size).astype(dtype)
    for lanes in (None, *LANES):
        stream = range_encode(symbols, index, tables, lanes=lanes)
        assert stream == range_encode(symbols.astype(np.int32), index, tables, lanes=lanes)


def test_every_target_gives_the_same_bytes_and_symbols():
    tables = CdfTables.gaussian_octaves()
    rng = np.random.default_rng(16)
    index = rng.integers(0, 80, 20_011, dtype=np.uint8)
    symbols = np.rint(rng.normal(0, 2.0 ** ((index - 28.0) / 8))).astype(np.int32)
    symbols[::997] = 5_000_000
    before = _core.target()
    streams = set()
    try:
        for target in _core.targets():
            _core.set_target(target)
            for lanes in LANES:
                stream = range_encode(symbols, index, tables, lanes=lanes)
                streams.add(stream)
                np.testing.assert_array_equal(range_decode(stream, index, tables), symbols)
    finally:
        _core.set_target(before)
    assert len(streams) == len(LANES)


def test_number_of_lanes_follows_the_size():
    tables = CdfTables.gaussian([30])
    rng = np.random.default_rng(10)
    for size, lanes_log2 in ((0, 0), (1000, 0), (5000, 1), (100_000, 5)):
        symbols = np.rint(rng.normal(0, 30, size)).astype(np.int32)
        stream = range_encode(symbols, np.zeros(size, np.uint8), tables)
        assert stream[0] & 7 == lanes_log2


@pytest.mark.parametrize("lanes", [1, 4, 32])
def test_every_truncation_and_every_flip_ends_well(lanes):
    rng = np.random.default_rng(11)
    tables = CdfTables.gaussian(["0.3", 1, 9])
    index = rng.integers(0, 3, 400, dtype=np.uint8)
    symbols = np.rint(rng.normal(0, np.array([0.3, 1, 9])[index])).astype(np.int32)
    symbols[::50] = 12345678
    stream = range_encode(symbols, index, tables, lanes=lanes)
    damaged = [stream[:size] for size in range(len(stream))]
    for bit in range(8 * len(stream)):
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    refused = 0
    for payload in damaged:
        try:
            assert range_decode(payload, index, tables).shape == index.shape
        except CorruptStream:
            refused += 1
    # The more lanes, the fewer symbols of lane 0 there are to spoil the end mark.
    assert refused > len(damaged) / 4


@pytest.mark.parametrize("lanes", [1, 2, 32])
@pytest.mark.parametrize("side", ["below", "above"])
def test_carries_through_long_runs(lanes, side):
    """Symbols that keep every lane's interval around one half, to the last batch.

    Below one half a lane's words are then 7FFF FFFF FFFF ..., above it 8000 0000 0000 ...: the
    encoder has written hundreds of words FFFF when the last symbols tell.
    """
    rng = np.random.default_rng(12)
    inner = rng.choice(np.arange(1, 65535), 19, replace=False)
    bounds = [0, *sorted(inner.tolist()), 65535, 65536]
    tables = CdfTables([bounds], [0])
    low, width, half, symbols = 0, 2**32 - 1, 2**31, []
    while half < 2 ** (16 * 200):
        ends = [low + (width * c >> 16) for c in bounds]
        entry = max(s for s in range(20) if ends[s] < half)
        if ends[entry + 1] <= half:  # a boundary at one half, or the escape: rare
            break
        symbols.append(entry)
        low, width = ends[entry], ends[entry + 1] - ends[entry]
        if width < 2**16:
            low, width, half = low << 16, width << 16, half << 16
    assert half.bit_length() > 16 * 150, "the straddling ended early; take another seed"
    symbols += [0, 0] if side == "below" else [19, 19]
    array = np.repeat(np.array(symbols, np.int32), lanes)
    index = np.zeros(len(array), np.uint8)
    stream = range_encode(array, index, tables, lanes=lanes)
    run = b"\xff" * (280 * lanes) if side == "below" else bytes(280 * lanes)
    assert run in stream
    expected = reference.encode(
        [(array.tolist(), index.tolist())], reference.rows_of(tables), lanes=lanes
    )
    assert stream == expected
    np.testing.assert_array_equal(range_decode(stream, index, tables), array)


@pytest.mark.parametrize(("bits_per_symbol", "scale"), [(0.25, "0.236"), (1, "0.43"), (4, "3.87")])
def test_overhead_over_entropy(bits_per_symbol, scale):
    size = 400_000
    rng = np.random.default_rng(13)
    tables = CdfTables.gaussian([scale])
    index = np.zeros(size, np.uint8)
    symbols = np.rint(rng.normal(0, float(scale), size)).astype(np.int32)
    estimate = estimated_bits(symbols, index, tables) / 8
    assert estimate * 8 / size == pytest.approx(bits_per_symbol, rel=0.15)
    one_lane = len(range_encode(symbols, index, tables, lanes=1))
    assert estimate < one_lane < estimate * 1.0001 + 5
    assert len(range_encode(symbols, index, tables, lanes=32)) < estimate * 1.0001 + 5 + 3 * 32
    # The ideal: what the true distribution has as entropy, counted on the same symbols.
    ideal_bits = -np.log2(np.diff(tables.cdf(0))[symbols - tables.min_symbol[0]] / 65536).sum()
    assert estimate * 8 == pytest.approx(ideal_bits, rel=1e-4)


def _refused_by_encode(symbols, index, tables, **options):
    with pytest.raises(InvalidArgument) as refusal:
        range_encode(symbols, index, tables, **options)
    return str(refusal.value)


def test_refuses_wrong_arguments():
    tables = CdfTables.gaussian([1, 2])
    symbols, index = np.zeros((2, 3), np.int32), np.zeros((2, 3), np.uint8)
    assert "symbols is int64" in _refused_by_encode(symbols.astype(np.int64), index, tables)
    assert "symbols is list" in _refused_by_encode([0], index, tables)
    assert "table_index is int32" in _refused_by_encode(symbols, symbols, tables)
    assert "shape (2, 3)" in _refused_by_encode(symbols, index.T, tables)
    assert "CDF row 2 of 2" in _refused_by_encode(symbols, index + np.uint8(2), tables)
    assert "tables is NoneType" in _refused_by_encode(symbols, index, None)
    assert "lanes is 3" in _refused_by_encode(symbols, index, tables, lanes=3)
    assert "lanes is 0" in _refused_by_encode(symbols, index, tables, lanes=0)
    swapped = symbols.astype(symbols.dtype.newbyteorder())
    assert "symbols is" in _refused_by_encode(swapped, index, tables)

    stream = range_encode(symbols, index, tables)
    for bad_index in (index.astype(np.int64), index + np.uint8(2), [0]):
        with pytest.raises(InvalidArgument):
            range_decode(stream, bad_index, tables)
    with pytest.raises(InvalidArgument, match="stream is str"):
        range_decode("text", index, tables)
    with pytest.raises(Truncated):
        range_decode(b"", index, tables)
    with pytest.raises(CorruptStream):
        range_decode(stream + b"\1" * 100, index, tables)


def test_other_threads_run_while_coding():
    """With a switch interval of minutes, another thread runs only if the GIL is given up."""
    tables = CdfTables.gaussian([9])
    index = np.zeros(2_000_000, np.uint8)
    symbols = np.random.default_rng(14).integers(-9, 9, index.shape, dtype=np.int32)
    stream = range_encode(symbols, index, tables)

    def overlaps(work):
        started, finished = threading.Event(), threading.Event()

        def run():
            started.set()
            work()
            finished.set()

        thread = threading.Thread(target=run)
        thread.start()
        started.wait()
        overlapped = not finished.is_set()
        thread.join()
        return overlapped

    interval = sys.getswitchinterval()
    sys.setswitchinterval(300)
    try:
        # A busy machine may not wake this thread in time; some of many tries will do.
        assert any(overlaps(lambda: range_encode(symbols, index, tables)) for _ in range(10))
        assert any(overlaps(lambda: range_decode(stream, index, tables)) for _ in range(10))
    finally:
        sys.setswitchinterval(interval)
