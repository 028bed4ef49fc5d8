"""A probability per value: integer softmax and the range coder with a row for every symbol."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_codec
import reference_range_coder as reference
from samebits.errors import CorruptStream, InvalidArgument, Truncated
from samebits.kernels import range_decode_rows, range_encode_rows, softmax_rows
from samebits.kernels.value_rows import MAX_LOGIT

LANES = (1, 2, 4, 8, 16, 32)


@st.composite
def logit_rows(draw):
    entries = draw(st.sampled_from([2, 3, 16, 24, 64]))
    count = draw(st.integers(0, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.sampled_from([0, 3, 400, 3000, MAX_LOGIT]))
    logits = rng.integers(-spread, spread, (count, entries), endpoint=True)
    return np.clip(logits, -MAX_LOGIT, MAX_LOGIT - 1).astype(np.int16)


@settings(max_examples=60, deadline=None)
@given(logit_rows())
def test_softmax_equals_the_reference(logits):
    starts = softmax_rows(logits)
    expected = [reference_codec.softmax_row(row) for row in logits.tolist()]
    assert starts.tolist() == expected
    bounds = np.concatenate([starts.astype(int), np.full((len(starts), 1), 65536)], 1)
    assert (bounds[:, 0] == 0).all()
    assert (np.diff(bounds, axis=1) >= 1).all()


def test_softmax_is_a_softmax():
    """Off by less than 1/500 of the probability and six units of 2^-16."""
    rng = np.random.default_rng(1)
    logits = rng.integers(-2000, 500, (500, 16)).astype(np.int16)
    exact = 2.0 ** (logits / 256)
    exact /= exact.sum(1, keepdims=True)
    starts = softmax_rows(logits).astype(float)
    found = np.diff(np.concatenate([starts, np.full((len(starts), 1), 65536.0)], 1), axis=1) / 65536
    assert (np.abs(found - exact) <= exact / 500 + 6 / 65536).all()


def test_rows_are_monotone_in_the_logit():
    for logit in range(-300, 0):
        row = [logit, logit + 1, 0]
        a, b = np.diff([*softmax_rows(np.array(row, np.int16)).tolist(), 65536])[:2]
        assert a <= b


@settings(max_examples=60, deadline=None)
@given(logit_rows(), st.integers(-40, 5), st.sampled_from([*LANES, None]), st.integers(0, 2**32))
def test_round_trip_equals_the_reference(logits, min_symbol, lanes, seed):
    starts = softmax_rows(logits)
    rng = np.random.default_rng(seed)
    count, entries = starts.shape
    symbols = rng.integers(min_symbol - 1, min_symbol + entries, count).astype(np.int32)
    if count:
        symbols[rng.integers(count)] = rng.choice([-(2**31), 2**31 - 1, 0])
    stream = range_encode_rows(symbols, starts, min_symbol=min_symbol, lanes=lanes)
    assert (range_decode_rows(stream, starts, min_symbol=min_symbol) == symbols).all()
    rows = [reference.Row(tuple(row), min_symbol) for row in starts.tolist()]
    batches = [(symbols.tolist(), list(range(count)))]
    assert stream == reference.encode(batches, rows, lanes=1 << (stream[0] & 7))


def test_the_size_is_what_the_rows_say():
    rng = np.random.default_rng(2)
    starts = softmax_rows(rng.integers(-1500, 0, (20000, 16)).astype(np.int16))
    bounds = np.concatenate([starts.astype(int), np.full((len(starts), 1), 65536)], 1)
    entries = np.array([np.searchsorted(b, rng.integers(65536), "right") - 1 for b in bounds])
    widths = np.take_along_axis(np.diff(bounds, axis=1), entries[:, None], 1)
    escapes = entries == 15
    bits = -np.log2(widths / 65536).sum() + 8 * escapes.sum()
    stream = range_encode_rows((entries - 7).astype(np.int32), starts, min_symbol=-7)
    assert bits / 8 <= len(stream) <= bits / 8 * 1.0005 + 6 * 32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.astype(np.int32), "must be a NumPy array of uint16"),
        (lambda s: s[:, :1], "1 entries"),
        (lambda s: np.zeros((3, 65), np.uint16), "65 entries"),
        (lambda s: s[0], "2 dimensions"),
        (lambda s: s[:2], "3 symbols with 2 rows"),
        (lambda s: s[:, ::-1], "symbol 0 must start at 0"),
        (lambda s: s * np.array([[1], [1], [0]], np.uint16), "symbol 2 must start at 0"),
    ],
)
def test_what_is_no_row_is_refused(change, message):
    starts = softmax_rows(np.zeros((3, 4), np.int16))
    with pytest.raises(InvalidArgument, match=message):
        range_encode_rows(np.zeros(3, np.int32), change(starts), min_symbol=-1)


def test_other_refusals():
    starts = softmax_rows(np.zeros((3, 4), np.int16))
    stream = range_encode_rows(np.zeros(3, np.int32), starts, min_symbol=-1)
    with pytest.raises(InvalidArgument, match="within -16384"):
        softmax_rows(np.full((1, 4), MAX_LOGIT, np.int16))
    with pytest.raises(InvalidArgument, match="int32"):
        range_decode_rows(stream, starts, min_symbol=2**31)
    with pytest.raises(InvalidArgument, match="no int32"):
        range_decode_rows(stream, starts, min_symbol=2**31 - 1)
    with pytest.raises(InvalidArgument, match="lanes"):
        range_encode_rows(np.zeros(3, np.int32), starts, min_symbol=-1, lanes=3)
    with pytest.raises(InvalidArgument, match="start at 0"):
        range_decode_rows(stream, starts[:, ::-1], min_symbol=-1)
    with pytest.raises(InvalidArgument, match="must be bytes"):
        range_decode_rows("text", starts, min_symbol=-1)
    with pytest.raises(Truncated):
        range_decode_rows(b"", starts, min_symbol=-1)
    with pytest.raises(CorruptStream):
        range_decode_rows(stream + bytes(200), starts, min_symbol=-1)


def test_a_row_that_knows_costs_little():
    logits = np.full((1000, 16), -4000, np.int16)
    symbols = np.random.default_rng(3).integers(-7, 8, 1000).astype(np.int32)
    logits[np.arange(1000), symbols + 7] = 0
    stream = range_encode_rows(symbols, softmax_rows(logits), min_symbol=-7, lanes=1)
    assert len(stream) <= math.ceil(1000 * 15 / 65536 * 1.45 / 8) + 6
