"""CDF tables: what their rows promise, that they are the same everywhere, and what is refused."""

import decimal
import math
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebits.errors import InvalidArgument
from samebits.kernels import CdfTables, cdf_rows

# The rows of the shipped models. A change of this number is a change of every stream.
OCTAVES_SHA256 = "7f9ea16589429f12bcc2a3ebfab0caa31f9adae84e97f1cfce7bbba62aebae84"


def gaussian_mass(v: int, scale: float) -> float:
    # As a difference of tails, which keeps the digits of small masses.
    v = abs(v)
    low, high = (v - 0.5) / scale / math.sqrt(2), (v + 0.5) / scale / math.sqrt(2)
    return (math.erfc(low) - math.erfc(high)) / 2


def logistic_mass(v: int, scale: float) -> float:
    def tail(x):
        return 1 / (1 + math.exp(x / scale))

    return tail(abs(v) - 0.5) - tail(abs(v) + 0.5)


def counts(tables: CdfTables, row: int) -> np.ndarray:
    return np.diff(tables.cdf(row))


def check_row(tables: CdfTables, row: int) -> None:
    row_counts = counts(tables, row)
    assert row_counts.sum() == 65536
    assert row_counts.min() >= 1
    assert 4 <= len(row_counts) <= 1023
    symbols = row_counts[:-1]
    np.testing.assert_array_equal(symbols, symbols[::-1])
    assert np.all(np.diff(symbols[: len(symbols) // 2 + 1]) >= 0), "rises to the middle"
    assert tables.min_symbol[row] == -(len(symbols) // 2)
    assert tables.max_symbol[row] == len(symbols) // 2


@pytest.mark.parametrize("name", ["gaussian", "logistic"])
@settings(max_examples=40, deadline=None)
@given(
    scale=st.floats(1e-300, 1e300) | st.floats(0.01, 300) | st.integers(1, 10**40),
    bits=st.integers(8, 16),
)
def test_rows_keep_their_promises(name, scale, bits):
    tables = getattr(CdfTables, name)([scale], bits=bits)
    check_row(tables, 0)
    assert np.all(tables.starts % (1 << (16 - bits)) == 0)


@pytest.mark.parametrize(
    ("name", "mass"), [("gaussian", gaussian_mass), ("logistic", logistic_mass)]
)
def test_rows_follow_the_distribution(name, mass):
    for scale in (0.05, 0.11, 0.3, 0.5, 1.0, 2.7, 10.0, 45.0, 83.0, 400.0):
        tables = getattr(CdfTables, name)([scale])
        largest = int(tables.max_symbol[0])
        masses = np.array([mass(v, scale) for v in range(-largest, largest + 1)])
        masses = np.append(masses, 1 - masses.sum())
        row = counts(tables, 0)
        # Entries raised to 1 cost the others a common factor close to 1.
        likely = masses * 65536 > 2
        assert np.all(np.abs(row - masses * 65536)[likely] < 2 + 0.02 * masses[likely] * 65536)
        extra_bits = (
            -(masses * np.log2(row / 65536)).sum()
            + (masses[masses > 0] * np.log2(masses[masses > 0])).sum()
        )
        assert extra_bits < 0.001
        # Where the table ends: the first symbol left out is rarer than 2**-18.
        if largest < 510:
            assert mass(largest + 1, scale) < 2.0**-18
        if largest > 1:
            assert mass(largest, scale) >= 2.0**-18


def test_known_rows():
    tables = CdfTables.gaussian([Fraction(1, 100), "1e400", 1])
    assert tables.cdf(0).tolist() == [0, 1, 65534, 65535, 65536]
    assert counts(tables, 1).tolist() == [1, 1, 1, 65533]
    assert counts(tables, 2).tolist() == [15, 392, 3971, 15842, 25095, 15842, 3971, 392, 15, 1]
    logistic = CdfTables.logistic(["0.2"], bits=8)
    assert logistic.cdf(0).tolist() == [c * 256 for c in (0, 19, 236, 255, 256)]


def test_octaves_are_the_same_everywhere():
    tables = CdfTables.gaussian_octaves()
    assert tables.rows == 80
    for row in range(80):
        check_row(tables, row)
    assert tables == CdfTables.gaussian([2.0 ** ((r - 28) / 8) for r in range(80)])
    assert tables.sha256 == OCTAVES_SHA256


def test_rows_do_not_depend_on_precision_or_context(monkeypatch):
    expected = CdfTables.gaussian_octaves()
    logistic = CdfTables.logistic([0.1, 1, 77])
    with decimal.localcontext() as context:
        context.prec = 4
        context.rounding = decimal.ROUND_UP
        context.traps[decimal.Inexact] = True
        assert CdfTables.gaussian_octaves() == expected
    monkeypatch.setattr(cdf_rows, "DIGITS", 80)
    assert CdfTables.gaussian_octaves() == expected
    assert CdfTables.logistic([0.1, 1, 77]) == logistic


def test_survival_functions():
    with decimal.localcontext(prec=50):
        for t in (0, 0.1, 1, 2.5, 6, 15):
            exact = math.erfc(t / math.sqrt(2)) / 2
            assert float(cdf_rows.gaussian_survival(Decimal(t))) == pytest.approx(exact, rel=1e-9)
        # Phi(-1) to 40 digits, from tables.
        phi = Decimal("0.1586552539314570514147674543679620775220")
        assert abs(cdf_rows.gaussian_survival(Decimal(1)) - phi) < Decimal("1e-39")
        assert cdf_rows.logistic_survival(Decimal(0)) == Decimal("0.5")


@given(st.integers(-100, 100), st.integers(1, 64))
def test_octave_scale_is_the_root_rounded_down(step, per_octave):
    scale = cdf_rows.octave_scale(step, per_octave=per_octave)
    unit = Fraction(2) ** (step // per_octave) / 2**128
    assert scale**per_octave <= Fraction(2) ** step < (scale + unit) ** per_octave


def test_scales_are_taken_exactly():
    one = CdfTables.gaussian([Fraction(1, 4)])
    for same in (0.25, "0.25", "1/4", np.float32(0.25)):
        assert CdfTables.gaussian([same]) == one
    for bad in (0, -1, "-0.5", math.nan, math.inf, "wide", "1/0", None):
        with pytest.raises(InvalidArgument, match="scale"):
            CdfTables.gaussian([bad])
    for bits in (7, 17):
        with pytest.raises(InvalidArgument, match="bits"):
            CdfTables.gaussian([1], bits=bits)
    for wrong in ({"rows": 0}, {"rows": 257}, {"per_octave": 0}, {"first": 10**6}):
        with pytest.raises(InvalidArgument, match="rows must be"):
            CdfTables.gaussian_octaves(**wrong)


def test_cdfs_of_fewer_bits_are_scaled():
    tables = CdfTables([[0, 1, 2], np.array([0, 3, 4], np.uint8), [0, 5, 65536]], [7, -7, 0])
    assert tables.starts.tolist() == [0, 32768, 0, 49152, 0, 5]
    assert tables.row_begin.tolist() == [0, 2, 4, 6]
    assert tables.min_symbol.tolist() == tables.max_symbol.tolist() == [7, -7, 0]
    assert tables.cdf(1).tolist() == [0, 49152, 65536]
    with pytest.raises(InvalidArgument, match="row 3"):
        tables.cdf(3)


@pytest.mark.parametrize(
    ("cdfs", "offsets", "message"),
    [
        ([], [], "empty"),
        ([[0, 16]], [0], r"cdfs\[0\] has 2 values"),
        ([[0, 8, 16], [0, 8, 15]], [0, 0], r"cdfs\[1\] ends in 15"),
        ([[0, 5, 1]], [0], "ends in 1"),
        ([[0, 5, 131072]], [0], "outside of 0 ... 65536"),
        ([[1, 5, 16]], [0], "start at 0"),
        ([[0, 5, 5, 16]], [0], "increase"),
        ([[0, 17, 16]], [0], "increase"),
        ([[0.0, 5.0, 16.0]], [0], "float64"),
        ([[[0, 5, 16]]], [0], "one-dimensional"),
        ([[0, 5, 16]], [0, 0], "row_begin has 2 values"),
        ([[0, 5, 16]], [0.5], "offsets is float64"),
        ([[0, 5, 16]], [2**31], "offsets has values outside"),
        ([[0, 5, 6, 16]], [2**31 - 1], "largest symbol"),
        ([[0, 1, 2]] * 257, [0] * 257, "257 rows"),
    ],
)
def test_refuses_bad_cdfs(cdfs, offsets, message):
    with pytest.raises(InvalidArgument, match=message):
        CdfTables(cdfs, offsets)


def test_from_arrays_takes_what_the_properties_give():
    tables = CdfTables.logistic([1, 5])
    arrays = {n: getattr(tables, n) for n in ("starts", "row_begin", "min_symbol")}
    assert CdfTables.from_arrays(**arrays) == tables
    with pytest.raises(InvalidArgument, match="row_begin must go"):
        CdfTables.from_arrays(
            **{**arrays, "row_begin": tables.row_begin[:-1]} | {"min_symbol": [0]}
        )


def test_is_a_value():
    tables = CdfTables.gaussian([1])
    assert pickle.loads(pickle.dumps(tables)) == tables
    assert tables != CdfTables.gaussian([2])
    assert len({tables, CdfTables.gaussian([1.0])}) == 1
    for name in ("starts", "row_begin", "min_symbol"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(tables, name)[0] = 1
