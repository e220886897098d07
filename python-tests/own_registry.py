"""Keeps what a test defines from those after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloaca_core.definition.registry import default_registry


@pytest.fixture(autouse=True)
def program_registry() -> Iterator[None]:
    """Bring back the program's registry of before the test.

    Every runner records all registered workflows when it opens. Those of hundreds of tests, one
    with ten thousand tasks, took it two seconds.
    """
    registry = default_registry()
    before = registry._known
    yield
    if registry._known is not before:
        registry._change(lambda _: before)
