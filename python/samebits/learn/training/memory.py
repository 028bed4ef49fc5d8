"""Memory that training frees after every step stays with the process, for the next step."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_INT = 2**31 - 1
LARGEST_MMAP_THRESHOLD = 32 << 20
"""What glibc takes at most on 64-bit machines."""


def keep_freed_memory() -> bool:
    """Tell glibc's allocator not to return memory to the system; whether it has taken it.

    Otherwise tensors of megabytes are unmapped when they are freed, and every step pays for
    thousands of page faults.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries lack it
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)) and bool(
        mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
    )
