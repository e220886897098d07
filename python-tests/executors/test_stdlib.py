"""Bodies on the process pool of the standard library."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Executor, ProcessPoolExecutor

import pytest
from executors.contract import ExecutorContract


def pool() -> Executor:
    """Two workers, which know nothing of the tests' process."""
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


class TestStdlib(ExecutorContract):
    @pytest.fixture
    def given(self) -> object:
        """A function, so that the runner gets another one when it breaks."""
        return pool
