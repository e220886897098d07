"""What every test can ask for: the backend that this run is on, and a database of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def backend_name() -> str:
    """The backend under test, as ``invoke test --backend`` names it."""
    return os.environ.get("CLOACA_TEST_BACKEND", "sqlite")


@pytest.fixture
def database_url(backend_name: str, tmp_path: Path) -> str:
    """A URL of an empty database that no other test uses; it is removed with the run."""
    assert backend_name == "sqlite"
    return f"sqlite:///{tmp_path / 'test.db'}"
