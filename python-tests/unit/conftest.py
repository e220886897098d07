"""A schema of its own for each test of the PostgreSQL backend."""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

VARIABLE = "CLOACA_TEST_POSTGRES_URL"


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The URL of a server's database that tests may use; without one these tests fail."""
    url = os.environ.get(VARIABLE)
    if not url:
        pytest.fail(f"set {VARIABLE} to the URL of a PostgreSQL database for tests")
    return url


@pytest.fixture
def postgres_schema(postgres_server: str) -> Iterator[str]:
    """The name of a schema that does not exist yet and is dropped after the test."""
    name = f"cloaca_test_{uuid4().hex}"
    yield name
    with psycopg.connect(postgres_server, autocommit=True) as raw:
        raw.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))


@pytest.fixture
def postgres_url(postgres_server: str, postgres_schema: str) -> str:
    """The URL of that schema."""
    return f"{postgres_server}{'&' if '?' in postgres_server else '?'}schema={postgres_schema}"
