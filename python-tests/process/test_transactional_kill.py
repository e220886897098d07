"""A process dies around the commit of a body's transaction, or loses its lease in it: the rows of
the body are there once, together with the record of its success.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest
from own_database import OwnDatabases

from process.fleet import Fleet

SHORT = 0.6
DONE = ("Completed", {"trail": ["book", "after"]})


@pytest.fixture
def booked(fleet: Fleet, own_databases: OwnDatabases) -> Iterator[Fleet]:
    """Workers beside whose tables there is one of the program."""
    schema = parse_qs(urlsplit(fleet.url).query).get("schema")
    table = "booked" if schema is None else f'"{schema[0]}".booked'
    fleet.start().end()  # it makes the schema
    with closing(own_databases.connect(fleet.url, autocommit=True)) as connection:
        connection.execute(f"CREATE TABLE {table} (run_id TEXT)")
        yield fleet
        for worker in fleet.workers:
            worker.dispose()
        connection.execute(f"DROP TABLE {table}")


@pytest.mark.parametrize(
    ("point", "times"),
    [
        ("body.after:1", 1),  # after the commit, before the engine hears of the outcome
        ("transaction.before_commit", 2),
        ("transaction.after_commit", 1),
        ("journal.before_commit:2", 1),
    ],
)
def test_a_body_whose_process_dies_has_written_its_rows_once(
    booked: Fleet, point: str, times: int
) -> None:
    victim = booked.start(fault=point)
    victim.tell("submit", "booked")
    assert victim.exit_code() == -signal.SIGKILL
    rescuer = booked.start()
    ((run_id,),) = booked.query("SELECT id FROM cloaca_run")

    assert rescuer.result(run_id) == DONE
    assert booked.query("SELECT run_id FROM booked") == [(run_id,)]
    assert booked.executions(run_id)["book"] == times
    assert booked.query("SELECT task_id, status FROM cloaca_attempt ORDER BY task_id") == [
        ("after", "Completed"),
        ("book", "Completed"),
    ]


def test_a_lost_lease_rolls_back(booked: Fleet, backend_name: str) -> None:
    """On SQLite no other can write while the body does: there its time limit ends it."""
    if backend_name == "sqlite":
        return
    sleeper = booked.start(hold=["book"], lease_seconds=SHORT)
    other = booked.start(lease_seconds=SHORT)
    run_id = sleeper.submit("booked")
    sleeper.hear("holding")

    sleeper.freeze()
    finished = other.result(run_id)
    sleeper.tell("release")
    sleeper.signal(signal.SIGCONT)

    assert finished == DONE
    assert sleeper.result(run_id) == finished
    assert sleeper.end()[0] == 0
    assert booked.query("SELECT run_id FROM booked") == [(run_id,)]
    assert booked.executions(run_id)["book"] == 2
