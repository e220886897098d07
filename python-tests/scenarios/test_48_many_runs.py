"""48: many runs are found, counted and steered together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tables import each_row

import cloaca

WAIT = 60


def define(name: str) -> None:
    """A workflow whose runs fail if they are asked to."""

    def body(context: cloaca.Context) -> None:
        if context.get("fail"):
            raise RuntimeError(f"The {context['fail']} is full")

    with cloaca.WorkflowBuilder(name):
        cloaca.task(id="only", retry_attempts=1)(body)


def ids(runs: list[cloaca.RunInfo]) -> list[str]:
    return [run.id for run in runs]


# -- found ---------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_by_several_states_and_counted(runner: cloaca.DefaultRunner) -> None:
    define("orders")
    good = runner.execute("orders").execution_id
    bad = runner.execute("orders", {"fail": "disk"}).execution_id
    runner.pause_workflow("orders")
    waits = runner.submit("orders").id

    assert ids(runner.list_runs(status=["Failed", "Pending"])) == [waits, bad]
    assert ids(runner.list_runs(status=("Completed", "Failed"), workflow_name="orders")) == [
        bad,
        good,
    ]
    assert runner.count_runs() == 3
    assert runner.count_runs(status=["Failed", "Pending"]) == 2
    assert runner.count_runs(status="Failed", workflow_name="other") == 0


def test_by_a_part_of_the_error(runner: cloaca.DefaultRunner) -> None:
    define("orders")
    disk = runner.execute("orders", {"fail": "Disk"}).execution_id
    runner.execute("orders", {"fail": "list_%"})
    runner.execute("orders")

    errors = [run.error_message or "" for run in runner.list_runs(status="Failed")]
    assert len(errors) == 2
    part = next(each for each in errors if "only" in each)
    assert runner.count_runs(error=part.upper()) == len([e for e in errors if part in e])
    assert runner.count_runs(error="no such words") == 0
    assert disk in ids(runner.list_runs(error="task"))


@pytest.mark.each_backend
def test_only_the_case_of_a_to_z_does_not_count_in_an_error(runner: cloaca.DefaultRunner) -> None:
    define("orders")
    runner.pause_workflow("orders")

    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task(id="only")
        def only(context: cloaca.Context) -> None:
            runner.submit("orders", tags={"n": "1"}).cancel(reason="École fermée", by="ann")

    parent = runner.execute("parent")
    filters: list[dict[str, Any]] = [
        {},
        {"workflow_name": "orders"},
        {"tags": {"n": "1"}},
        {"parent_id": parent.execution_id},
    ]
    for given in filters:
        assert runner.count_runs(error="ÉCOLE FERMé", **given) == 1
        assert runner.count_runs(error="ÉCOLE FERMÉ", **given) == 0
        assert runner.count_runs(error="école", **given) == 0


def test_by_when_they_were_made(runner: cloaca.DefaultRunner) -> None:
    define("orders")
    runner.execute("orders")
    run = runner.get_run(runner.list_runs()[0].id)
    made = datetime.fromisoformat(run.info().created_at)
    later = made + timedelta(microseconds=1)

    assert runner.count_runs(since=made, until=later) == 1
    assert runner.count_runs(since=later) == 0
    assert runner.count_runs(until=made) == 0
    assert ids(runner.list_runs(since="2020-01-01T00:00:00Z", before=run.id)) == []
    assert runner.count_runs(until=datetime.now(UTC) + timedelta(days=400)) == 1


def test_by_the_run_that_has_submitted_them(runner: cloaca.DefaultRunner) -> None:
    define("orders")

    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task(id="only")
        def only(context: cloaca.Context) -> None:
            runner.execute("orders")
            runner.submit("orders", tags={"second": "yes"}).wait(WAIT)

    run = runner.submit("parent")
    run.result(WAIT).raise_for_status()

    children = run.children()
    assert [child.workflow_name for child in children] == ["orders", "orders"]
    assert {child.parent_id for child in children} == {run.id}
    assert [dict(child.tags) for child in children] == [{"second": "yes"}, {}]
    assert run.children(limit=1) == children[:1]
    assert runner.list_runs(parent_id=run.id, status="Completed") == children
    assert runner.get_run(children[0].id).children() == []


@each_row(
    ("arguments", "name", "kind"),
    [
        ({"status": []}, "status", ValueError),
        ({"status": ["done"]}, "status", ValueError),
        ({"since": "yesterday"}, "since", ValueError),
        ({"until": 7}, "until", TypeError),
        ({"parent_id": ""}, "parent_id", ValueError),
        ({"error": 7}, "error", TypeError),
    ],
)
def test_bad_conditions_are_refused_by_name(
    shared_runner: cloaca.DefaultRunner, arguments: dict[str, Any], name: str, kind: Any
) -> None:
    for call in (shared_runner.list_runs, shared_runner.count_runs):
        with pytest.raises(kind, match=name) as caught:
            call(**arguments)
        assert isinstance(caught.value, cloaca.CloacaError)


# -- steered -------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_many_that_wait_are_cancelled_together(runner: cloaca.DefaultRunner) -> None:
    define("orders")
    runner.pause_workflow("orders")
    waiting = runner.submit_many("orders", [None] * 1200, tags={"day": "monday"})
    other = runner.submit("orders")
    monday = {"day": "monday"}

    preview = runner.cancel_many(tags=monday, dry_run=True)
    assert preview == cloaca.BulkResult(matched=1200, changed=1200, refused=0)
    assert runner.count_runs(status="Pending") == 1201
    assert runner.cancel_many(tags=monday, reason="no use", by="ann") == preview

    assert runner.count_runs(status="Cancelled", tags=monday) == 1200
    assert runner.cancel_many(tags=monday).matched == 0
    assert other.status() == "Pending"
    result = waiting[0].result(WAIT)
    assert (result.status, result.error) == ("Cancelled", "cancelled by ann: no use")


def test_runs_are_paused_and_go_on_together(runner: cloaca.DefaultRunner) -> None:
    define("orders")
    runner.pause_workflow("orders")
    runs = runner.submit_many("orders", [None] * 3)
    assert runner.pause_many(workflow_name="orders").changed == 3
    runner.resume_workflow("orders")
    assert {run.status() for run in runs} == {"Paused"}
    assert runner.pause_many(status=["Paused", "Running"]) == cloaca.BulkResult(3, 0, 3)

    assert runner.resume_many(workflow_name="orders", by="ann").changed == 3
    assert {run.result(WAIT).status for run in runs} == {"Completed"}


def test_those_that_failed_by_one_cause_are_retried_together(
    runner: cloaca.DefaultRunner,
) -> None:
    broken = {"disk", "net"}
    with cloaca.WorkflowBuilder("steps"):

        @cloaca.task(id="only", retry_attempts=1)
        def only(context: cloaca.Context) -> None:
            if context["needs"] in broken:
                raise OSError(f"no {context['needs']}")

    needs = ["disk", "net", "disk", "nothing"]
    runs = [runner.submit("steps", {"needs": each}) for each in needs]
    assert [run.result(WAIT).status for run in runs] == ["Failed"] * 3 + ["Completed"]
    broken.remove("disk")
    since = runs[0].info().created_at

    result = runner.retry_many(status="Failed", workflow_name="steps", since=since, by="ann")

    assert result == cloaca.BulkResult(matched=3, changed=3, refused=0)
    assert [run.result(WAIT).status for run in runs] == [
        "Completed",
        "Failed",
        "Completed",
        "Completed",
    ]
    assert [run.info().round for run in runs] == [2, 2, 2, 1]
    assert runner.retry_many(status=["Completed"], workflow_name="steps").refused == 3


def test_without_a_filter_nothing_is_steered(shared_runner: cloaca.DefaultRunner) -> None:
    for call in (
        shared_runner.cancel_many,
        shared_runner.pause_many,
        shared_runner.resume_many,
        shared_runner.retry_many,
    ):
        with pytest.raises(ValueError, match="_many needs a filter"):
            call(reason="by mistake")


async def test_all_of_it_can_be_awaited(database_url: str) -> None:
    define("orders")
    async with cloaca.AsyncRunner(database_url) as runner:
        await runner.pause_workflow("orders")
        runs = await runner.submit_many("orders", [None] * 2)
        assert (await runner.pause_many(workflow_name="orders")).changed == 2
        assert (await runner.resume_many(workflow_name="orders")).changed == 2
        assert (await runner.cancel_many(workflow_name="orders")).changed == 2
        assert await runner.count_runs(status="Cancelled") == 2
        assert (await runner.retry_many(status="Cancelled")).changed == 2
        assert [await run.status() for run in runs] == ["Pending", "Pending"]
