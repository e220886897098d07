"""SQLite keeps the store contract: shared files, and a database in memory."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cloaca_core.assembly.store import Store
from cloaca_core.store.protocol import StoreOptions
from cloaca_sqlite import BACKEND
from cloaca_testing.conformance import (
    BackendConformance,
    MessageOutboxConformance,
    SharedBackendConformance,
    TransactionConformance,
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


class TestSqliteTransactions(TransactionConformance):
    @pytest_asyncio.fixture
    async def store(self, mine: object, tmp_path: Path) -> AsyncIterator[Store]:  # noqa: ARG002 - first
        store = await BACKEND.open(f"sqlite://{tmp_path}/bodies.db", StoreOptions())
        yield store
        await store.close()

    @pytest.fixture(autouse=True)
    def mine(self, migrated: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
        shutil.copy(migrated, tmp_path / "bodies.db")
        with closing(sqlite3.connect(tmp_path / "bodies.db", isolation_level=None)) as mine:
            mine.execute("CREATE TABLE mine (text TEXT)")
            yield mine

    @pytest.fixture
    def write(self) -> Callable[[Any, str], None]:
        return lambda connection, text: connection.execute("INSERT INTO mine VALUES (?)", (text,))

    @pytest.fixture
    def written(self, mine: sqlite3.Connection) -> Callable[[], list[str]]:
        return lambda: [text for (text,) in mine.execute("SELECT text FROM mine").fetchall()]
