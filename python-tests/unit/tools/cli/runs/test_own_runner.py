"""A runner that a person starts for one run executes that, and claims no others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import cloaca
from cloaca_tools.cli.runs.own_runner import OwnRunner

PATIENCE = 60


@pytest.fixture
def code() -> cloaca.Registry:
    """Workflows: ``quick``, ``parent``, which executes that, and ``waits`` for an event."""
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("quick", registry=registry):

        @cloaca.task
        def only(context: cloaca.Context) -> dict[str, Any]:
            return {"done": True}

    with cloaca.WorkflowBuilder("waits", registry=registry):

        @cloaca.task
        def ask(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
            return {"heard": handle.wait_for("word")}

    return registry


@pytest.fixture
def runner(database_url: str, code: cloaca.Registry) -> Iterator[OwnRunner]:
    with OwnRunner(database_url, registry=code) as own:
        yield own


def test_it_executes_the_run_that_it_is_asked_for(runner: OwnRunner) -> None:
    run = runner.begin_run("quick", {"n": 1}, tags={"shop": "oslo"}, priority=3)

    assert run.result(PATIENCE).final_context.get("done") is True
    info = run.info()
    assert (dict(info.tags), info.priority) == ({"shop": "oslo"}, 3)


def test_it_claims_no_other_run(runner: OwnRunner) -> None:
    other = runner.submit("quick")
    runner.begin_run("quick").wait(PATIENCE)

    assert other.status() == "Pending"


def test_it_executes_the_runs_that_a_body_executes(database_url: str) -> None:
    registry = cloaca.Registry()
    opened = threading.Event()
    runners: list[OwnRunner] = []
    with cloaca.WorkflowBuilder("quick", registry=registry):

        @cloaca.task
        def only(context: cloaca.Context) -> dict[str, Any]:
            return {"done": True}

    with cloaca.WorkflowBuilder("parent", registry=registry):

        @cloaca.task
        def run_it(context: cloaca.Context) -> dict[str, Any]:
            assert opened.wait(PATIENCE)
            return {"child": runners[0].execute("quick").status}

    with OwnRunner(database_url, registry=registry) as runner:
        runners.append(runner)
        opened.set()
        result = runner.begin_run("parent").result(PATIENCE)

    assert result.final_context.get("child") == "Completed"


def test_it_executes_the_children_that_a_body_submits_and_no_detached_run(
    database_url: str,
) -> None:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("quick", registry=registry):

        @cloaca.task
        def only(context: cloaca.Context) -> dict[str, Any]:
            return {"done": True}

    with cloaca.WorkflowBuilder("parent", registry=registry):

        @cloaca.task(retry_attempts=1)
        def run_them(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
            apart = handle.submit("quick", detached=True)
            children = [handle.submit("quick"), *handle.submit_many("quick", [{}, {}])]
            ends = [each.result(PATIENCE).status for each in children]
            return {"children": ends, "apart": apart.status()}

    with OwnRunner(database_url, registry=registry) as runner:
        result = runner.begin_run("parent").result(PATIENCE)

    assert result.final_context.get("children") == ["Completed"] * 3
    assert result.final_context.get("apart") == "Pending"


def test_a_run_that_has_the_key_already_stays_where_it_is(runner: OwnRunner) -> None:
    first = runner.submit("quick", idempotency_key="k")
    again = runner.begin_run("quick", idempotency_key="k")

    assert (again, again.created, again.status()) == (first, False, "Pending")


def test_a_run_that_waits_goes_on_here_at_its_message(
    database_url: str, code: cloaca.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOACA_EVICT_AFTER_SECONDS", "0")  # it would be given back at once
    with OwnRunner(database_url, registry=code) as runner:
        run = runner.begin_run("waits")
        with cloaca.Client(database_url, registry=cloaca.Registry()) as client:
            client.send(run.id, "word", "hello")

        assert run.result(PATIENCE).final_context.get("heard") == "hello"


def test_what_it_leaves_another_runner_takes(database_url: str, code: cloaca.Registry) -> None:
    with OwnRunner(database_url, registry=code) as runner:
        run = runner.begin_run("waits")

    with cloaca.DefaultRunner(database_url, registry=code) as worker:
        worker.send(run.id, "word", "later")

        assert worker.get_run(run.id).result(PATIENCE).final_context.get("heard") == "later"


def test_it_fires_no_trigger(database_url: str, code: cloaca.Registry) -> None:
    @cloaca.trigger(on="quick", poll_interval="10ms", registry=code)
    def always() -> bool:
        return True

    with OwnRunner(database_url, registry=code) as runner:
        runner.begin_run("quick").wait(PATIENCE)

        assert runner.list_trigger_schedules() == []
