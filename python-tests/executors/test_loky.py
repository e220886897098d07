"""Bodies on loky's reusable executor."""

from __future__ import annotations

import functools

import pytest
from executors import bodies
from executors.contract import PoolContract
from loky import get_reusable_executor


class TestLoky(PoolContract):
    @pytest.fixture
    def given(self) -> object:
        """A function, so that the runner gets another one when it breaks."""
        return functools.partial(
            get_reusable_executor, max_workers=2, initializer=bodies.hear_interrupts
        )
