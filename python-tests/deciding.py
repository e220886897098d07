"""A transaction that decides about its last steps is one transaction, in each backend."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from cloaca_core.errors import StoreError
from cloaca_core.store.sql.dialect import Answers, Dialect, More, Step
from cloaca_core.store.sql.queries import Statement

LIST = Statement("list", "SELECT workflow FROM cloaca_queue ORDER BY workflow", ())
BROKEN = Statement("broken", "SELECT nothing FROM cloaca_queue", ())


def put(dialect: Dialect, name: str) -> Step:
    """A step that writes one row."""
    one = dialect.wording.placeholder
    sql = f"INSERT INTO cloaca_queue VALUES ({one}, {one})"
    return Step(Statement("put", sql, ("workflow", "name")), (name, "q"))


class DecidingContract:
    """Define a fixture ``dialect``, an open, empty database."""

    async def test_it_decides_by_what_it_has_read(self, dialect: Dialect) -> None:
        known: list[Answers] = []
        found: list[object] = []

        def then(now: int, answers: Answers) -> Generator[More, Answers, None]:
            found.append((now > 0, answers))
            found.append((yield More([put(dialect, "b"), Step(LIST)])))
            found.append((yield More([put(dialect, "c"), Step(LIST)], last=True)))

        answers = await dialect.write(
            [put(dialect, "a"), Step(LIST)], on_commit=known.append, then=then
        )

        assert answers == [[], [("a",)]]
        assert known == [answers]
        ab, abc = [("a",), ("b",)], [("a",), ("b",), ("c",)]
        assert found == [(True, answers), [[], ab], [[], abc]]
        assert await dialect.read([Step(LIST)]) == [abc]

    async def test_an_error_in_the_middle_undoes_it(self, dialect: Dialect) -> None:
        def then(_: int, __: Answers) -> Generator[More, Answers, None]:
            yield More([put(dialect, "b")])
            yield More([Step(BROKEN)])

        known: list[Answers] = []
        with pytest.raises(StoreError):
            await dialect.write([put(dialect, "a")], on_commit=known.append, then=then)

        assert known == []
        assert await dialect.read([Step(LIST)]) == [[]]
        await dialect.write([put(dialect, "c")])

    async def test_an_error_of_the_decision_undoes_it(self, dialect: Dialect) -> None:
        def then(_: int, __: Answers) -> Generator[More, Answers, None]:
            yield More([put(dialect, "b")])
            raise LookupError

        with pytest.raises(LookupError):
            await dialect.write([put(dialect, "a")], then=then)

        assert await dialect.read([Step(LIST)]) == [[]]
