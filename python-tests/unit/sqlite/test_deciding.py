"""A transaction that decides about its last steps is one transaction."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from cloaca_core.errors import StoreError
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.dialect import Answers, More, Step
from cloaca_core.store.sql.queries import Statement
from cloaca_sqlite.dialect import SqliteDialect
from cloaca_sqlite.opening import open_dialect
from cloaca_sqlite.url import parse

pytestmark = pytest.mark.asyncio

PUT = Statement("put", "INSERT INTO cloaca_queue VALUES (?, ?)", ("workflow", "name"))
LIST = Statement("list", "SELECT workflow FROM cloaca_queue ORDER BY workflow", ())
BROKEN = Statement("broken", "SELECT nothing FROM cloaca_queue", ())


def put(name: str) -> Step:
    """A step that writes one row."""
    return Step(PUT, (name, "q"))


@pytest_asyncio.fixture
async def dialect(tmp_path: Path) -> AsyncIterator[SqliteDialect]:
    dialect = await open_dialect(parse(f"{tmp_path}/deciding.db"), StoreOptions())
    yield dialect
    await dialect.close()


async def test_it_decides_by_what_it_has_read(dialect: SqliteDialect) -> None:
    known: list[Answers] = []
    found: list[object] = []

    def then(now: int, answers: Answers) -> Generator[More, Answers, None]:
        found.append((now > 0, answers))
        found.append((yield More([put("b"), Step(LIST)])))
        found.append((yield More([put("c"), Step(LIST)], last=True)))

    answers = await dialect.write([put("a"), Step(LIST)], on_commit=known.append, then=then)

    assert answers == [[], [("a",)]]
    assert known == [answers]
    ab, abc = [("a",), ("b",)], [("a",), ("b",), ("c",)]
    assert found == [(True, answers), [[], ab], [[], abc]]
    assert await dialect.read([Step(LIST)]) == [abc]


async def test_an_error_in_the_middle_undoes_it(dialect: SqliteDialect) -> None:
    def then(_: int, __: Answers) -> Generator[More, Answers, None]:
        yield More([put("b")])
        yield More([Step(BROKEN)])

    known: list[Answers] = []
    with pytest.raises(StoreError):
        await dialect.write([put("a")], on_commit=known.append, then=then)

    assert known == []
    assert await dialect.read([Step(LIST)]) == [[]]
    await dialect.write([put("c")])


async def test_an_error_of_the_decision_undoes_it(dialect: SqliteDialect) -> None:
    def then(_: int, __: Answers) -> Generator[More, Answers, None]:
        yield More([put("b")])
        raise LookupError

    with pytest.raises(LookupError):
        await dialect.write([put("a")], then=then)

    assert await dialect.read([Step(LIST)]) == [[]]


async def test_a_caller_that_is_cancelled_leaves_all_of_it_or_nothing(
    dialect: SqliteDialect,
) -> None:
    reached, go = threading.Event(), threading.Event()

    def then(_: int, __: Answers) -> Generator[More, Answers, None]:
        reached.set()
        go.wait()
        yield More([put("b")], last=True)

    writing = asyncio.create_task(dialect.write([put("a")], then=then))
    await asyncio.to_thread(reached.wait)
    writing.cancel()
    go.set()
    await asyncio.wait([writing])

    await dialect.write([])
    assert await dialect.read([Step(LIST)]) in ([[]], [[("a",), ("b",)]])
