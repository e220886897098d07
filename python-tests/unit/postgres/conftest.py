"""A schema of its own for each test of the PostgreSQL backend."""

from __future__ import annotations

from uuid import uuid4

import pytest

from dev.databases.urls import with_query


@pytest.fixture(scope="session")
def postgres_server(postgres_database: str) -> str:
    """The URL of the database that this run of pytest has for itself."""
    return postgres_database


@pytest.fixture
def postgres_schema() -> str:
    """The name of a schema that does not exist yet; it goes with its database."""
    return f"cloaca_test_{uuid4().hex}"


@pytest.fixture
def postgres_url(postgres_server: str, postgres_schema: str) -> str:
    """The URL of that schema."""
    return with_query(postgres_server, schema=postgres_schema)
