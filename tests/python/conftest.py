"""Fixtures of several test files."""

import pytest

from samebits import _core


@pytest.fixture
def restore_machine():
    """Give target and thread count back as they were."""
    target, threads = _core.target(), _core.thread_count()
    yield
    _core.set_target(target)
    _core.set_thread_count(threads)
