"""The message of a request goes to the run that stands for it, once."""

from __future__ import annotations

from typing import Any

from model.runs import active_run, attempt_of, graph_of, nothing
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.submit.request import Request
from cloaca_core.store.messages import NewMessage
from cloaca_core.values.waits import EVENT
from cloaca_testing.conformance.rows import NOW

MESSAGE = NewMessage("m", "", EVENT, "paid", "7", None, "ann", NOW)


def request(**fields: Any) -> Request:
    with WorkflowBuilder("w", registry=Registry()) as builder:
        task(id="t")(nothing)
    assert builder.workflow is not None
    return Request(builder.workflow, ["{}"], [{}], "{}", **fields)


def test_it_is_addressed_to_the_run_that_is_made() -> None:
    assert request().message_to("r") is None
    assert request(message=MESSAGE).message_to("r") == MESSAGE._replace(run_id="r")


@each_row("in_body", [False, True])
def test_a_run_that_has_the_users_key_already_gets_it_too(in_body: bool) -> None:
    parent = attempt_of(active_run(graph_of(t={}))) if in_body else None
    again = request(message=MESSAGE, idempotency_key="k", parent=parent)
    assert again.message_to_earlier("r") == MESSAGE._replace(run_id="r")
    assert request(idempotency_key="k", parent=parent).message_to_earlier("r") is None


def test_a_run_that_the_same_call_of_a_body_has_made_has_it_already() -> None:
    parent = attempt_of(active_run(graph_of(t={})))
    key = f"{parent.run_id}::t::1"
    again = request(message=MESSAGE, idempotency_key=key, parent=parent)
    assert again.message_to_earlier("child") is None
    assert again.message_to("child") == MESSAGE._replace(run_id="child")
