"""What a measurement ran on: numbers travel with machine, commit and command (no host name)."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """Attributes are strings for people to read; `logical_cores` are those this process may use."""

    cpu: str
    logical_cores: int
    system: str
    python: str


def this_machine() -> Machine:
    """The machine this process runs on."""
    return Machine(
        cpu=_cpu_name(),
        logical_cores=_usable_cores(),
        system=f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
    )


def this_command() -> str:
    """The command line of this process, absolute paths cut to their names."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return shlex.join(["samebits", *words])


def this_commit() -> str | None:
    """Commit of the checkout that the package or the current folder lies in, None outside one.

    "-dirty" is added if tracked files differ from it.
    """
    own_file = ":/python/samebits/evaluation/machine.py"
    for folder in (Path(__file__).parent, Path.cwd()):
        # The package may be installed inside some other project's checkout: ask for our file.
        if _git(folder, "ls-files", "--error-unmatch", own_file) is not None:
            return _git(folder, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty")
    return None


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command in `folder`, None if it fails or there is no git."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
