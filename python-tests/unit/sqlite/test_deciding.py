"""A transaction that decides about its last steps, in a file."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio
from deciding import LIST, DecidingContract, put

from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.dialect import Answers, More, Step
from cloaca_sqlite.dialect import SqliteDialect
from cloaca_sqlite.opening import open_dialect
from cloaca_sqlite.url import parse

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def dialect(tmp_path: Path) -> AsyncIterator[SqliteDialect]:
    dialect = await open_dialect(parse(f"{tmp_path}/deciding.db"), StoreOptions())
    yield dialect
    await dialect.close()


class TestDeciding(DecidingContract):
    """The contract, in a file."""


async def test_a_caller_that_is_cancelled_leaves_all_of_it_or_nothing(
    dialect: SqliteDialect,
) -> None:
    reached, go = threading.Event(), threading.Event()

    def then(_: int, __: Answers) -> Generator[More, Answers, None]:
        reached.set()
        go.wait()
        yield More([put(dialect, "b")], last=True)

    writing = asyncio.create_task(dialect.write([put(dialect, "a")], then=then))
    await asyncio.to_thread(reached.wait)
    writing.cancel()
    go.set()
    await asyncio.wait([writing])

    await dialect.write([])
    assert await dialect.read([Step(LIST)]) in ([[]], [[("a",), ("b",)]])
