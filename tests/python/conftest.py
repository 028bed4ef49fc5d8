"""Fixtures of several test files."""

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the processors; read when torch is loaded.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from samebits import _core


@pytest.fixture(autouse=True)
def restore_machine():
    """Give target and thread count back as they were, also where a command has set them."""
    target, threads = _core.target(), _core.thread_count()
    yield
    _core.set_target(target)
    _core.set_thread_count(threads)
