"""The tools that steer runs, and what the log of actions says of them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from tables import each_row

import cloaca
from cloaca_tools.mcp.database import Database
from cloaca_tools.mcp.looking import get_limit, list_limits
from cloaca_tools.mcp.steering import (
    STEERING,
    approve,
    cancel,
    clear_limit,
    fork,
    pause,
    resume,
    retry,
    send,
    set_limit,
    submit,
)

PATIENCE = 60


@pytest.fixture
def runner(database_url: str) -> Iterator[cloaca.DefaultRunner]:
    """A runner of ``order``, which fails unless the context has stock, and of ``ask``, which waits
    for an event and for an approval.
    """
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("order", registry=registry):

        @cloaca.task
        def charge(context: cloaca.Context) -> dict[str, Any]:
            return {"paid": True}

        @cloaca.task(dependencies=[charge], retry_attempts=1)
        def ship(context: cloaca.Context) -> dict[str, Any]:
            if not context.get("stock"):
                raise ValueError("no stock")
            return {"sent": True}

    with cloaca.WorkflowBuilder("ask", registry=registry):

        @cloaca.task
        def listen(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
            return {"heard": handle.wait_for("word")}

        cloaca.approval(id="sign", prompt="Ship it?", dependencies=[listen])

    with cloaca.DefaultRunner(database_url, registry=registry) as found:
        yield found


@pytest.fixture
def database(runner: cloaca.DefaultRunner, database_url: str) -> Database:
    return Database(runner, database_url)


@pytest.fixture
def failed(runner: cloaca.DefaultRunner) -> str:
    """The id of an order that has failed."""
    run = runner.submit("order")
    run.wait(PATIENCE)
    return run.id


def logged(database: Database) -> list[tuple[str, str, str | None]]:
    """The actions on runs, oldest first: what, by whom and why."""
    return [(each.kind, each.by, each.reason) for each in reversed(database.client.actions())]


@each_row("tool", STEERING)
def test_a_tool_describes_the_arguments_that_it_takes(tool: Any) -> None:
    _, *parameters = inspect.signature(tool.call).parameters

    assert list(tool.arguments) == parameters
    assert not tool.effect.looks
    assert tool.name == tool.call.__name__


def test_a_run_is_submitted(database: Database) -> None:
    made = submit(
        database, "order", {"stock": 1}, key="k", tags={"shop": "oslo"}, priority=3, time_limit=60
    )["run"]
    again = submit(database, "order", key="k")["run"]

    run = database.client.get_run(made["id"])
    run.wait(PATIENCE)
    info = run.info()
    assert (info.status, dict(info.tags), info.priority) == ("Completed", {"shop": "oslo"}, 3)
    assert (made["created"], again) == (True, {"id": made["id"], "created": False})


def test_a_run_is_paused_resumed_and_cancelled(database: Database) -> None:
    run = submit(database, "order", delay=3_600)["run"]["id"]

    done = [
        pause(database, run, reason="too early"),
        pause(database, "@"),
        resume(database, "@", reason="now"),
        cancel(database, run[:-1], reason="never", grace=0),
    ]

    assert [(each["run"]["status"], each["run"]["changed"]) for each in done] == [
        ("Paused", True),
        ("Paused", False),
        ("Pending", True),
        ("Cancelled", True),
    ]
    assert {each["run"]["id"] for each in done} == {run}
    assert logged(database) == [
        ("submit", "mcp", None),
        ("pause", "mcp", "too early"),
        ("pause", "mcp", None),
        ("resume", "mcp", "now"),
        ("cancel", "mcp", "never"),
    ]


def test_a_plan_of_a_retry_changes_nothing(database: Database, failed: str) -> None:
    plan = retry(database, failed, plan=True)["plan"]
    wider = retry(database, failed, tasks=["charge"], plan=True)["plan"]

    assert [each["task"] for each in plan["keep"]] == ["charge"]
    assert [each["task"] for each in plan["run"]] == ["ship"]
    assert [each["task"] for each in wider["run"]] == ["charge", "ship"]
    assert logged(database) == []


def test_a_run_is_retried(database: Database, failed: str) -> None:
    found = retry(database, failed, tasks=["charge"], reason="again")["run"]

    database.client.get_run(failed).wait(PATIENCE)
    assert (found["id"], found["changed"]) == (failed, True)
    assert len(database.client.get_run(failed).rounds()) == 2
    assert logged(database) == [("retry", "mcp", "again")]


def test_a_plan_of_a_fork_changes_nothing(database: Database, failed: str) -> None:
    plan = fork(database, failed, "ship", plan=True)["plan"]

    assert [each["task"] for each in plan["run"]] == ["ship"]
    assert database.client.count_runs() == 1
    assert logged(database) == []


def test_a_run_is_forked(database: Database, failed: str) -> None:
    made = fork(database, failed, "ship", {"stock": 1}, tags={"a": "b"}, reason="by hand")["run"]

    run = database.client.get_run(made["id"])
    run.wait(PATIENCE)
    assert (run.status(), dict(run.info().tags)) == ("Completed", {"a": "b"})
    assert (made["created"], made["forked_from"]) == (True, failed)
    assert logged(database) == [("fork", "mcp", "by hand")]


def test_a_run_is_told_what_it_waits_for(database: Database) -> None:
    run = submit(database, "ask")["run"]["id"]

    sent = [send(database, run, "word", {"n": 1}, key="k"), send(database, run, "word", 2, key="k")]
    wait_for_approval(database, run)
    approve(database, run, "sign", note="as ann asked")

    database.client.get_run(run).wait(PATIENCE)
    assert [each["run"]["changed"] for each in sent] == [True, False]
    assert database.client.get_run(run).outputs()["listen"] == {"heard": {"n": 1}}
    assert [(kind, by) for kind, by, _ in logged(database)][-1] == ("approve", "mcp")


def test_a_limit_is_planned_set_and_cleared(database: Database) -> None:
    registry = cloaca.Registry()
    registry.register_limit(cloaca.Limit("api", total=20))
    with cloaca.DefaultRunner(database.url, registry=registry):
        pass
    told = ["total 20 → none, rate none → 5/s"]

    assert set_limit(database, "api", total="none", rate="5/s", plan=True) == {"plan": told}
    assert logged(database) == []
    done = set_limit(database, "api", total="none", rate="5/s")
    assert (done["limit"]["total"], done["limit"]["rate"], done["effect"]) == (None, "5/s", told)

    back = ["total none → 20, rate 5/s → none"]
    assert clear_limit(database, "api", plan=True) == {"plan": back}
    assert clear_limit(database, "api")["limit"]["total"] == 20
    assert get_limit(database, "api", "7")["limit"]["keys"][0]["key"] == 7
    assert [each["name"] for each in list_limits(database)["limits"]] == ["api"]
    assert logged(database) == [
        ("set_limit", "mcp", "api: total none, rate 5/s, burst 1"),
        ("clear_limit", "mcp", "api"),
    ]


def wait_for_approval(database: Database, run: str) -> None:
    """Go on once the approval is open."""
    for _ in database.observer.watch(run, depth=0):
        if database.client.waiting_for_people():
            return
