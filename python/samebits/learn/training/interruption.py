"""Ctrl-C and SIGTERM during training: a wish to stop after the step, not an exception within it."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_WISH_SECONDS = 5.0
"""Signals this close together are one wish: one sent to all processes of a run, and passed on by
the process that started the others, arrives twice."""


PARENT = "SAMEBITS_PARENT"
"""Environment variable with the number of the process that started this one, if it must not outlive
it."""


def is_orphan() -> bool:
    """Whether the process that started this one, and would pass on signals, is gone."""
    return PARENT in os.environ and os.getppid() != int(os.environ[PARENT])


class StopSignals:
    """While entered, remembers the first SIGINT or SIGTERM; a later one acts as usual.

    Attributes
    ----------
    received : name of the signal, or None. Outside the main thread nothing is caught.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._first_at = 0.0
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self.received is None:
            self.received = signal.Signals(number).name
            self._first_at = time.monotonic()
        elif time.monotonic() - self._first_at > SAME_WISH_SECONDS:
            self.__exit__()
            signal.raise_signal(number)
