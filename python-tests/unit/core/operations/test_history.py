"""Calls about the past of a run: checked when made, sent when waited for, read from its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from model.operations import Do
from tables import each_row

from cloaca_core.assembly.caller import Caller, Operation
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.errors import ConfigError, ConfigTypeError, RunNotFoundError
from cloaca_core.features.steering.operations import Cancel, PauseWorkflow
from cloaca_core.operations.history import Actions, Attempts, Events, Outputs, Rounds
from cloaca_core.operations.runs import End
from cloaca_core.operations.submissions import Submit
from cloaca_core.operations.tree import Tree

WAIT = 60


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
def run_id(do: Do) -> str:
    """A run that has completed."""
    run_id, _ = do(Submit("flow"))
    return do(End(run_id, WAIT))


def test_the_events_of_a_run_are_told_in_the_order_of_time(do: Do, run_id: str) -> None:
    events = do(Events(run_id))

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


def test_attempts_and_outputs_are_in_the_order_of_the_definition(do: Do, run_id: str) -> None:
    attempts = do(Attempts(run_id))
    outputs = do(Outputs(run_id))

    assert [(each.task_id, each.attempt, each.status) for each in attempts] == [
        ("z", 1, "Completed"),
        ("b", 1, "Failed"),
        ("b", 2, "Completed"),
    ]
    assert list(outputs.items()) == [("z", {"x": 1}), ("b", {})]


def test_a_run_that_was_begun_once_has_one_round(do: Do, run_id: str) -> None:
    (only,) = do(Rounds(run_id))

    assert (only.round, only.status) == (1, "Completed")
    assert only.final_context is not None
    assert only.final_context.to_dict() == {"x": 1}


def test_what_was_asked_is_told_newest_first_and_no_more_than_is_wanted(do: Do) -> None:
    do(PauseWorkflow("flow", reason="a reason", by="ann"))
    run_id, _ = do(Submit("flow"))
    do(Cancel(run_id, grace=0, by="bob"))

    asked = [do(Actions(limit)) for limit in (9, 1)]

    told = [(each.kind, each.by, each.run_id, each.workflow_name) for each in asked[0]]
    assert told == [("cancel", "bob", run_id, "flow"), ("pause", "ann", None, "flow")]
    assert asked[1] == asked[0][:1]


@each_row("operation", [Events, Attempts, Rounds, Outputs, Tree])
def test_an_unknown_run_is_refused_when_it_is_looked_for(
    caller: Caller,
    operation: Callable[[str], Operation[object]],
) -> None:
    call = operation("unknown").call(caller)

    with pytest.raises(RunNotFoundError):
        call.wait()


@each_row(("limit", "error"), [(0, ConfigError), ("1", ConfigTypeError)])
def test_a_limit_is_refused_before_anything_is_sent(
    caller: Caller, limit: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="limit"):
        Actions(limit).call(caller)
