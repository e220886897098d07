"""SQLite keeps the store contract: shared files, and a database in memory."""

from pathlib import Path

import pytest

from cloaca_core.conformance import BackendConformance, SharedBackendConformance
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
