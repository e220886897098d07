"""SQLite keeps the store contract: shared files, and a database in memory."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from cloaca_core.conformance import (
    BackendConformance,
    MessageOutboxConformance,
    SharedBackendConformance,
)
from cloaca_core.store.protocol import Store, StoreOptions
from cloaca_sqlite import BACKEND


class TestSqliteFile(SharedBackendConformance):
    backend = BACKEND

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite://{tmp_path}/conformance.db"


class TestSqliteMemory(BackendConformance):
    backend = BACKEND

    @pytest.fixture
    def url(self) -> str:
        return ":memory:"


class TestSqliteOutbox(MessageOutboxConformance):
    @pytest_asyncio.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        store = await BACKEND.open(f"sqlite://{tmp_path}/outbox.db", StoreOptions())
        yield store
        await store.close()

    @pytest.fixture
    def mine(self, tmp_path: Path) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(tmp_path / "outbox.db")) as mine:
            yield mine
