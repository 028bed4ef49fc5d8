"""Work in a process of its own: a request as JSON on its stdin, a reply as JSON on its stdout.

Peak memory belongs to a process, and target and thread count are read once in each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from samebits.errors import SamebitsError


def ask_child(module: str, request: dict[str, Any], *, what: str) -> dict[str, Any]:
    """The reply of ``python -m module``; SamebitsError, beginning with `what`, if it has none."""
    result = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise SamebitsError(f"{what} ended with exit code {result.returncode}: {last}")
    reply = json.loads(result.stdout)
    if "error" in reply:
        raise SamebitsError(f"{what}: {reply['error']}")
    return reply


def answer_parent(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """The child's side: errors become a reply, too, for the parent to raise."""
    request = json.load(sys.stdin)
    try:
        reply = answer(request)
    except SamebitsError as error:
        reply = {"error": str(error)}
    json.dump(reply, sys.stdout)
