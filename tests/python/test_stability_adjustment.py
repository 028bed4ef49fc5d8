"""Output adjustment (S3)."""

import numpy as np
import pytest

from samebits.errors import CorruptStream, InvalidArgument
from samebits.stability import (
    PIXELS,
    Adjustment,
    Precision,
    choose_adjustment,
    decode_outcome,
    encode_outcome,
)

PRECISION = Precision(1e-3)


def outputs():
    random = np.random.default_rng(0)
    values = random.uniform(0, 255, (3, 40, 50))
    values[1] = np.round(values[1]) + 0.5 + random.uniform(-1e-3, 1e-3, (40, 50))  # all ambiguous
    return values


@pytest.mark.parametrize("kind", ["scalar", "channels", "linear"])
def test_less_is_ambiguous(kind):
    values = outputs()
    before = PRECISION.at_encoder(values).sum()
    adjustment = choose_adjustment(values, PRECISION, kind=kind)
    again = Adjustment.from_bytes(adjustment.to_bytes())
    assert again == adjustment
    after = PRECISION.at_encoder(again.apply(values)).sum()
    assert after < before / 20
    assert np.abs(again.apply(values) - values).max() <= 0.25
    assert len(adjustment.to_bytes()) == 1 + 2 * {"scalar": 1, "channels": 3, "linear": 2}[kind]


@pytest.mark.parametrize("precision", [Precision(0.01), Precision(0.002, 0.001)])
def test_the_best_of_all_candidates(precision):
    values = np.random.default_rng(4).uniform(-20, 280, (1, 60, 70))

    def left(step):
        return precision.at_encoder(values + step / 4096).sum()

    [step] = choose_adjustment(values, precision, kind="scalar").steps
    assert left(step) == min(left(candidate) for candidate in range(-512, 513, 16))


def test_few_outputs_need_no_code():
    """Where an offset leaves nothing ambiguous, rounding is enough on every machine."""
    random = np.random.default_rng(1)
    values = random.uniform(0, 255, (1, 8, 8))
    adjustment = choose_adjustment(values, PRECISION, kind="scalar")
    moved = adjustment.apply(values)
    assert PRECISION.at_encoder(moved).sum() == 0
    elsewhere = values + random.uniform(-1e-3, 1e-3, values.shape)
    assert (PIXELS.index(adjustment.apply(elsewhere)) == PIXELS.index(moved)).all()


def test_with_codes():
    values = outputs()
    adjustment = choose_adjustment(values, PRECISION)
    moved = adjustment.apply(values)
    code = encode_outcome(moved, PRECISION)
    assert len(code) < len(encode_outcome(values, PRECISION)) / 10
    elsewhere = values + np.random.default_rng(2).uniform(-1, 1, values.shape) * 0.999e-3
    decoded = decode_outcome(adjustment.apply(elsewhere), PRECISION, code)
    assert (decoded == PIXELS.index(moved)).all()


def test_what_is_refused():
    for kind, steps in (("cubic", ()), ("none", (1,)), ("scalar", ()), ("linear", (1,))):
        with pytest.raises(InvalidArgument):
            Adjustment(kind, steps)
    with pytest.raises(InvalidArgument, match="512"):
        Adjustment("scalar", (513,))
    for content in (b"", b"\x09", b"\x01", b"\x01\xff\x7f", b"\x00\x00"):
        with pytest.raises(CorruptStream):
            Adjustment.from_bytes(content)
    with pytest.raises(CorruptStream, match="channels"):
        Adjustment("channels", (1, 2)).apply(np.zeros((3, 4)))
    assert (Adjustment().apply(np.ones(3)) == 1).all()
    assert choose_adjustment(np.ones((1, 2)), PRECISION, kind="none") == Adjustment()
