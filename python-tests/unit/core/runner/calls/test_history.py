"""Calls about the past of a run: checked when made, sent when waited for, read from its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.errors import ConfigError, ConfigTypeError, RunNotFoundError
from cloaca_core.runner.calls.call import Call
from cloaca_core.runner.calls.history import HistoryCalls
from cloaca_core.runner.calls.runs import RunCalls
from cloaca_core.runner.host import EngineHost

WAIT = 20


@pytest.fixture
def own_registry() -> Registry:
    """With "flow", whose tasks are not in the order of their names; ``b`` has failed once."""
    registry = Registry()
    failures = [ValueError("bad")]
    with WorkflowBuilder("flow", registry=registry):

        @task(id="z")
        def z(context: Context) -> dict[str, int]:
            return {"x": 1}

        @task(id="b", dependencies=["z"], retry_attempts=2, retry_delay_ms=0)
        def b(context: Context) -> None:
            if failures:
                raise failures.pop()

    return registry


@pytest.fixture
def runs(host: EngineHost) -> RunCalls:
    return RunCalls(host)


@pytest.fixture
def run_id(runs: RunCalls) -> str:
    """A run that has completed."""
    run_id, _ = runs.submit("flow", None, None, None).wait()
    return runs.end(run_id, WAIT).wait()


OF_A_RUN: list[Callable[[HistoryCalls, str], Call[Any]]] = [
    HistoryCalls.events,
    HistoryCalls.attempts,
    HistoryCalls.rounds,
    HistoryCalls.outputs,
]


def test_the_events_of_a_run_are_told_in_the_order_of_time(runs: RunCalls, run_id: str) -> None:
    events = runs.history.events(run_id).wait()

    assert [(each.kind, each.task_id, each.attempt) for each in events] == [
        ("created", None, None),
        ("started", None, None),
        ("task_started", "z", 1),
        ("task_completed", "z", 1),
        ("task_started", "b", 1),
        ("task_failed", "b", 1),
        ("task_started", "b", 2),
        ("task_completed", "b", 2),
        ("ended", None, None),
    ]


def test_attempts_and_outputs_are_in_the_order_of_the_definition(
    runs: RunCalls, run_id: str
) -> None:
    attempts = runs.history.attempts(run_id).wait()
    outputs = runs.history.outputs(run_id).wait()

    assert [(each.task_id, each.attempt, each.status) for each in attempts] == [
        ("z", 1, "Completed"),
        ("b", 1, "Failed"),
        ("b", 2, "Completed"),
    ]
    assert list(outputs.items()) == [("z", {"x": 1}), ("b", {})]


def test_a_run_that_was_begun_once_has_one_round(runs: RunCalls, run_id: str) -> None:
    (only,) = runs.history.rounds(run_id).wait()

    assert (only.round, only.status) == (1, "Completed")
    assert only.final_context is not None
    assert only.final_context.to_dict() == {"x": 1}


def test_what_was_asked_is_told_newest_first_and_no_more_than_is_wanted(runs: RunCalls) -> None:
    runs.steering.pause_workflow("flow", None, "a reason", "ann").wait()
    run_id, _ = runs.submit("flow", None, None, None).wait()
    runs.steering.cancel(run_id, None, 0, True, "bob").wait()

    asked = [runs.history.actions(limit).wait() for limit in (9, 1)]

    told = [(each.kind, each.by, each.run_id, each.workflow_name) for each in asked[0]]
    assert told == [("cancel", "bob", run_id, "flow"), ("pause", "ann", None, "flow")]
    assert asked[1] == asked[0][:1]


@each_row("ask", OF_A_RUN)
def test_an_unknown_run_is_refused_when_it_is_looked_for(
    runs: RunCalls, ask: Callable[[HistoryCalls, str], Call[Any]]
) -> None:
    call = ask(runs.history, "unknown")

    with pytest.raises(RunNotFoundError):
        call.wait()


@each_row(("limit", "error"), [(0, ConfigError), ("1", ConfigTypeError)])
def test_a_limit_is_refused_before_anything_is_sent(
    runs: RunCalls, limit: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="limit"):
        runs.history.actions(limit)
