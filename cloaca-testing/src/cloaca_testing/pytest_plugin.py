"""The fixture ``harness`` for pytest: ``pytest_plugins = ["cloaca.testing.pytest_plugin"]``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloaca_testing.kit import Harness
from cloaca_testing.options import HarnessOptions


@pytest.fixture
def harness_options() -> HarnessOptions:
    """The arguments of ``cloaca.testing.harness``; a project may have a fixture of its own of this
    name.
    """
    return {}


@pytest.fixture
def harness(harness_options: HarnessOptions) -> Iterator[Harness]:
    """The real engine for one test; see ``cloaca.testing.harness``."""
    with Harness(**harness_options) as made:
        yield made
