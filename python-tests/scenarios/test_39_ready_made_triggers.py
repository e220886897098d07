"""Ready-made triggers: each file that arrives, and each new row, makes one run."""

from __future__ import annotations

import queue
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from own_database import OwnDatabases

import cloaca

PATIENCE = 60
"""Seconds until a test gives up; what it waits for comes well before."""
SOON = "20ms"


class Program:
    """A program with one trigger, which may be started again."""

    def __init__(self, url: str, function: Callable[[], object]) -> None:
        self.url = url
        self.began: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.polls: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._function = function

    def start(self) -> cloaca.DefaultRunner:
        registry = cloaca.Registry()
        with cloaca.WorkflowBuilder("take", registry=registry):

            @cloaca.task
            def take(context: cloaca.Context) -> None:
                self.began.put(context.to_dict())

        @cloaca.trigger(name="arrivals", on="take", poll_interval=SOON, registry=registry)
        def arrivals() -> Any:
            found = self._function()
            self.polls.put(1)
            return found

        return cloaca.DefaultRunner(self.url, registry=registry)

    def poll_again(self) -> None:
        """Return when everything that was there before this call has been found and written."""
        for _ in range(self.polls.qsize() + 4):
            self.polls.get(timeout=PATIENCE)

    def take(self, count: int) -> list[dict[str, Any]]:
        return [self.began.get(timeout=PATIENCE) for _ in range(count)]


@pytest.mark.each_backend
def test_each_file_makes_one_run_also_after_a_restart(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.csv", "b.csv", "c.txt"):
        (folder / name).write_text(name)
    program = Program(database_url, cloaca.file_arrival(folder / "*.csv"))

    with program.start() as runner:
        found = program.take(2)
        program.poll_again()
        assert len(runner.get_trigger_execution_history("arrivals")) == 2
    program._function = cloaca.file_arrival(folder / "*.csv")  # what was in memory is gone
    (folder / "d.csv").write_text("new")
    with program.start() as runner, program.start():  # two of them, on one database
        found += program.take(1)
        program.poll_again()
        assert len(runner.get_trigger_execution_history("arrivals")) == 3

    assert sorted(Path(context["path"]).name for context in found) == ["a.csv", "b.csv", "d.csv"]
    assert {context["trigger_name"] for context in found} == {"arrivals"}
    assert program.began.empty()


def test_each_row_makes_one_run_also_after_a_restart(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    shop = sqlite3.connect(path)
    with shop:
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, amount REAL)")
        shop.executemany("INSERT INTO orders VALUES (?, ?)", [(1, 1.5), (2, 2.5)])
    program = Program(
        database_url,
        cloaca.new_rows(lambda: sqlite3.connect(path), "SELECT id, amount FROM orders", key="id"),
    )

    with program.start():
        found = program.take(2)
    with program.start() as runner:
        with shop:
            shop.execute("INSERT INTO orders VALUES (3, 3.5)")
        found += program.take(1)
        program.poll_again()
        assert len(runner.get_trigger_execution_history("arrivals")) == 3
    shop.close()

    assert sorted((context["id"], context["amount"]) for context in found) == [
        (1, 1.5),
        (2, 2.5),
        (3, 3.5),
    ]


@pytest.mark.backend("postgres", reason="the rows are in its own database")
def test_rows_of_a_postgres_database_are_found_with_psycopg(
    database_url: str, own_databases: OwnDatabases
) -> None:
    import psycopg  # not there where SQLite alone is tested

    from dev.databases.urls import for_libpq

    program = Program(
        database_url,
        cloaca.new_rows(
            lambda: psycopg.connect(for_libpq(database_url)),
            "SELECT n, now() AS at, 1.50::numeric AS price FROM generate_series(1, %s) AS n",
            key="n",
            parameters=(2,),
        ),
    )

    with program.start() as runner:
        found = program.take(2)
        program.poll_again()
        assert len(runner.get_trigger_execution_history("arrivals")) == 2

    assert sorted(context["n"] for context in found) == [1, 2]
    assert {context["price"] for context in found} == {"1.50"}
