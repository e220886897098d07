"""What every test can ask for: the backend that this run is on, and a database of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cloaca


@pytest.fixture(scope="session")
def backend_name() -> str:
    """The backend under test, as ``invoke test --backend`` names it."""
    return os.environ.get("CLOACA_TEST_BACKEND", "sqlite")


def url_in(folder: Path, backend: str) -> str:
    """A URL of a database that does not exist yet."""
    assert backend == "sqlite"
    return f"sqlite:///{folder / 'test.db'}"


@pytest.fixture
def database_url(backend_name: str, tmp_path: Path) -> str:
    """A URL of an empty database that no other test uses; it is removed with the run."""
    return url_in(tmp_path, backend_name)


@pytest.fixture
def open_runner(database_url: str) -> Iterator[Callable[..., cloaca.DefaultRunner]]:
    """Opens runners on the test's database with these settings; all are closed at its end."""
    opened: list[cloaca.DefaultRunner] = []

    def open_one(**settings: Any) -> cloaca.DefaultRunner:
        # A failed test may leave a body that waits for ever: do not wait for it as long.
        config = cloaca.DefaultRunnerConfig(**{"shutdown_grace_seconds": 5, **settings})
        opened.append(cloaca.DefaultRunner(database_url, config=config))
        return opened[-1]

    yield open_one
    for runner in opened:
        runner.shutdown()


@pytest.fixture
def runner(open_runner: Callable[..., cloaca.DefaultRunner]) -> cloaca.DefaultRunner:
    """A runner on the test's database with the default settings."""
    return open_runner()


@pytest.fixture(scope="module")
def shared_runner(
    backend_name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[cloaca.DefaultRunner]:
    """One runner for a whole file, where a database for each row would only cost time."""
    url = url_in(tmp_path_factory.mktemp("shared"), backend_name)
    with cloaca.DefaultRunner(url) as runner:
        yield runner
