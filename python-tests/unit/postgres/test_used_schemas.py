"""A schema is given to another test only if it is as a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from used_schemas import Taken, UsedSchemas

import cloaca
from dev.databases.urls import with_query

Run = Callable[[Taken], None]


@pytest.fixture
def used(postgres_server: str) -> Iterator[UsedSchemas]:
    used = UsedSchemas(postgres_server)
    yield used
    used.close()


@pytest.fixture
def run(postgres_server: str) -> Run:
    """Does in a schema what tests do: opens it, and leaves a run."""

    def run(taken: Taken) -> None:
        registry = cloaca.Registry()
        with cloaca.WorkflowBuilder("quick", registry=registry):
            cloaca.task(id="only")(lambda context: None)
        url = with_query(postgres_server, schema=taken.name)
        with cloaca.DefaultRunner(url, registry=registry) as runner:
            assert runner.count_runs() == 0
            runner.execute("quick")

    return run


def session(server: str, schema: str) -> psycopg.Connection:
    return psycopg.connect(server, options=f"-csearch_path={schema}", autocommit=True)


def ended(used: UsedSchemas, taken: Taken) -> None:
    """Return when the sessions that began since a test got it have ended on the server too."""
    while any(began is None or began >= taken.since for began in used._look()[2]):
        continue


def test_a_schema_whose_test_has_ended_is_empty_for_the_next(used: UsedSchemas, run: Run) -> None:
    first = used.take()
    run(first)
    used.give_back([first])
    ended(used, first)

    again = used.take()

    assert again.name == first.name
    run(again)


def test_one_that_is_still_open_is_left(used: UsedSchemas, run: Run, postgres_server: str) -> None:
    first = used.take()
    run(first)
    with session(postgres_server, first.name):
        used.give_back([first])

        assert used.take().name != first.name

    ended(used, first)
    assert used.take().name == first.name


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE orders (id INTEGER)",
        "ALTER TABLE cloaca_run ADD COLUMN colour TEXT",
        "DROP INDEX cloaca_run_due",
        "GRANT SELECT ON cloaca_run TO PUBLIC",
        "DELETE FROM cloaca_migration WHERE number = 1",
        "UPDATE cloaca_migration SET checksum = 'x' WHERE number = 1",
    ],
)
def test_one_that_was_changed_is_left(
    used: UsedSchemas, run: Run, postgres_server: str, change: str
) -> None:
    first = used.take()
    run(first)
    with session(postgres_server, first.name) as raw:
        raw.execute(change.encode())
    used.give_back([first])
    ended(used, first)

    assert used.take().name != first.name


def test_a_test_may_end_all_sessions_of_the_database(
    used: UsedSchemas, run: Run, postgres_server: str
) -> None:
    first = used.take()
    run(first)
    with session(postgres_server, first.name) as raw:
        raw.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    used.give_back([first])
    ended(used, first)

    assert used.take().name == first.name
