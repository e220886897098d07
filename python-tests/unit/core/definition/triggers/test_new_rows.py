"""Rows of a query: each is given at every poll, by one key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tables import each_row

from cloaca_core.definition.triggers.new_rows import new_rows
from cloaca_core.definition.triggers.result import TriggerResult
from cloaca_core.errors import DefinitionError, DefinitionTypeError

Connect = Callable[[], sqlite3.Connection]


@pytest.fixture
def connect(tmp_path: Path) -> Connect:
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE orders (id INTEGER, part TEXT, amount REAL, state TEXT)")
        connection.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?)",
            [(1, "a", 2.5, "paid"), (1, "b", 1.0, "paid"), (2, "a", 9.0, "open")],
        )
    connection.close()
    return lambda: sqlite3.connect(path)


def contexts(results: list[TriggerResult]) -> list[dict[str, Any]]:
    return [result.context.to_dict() for result in results if result.context is not None]


def test_each_row_is_given_with_its_columns(connect: Connect) -> None:
    look = new_rows(
        connect,
        "SELECT id, part, amount FROM orders WHERE state = ? ORDER BY part",
        key=["id", "part"],
        parameters=["paid"],
    )

    assert contexts(look()) == [
        {"id": 1, "part": "a", "amount": 2.5},
        {"id": 1, "part": "b", "amount": 1.0},
    ]


def test_every_poll_and_every_process_gives_a_row_by_the_same_key(connect: Connect) -> None:
    query = "SELECT * FROM orders ORDER BY id, part"
    one, other = (new_rows(connect, query, key=("id", "part")) for _ in range(2))

    keys = [[result.idempotency_key for result in look()] for look in (one, one, other)]

    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys[0])) == 3


def test_the_key_alone_tells_rows_apart(connect: Connect) -> None:
    look = new_rows(connect, "SELECT id, part FROM orders ORDER BY id, part", key="id")

    first, second, third = [result.idempotency_key for result in look()]

    assert first == second != third


def test_rows_that_are_mappings_are_read_as_well(connect: Connect) -> None:
    def mapping() -> sqlite3.Connection:
        connection = connect()
        connection.row_factory = lambda cursor, row: {
            column[0]: value for column, value in zip(cursor.description, row, strict=True)
        }
        return connection

    look = new_rows(
        mapping, "SELECT id FROM orders WHERE state = :s", key="id", parameters={"s": "open"}
    )

    assert contexts(look()) == [{"id": 2}]


class _Cursor:
    """A cursor of a driver that has richer types."""

    description = (("id",), ("value",))

    def __init__(self, value: object) -> None:
        self._value = value

    def execute(self, query: str) -> None: ...

    def fetchall(self) -> list[tuple[object, ...]]:
        return [(1, self._value), (2, "plain")]

    def close(self) -> None: ...


class _Connection:
    def __init__(self, value: object) -> None:
        self._value = value
        self.closed = False

    def cursor(self) -> _Cursor:
        return _Cursor(self._value)

    def close(self) -> None:
        self.closed = True


@each_row(
    ("value", "stored"),
    [
        (datetime(2026, 3, 10, 12, tzinfo=UTC), "2026-03-10T12:00:00+00:00"),
        (date(2026, 3, 10), "2026-03-10"),
        (time(12, 30), "12:30:00"),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"a": [1]}, {"a": [1]}),
        (None, None),
    ],
)
def test_what_databases_have_and_json_has_not_becomes_text(value: object, stored: object) -> None:
    look = new_rows(lambda: _Connection(value), "…", key="id")

    assert contexts(look())[0] == {"id": 1, "value": stored}


def test_a_row_that_no_context_holds_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    look = new_rows(lambda: _Connection(b"bytes"), "…", key="id")

    assert contexts(look()) == [{"id": 2, "value": "plain"}]
    assert "a row makes no run: value" in caplog.text


def test_the_connection_is_closed_whatever_happens() -> None:
    opened: list[_Connection] = []

    def connect() -> _Connection:
        opened.append(_Connection(1))
        return opened[-1]

    new_rows(connect, "…", key="id")()
    with pytest.raises(DefinitionError, match="key 'no' is none of the columns id, value"):
        new_rows(connect, "…", key="no")()

    assert [each.closed for each in opened] == [True, True]


def test_a_query_that_answers_no_rows_is_refused_when_it_is_asked(connect: Connect) -> None:
    with pytest.raises(DefinitionError, match="answers no rows"):
        new_rows(connect, "UPDATE orders SET state = 'done'", key="id")()


@each_row(
    ("arguments", "key", "kind", "message"),
    [
        ((3, "SELECT 1"), "id", DefinitionTypeError, "connect must be callable, got int"),
        ((dict, 3), "id", DefinitionTypeError, "query must be a str, got int"),
        ((dict, "SELECT 1"), 3, DefinitionTypeError, "key must be a str or a sequence of them"),
        ((dict, "SELECT 1"), [3], DefinitionTypeError, "an item of key must be a str"),
        ((dict, "SELECT 1"), [], DefinitionError, "key must name at least one column"),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: tuple[Any, Any], key: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        new_rows(*arguments, key=key)
