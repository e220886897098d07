"""94: the rows of a transactional task and the record of its success commit together or not at
all.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from own_database import OwnDatabases
from scenarios.test_74_workflow_pages import Web

import cloaca
from cloaca_tools.cli.root import cli

pytestmark = pytest.mark.each_backend

WAIT = 60
OpenRunner = Callable[..., cloaca.DefaultRunner]


class Ledger:
    """A table of the program, beside those of the runner."""

    def __init__(self, databases: OwnDatabases, url: str) -> None:
        self.name = f"ledger_{uuid4().hex}"
        self._databases, self._url = databases, url
        self._do(f"CREATE TABLE {self.name} (who TEXT)")

    def _do(self, statement: str) -> Any:
        with closing(self._databases.connect(self._url, autocommit=True)) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def insert(self, who: str) -> str:
        """The statement that writes a row."""
        return f"INSERT INTO {self.name} VALUES ('{who}')"

    def committed(self) -> list[str]:
        """What others see."""
        return sorted(who for (who,) in self._do(f"SELECT who FROM {self.name}"))

    def drop(self) -> None:
        self._do(f"DROP TABLE {self.name}")


@pytest.fixture
def ledger(
    own_databases: OwnDatabases, database_url: str, runner: cloaca.DefaultRunner
) -> Iterator[Ledger]:
    made = Ledger(own_databases, database_url)
    yield made
    made.drop()


def workflow(body: Callable[..., Any], **options: Any) -> str:
    """A workflow of one transactional task, which has one attempt."""
    with cloaca.WorkflowBuilder("book"):
        cloaca.task(id="only", transactional=True, **{"retry_attempts": 1, **options})(body)
    return "book"


def test_rows_and_success_are_there_together(runner: cloaca.DefaultRunner, ledger: Ledger) -> None:
    seen: list[list[str]] = []

    def sync(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
        handle.connection.execute(ledger.insert("sync"))
        seen.append(ledger.committed())
        return {"booked": 1}

    async def awaited(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> dict[str, int]:
        await handle.connection.execute(ledger.insert("awaited"))
        seen.append(ledger.committed())
        return {"booked": context["booked"] + 1}

    with cloaca.WorkflowBuilder("both"):
        cloaca.task(id="sync", transactional=True)(sync)
        cloaca.task(id="awaited", transactional=True, dependencies=["sync"])(awaited)

    result = runner.execute("both")

    assert (result.status, result.final_context.to_dict()) == ("Completed", {"booked": 2})
    assert seen == [[], ["sync"]]
    assert ledger.committed() == ["awaited", "sync"]


@pytest.mark.parametrize("is_async", [False, True], ids=["thread", "coroutine"])
def test_an_attempt_that_fails_leaves_no_row(
    runner: cloaca.DefaultRunner, ledger: Ledger, is_async: bool
) -> None:
    def sync(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        handle.connection.execute(ledger.insert(f"attempt {handle.attempt}"))
        if handle.attempt == 1:
            raise ValueError("not yet")

    async def awaited(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
        await handle.connection.execute(ledger.insert(f"attempt {handle.attempt}"))
        if handle.attempt == 1:
            raise ValueError("not yet")

    name = workflow(awaited if is_async else sync, retry_attempts=2, retry_delay_ms=0)

    assert runner.execute(name).status == "Completed"
    assert ledger.committed() == ["attempt 2"]


def test_a_result_that_is_refused_leaves_no_row(
    runner: cloaca.DefaultRunner, ledger: Ledger
) -> None:
    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, object]:
        handle.connection.execute(ledger.insert("lost"))
        return {"no JSON": object()}

    assert runner.execute(workflow(body)).status == "Failed"
    assert ledger.committed() == []


@pytest.mark.parametrize("is_async", [False, True], ids=["thread", "coroutine"])
def test_at_its_time_limit_it_is_rolled_back_while_the_body_still_runs(
    runner: cloaca.DefaultRunner, ledger: Ledger, is_async: bool
) -> None:
    """On SQLite the failure could not be recorded otherwise: the body holds the file's lock."""
    ended, went_on = threading.Event(), threading.Event()
    errors: list[str] = []

    def sync(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        handle.connection.execute(ledger.insert("late"))
        ended.wait(WAIT)
        try:
            handle.connection.execute(ledger.insert("too late"))
        except Exception as error:
            errors.append(type(error).__name__)
        went_on.set()

    async def awaited(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
        await handle.connection.execute(ledger.insert("late"))
        ended.wait(WAIT)  # it blocks, and cannot be cancelled
        went_on.set()

    result = runner.execute(workflow(awaited if is_async else sync, timeout_seconds=0.2))
    ended.set()
    assert went_on.wait(WAIT)

    assert result.task_results["only"].error_type == "TimeoutError"
    assert ledger.committed() == []
    assert len(errors) == (0 if is_async else 1)


def test_a_cancelled_body_leaves_no_row(
    runner: cloaca.DefaultRunner, ledger: Ledger, backend_name: str
) -> None:
    """On SQLite the cancel waits for the body: it is a row of the file. So the body raises."""
    begun = threading.Event()

    async def body(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
        await handle.connection.execute(ledger.insert("cancelled"))
        begun.set()
        if backend_name == "postgres":
            await asyncio.sleep(WAIT)
        raise ValueError("its last attempt")

    handle = runner.submit(workflow(body))
    assert begun.wait(WAIT)
    handle.cancel()

    assert handle.result(WAIT).status in {"postgres": ["Cancelled"]}.get(
        backend_name, ["Cancelled", "Failed"]
    )
    assert ledger.committed() == []


def test_what_would_write_elsewhere_is_refused_by_name(
    runner: cloaca.DefaultRunner, ledger: Ledger
) -> None:
    refusals: dict[str, str] = {}

    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        connection = handle.connection
        calls: dict[str, Callable[[], object]] = {
            "connection.commit()": connection.commit,
            "connection.rollback()": connection.rollback,
            "connection.close()": connection.close,
            "with connection": connection.__enter__,
            "COMMIT": lambda: connection.execute("COMMIT"),
            "ROLLBACK": lambda: connection.execute("/* now */ rollback"),
            "BEGIN": lambda: connection.execute("BEGIN"),
            "handle.step": lambda: handle.step("a", len, "a"),
            "handle.sleep": lambda: handle.sleep(1),
            "handle.wait_for": lambda: handle.wait_for("event"),
            "handle.defer_until": lambda: handle.defer_until(lambda: True),
            "handle.submit": lambda: handle.submit("book"),
            "handle.run_workflow": lambda: handle.run_workflow("book"),
            "runner.submit": lambda: runner.submit("book"),
            "runner.execute": lambda: runner.execute("book"),
            "runner.send": lambda: runner.get_run(handle.run_id).send("event"),
        }
        for name, call in calls.items():
            with suppress(cloaca.RunnerUsageError):
                call()
                refusals[name] = "not refused"
        connection.execute(ledger.insert("kept"))

    result = runner.execute(workflow(body))

    assert (result.error_message, refusals) == (None, {})
    assert ledger.committed() == ["kept"]


def test_savepoints_are_the_bodys_own(runner: cloaca.DefaultRunner, ledger: Ledger) -> None:
    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        connection = handle.connection
        connection.execute(ledger.insert("before"))
        connection.execute("SAVEPOINT mine")
        connection.execute(ledger.insert("undone"))
        connection.execute("ROLLBACK TO mine")

    assert runner.execute(workflow(body)).error_message is None
    assert ledger.committed() == ["before"]


def test_a_run_that_it_submits_by_its_connection_exists_if_it_succeeds(
    runner: cloaca.DefaultRunner, ledger: Ledger
) -> None:
    with cloaca.WorkflowBuilder("next"):
        cloaca.task(id="only")(lambda context: None)
    submitted: list[cloaca.RunHandle] = []

    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        submitted.append(runner.submit("next", connection=handle.connection))
        if handle.attempt == 1:
            raise ValueError("not yet")

    assert runner.execute(workflow(body, retry_attempts=2, retry_delay_ms=0)).status == "Completed"

    lost, kept = submitted
    assert kept.result(WAIT).status == "Completed"
    with pytest.raises(cloaca.RunNotFoundError):
        lost.status()


def test_only_a_transactional_task_has_a_connection(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("plain"):

        @cloaca.task(id="only", retry_attempts=1)
        def only(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            _ = handle.connection

    result = runner.execute("plain")
    assert "task 'only' has no handle.connection" in (result.error_message or "")


def test_many_at_once_take_turns(open_runner: OpenRunner, ledger: Ledger) -> None:
    """Each waits for a connection without a thread of other bodies."""
    runner = open_runner(max_transactional=2)
    running = threading.Semaphore(2)

    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        assert running.acquire(blocking=False)
        handle.connection.execute(ledger.insert(str(context["number"])))
        running.release()

    name = workflow(body)
    runs = runner.submit_many(name, [{"number": each} for each in range(8)])

    assert [run.result(WAIT).error_message for run in runs] == [None] * 8
    assert ledger.committed() == [str(each) for each in range(8)]


def test_people_see_that_a_task_is_transactional(
    runner: cloaca.DefaultRunner, database_url: str
) -> None:
    name = workflow(lambda context, handle: None)
    runner.execute(name, timeout=WAIT).raise_for_status()

    shown = CliRunner().invoke(cli, ["--database-url", database_url, "workflows", "show", name])
    page = Web(runner).text("/workflow", name=name, task="only")

    assert "only is transactional: its rows commit with its success\n" in shown.stdout
    assert "<span>transactional</span>" in page
