"""SQLite keeps the store contract: shared files, and a database in memory."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from cloaca_core.assembly.store import Store
from cloaca_core.store.protocol import StoreOptions
from cloaca_sqlite import BACKEND
from cloaca_testing.conformance import (
    BackendConformance,
    MessageOutboxConformance,
    SharedBackendConformance,
)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that a store has opened and closed: to copy it is quicker than to make its tables."""

    async def open_and_close() -> None:
        await (await BACKEND.open(f"sqlite://{path}", StoreOptions())).close()

    path = tmp_path_factory.mktemp("migrated") / "conformance.db"
    asyncio.run(open_and_close())
    return path


class TestSqliteFile(SharedBackendConformance):
    backend = BACKEND

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite://{tmp_path}/conformance.db"

    @pytest.fixture
    def new_url(self, tmp_path: Path) -> str:
        return f"sqlite://{tmp_path}/new.db"

    @pytest.fixture(autouse=True)
    def has_its_tables(self, migrated: Path, tmp_path: Path) -> None:
        shutil.copy(migrated, tmp_path / "conformance.db")


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
