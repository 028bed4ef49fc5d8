"""Parts of a GPU session: commands with a time limit each, which nothing that hangs can pass.

A part is a process in a session of its own. When its time is over, its process group gets SIGTERM
(training saves and stops), and SIGKILL ``GRACE`` seconds later; what it wrote stays.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

GRACE = 8.0
"""Seconds between SIGTERM and SIGKILL; they are part of a part's time."""
LAST_LINES = 12


@dataclass(frozen=True)
class Part:
    """What is to be run.

    Attributes
    ----------
    name : also of its log file. command : words. seconds : time at most, GRACE included.
    good_codes : exit codes of success, those after SIGTERM included.
    grace : seconds between the two signals.
    """

    name: str
    command: list[str]
    seconds: float
    good_codes: tuple[int, ...] = (0,)
    grace: float = GRACE


@dataclass(frozen=True)
class Outcome:
    """What became of a part.

    Attributes
    ----------
    status : ``ran``, ``failed`` or ``skipped``. why : a sentence if it did not run to its end.
    seconds : what it took. last_lines : of its log, if it failed.
    """

    name: str
    status: str
    why: str = ""
    seconds: float = 0.0
    command: list[str] = field(default_factory=list)
    last_lines: list[str] = field(default_factory=list)


def skipped(name: str, why: str) -> Outcome:
    """The outcome of a part that nobody started."""
    return Outcome(name, "skipped", why)


def run_part(part: Part, logs: Path, *, folder: Path, environment: dict[str, str]) -> Outcome:
    """Run a part within its time.

    Parameters
    ----------
    part : what to run. logs : folder of ``NAME.log``, standard output and error.
    folder : the working directory. environment : all variables.

    Returns
    -------
    Its outcome; an exception is raised by a signal to this process only, and then no process of the
    part is left.
    """
    logs.mkdir(parents=True, exist_ok=True)
    path = logs / f"{part.name}.log"
    begin = time.monotonic()
    with path.open("wb") as log:
        try:
            process = subprocess.Popen(
                part.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return Outcome(part.name, "failed", f"cannot be started: {error}", 0.0, part.command)
        try:
            ended_by = _wait(process, part)
        finally:
            _signal_group(process, signal.SIGKILL)  # also what a part left running
            process.wait()
    seconds = time.monotonic() - begin
    why = _why(process.returncode, ended_by, part)
    if why:
        return Outcome(part.name, "failed", why, seconds, part.command, last_lines(path))
    note = f"stopped after its {part.seconds:.0f} s" if ended_by else ""
    return Outcome(part.name, "ran", note, seconds, part.command)


def _wait(process: subprocess.Popen, part: Part) -> signal.Signals | None:
    """The signal that was needed to end the process, None if it ended by itself."""
    grace = min(part.grace, part.seconds / 2)
    try:
        process.wait(part.seconds - grace)
        return None
    except subprocess.TimeoutExpired:
        _signal_group(process, signal.SIGTERM)
    try:
        process.wait(grace)
        return signal.SIGTERM
    except subprocess.TimeoutExpired:
        _signal_group(process, signal.SIGKILL)
        return signal.SIGKILL


def _signal_group(process: subprocess.Popen, number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return  # nobody is left


def _why(code: int, ended_by: signal.Signals | None, part: Part) -> str:
    """Why a part failed; empty if it did not."""
    if code in part.good_codes:
        return ""
    if ended_by is not None:
        return f"took more than its {part.seconds:.0f} s and was ended by {ended_by.name}"
    return f"exit code {code}"


def last_lines(path: Path, count: int = LAST_LINES) -> list[str]:
    """The end of a log; of a progress bar, its last state."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2**16))
        text = file.read().decode(errors="replace")
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.split("\n")]
    return [line[:300] for line in lines if line][-count:]
