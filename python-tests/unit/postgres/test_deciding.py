"""A transaction that decides about its last steps is one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence

import pytest
import pytest_asyncio

from cloaca_core.errors import StoreError
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.dialect import Answers, More, Step
from cloaca_core.store.sql.queries import Statement
from cloaca_postgres.dialect import PostgresDialect
from cloaca_postgres.opening import open_dialect
from cloaca_postgres.url import parse

pytestmark = pytest.mark.asyncio

PUT = Statement("put", "INSERT INTO cloaca_queue VALUES (%s, %s)", ("workflow", "name"))
LIST = Statement("list", "SELECT workflow FROM cloaca_queue ORDER BY workflow", ())
PAUSE = Step(Statement("pause", "SELECT CAST(pg_sleep(0.05) AS TEXT)", ()))
CONFLICT = Step(
    Statement("conflict", "DO 'BEGIN RAISE EXCEPTION USING ERRCODE = ''40001''; END'", ())
)
BROKEN = Statement("broken", "SELECT nothing FROM cloaca_queue", ())


def put(name: str) -> Step:
    """A step that writes one row."""
    return Step(PUT, (name, "q"))


@pytest_asyncio.fixture
async def dialect(postgres_url: str) -> AsyncIterator[PostgresDialect]:
    dialect = await open_dialect(parse(postgres_url), StoreOptions())
    yield dialect
    await dialect.close()


async def test_it_decides_by_what_it_has_read(dialect: PostgresDialect) -> None:
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


async def test_an_error_in_the_middle_undoes_it(dialect: PostgresDialect) -> None:
    def then(_: int, __: Answers) -> Generator[More, Answers, None]:
        yield More([put("b")])
        yield More([Step(BROKEN)])

    known: list[Answers] = []
    with pytest.raises(StoreError):
        await dialect.write([put("a")], on_commit=known.append, then=then)

    assert known == []
    assert await dialect.read([Step(LIST)]) == [[]]
    await dialect.write([put("c")])


async def test_an_error_of_the_decision_undoes_it(dialect: PostgresDialect) -> None:
    def then(_: int, __: Answers) -> Generator[More, Answers, None]:
        yield More([put("b")])
        raise LookupError

    with pytest.raises(LookupError):
        await dialect.write([put("a")], then=then)

    assert await dialect.read([Step(LIST)]) == [[]]


async def test_it_is_decided_again_after_a_conflict(dialect: PostgresDialect) -> None:
    decided: list[Answers] = []
    known: list[Answers] = []

    def then(_: int, answers: Answers) -> Generator[More, Answers, None]:
        decided.append(answers)
        yield More([put("b")])
        yield More([CONFLICT] if len(decided) == 1 else [put("c")], last=True)

    await dialect.write([put("a"), Step(LIST)], on_commit=known.append, then=then)

    assert decided == [[[], [("a",)]]] * 2
    assert known == [decided[-1]]
    assert await dialect.read([Step(LIST)]) == [[("a",), ("b",), ("c",)]]


async def test_a_caller_that_is_cancelled_leaves_nothing(dialect: PostgresDialect) -> None:
    reached = asyncio.Event()

    def then(_: int, __: Answers) -> Generator[More, Answers, None]:
        reached.set()
        while True:
            yield More([PAUSE])

    writing = asyncio.create_task(dialect.write([put("a")], then=then))
    await reached.wait()
    writing.cancel()
    await asyncio.wait([writing])

    await dialect.write([put("a")])  # waits until the row is free
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
        yield More([put("b")])
        yield More([put("c")], last=True)

    await dialect.write([put("a")], then=then)

    assert [[step.params[0] for step in steps] for steps in told] == [["a", "b", "c"]]
