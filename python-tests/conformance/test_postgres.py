"""PostgreSQL keeps the store contract, in a schema for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from own_database import OwnDatabases

from cloaca_core.assembly.store import Store
from cloaca_core.store.protocol import StoreOptions
from cloaca_postgres import BACKEND
from cloaca_testing.conformance import (
    OutboxConformance,
    SharedBackendConformance,
    TransactionConformance,
)
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


class TestPostgresTransactions(TransactionConformance):
    @pytest_asyncio.fixture
    async def store(self, postgres_url: str) -> AsyncIterator[Store]:
        store = await BACKEND.open(postgres_url, StoreOptions())
        yield store
        await store.close()

    @pytest.fixture(autouse=True)
    def mine(self, postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(for_libpq(postgres_url), autocommit=True) as mine:
            mine.execute("CREATE TABLE IF NOT EXISTS mine (text TEXT)")
            yield mine
            mine.execute("DROP TABLE mine")

    @pytest.fixture
    def write(self) -> Callable[[Any, str], None]:
        return lambda connection, text: connection.execute("INSERT INTO mine VALUES (%s)", (text,))

    @pytest.fixture
    def written(self, mine: psycopg.Connection[Any]) -> Callable[[], list[str]]:
        return lambda: [text for (text,) in mine.execute("SELECT text FROM mine").fetchall()]
