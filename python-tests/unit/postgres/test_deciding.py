"""A transaction that decides about its last steps, on a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence

import pytest
import pytest_asyncio
from deciding import LIST, DecidingContract, put

from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.dialect import Answers, More, Step
from cloaca_core.store.sql.queries import Statement
from cloaca_postgres.dialect import PostgresDialect
from cloaca_postgres.opening import open_dialect
from cloaca_postgres.url import parse

pytestmark = pytest.mark.asyncio

PAUSE = Step(Statement("pause", "SELECT CAST(pg_sleep(0.05) AS TEXT)", ()))
CONFLICT = Step(
    Statement("conflict", "DO 'BEGIN RAISE EXCEPTION USING ERRCODE = ''40001''; END'", ())
)


@pytest_asyncio.fixture
async def dialect(postgres_url: str) -> AsyncIterator[PostgresDialect]:
    dialect = await open_dialect(parse(postgres_url), StoreOptions())
    yield dialect
    await dialect.close()


class TestDeciding(DecidingContract):
    """The contract, on a server."""


async def test_it_is_decided_again_after_a_conflict(dialect: PostgresDialect) -> None:
    decided: list[Answers] = []
    known: list[Answers] = []

    def then(_: int, answers: Answers) -> Generator[More, Answers, None]:
        decided.append(answers)
        yield More([put(dialect, "b")])
        yield More([CONFLICT] if len(decided) == 1 else [put(dialect, "c")], last=True)

    await dialect.write([put(dialect, "a"), Step(LIST)], on_commit=known.append, then=then)

    assert decided == [[[], [("a",)]]] * 2
    assert known == [decided[-1]]
    assert await dialect.read([Step(LIST)]) == [[("a",), ("b",), ("c",)]]


async def test_a_caller_that_is_cancelled_leaves_nothing(dialect: PostgresDialect) -> None:
    reached = asyncio.Event()

    def then(_: int, __: Answers) -> Generator[More, Answers, None]:
        reached.set()
        while True:
            yield More([PAUSE])

    writing = asyncio.create_task(dialect.write([put(dialect, "a")], then=then))
    await reached.wait()
    writing.cancel()
    await asyncio.wait([writing])

    await dialect.write([put(dialect, "a")])  # waits until the row is free
    assert await dialect.read([Step(LIST)]) == [[("a",)]]


async def test_news_of_later_steps_are_told(dialect: PostgresDialect) -> None:
    told: list[Sequence[Step]] = []
    wrote = dialect._wakeups.wrote

    def noted(steps: Sequence[Step], answers: Answers) -> None:
        assert len(steps) == len(answers)
        told.append(steps)
        wrote(steps, answers)

    dialect._wakeups.wrote = noted  # type: ignore[method-assign]  # what is announced

    def then(_: int, __: Answers) -> Generator[More, Answers, None]:
        yield More([put(dialect, "b")])
        yield More([put(dialect, "c")], last=True)

    await dialect.write([put(dialect, "a")], then=then)

    assert [[step.params[0] for step in steps] for steps in told] == [["a", "b", "c"]]
