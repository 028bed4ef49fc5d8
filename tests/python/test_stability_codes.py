"""Ambiguous intervals (S0) and identity codes (S1)."""

import numpy as np
import pytest

from samebits import _core
from samebits.errors import CorruptStream, InvalidArgument, SamebitsError
from samebits.stability import (
    PIXELS,
    Precision,
    Rounding,
    Thresholds,
    decode_outcome,
    encode_outcome,
    estimate_precision,
)
from samebits.stability.outcome_tree import (
    CHECKSUMS,
    checksum_of,
    error_detection_code,
    identity_code,
    near_code,
    nearest_by_tree,
    outcomes,
    resolve_by_tree,
)


def test_table_1():
    """EP 4 156 691, Table 1: parities, and the code of the first row from the checksums given."""
    possible = [(12, 3, 5, 0, 4), (12, 4, 5, 0, 4), (12, 3, 5, 0, 5), (12, 4, 5, 0, 5)]
    parities = [(0, 1, 1, 0, 0), (0, 0, 1, 0, 0), (0, 1, 1, 0, 1), (0, 0, 1, 0, 1)]
    assert [tuple(v & 1 for v in outcome) for outcome in possible] == parities
    here, there = np.array(possible[0]), np.array(possible[3])
    ambiguous = np.array([0, 1, 0, 0, 1])
    found = {tuple(outcome.tolist()) for outcome in outcomes(here, there, ambiguous)}
    assert found == set(possible)
    checksums = ["100101111", "011010101", "101000100", "001010010"]
    identity = identity_code(checksums)
    assert identity == "100"
    assert error_detection_code(identity) == "110" + "100"
    with pytest.raises(InvalidArgument, match="same checksum"):
        identity_code(["01", "01"])


@pytest.mark.parametrize("count", [0, 1, 2, 5, 10, 16])
def test_solving_is_walking_the_tree(count):
    random = np.random.default_rng(count)
    size = 40 + count
    index = random.integers(0, 256, size)
    neighbour = index + random.choice([-1, 1], size)
    ambiguous = np.zeros(size, np.uint8)
    ambiguous[random.choice(size, count, replace=False)] = 1
    identity = identity_code([checksum_of(o) for o in outcomes(index, neighbour, ambiguous)])
    parity = (index & 1).astype(np.uint8)
    code = _core.encode_identity(
        parity, ambiguous, lengths=_core.LengthCode.unary, partition=[size]
    )
    bits = "".join(f"{byte:08b}" for byte in code[2:])
    assert bits.rstrip("0") == error_detection_code(identity).rstrip("0")
    elsewhere = np.where(ambiguous & random.integers(0, 2, size), neighbour, index)
    other = np.where(elsewhere == index, neighbour, index)
    flips = _core.resolve_identity((elsewhere & 1).astype(np.uint8), ambiguous, code)
    by_tree = resolve_by_tree(outcomes(elsewhere, other, ambiguous), identity, "crc32")
    assert np.array_equal(by_tree, index)
    assert np.array_equal(np.where(flips, other, elsewhere), index)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 10, 14])
def test_the_nearest_is_the_nearest_of_the_tree(count):
    random = np.random.default_rng(count)
    size, most = 40 + count, _core.PRECISION_WEIGHT
    index = random.integers(0, 256, size)
    neighbour = index + random.choice([-1, 1], size)
    weight = random.integers(most, 2**16, size).astype(np.uint16)
    near = random.choice(size, count, replace=False)
    weight[near] = random.integers(0, most, count)
    possible = list(outcomes(index, neighbour, weight < most))
    weights = _flipped(possible, index, weight)
    identity = near_code([checksum_of(o) for o in possible], weights, most)
    code = _core.encode_nearest((index & 1).astype(np.uint8), weight, partition=[size])
    # Flags, the number of parts, the shortest length less one, the one length beyond it, code.
    bits = "".join(f"{byte:08b}" for byte in code)
    assert bits[:16] == f"{3:08b}{1:08b}"
    assert bits[16:22] == f"{len(identity) - 1:05b}0"
    assert bits[22:].startswith(identity)
    for _ in range(20):
        # Machines whose differences add up to less than a precision.
        moves = random.dirichlet(np.ones(size)) * (most - count - 1) * random.choice([-1, 1], size)
        moved = weight + moves
        elsewhere = np.where(moved < 0, neighbour, index)
        other = np.where(moved < 0, index, neighbour)
        there = np.minimum(np.abs(moved), 2**16 - 1).astype(np.uint16)
        flips = _core.resolve_nearest((elsewhere & 1).astype(np.uint8), there, code)
        assert np.array_equal(np.where(flips, other, elsewhere), index)
        if (there < most).sum() > 14:
            continue
        possible = list(outcomes(elsewhere, other, there < most))
        weights = _flipped(possible, elsewhere, there)
        assert np.array_equal(nearest_by_tree(iter(possible), weights, most, identity), index)


def _flipped(possible, index, weight):
    return [int(weight[outcome != index].sum(dtype=np.int64)) for outcome in possible]


@pytest.mark.parametrize("boundaries", [PIXELS, Thresholds(np.linspace(1, 250, 64))])
def test_the_nearest_takes_less(boundaries):
    random = np.random.default_rng(3)
    here = random.uniform(-5, 260, (3, 190, 310))
    precision = Precision(3e-3)
    there = here + random.laplace(0, precision.offset / 20, here.shape)
    code = encode_outcome(here, precision, boundaries=boundaries, search="nearest")
    wanted = boundaries.index(here)
    assert (boundaries.index(there) != wanted).any()
    assert (decode_outcome(there, precision, code, boundaries=boundaries) == wanted).all()
    unchecked = encode_outcome(
        here, precision, boundaries=boundaries, search="nearest", check=False
    )
    assert len(unchecked) == len(code) - 2
    assert (decode_outcome(there, precision, unchecked, boundaries=boundaries) == wanted).all()
    assert 3 * len(code) < len(encode_outcome(here, precision, boundaries=boundaries))


@pytest.mark.parametrize(
    "values", [np.empty(0), np.full(3000, 7.5), np.full((2, 5000), 7.5001), np.array([0.5])]
)
def test_the_nearest_of_many_on_a_boundary(values):
    code = encode_outcome(values, Precision(1e-3), search="nearest")
    assert (decode_outcome(values, Precision(1e-3), code) == PIXELS.index(values)).all()
    if values.size:
        with pytest.raises(InvalidArgument, match="6 elements, there are"):
            encode_outcome(values, Precision(1e-3), search="nearest", partition=[3, 3])
    if values.size > 1000:
        with pytest.raises(InvalidArgument, match="too many near outcomes"):
            encode_outcome(values, Precision(1e-3), search="nearest", partition=[values.size])


def test_machines_further_away_than_the_nearest_are_told_so():
    random = np.random.default_rng(4)
    here = random.uniform(0, 255, (3, 64, 64))
    precision = Precision(1e-2)
    code = encode_outcome(here, precision, search="nearest")
    for _ in range(100):
        with pytest.raises(CorruptStream, match="precision"):
            decode_outcome(here + random.normal(0, 0.05, here.shape), precision, code)


@pytest.mark.parametrize("checksum", sorted(CHECKSUMS))
def test_every_checksum_of_the_document(checksum):
    random = np.random.default_rng(7)
    index = random.integers(0, 9, 60)
    ambiguous = np.zeros(60, np.uint8)
    ambiguous[random.choice(60, 8, replace=False)] = 1
    possible = list(outcomes(index, index + 1, ambiguous))
    identity = identity_code([checksum_of(o, checksum) for o in possible])
    assert np.array_equal(resolve_by_tree(iter(possible), identity, checksum), index)
    with pytest.raises(CorruptStream):
        resolve_by_tree(iter(possible), "", checksum)


@pytest.mark.parametrize(
    "boundaries", [PIXELS, Rounding(-3, 3), Thresholds([-1.0, 0.5, 0.75, 9.0])]
)
def test_boundaries(boundaries):
    values = np.random.default_rng(1).uniform(-20, 20, 5000)
    index, neighbour = boundaries.index(values), boundaries.neighbour(values)
    distance = boundaries.distance(values)
    assert (np.abs(index - neighbour) == 1).all()
    for sign in (-1, 1):
        # Just before the boundary nothing changes, just behind it is the neighbour.
        before = boundaries.index(values + sign * distance * 0.999)
        assert (before == index).all()
        behind = boundaries.index(values + sign * (distance + 1e-9))
        reached = behind != index
        assert (behind[reached] == neighbour[reached]).all()
    assert np.isin(index, np.arange(index.min(), index.max() + 1)).all()


@pytest.mark.parametrize("boundaries", [PIXELS, Thresholds(np.linspace(1, 250, 64))])
@pytest.mark.parametrize("precision", [Precision(1e-3), Precision(1e-5, 1e-5), Precision(0.0)])
def test_another_machine_comes_to_the_same_integers(boundaries, precision):
    random = np.random.default_rng(3)
    here = random.uniform(-5, 260, (3, 90, 110))
    there = here + precision.of(here) * random.uniform(-0.999, 0.999, here.shape)
    precision = Precision.from_bytes(precision.to_bytes())
    code = encode_outcome(here, precision, boundaries=boundaries)
    wanted = boundaries.index(here)
    if precision.offset > 0:
        assert (boundaries.index(there) != wanted).any()
    assert (decode_outcome(there, precision, code, boundaries=boundaries) == wanted).all()
    ambiguous = int(precision.at_encoder(here, boundaries).sum())
    assert 8 * len(code) <= 40 + 2 * ambiguous


def test_a_machine_further_away_is_told_so():
    random = np.random.default_rng(4)
    here = random.uniform(0, 255, (64, 64))
    precision = Precision(1e-3)
    code = encode_outcome(here, precision)
    with pytest.raises(SamebitsError, match="precision"):
        decode_outcome(here + 0.3, precision, code)


def test_what_is_refused():
    values = np.zeros(4)
    with pytest.raises(InvalidArgument, match="lengths"):
        encode_outcome(values, Precision(0.1), lengths="huffman")
    with pytest.raises(InvalidArgument, match="search"):
        encode_outcome(values, Precision(0.1), search="far")
    with pytest.raises(InvalidArgument, match="finite"):
        encode_outcome(np.array([np.nan]), Precision(0.1))
    with pytest.raises(InvalidArgument, match="precision"):
        Precision(-1.0)
    with pytest.raises(InvalidArgument, match="increasing"):
        Thresholds([1.0, 1.0])
    with pytest.raises(InvalidArgument, match="20"):
        next(outcomes(np.zeros(30, int), np.ones(30, int), np.ones(30)))
    for content in (b"", b"\xff" * 8, np.array([np.inf, 0], "<f4").tobytes()):
        with pytest.raises(CorruptStream):
            Precision.from_bytes(content)


def test_estimate():
    one = np.array([1.0, 2.0, 3.0])
    assert estimate_precision([(one, one)]).offset == 0
    assert estimate_precision([(one, one + np.array([0, 0.25, -0.5])), (one, one)]).offset == 1.0
