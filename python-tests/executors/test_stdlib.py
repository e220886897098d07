"""Bodies on the process pool of the standard library."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Executor, ProcessPoolExecutor

import pytest
from executors import bodies
from executors.contract import PoolContract


def pool() -> Executor:
    """Two workers, which know nothing of the tests' process."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(2, mp_context=context, initializer=bodies.hear_interrupts)


class TestStdlib(PoolContract):
    @pytest.fixture
    def given(self) -> object:
        """A function, so that the runner gets another one when it breaks."""
        return pool
