"""SQLite keeps the store contract: shared files, and a database in memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cloaca_core.conformance import (
    BackendConformance,
    MessageOutboxConformance,
    SharedBackendConformance,
)
from cloaca_sqlite import BACKEND


class TestSqliteFile(SharedBackendConformance, MessageOutboxConformance):
    backend = BACKEND

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite://{tmp_path}/conformance.db"

    @pytest.fixture
    def mine(self, url: str) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(url.removeprefix("sqlite://"))) as mine:
            yield mine


class TestSqliteMemory(BackendConformance):
    backend = BACKEND

    @pytest.fixture
    def url(self) -> str:
        return ":memory:"
