"""The message of a request goes to the run that stands for it, once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from model.hand_clock import HandClock
from model.runs import active_run, attempt_of, graph_of, nothing
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
from cloaca_core.engine.submit.request import Request, RunRows, owned_row
from cloaca_core.engine.submit.start import Start
from cloaca_core.run.rows import RunRow
from cloaca_core.run.time_limit import Deadline
from cloaca_core.store.messages import NewMessage
from cloaca_core.values.ids import RunIds
from cloaca_core.values.states import RunStatus
from cloaca_core.values.waits import EVENT
from cloaca_testing.conformance.rows import NOW, new_run

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


@pytest.fixture
def workflow() -> Workflow:
    with WorkflowBuilder("w", registry=Registry()) as builder:
        task(id="t")(nothing)
    assert builder.workflow is not None
    return builder.workflow


@pytest.fixture
def runs() -> ActiveRuns:
    return ActiveRuns()


@pytest.fixture
def rows(runs: ActiveRuns) -> RunRows:
    clock = HandClock(NOW / 1e6)
    return RunRows(runs, RunIds(clock), clock)


def test_the_first_are_owned_one_for_each_place(rows: RunRows, workflow: Workflow) -> None:
    made = rows.of(Request(workflow, ['{"n":1}', "{}", "{}"], [], "{}"), "me", places=2)

    assert [row.owner for row in made] == ["me", "me", None]
    assert [row.input for row in made] == ['{"n":1}', "{}", "{}"]
    assert sorted(row.id for row in made) == [row.id for row in made]
    assert {(row.workflow, row.version) for row in made} == {(workflow.namespace, workflow.version)}


def test_a_row_that_its_submitter_writes_has_no_owner(rows: RunRows, workflow: Workflow) -> None:
    row = rows.unowned(Request(workflow, ["{}"], [{}], '{"a":"b"}', idempotency_key="k"))

    assert (row.owner, row.tags, row.idempotency_key) == (None, '{"a":"b"}', "k")


def test_the_parent_is_named_while_its_run_is_ours(
    rows: RunRows, runs: ActiveRuns, workflow: Workflow
) -> None:
    parent = active_run(graph_of(t={}))
    request = Request(workflow, ["{}"], [{}], "{}", parent=attempt_of(parent))
    before = rows.unowned(request).parent_id
    runs.add(parent)

    assert (before, rows.unowned(request).parent_id) == (None, parent.id)
    assert [row.parent_id for row in rows.of(request, "me", places=1)] == [parent.id]


def test_a_new_run_of_ours_runs_from_its_creation_in_its_first_epoch() -> None:
    row = owned_row(new_run("r", owner="me"))

    assert (row.id, row.owner, row.status, row.epoch) == ("r", "me", RunStatus.RUNNING, 1)
    assert row.started_at == row.created_at


@each_row(
    ("start", "owner", "due_at"),
    [
        (Start(delay=1), None, NOW + 1),
        (Start(run_at=NOW + 1), None, NOW + 1),
        (Start(run_at=NOW), "me", None),
        (Start(start_by=NOW), None, None),  # it is too late
        (Start(start_by=NOW + 1), "me", None),
    ],
)
def test_a_run_that_waits_for_its_time_by_the_stores_clock_has_no_owner(
    rows: RunRows, workflow: Workflow, start: Start, owner: str | None, due_at: int | None
) -> None:
    (row,) = rows.of(Request(workflow, ["{}"], [{}], "{}", start=start), "me", places=1)

    assert (row.owner, row.due_at) == (owner, due_at)


@each_row(("given", "expected"), [(None, 7), (0, 0), (-3, -3)])
def test_a_child_has_the_priority_of_its_parent_unless_one_was_given(
    rows: RunRows, runs: ActiveRuns, workflow: Workflow, given: int | None, expected: int
) -> None:
    parent = active_run(graph_of(t={}), priority=7)
    runs.add(parent)
    start = Start(priority=given)
    request = Request(workflow, ["{}"], [{}], "{}", parent=attempt_of(parent), start=start)

    row = rows.unowned(request)

    assert row.priority == expected
    assert owned_row(row).priority == expected
    assert rows.unowned(Request(workflow, ["{}"], [{}], "{}")).priority == 0


def test_a_detached_child_names_its_parent_and_has_no_deadline_of_it(
    rows: RunRows, runs: ActiveRuns, workflow: Workflow
) -> None:
    parent = active_run(graph_of(t={}))
    parent.limit.deadline = Deadline(NOW + 5, 5)
    runs.add(parent)
    request = Request(workflow, ["{}"], [{}], "{}", parent=attempt_of(parent))

    attached = rows.unowned(request)
    detached = rows.unowned(replace(request, start=Start(detached=True)))

    assert (attached.parent_id, attached.detached, attached.deadline_at) == (parent.id, 0, NOW + 5)
    assert (detached.parent_id, detached.detached, detached.deadline_at) == (parent.id, 1, None)


def test_an_owned_row_has_each_value_in_its_column() -> None:
    row = new_run("a", priority=7, parent="p")._replace(time_limit=8, deadline_at=9)

    owned = owned_row(row)

    shared = set(RunRow._fields) & set(row._fields)
    assert {name: getattr(owned, name) for name in shared} == {
        name: getattr(row, name) for name in shared
    }
    assert (owned.status, owned.epoch, owned.recoveries) == (RunStatus.RUNNING, 1, 0)
    assert owned.started_at == owned.claimable_at == row.created_at
    rest = set(RunRow._fields) - shared - {"status", "epoch", "recoveries", "started_at"}
    defaults = {name: RunRow._field_defaults.get(name) for name in rest - {"claimable_at"}}
    assert {name: getattr(owned, name) for name in defaults} == defaults
