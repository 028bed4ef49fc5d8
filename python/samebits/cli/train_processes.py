"""``samebits train --processes N``: the same command in N processes that train together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from samebits.cli.exit_codes import EXIT_FAILED

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
GRACE_SECONDS = 30.0
"""How long the others may go on after one process has failed; then they are ended."""
KILL_SECONDS = 20.0
LOOK_EVERY = 0.1


def is_worker() -> bool:
    """Whether this process was started as one of several, by this module or by torchrun."""
    return "RANK" in os.environ


def run_processes(count: int, words: Sequence[str]) -> int:
    """Run ``samebits`` with ``words`` in ``count`` processes of this machine.

    Ctrl-C and SIGTERM are passed on, so that the processes stop together and save. They stop, too,
    when this process is gone.

    Returns
    -------
    int
        The exit code of the first process, or of another one if that alone failed.
    """
    command = [sys.executable, "-m", "samebits", *words]
    workers: list[subprocess.Popen] = []
    port = _free_port()
    with _signals_for(workers):
        for rank in range(count):
            environment = _environment(rank, count, port)
            workers.append(subprocess.Popen(command, env=environment, preexec_fn=_new_group))
        codes = [code if code >= 0 else EXIT_FAILED for code in _wait(workers)]
    return codes[0] or next((code for code in codes if code), 0)


def _own_group() -> None:
    """A terminal's Ctrl-C must reach the workers once, from the process that started them.

    A session of their own would do that, too, but Linux shares processors among sessions first and
    heeds ``nice`` only within one.
    """
    os.setpgrp()


_new_group = _own_group if hasattr(os, "setpgrp") else None


@contextmanager
def _signals_for(workers: list[subprocess.Popen]) -> Iterator[None]:
    """Within it, signals to this process are passed on; as SIGTERM, but for Ctrl-C."""

    def pass_on(number: int, _: FrameType | None) -> None:
        for worker in workers:
            if os.name == "posix" and number == signal.SIGINT:
                worker.send_signal(signal.SIGINT)
            else:
                worker.terminate()

    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(workers: list[subprocess.Popen]) -> list[int]:
    """The exit codes. When one process has failed, the others do not wait for it for hours."""
    failed_at: float | None = None
    while any(worker.poll() is None for worker in workers):
        time.sleep(LOOK_EVERY)
        if failed_at is None and any(worker.returncode for worker in workers):
            failed_at = time.monotonic()
        since = 0.0 if failed_at is None else time.monotonic() - failed_at
        for worker in workers:
            if worker.poll() is None and since > GRACE_SECONDS + KILL_SECONDS:
                worker.kill()
            elif worker.poll() is None and since > GRACE_SECONDS:
                worker.terminate()
    return [worker.returncode for worker in workers]


def _environment(rank: int, count: int, port: int) -> dict[str, str]:
    """What torch.distributed reads; cores are shared out unless the user has said how."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return {
        "OMP_NUM_THREADS": str(max(1, cores // count)),
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "SAMEBITS_PARENT": str(os.getpid()),
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
