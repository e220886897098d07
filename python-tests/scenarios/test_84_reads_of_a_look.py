"""84: a look at a run costs few transactions, however much it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from click.testing import CliRunner

import cloaca
from cloaca_tools.cli.root import cli

pytestmark = pytest.mark.each_backend

WAIT = 60
OpenRunner = Callable[..., cloaca.DefaultRunner]


@pytest.fixture
def run_id(open_runner: OpenRunner) -> str:
    """A run of a schedule that has failed in its second round, with runs two levels below it."""
    with cloaca.WorkflowBuilder("leaf"):

        @cloaca.task
        def end(context: dict[str, Any]) -> None:
            pass

    with cloaca.WorkflowBuilder("branch"):

        @cloaca.task
        def grow(context: dict[str, Any], handle: cloaca.TaskHandle) -> None:
            runner.execute("leaf")

    with cloaca.WorkflowBuilder("root"):

        @cloaca.task
        def begin(context: dict[str, Any], handle: cloaca.TaskHandle) -> dict[str, Any]:
            handle.log("two branches")
            return {"of": handle.step("choose", lambda: runner.execute("branch").status)}

        @cloaca.task(dependencies=[begin], retry_attempts=1)
        def fail(context: dict[str, Any]) -> None:
            raise ValueError("no leaf")

    runner = open_runner()
    schedule_id = runner.register_cron_workflow("root", "0 0 * * *", "UTC")
    now = datetime.now(UTC)
    made = runner.backfill(schedule_id, now - timedelta(days=1), now)
    handle = runner.get_run(made.run_ids[0])
    handle.wait(WAIT)
    handle.retry()
    handle.wait(WAIT)
    runner.shutdown()
    return handle.id


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, backend_name: str) -> list[str]:
    """The transactions that have read so far, by any store of this process."""
    found: list[str] = []
    kind = f"{backend_name.capitalize()}Dialect"
    dialect = getattr(import_module(f"cloaca_{backend_name}.dialect"), kind)
    names = ["read"] if backend_name == "sqlite" else ["read", "now"]  # a file asks for no clock

    def noted(name: str) -> Callable[..., Any]:
        original = getattr(dialect, name)

        async def call(self: Any, *args: Any) -> Any:
            found.append(", ".join([step.statement.name for each in args for step in each]) or name)
            return await original(self, *args)

        return call

    for name in names:
        monkeypatch.setattr(dialect, name, noted(name))
    return found


@contextmanager
def at_most(most: int, reads: list[str]) -> Iterator[None]:
    before = len(reads)
    yield
    done = reads[before:]
    if len(done) > most:
        pytest.fail("\n".join([f"{len(done)} transactions:", *done]), pytrace=False)


def only_to_look(database_url: str) -> str:
    """The URL for a client that works at nothing, and so reads for nothing but its caller."""
    return f"{database_url}{'&' if '?' in database_url else '?'}mode=ro"


@pytest.mark.each_backend
def test_the_page_of_a_run_reads_six_times(
    run_id: str, database_url: str, reads: list[str]
) -> None:
    from starlette.testclient import TestClient

    for query in ("", "?view=graph", "?view=table&task=begin", "?task=fail&attempt=1"):
        with cloaca.Client(only_to_look(database_url), registry=cloaca.Registry()) as client:
            application = cloaca.ui(client, auth=cloaca.ui_without_auth, hosts=("testserver",))
            with TestClient(application) as page:
                page.get("/runners")  # from now on the page listens for changes
                with at_most(6, reads):
                    assert page.get(f"/runs/{run_id}{query}").status_code == 200


@pytest.mark.each_backend
def test_schedules_are_read_four_times_however_many_they_are(
    run_id: str, database_url: str, reads: list[str]
) -> None:
    with cloaca.Client(database_url, registry=cloaca.Registry()) as client:
        for number in range(3):
            client.schedule(f"nightly {number}", "root", "0 0 * * *", "UTC")
    looks = cloaca.Client(only_to_look(database_url), registry=cloaca.Registry())
    with looks, at_most(4, reads):
        found = cloaca.Observer(looks).schedules().wait()

    assert len(found.schedules) == 4
    assert {tick.run_id for line in found.schedules for tick in line.ticks} == {run_id}


@pytest.mark.each_backend
def test_a_run_that_is_shown_is_read_three_times(
    run_id: str, database_url: str, reads: list[str]
) -> None:
    with at_most(3, reads):
        command = ["runs", "show", run_id, "--database-url", database_url]
        answer = CliRunner().invoke(cli, command)
    assert answer.exit_code == 0, answer.output
    assert "leaf" in answer.output
