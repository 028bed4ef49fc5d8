"""encode_many and decode_many: the results of one at a time, in order, whatever goes wrong."""

import threading
from pathlib import Path

import numpy as np
import pytest

import samebits

TINY = Path(__file__).parents[1] / "golden" / "tiny" / "tiny.safetensors"


def pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [rng.integers(0, 256, (16 + n, 24 + 3 * n, 3), np.uint8) for n in range(count)]


@pytest.mark.parametrize("jobs", [None, 1, 3, 8])
def test_same_as_one_at_a_time(jobs):
    sources = pictures(11)
    streams = list(samebits.encode_many(iter(sources), jobs=jobs, model=TINY, quality=30))
    assert streams == [samebits.encode(x, model=TINY, quality=30) for x in sources]
    decoded = list(samebits.decode_many(streams, jobs=jobs, model=TINY))
    for samples, stream in zip(decoded, streams, strict=True):
        np.testing.assert_array_equal(samples, samebits.decode(stream, model=TINY))


def test_nothing_in_nothing_out():
    assert list(samebits.encode_many([], model=TINY)) == []


def test_errors_come_in_place():
    streams = [samebits.encode(x, model=TINY) for x in pictures(4)]
    streams[2] = streams[2][:-3]
    results = list(samebits.decode_many(streams, model=TINY, on_error="return"))
    assert [isinstance(r, np.ndarray) for r in results] == [True, True, False, True]
    assert isinstance(results[2], samebits.SamebitsError)


def test_errors_are_raised_in_order():
    streams = [samebits.encode(x, model=TINY) for x in pictures(4)]
    streams[1] = b"no stream"
    results = samebits.decode_many(streams, model=TINY)
    assert isinstance(next(results), np.ndarray)
    with pytest.raises(samebits.SamebitsError):
        next(results)


def test_items_are_taken_as_needed():
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield np.zeros((16, 16, 3), np.uint8)

    results = samebits.encode_many(endless(), jobs=2, model=TINY)
    next(results)
    results.close()
    assert taken <= 6


def test_other_threads_keep_their_threads():
    """The workers of a batch stay on one thread each; the caller's setting is untouched."""
    before = samebits.kernels.target(), threading.active_count()
    list(samebits.encode_many(pictures(9), jobs=4, model=TINY))
    assert (samebits.kernels.target(), threading.active_count()) == before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: samebits.decode_many(b"one"), "put it into a list"),
        (lambda: samebits.decode_many([], jobs=0), "jobs is a number from 1"),
        (lambda: samebits.encode_many([], on_error="ignore"), "on_error"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(samebits.InvalidArgument, match=message):
        call()
