"""``samebits train --processes N``: the same command in N processes that train together."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def is_worker() -> bool:
    """Whether this process was started as one of several, by this module or by torchrun."""
    return "RANK" in os.environ


def run_processes(count: int, words: Sequence[str]) -> int:
    """Run ``samebits`` with ``words`` in ``count`` processes of this machine.

    Ctrl-C and SIGTERM are passed on, so that the processes stop together and save.

    Returns
    -------
    int
        The exit code of the first process, or of another one if that alone failed.
    """
    command = [sys.executable, "-m", "samebits", *words]
    # In sessions of their own: a terminal's Ctrl-C must reach them once, through this process.
    workers = [
        subprocess.Popen(command, env=_environment(rank, count, port), start_new_session=True)
        for port in [_free_port()]
        for rank in range(count)
    ]

    def pass_on(number: int, _: FrameType | None) -> None:
        for worker in workers:
            worker.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        codes = [worker.wait() for worker in workers]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return codes[0] or next((code for code in codes if code), 0)


def _environment(rank: int, count: int, port: int) -> dict[str, str]:
    """What torch.distributed reads; cores are shared out unless the user has said how."""
    threads = str(max(1, (os.cpu_count() or 1) // count))
    return {
        "OMP_NUM_THREADS": threads,
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
