"""51: runs are kept for as long as their workflow or the runner says, and then deleted."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from tables import each_row

import cloaca

WAIT = 60
ALL = datetime(2100, 1, 1, tzinfo=UTC)
"""After every end of a run."""


def define_add(name: str = "add") -> None:
    """One task that adds one."""
    with cloaca.WorkflowBuilder(name):

        @cloaca.task(id="add")
        def add(context: cloaca.Context) -> None:
            context["sum"] = context.get("sum", 0) + 1


def define_family(*, detached: bool = False) -> None:
    """A run that submits another one."""
    define_add("child")
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task(id="submit")
        def submit(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, str]:
            runner = runners[-1]
            return {"child": runner.submit("child", {}, detached=detached).id}


runners: list[cloaca.DefaultRunner] = []
"""The runner of the test, for bodies."""


@pytest.fixture(autouse=True)
def _known(runner: cloaca.DefaultRunner) -> None:
    runners.append(runner)


@pytest.mark.each_backend
def test_prune_deletes_runs_that_ended_before_an_instant(runner: cloaca.DefaultRunner) -> None:
    define_add()
    old = runner.execute("add", {}).execution_id
    new = runner.execute("add", {})

    pruned = runner.prune(before=new.end_time)

    assert (pruned.runs, pruned.rows >= 2) == (1, True)
    assert [run.id for run in runner.list_runs()] == [new.execution_id]
    with pytest.raises(cloaca.RunNotFoundError):
        runner.get_run(old)


def test_a_dry_run_counts_and_deletes_nothing(runner: cloaca.DefaultRunner) -> None:
    define_add()
    for _ in range(3):
        runner.execute("add", {})

    counted = runner.prune(before=ALL, dry_run=True)

    assert runner.count_runs() == 3
    assert counted.runs == 3
    assert runner.prune(before=ALL).rows == counted.rows


def test_runs_younger_than_their_retention_stay(runner: cloaca.DefaultRunner) -> None:
    define_add()
    runner.execute("add", {})

    assert runner.prune() == cloaca.PruneResult(runs=0, rows=0, bytes=runner.prune().bytes)
    assert runner.count_runs() == 1


def test_a_workflow_may_keep_its_runs_for_a_shorter_time(runner: cloaca.DefaultRunner) -> None:
    define_add("kept")
    with cloaca.WorkflowBuilder("brief").retention(1e-9):

        @cloaca.task(id="nothing")
        def nothing(context: cloaca.Context) -> None:
            pass

    runner.execute("kept", {})
    runner.execute("brief", {})

    deleted = 0
    while not deleted:  # an end is noted by a clock that may be a little ahead of the database's
        deleted = runner.prune().runs
    assert deleted == 1
    assert [run.workflow_name for run in runner.list_runs()] == ["kept"]


def test_only_runs_of_one_workflow_go_if_it_is_named(runner: cloaca.DefaultRunner) -> None:
    define_add("one")
    define_add("other")
    runner.execute("one", {})
    other = runner.execute("other", {}).execution_id

    assert runner.prune(before=ALL, workflow_name="one").runs == 1
    assert [run.id for run in runner.list_runs()] == [other]


def test_a_run_goes_with_those_that_it_submitted(runner: cloaca.DefaultRunner) -> None:
    define_family()
    parent = runner.execute("parent", {})
    child = runner.get_run(parent.final_context["child"])
    child.result(WAIT)

    assert runner.prune(before=ALL, workflow_name="child").runs == 0
    assert runner.prune(before=ALL, workflow_name="parent").runs == 2
    assert runner.count_runs() == 0


def test_a_detached_run_is_kept_by_itself(runner: cloaca.DefaultRunner) -> None:
    define_family(detached=True)
    parent = runner.execute("parent", {})
    child = runner.get_run(parent.final_context["child"])
    child.result(WAIT)

    assert runner.prune(before=ALL, workflow_name="parent").runs == 1
    assert [run.id for run in runner.list_runs()] == [child.id]


def test_a_run_stays_while_one_that_it_submitted_is_under_way(
    runner: cloaca.DefaultRunner,
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    with cloaca.WorkflowBuilder("child"):

        @cloaca.task(id="wait")
        def wait(context: cloaca.Context) -> None:
            inside.set()
            go_on.wait(WAIT)

    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task(id="submit")
        def submit(context: cloaca.Context) -> dict[str, str]:
            return {"child": runner.submit("child", {}).id}

    parent = runner.execute("parent", {})
    assert inside.wait(WAIT)

    assert runner.prune(before=ALL).runs == 0
    assert runner.get_run(parent.execution_id).status() == "Completed"

    go_on.set()
    runner.get_run(parent.final_context["child"]).result(WAIT)
    assert runner.prune(before=ALL).runs == 2


def test_runs_that_have_not_ended_stay(runner: cloaca.DefaultRunner) -> None:
    define_add()
    waiting = runner.submit("add", {}, delay=timedelta(hours=1))

    assert runner.prune(before=ALL).runs == 0
    assert waiting.status() == "Pending"


def test_an_idempotency_key_is_free_afterwards(runner: cloaca.DefaultRunner) -> None:
    define_add()
    first = runner.submit("add", {"sum": 1}, idempotency_key="k")
    first.result(WAIT)
    runner.prune(before=ALL)

    second = runner.submit("add", {"sum": 5}, idempotency_key="k")

    assert second.id != first.id
    assert second.result(WAIT).final_context["sum"] == 6


def test_what_a_fork_has_copied_is_its_own(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("two"):

        @cloaca.task(id="first")
        def first(context: cloaca.Context) -> dict[str, int]:
            return {"first": 1}

        @cloaca.task(id="second", dependencies=["first"])
        def second(context: cloaca.Context) -> dict[str, int]:
            return {"second": context["first"] + 1}

    source = runner.submit("two", {})
    source.result(WAIT)
    fork = source.fork("second")

    assert runner.prune(before=fork.result(WAIT).end_time).runs == 1
    assert fork.outputs()["first"] == {"first": 1}
    assert fork.result(WAIT).final_context["second"] == 2


def test_a_pruned_run_cannot_be_begun_again(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("fails"):

        @cloaca.task(id="fail", retry_attempts=1)
        def fail(context: cloaca.Context) -> None:
            raise OSError("no disk")

    run = runner.submit("fails", {})
    run.result(WAIT)
    runner.prune(before=ALL)

    with pytest.raises(cloaca.RunNotFoundError):
        runner.retry(run.id)
    with pytest.raises(cloaca.RunNotFoundError):
        run.fork("fail")
    with pytest.raises(cloaca.RunNotFoundError):
        run.cancel()
    assert [act.kind for act in runner.actions()] == ["prune"]


def test_ticks_whose_runs_are_gone_are_not_filled_again(runner: cloaca.DefaultRunner) -> None:
    define_add()
    runner.schedule("nightly", "add", "0 3 * * *", "UTC")
    period = ("2024-01-01T00:00:00Z", "2024-01-04T00:00:00Z")
    filled = runner.backfill("nightly", *period)
    for run_id in filled.run_ids:
        runner.get_run(run_id).result(WAIT)
    runner.prune(before=ALL)

    again = runner.backfill("nightly", *period)

    assert (len(filled.run_ids), again.run_ids, again.already_run) == (3, (), 3)
    assert runner.count_runs() == 0


@each_row("days", [0, -1, float("nan"), 1e9, "90", True, None])
def test_a_retention_that_makes_no_sense_is_refused(days: object) -> None:
    with pytest.raises(cloaca.DefinitionError, match="days"):
        cloaca.WorkflowBuilder("any").retention(days)  # type: ignore[arg-type] # as given


def test_wrong_arguments_of_prune_are_refused(runner: cloaca.DefaultRunner) -> None:
    with pytest.raises(cloaca.ConfigError, match="before"):
        runner.prune(before="yesterday")
    with pytest.raises(cloaca.CloacaError):
        runner.prune(dry_run="yes")  # type: ignore[arg-type] # as given


async def test_an_async_client_prunes_as_well(
    runner: cloaca.DefaultRunner, database_url: str
) -> None:
    define_add()
    with cloaca.Client(database_url) as client:
        runner.execute("add", {})
        assert client.prune(before=ALL, workflow_name="add").runs == 1
    runner.execute("add", {})
    async with cloaca.AsyncClient(database_url) as client:
        assert (await client.prune(before=ALL)).runs == 1
