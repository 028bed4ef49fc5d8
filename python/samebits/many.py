"""Many pictures at once: encode_many and decode_many."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Literal

import numpy as np

from samebits import _core, api
from samebits.errors import InvalidArgument, SamebitsError

# Results that wait to be taken, for each worker: enough that no worker waits for the caller.
AHEAD = 2

OnError = Literal["raise", "return"]


def encode_many(
    pictures: Iterable, *, jobs: int | None = None, on_error: OnError = "raise", **options
) -> Iterator[bytes | SamebitsError]:
    """Code several pictures at the same time.

    Every picture gives the stream that :func:`samebits.encode` gives alone.

    Parameters
    ----------
    pictures : iterable
        What :func:`samebits.encode` takes. Taken as they are needed: at most ``3 * jobs`` pictures
        are in memory, so a generator that opens files is fine.
    jobs : int, optional
        Pictures at a time; as many as there are threads when not given. Each may need the memory
        that ``max_bytes`` allows.
    on_error : "raise" or "return"
        Whether an error of one picture ends the iteration or comes in place of its stream.
    **options
        As for :func:`samebits.encode`, the same for all.

    Yields
    ------
    bytes
        The streams, in the order of the pictures.

    Raises
    ------
    InvalidArgument
        Of the arguments, at the call; errors of a picture are those of :func:`samebits.encode`.
    """
    return _run_many(api.encode, pictures, jobs=jobs, on_error=on_error, options=options)


def decode_many(
    streams: Iterable[bytes], *, jobs: int | None = None, on_error: OnError = "raise", **options
) -> Iterator[np.ndarray | SamebitsError]:
    """Decode several streams at the same time.

    Every stream gives the samples that :func:`samebits.decode` gives alone.

    Parameters
    ----------
    streams : iterable of bytes
        Taken as they are needed: at most ``3 * jobs`` are in memory.
    jobs : int, optional
        Streams at a time; as many as there are threads when not given. Each may need the memory
        that ``max_bytes`` allows.
    on_error : "raise" or "return"
        Whether an error of one stream ends the iteration or comes in place of its samples.
    **options
        As for :func:`samebits.decode`, the same for all.

    Yields
    ------
    uint8 array (H, W), (H, W, 3) or (H, W, 4)
        The pictures, in the order of the streams.

    Raises
    ------
    InvalidArgument
        Of the arguments, at the call; errors of a stream are those of :func:`samebits.decode`.
    """
    return _run_many(api.decode, streams, jobs=jobs, on_error=on_error, options=options)


def _run_many(
    work: Callable, items: Iterable, *, jobs: int | None, on_error: str, options: dict
) -> Iterator:
    if on_error not in ("raise", "return"):
        raise InvalidArgument(f"on_error is 'raise' or 'return', not {on_error!r}")
    if isinstance(items, bytes | str):
        raise InvalidArgument("several items are needed here, not one; put it into a list")
    threads = _core.thread_count()
    if jobs is None:
        jobs = threads
    elif isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise InvalidArgument(f"jobs is a number from 1, not {jobs!r}")
    return _results(work, iter(items), jobs, threads, on_error == "return", options)


def _results(work, items, jobs, threads, return_errors, options) -> Iterator:
    waiting: deque[Future] = deque()
    first = list(islice(items, AHEAD * jobs))
    # With pictures enough for every thread, each stays on its own: nothing waits for anything.
    alone = jobs >= threads and len(first) == AHEAD * jobs
    pool = ThreadPoolExecutor(jobs, initializer=_core.keep_to_this_thread if alone else None)
    try:
        waiting.extend(pool.submit(work, item, **options) for item in first)
        del first
        while waiting:
            result = _result(waiting.popleft(), return_errors)
            for item in islice(items, 1):
                waiting.append(pool.submit(work, item, **options))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _result(future: Future, return_errors: bool):
    try:
        return future.result()
    except SamebitsError as error:
        if not return_errors:
            raise
        return error
