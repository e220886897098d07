"""PostgreSQL keeps the store contract, in a schema for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from own_database import OwnDatabases

from cloaca_postgres import BACKEND
from cloaca_testing.conformance import OutboxConformance, SharedBackendConformance
from dev.databases.urls import for_libpq


class TestPostgres(SharedBackendConformance, OutboxConformance):
    backend = BACKEND

    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.fixture
    def new_url(self, postgres_schemas: OwnDatabases) -> str:
        return postgres_schemas.new_empty()

    @pytest.fixture
    def mine(self, postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(for_libpq(postgres_url)) as mine:
            yield mine

    @pytest.fixture
    def theirs(self, postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(for_libpq(postgres_url)) as theirs:
            yield theirs
