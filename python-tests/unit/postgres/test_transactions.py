"""The connection of a body on PostgreSQL: refusals, and commits that are not answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from tables import each_row

import cloaca
from cloaca_core.errors import RunnerUsageError
from cloaca_core.store.sql.dialect import Step
from cloaca_postgres.transactions import PostgresTransaction, _refuse_end
from dev.databases.urls import for_libpq


@each_row(
    "text",
    [
        "COMMIT",
        " commit and chain",
        "/* a */ -- b\n END",
        "; abort",
        "begin",
        "START TRANSACTION",
        "ROLLBACK",
        "rollback work",
        "prepare transaction 'a'",
        psycopg.sql.SQL("COMMIT"),
        b"COMMIT",
    ],
)
def test_statements_that_end_the_transaction_are_refused(text: object) -> None:
    with pytest.raises(RunnerUsageError, match="a transactional body does not call"):
        _refuse_end(text)


@each_row(
    "text",
    ["SELECT 1", "ROLLBACK TO a", "rollback work to savepoint a", "SAVEPOINT a", "endpoints", ""],
)
def test_others_are_not(text: str) -> None:
    _refuse_end(text)


@pytest.fixture
def table(postgres_url: str) -> Iterator[str]:
    """A table of the program."""
    name = f"bodies_{uuid4().hex}"
    with closing(psycopg.connect(for_libpq(postgres_url), autocommit=True)) as mine:
        mine.execute(f"CREATE TABLE {name} (attempt INTEGER)".encode())
        yield name
        mine.execute(f"DROP TABLE {name}".encode())


def outcome(url: str, table: str, *, then: str = "") -> tuple[str, list[int], list[int]]:
    """The status of a run whose body writes a row for each attempt; the attempts in which it ran,
    and those whose rows are committed.
    """
    ran: list[int] = []
    with cloaca.WorkflowBuilder("book"):

        @cloaca.task(id="only", transactional=True, retry_attempts=1)
        def only(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            ran.append(handle.attempt)
            handle.connection.execute(f"INSERT INTO {table} VALUES ({handle.attempt})")
            if then:
                handle.connection.execute(then)

    with cloaca.DefaultRunner(url) as runner:
        result = runner.execute("book")
    with closing(psycopg.connect(for_libpq(url))) as mine:
        rows = mine.execute(f"SELECT attempt FROM {table}".encode()).fetchall()
    return result.status, ran, [attempt for (attempt,) in rows]


def answering(
    monkeypatch: pytest.MonkeyPatch, commit: Callable[[PostgresTransaction, Step], None]
) -> None:
    """Have the first COMMIT of a body done in this way."""
    run, met = PostgresTransaction._run, list[str]()

    def instead(self: PostgresTransaction, each: Step) -> list[Any]:
        if each.statement.name == "commit" and not met:
            met.append("commit")
            commit(self, each)
        return run(self, each)

    monkeypatch.setattr(PostgresTransaction, "_run", instead)


def test_a_commit_that_came_through_without_an_answer_counts_once(
    postgres_url: str, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit(transaction: PostgresTransaction, each: Step) -> None:
        transaction.connection.pgconn.exec_(each.statement.sql.encode())
        raise psycopg.OperationalError("consuming input failed")

    answering(monkeypatch, commit)

    assert outcome(postgres_url, table) == ("Completed", [1], [1])


def test_one_that_did_not_come_through_runs_again_uncounted(
    postgres_url: str, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit(transaction: PostgresTransaction, _: Step) -> None:
        with closing(psycopg.connect(for_libpq(postgres_url), autocommit=True)) as mine:
            pid = transaction.connection.info.backend_pid
            mine.execute("SELECT pg_terminate_backend(%s, 60000)", (pid,))

    answering(monkeypatch, commit)

    assert outcome(postgres_url, table) == ("Completed", [1, 2], [2])


def test_a_body_that_ends_its_transaction_behind_another_statement_fails(
    postgres_url: str, table: str
) -> None:
    """What it has committed itself stays, as nothing can undo it."""
    then = "SELECT 1; COMMIT; BEGIN"  # the session is in a transaction again
    assert outcome(postgres_url, table, then=then) == ("Failed", [1], [1])


def test_one_that_swallows_an_error_of_its_transaction_fails(postgres_url: str, table: str) -> None:
    swallowing = f"DO $$ BEGIN INSERT INTO {table} VALUES (7); RAISE 'no'; END $$"
    with cloaca.WorkflowBuilder("swallow"):

        @cloaca.task(id="only", transactional=True, retry_attempts=1)
        def only(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            with pytest.raises(psycopg.Error):
                handle.connection.execute(swallowing)

    with cloaca.DefaultRunner(postgres_url) as runner:
        assert runner.execute("swallow").status == "Failed"
