"""40: a runner that opens a database with mode=ro looks on, and leaves everything as it is."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from own_database import OwnDatabases
from tables import each_row

import cloaca

pytestmark = pytest.mark.each_backend


@pytest.fixture
def place(database_url: str) -> str:
    """The URL of a database with tables, made by another program."""
    cloaca.DefaultRunner(database_url, registry=cloaca.Registry()).shutdown()
    return database_url


def looking(url: str) -> str:
    """The URL to look at a database only."""
    return f"{url}{'&' if '?' in url else '?'}mode=ro"


@pytest.fixture
def worker(place: str) -> Iterator[cloaca.DefaultRunner]:
    with cloaca.DefaultRunner(place) as runner:
        yield runner


@pytest.fixture
def watcher(place: str) -> Iterator[cloaca.DefaultRunner]:
    with cloaca.DefaultRunner(looking(place)) as runner:
        yield runner


def define(body: Callable[[cloaca.Context], object] = lambda _: {"ran": True}) -> None:
    with cloaca.WorkflowBuilder("flow"):
        cloaca.task(id="only")(body)


def test_it_sees_what_others_do_and_hears_of_its_end(
    worker: cloaca.DefaultRunner, watcher: cloaca.DefaultRunner
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def body(_: cloaca.Context) -> dict[str, bool]:
        begun.set()
        go_on.wait(60)
        return {"ran": True}

    define(body)
    run = worker.submit("flow", tags={"team": "x"})
    assert begun.wait(60)
    assert [(info.id, info.status) for info in watcher.list_runs(tags={"team": "x"})] == [
        (run.id, "Running")
    ]
    seen = watcher.get_run(run.id)
    assert seen.status() == "Running"
    go_on.set()
    assert seen.result(60).final_context.to_dict() == {"ran": True}
    assert seen.tasks()["only"].status == "Completed"


def test_no_runner_knows_of_it_and_it_takes_no_run(place: str, own_databases: OwnDatabases) -> None:
    define()
    with cloaca.DefaultRunner(place, start=False) as runner:
        run = runner.submit("flow")
    with cloaca.DefaultRunner(looking(place)) as watcher:
        assert watcher.get_run(run.id).status() == "Pending"
        health = watcher.health()
        assert health["paused"]
        assert all(loop["error"] is None for loop in health["loops"].values())
        assert own_databases.query(place, "SELECT count(*) FROM cloaca_runner") == [(0,)]
    assert own_databases.query(place, "SELECT status, epoch FROM cloaca_run") == [("Pending", 0)]


def test_an_async_runner_looks_on_as_well(place: str) -> None:
    define()
    with cloaca.DefaultRunner(place) as runner:
        ended = runner.execute("flow")

    async def look() -> cloaca.PipelineResult:
        async with cloaca.AsyncRunner(looking(place)) as watcher:
            with pytest.raises(cloaca.StoreReadOnlyError):
                await watcher.submit("flow")
            return await (await watcher.get_run(ended.execution_id)).result(60)

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


@each_row("write", WRITES.values())
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


def test_its_own_triggers_are_not_put_into_the_table(place: str) -> None:
    registry = cloaca.Registry()
    cloaca.trigger(name="t", on="flow", poll_interval="1h", registry=registry)(bool)
    with cloaca.DefaultRunner(looking(place), registry=registry) as watcher:
        assert watcher.list_trigger_schedules() == []
        assert watcher.get_trigger_schedule("t") is None


def test_it_goes_without_a_word(place: str, caplog: pytest.LogCaptureFixture) -> None:
    cloaca.DefaultRunner(looking(place)).shutdown()
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@pytest.mark.backend("postgres", reason="a schema that is not there")
def test_a_schema_without_tables_is_refused_and_not_made(
    empty_database_url: str,
) -> None:
    with pytest.raises(cloaca.StoreReadOnlyError, match="there is no schema"):
        cloaca.DefaultRunner(looking(empty_database_url))
    with pytest.raises(cloaca.StoreReadOnlyError, match="there is no schema"):
        cloaca.Client(looking(empty_database_url))


@pytest.mark.backend("sqlite", reason="it needs a file")
def test_a_file_without_tables_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    empty.touch()
    with pytest.raises(cloaca.StoreReadOnlyError, match=r"empty\.db.* makes none") as refusal:
        cloaca.DefaultRunner(f"{empty}?mode=ro")
    assert refusal.value.is_unmade
    assert empty.stat().st_size == 0
