"""Bodies on loky's reusable executor."""

from __future__ import annotations

import functools

import pytest
from executors.contract import ExecutorContract
from loky import get_reusable_executor


class TestLoky(ExecutorContract):
    @pytest.fixture
    def given(self) -> object:
        """A function, so that the runner gets another one when it breaks."""
        return functools.partial(get_reusable_executor, max_workers=2)
