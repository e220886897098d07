"""40: a runner that opens a file with mode=ro looks on, and leaves everything as it is."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import cloaca

pytestmark = pytest.mark.backend("sqlite", reason="PostgreSQL's URLs have no such mode")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with tables, made by another program."""
    path = tmp_path / "work.db"
    cloaca.DefaultRunner(str(path), registry=cloaca.Registry()).shutdown()
    return path


@pytest.fixture
def worker(file: Path) -> Iterator[cloaca.DefaultRunner]:
    with cloaca.DefaultRunner(str(file)) as runner:
        yield runner


@pytest.fixture
def watcher(file: Path) -> Iterator[cloaca.DefaultRunner]:
    with cloaca.DefaultRunner(f"{file}?mode=ro") as runner:
        yield runner


def define(body: Callable[[cloaca.Context], object] = lambda _: {"ran": True}) -> None:
    with cloaca.WorkflowBuilder("flow"):
        cloaca.task(id="only")(body)


def query(file: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(statement).fetchall()


def test_it_sees_what_others_do_and_hears_of_its_end(
    worker: cloaca.DefaultRunner, watcher: cloaca.DefaultRunner
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def body(_: cloaca.Context) -> dict[str, bool]:
        begun.set()
        go_on.wait(30)
        return {"ran": True}

    define(body)
    run = worker.submit("flow", tags={"team": "x"})
    assert begun.wait(30)
    assert [(info.id, info.status) for info in watcher.list_runs(tags={"team": "x"})] == [
        (run.id, "Running")
    ]
    seen = watcher.get_run(run.id)
    assert seen.status() == "Running"
    go_on.set()
    assert seen.result(30).final_context.to_dict() == {"ran": True}
    assert seen.tasks()["only"].status == "Completed"


def test_nobody_knows_of_it_and_it_takes_no_run(file: Path) -> None:
    define()
    with cloaca.DefaultRunner(str(file), start=False) as runner:
        run = runner.submit("flow")
    with cloaca.DefaultRunner(f"{file}?mode=ro") as watcher:
        assert watcher.get_run(run.id).status() == "Pending"
        health = watcher.health()
        assert health["paused"]
        assert all(loop["error"] is None for loop in health["loops"].values())
        assert query(file, "SELECT count(*) FROM cloaca_runner") == [(0,)]
    assert query(file, "SELECT status, epoch FROM cloaca_run") == [("Pending", 0)]


def test_an_async_runner_looks_on_as_well(file: Path) -> None:
    define()
    with cloaca.DefaultRunner(str(file)) as runner:
        ended = runner.execute("flow")

    async def look() -> cloaca.PipelineResult:
        async with cloaca.AsyncRunner(f"{file}?mode=ro") as watcher:
            with pytest.raises(cloaca.StoreReadOnlyError):
                await watcher.submit("flow")
            return await (await watcher.get_run(ended.execution_id)).result(30)

    assert asyncio.run(look()).final_context == ended.final_context


WRITES: dict[str, Callable[[cloaca.DefaultRunner], object]] = {
    "execute": lambda runner: runner.execute("flow"),
    "submit": lambda runner: runner.submit("flow"),
    "submit_many": lambda runner: runner.submit_many("flow", [{}, {}]),
    "start": lambda runner: runner.start(),
    "register_cron_workflow": lambda runner: runner.register_cron_workflow("flow", "@daily", "UTC"),
    "update_cron_schedule": lambda runner: runner.update_cron_schedule(
        runner.list_cron_schedules()[0]["id"], "@hourly", "UTC"
    ),
    "delete_cron_schedule": lambda runner: runner.delete_cron_schedule(
        runner.list_cron_schedules()[0]["id"]
    ),
    "backfill": lambda runner: runner.backfill(
        "nightly", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"
    ),
    "set_trigger_enabled": lambda runner: runner.set_trigger_enabled("t", enabled=False),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_what_would_write_is_refused(
    worker: cloaca.DefaultRunner,
    watcher: cloaca.DefaultRunner,
    write: Callable[[cloaca.DefaultRunner], object],
) -> None:
    define()
    cloaca.trigger(name="t", on="flow", poll_interval="1h")(bool)
    worker.schedule("nightly", "flow", "@daily", "UTC")
    assert [row["trigger_name"] for row in worker.list_trigger_schedules()] == ["t"]
    with pytest.raises(cloaca.StoreReadOnlyError):
        write(watcher)
    assert watcher.list_runs() == []
    (schedule,) = watcher.list_cron_schedules()
    assert (schedule["name"], schedule["cron_expression"]) == ("nightly", "@daily")
    assert [row["enabled"] for row in watcher.list_trigger_schedules()] == [True]


def test_its_own_triggers_are_not_put_into_the_table(file: Path) -> None:
    registry = cloaca.Registry()
    cloaca.trigger(name="t", on="flow", poll_interval="1h", registry=registry)(bool)
    with cloaca.DefaultRunner(f"{file}?mode=ro", registry=registry) as watcher:
        assert watcher.list_trigger_schedules() == []
        assert watcher.get_trigger_schedule("t") is None


def test_it_goes_without_a_word(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    cloaca.DefaultRunner(f"{file}?mode=ro").shutdown()
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_file_without_tables_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    empty.touch()
    with pytest.raises(cloaca.StoreReadOnlyError, match=r"empty\.db .*mode=ro makes none"):
        cloaca.DefaultRunner(f"{empty}?mode=ro")
    assert empty.stat().st_size == 0
