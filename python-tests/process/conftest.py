"""Fixtures of the process tests."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_database import OwnDatabases

from process.fleet import Fleet
from process.postgres_server import Server, server


@pytest.fixture(scope="session")
def own_server() -> Iterator[Server]:
    """A PostgreSQL server that tests may take away from those who use it."""
    with server() as found:
        yield found


@pytest.fixture
def fleet(own_databases: OwnDatabases, database_url: str, tmp_path: Path) -> Iterator[Fleet]:
    """Workers on one empty database; none of them outlives the test."""
    fleet = Fleet(own_databases, database_url, tmp_path)
    yield fleet
    fleet.close()


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """What chooses in storms, for each test otherwise."""
    seed = os.environ.get("CLOACA_TEST_SEED", "33")
    return random.Random(f"{seed} {request.node.name}")  # noqa: S311 - no secret
