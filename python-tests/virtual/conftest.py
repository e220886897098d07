"""Whatever a test is about: the lives of its runs keep the rules of steering."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from model.plain_life import recorded_lives


@pytest.fixture(autouse=True)
def _lives_keep_the_rules() -> Iterator[None]:
    """At its end, all that its lives were told is replayed against the plain model."""
    with recorded_lives():
        yield
