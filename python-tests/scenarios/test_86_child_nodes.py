"""86: a node of a workflow is a run of another workflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scenarios.steering import until
from tables import each_row

import cloaca
from cloaca.testing import Harness, crash_at_every_point, harness

QUICK: dict[str, Any] = {"retry_backoff": "fixed", "retry_delay_ms": 1, "retry_jitter": False}
WAIT = 60
HALF_AN_HOUR = 1800

Context = cloaca.Context
OpenRunner = Callable[..., cloaca.DefaultRunner]


@pytest.fixture(autouse=True)
def children() -> None:
    """A workflow that doubles a number, which must not be 13, and one that takes half an hour."""
    with cloaca.WorkflowBuilder("double"):

        @cloaca.task(retry_attempts=1)
        def double(context: Context) -> dict[str, Any]:
            if context["n"] == 13:
                raise ValueError("unlucky")
            return {"double": 2 * context["n"]}

    with cloaca.WorkflowBuilder("slow"):
        cloaca.sleep("nap", seconds=HALF_AN_HOUR)


@pytest.fixture
def h(database_url: str) -> Iterator[Harness]:
    """The engine on a clock that the test moves, on the backend under test."""
    with harness(url=database_url) as made:
        yield made


def twice() -> None:
    """Two nodes in a chain, each with an input and outputs of its own."""
    with cloaca.WorkflowBuilder("twice"):
        first = cloaca.child("first", "double")
        cloaca.child(
            "second",
            "double",
            context={"n": ("first", "double"), "unit": cloaca.constant({"of": ["kg"]})},
            outputs=["unit", "double"],
            tags={"of": "second"},
            priority=3,
            dependencies=[first],
        )


# -- input and result ----------------------------------------------------------------------------


@pytest.mark.each_backend
def test_the_final_context_of_the_child_is_the_value_of_the_node(
    open_runner: OpenRunner,
) -> None:
    twice()
    runner = open_runner(max_concurrent_tasks=1, max_active_runs=1)

    run = runner.submit("twice", {"n": 3})

    assert run.result(WAIT).final_context.to_dict() == {
        "n": 3,
        "first": {"n": 3, "double": 6},
        "second": {"unit": {"of": ["kg"]}, "double": 12},
    }
    second, first = run.children()
    assert (first.tags, first.priority) == ({}, 0)
    assert (second.tags, second.priority) == ({"of": "second"}, 3)
    assert {task: each.status for task, each in run.tasks().items()} == {
        "first": "Completed",
        "second": "Completed",
    }


@pytest.mark.backend("sqlite", reason="each engine has a database in memory")
def test_a_crash_at_any_point_starts_no_child_twice() -> None:
    twice()

    report = crash_at_every_point("twice", {"n": 1})

    assert (report.status, report.different) == ("Completed", ())


def test_a_value_that_is_missing_fails_the_node_and_names_its_place(
    runner: cloaca.DefaultRunner,
) -> None:
    with cloaca.WorkflowBuilder("wanting"):
        cloaca.child("a", "double", context={"n": ("order", "amount")})
        cloaca.child("b", "double", context={"n": cloaca.constant(1)}, outputs=["treble"])
        cloaca.child("c", "nowhere")

    tasks = runner.submit("wanting").result(WAIT).task_results

    assert "'a' gets the value at order.amount, which" in str(tasks["a"].error)
    assert "'b' keeps 'treble' of the final context of run" in str(tasks["b"].error)
    assert "no workflow 'nowhere' is known" in str(tasks["c"].error)


@pytest.mark.each_backend
def test_what_is_too_large_fails_its_node(open_runner: OpenRunner) -> None:
    """The input of a child, and the value of a node beside what there is already."""
    runner = open_runner(max_context_bytes=10_000)
    with cloaca.WorkflowBuilder("large"):
        cloaca.child("a", "double", context={"n": "n", "x": "text", "y": "text"})
        cloaca.child("b", "double", context={"n": "n", "x": "text"})
        cloaca.child("c", "double", context={"n": "n", "x": "text"}, outputs=["double"])

    run = runner.submit("large", {"n": 1, "text": "x" * 6_000})
    tasks = run.result(WAIT).task_results

    assert "the child's input is 120" in str(tasks["a"].error)
    assert "task 'b' would hand on 120" in str(tasks["b"].error)
    assert tasks["c"].status == "Completed"
    assert len(run.children()) == 2


# -- failures ------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_child_that_fails_fails_its_node(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("unlucky"):
        node = cloaca.child("a", "double", context={"n": cloaca.constant(13)})

        @cloaca.task(dependencies=[node])
        def below(context: Context) -> None:
            """Is skipped."""

    run = runner.submit("unlucky")
    result = run.result(WAIT)
    (child,) = run.children()

    assert result.status == "Failed"
    a = result.task_results["a"]
    assert a.error_type == "ChildFailedError"
    assert f"run {child.id} of 'double' is Failed" in str(a.error)
    assert result.task_results["below"].status == "Skipped"


@pytest.mark.each_backend
def test_a_run_that_fails_cancels_the_children_of_its_nodes(h: Harness) -> None:
    with cloaca.WorkflowBuilder("parent"):
        cloaca.child("a", "slow")
        nap = cloaca.sleep("nap", seconds=60)

        @cloaca.task(id="b", retry_attempts=1, dependencies=[nap])
        def fail(context: Context) -> None:
            raise ValueError("broken")

    run = h.submit("parent", time_limit=120)
    h.clock.advance(seconds=121)
    h.drain()

    (child,) = run.handle.children()
    assert (run.status, child.status) == ("Failed", "Cancelled")
    assert str(child.error_message).startswith("the run that started it has failed")


@pytest.mark.each_backend
def test_a_retry_begins_the_failed_child_again_and_keeps_the_other(
    runner: cloaca.DefaultRunner,
) -> None:
    heals = [False]
    with cloaca.WorkflowBuilder("heal"):

        @cloaca.task(retry_attempts=1)
        def heal(context: Context) -> dict[str, Any]:
            if not heals[0]:
                raise ValueError("not yet")
            return {"ok": True}

    with cloaca.WorkflowBuilder("parent"):
        good = cloaca.child("good", "double")
        cloaca.child("bad", "heal", context={}, dependencies=[good])

    run = runner.submit("parent", {"n": 1})
    assert run.result(WAIT).status == "Failed"
    before = {each.id: each.workflow_name for each in run.children()}
    heals[0] = True
    run = runner.retry(run.id)

    assert run.result(WAIT).final_context["bad"] == {"ok": True}
    assert {each.id: each.workflow_name for each in run.children()} == before
    assert {each.workflow_name: each.round for each in run.children()} == {"double": 1, "heal": 2}


def test_a_node_that_has_paused_its_run_starts_another_child_when_that_goes_on(
    runner: cloaca.DefaultRunner,
) -> None:
    heals = [False]
    with cloaca.WorkflowBuilder("heal"):

        @cloaca.task(retry_attempts=1)
        def heal(context: Context) -> dict[str, Any]:
            if not heals[0]:
                raise ValueError("not yet")
            return {"ok": True}

    with cloaca.WorkflowBuilder("parent") as builder:
        builder.exhausted_policy("pause")
        cloaca.child("a", "heal")

    run = runner.submit("parent")
    until(lambda: run.status() == "Paused")
    heals[0] = True
    run.resume()

    assert run.result(WAIT).final_context["a"] == {"ok": True}
    assert [each.status for each in run.children()] == ["Completed", "Failed"]


def test_nodes_that_run_their_own_workflow_end_at_fifty_levels(
    runner: cloaca.DefaultRunner,
) -> None:
    with cloaca.WorkflowBuilder("endless"):
        cloaca.child("again", "endless")

    run = runner.submit("endless")

    assert run.result(WAIT).status == "Failed"
    assert runner.count_runs(workflow_name="endless") == 50
    (deepest,) = runner.list_runs(limit=1)
    assert "at most 50 deep" in str(deepest.error_message)


def test_a_retry_starts_another_child_if_the_input_of_the_node_has_changed(
    runner: cloaca.DefaultRunner,
) -> None:
    amounts = [13, 2]
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task
        def amount(context: Context) -> dict[str, Any]:
            return {"n": amounts.pop(0)}

        cloaca.child("a", "double", dependencies=[amount])

    run = runner.submit("parent")
    assert run.result(WAIT).status == "Failed"
    run = runner.retry(run.id, tasks=["amount"])

    assert run.result(WAIT).final_context["a"] == {"n": 2, "double": 4}
    assert [(each.round, each.status) for each in run.children()] == [
        (1, "Completed"),
        (1, "Failed"),  # its input is not that of the node any more
    ]


def test_an_input_with_its_keys_in_another_order_is_the_same(
    runner: cloaca.DefaultRunner,
) -> None:
    made: list[dict[str, Any]] = [{"n": 2, "m": 1}, {"m": 1, "n": 2}]
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task
        def first(context: Context) -> dict[str, Any]:
            return made.pop(0)

        node = cloaca.child("a", "double", dependencies=[first])

        @cloaca.task(retry_attempts=1, dependencies=[node])
        def last(context: Context) -> None:
            if made:
                raise ValueError("once more")

    run = runner.submit("parent")
    assert run.result(WAIT).status == "Failed"
    run = runner.retry(run.id, tasks=["first"])

    assert run.result(WAIT).status == "Completed"
    assert [each.round for each in run.children()] == [1]


# -- waits ---------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_the_parent_waits_in_the_table_and_is_cancelled_with_its_child(h: Harness) -> None:
    with cloaca.WorkflowBuilder("parent"):
        cloaca.child("a", "slow")
    run = h.run("parent")
    h.clock.advance(seconds=60)
    (child,) = run.handle.children()
    task = run.handle.tasks()["a"]
    (explained,) = run.handle.explain().tasks

    assert (run.status, task.status) == ("Waiting", "Waiting")
    assert task.waits_for is not None
    assert (task.waits_for.kind, task.waits_for.name) == ("run", child.id)
    assert explained.why.startswith(
        f"waits for the end of run {child.id} of slow, which is Waiting"
    )
    run.handle.cancel(reason="enough")
    h.drain()
    assert (run.status, h.found(child.id).status) == ("Cancelled", "Cancelled")


def test_the_time_limit_counts_while_a_node_waits_for_its_child(h: Harness) -> None:
    with cloaca.WorkflowBuilder("parent"):
        cloaca.child("a", "slow")
    run = h.submit("parent", time_limit=600)
    h.clock.advance(seconds=601)
    h.drain()

    assert run.status == "Failed"


# -- refused -------------------------------------------------------------------------------------


@each_row(
    ("options", "error", "text"),
    [
        ({"workflow_name": 3}, TypeError, "workflow_name"),
        ({"context": ["n"]}, TypeError, "context"),
        ({"context": {"n": 3}}, TypeError, r"context\['n'\]"),
        ({"context": {"n": ()}}, TypeError, r"context\['n'\]"),
        ({"outputs": "n"}, TypeError, "outputs"),
        ({"queue": "a,b"}, ValueError, "queue must be 1 to 100"),
        ({"priority": 101}, ValueError, "priority"),
        ({"time_limit": -1}, ValueError, "time_limit"),
        ({"tags": {"a": 1}}, TypeError, r"tags\['a'\]"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with cloaca.WorkflowBuilder("parent"):
        cloaca.sleep("other", seconds=1)
        with pytest.raises(error, match=text):
            cloaca.child("a", **{"workflow_name": "double", **options})


def test_a_constant_is_a_json_value() -> None:
    with pytest.raises(TypeError, match="constant"):
        cloaca.constant({1, 2})
