"""85: a body runs workflows as children of its run, and waits for them as it waits for events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scenarios.steering import Gate, until

import cloaca
from cloaca.testing import Harness, crash_at_every_point, harness

QUICK: dict[str, Any] = {"retry_backoff": "fixed", "retry_delay_ms": 1, "retry_jitter": False}
WAIT = 60
HALF_AN_HOUR = 1800

Context = cloaca.Context
Handle = cloaca.TaskHandle
AsyncHandle = cloaca.AsyncTaskHandle
OpenRunner = Callable[..., cloaca.DefaultRunner]


def define(name: str, body: Callable[..., Any], **options: Any) -> None:
    with cloaca.WorkflowBuilder(name):
        cloaca.task(id="t", **{**QUICK, **options})(body)


@pytest.fixture(autouse=True)
def children() -> None:
    """A workflow that doubles a number, one that takes half an hour, and one that fails."""
    define("double", lambda context: {"double": 2 * context["n"]})
    with cloaca.WorkflowBuilder("slow"):
        cloaca.sleep("nap", seconds=HALF_AN_HOUR)

    def fail(context: Context) -> None:
        raise ValueError("no")

    define("fail", fail, retry_attempts=1)


@pytest.fixture
def h(database_url: str) -> Iterator[Harness]:
    """The engine on a clock that the test moves, on the backend under test."""
    with harness(url=database_url) as made:
        yield made


def names(runs: list[cloaca.RunInfo]) -> dict[str, list[str]]:
    """The states of runs, by their workflows."""
    found: dict[str, list[str]] = {}
    for each in reversed(runs):
        found.setdefault(each.workflow_name, []).append(each.status)
    return found


# -- results -------------------------------------------------------------------------------------


def three(context: Context, handle: Handle) -> dict[str, Any]:
    one = handle.run_workflow("double", {"n": 1})
    rest = [handle.start_workflow("double", {"n": n}) for n in (2, 3)]
    return {"found": [one["double"], *[each.result()["double"] for each in reversed(rest)]]}


async def three_async(context: Context, handle: AsyncHandle) -> dict[str, Any]:
    one = await handle.run_workflow("double", {"n": 1})
    rest = [await handle.start_workflow("double", {"n": n}) for n in (2, 3)]
    results = await asyncio.gather(*[each.result() for each in reversed(rest)])
    return {"found": [one["double"], *[each["double"] for each in results]]}


@pytest.mark.each_backend
@pytest.mark.parametrize("body", [three, three_async], ids=["sync", "async"])
def test_a_body_gets_the_final_contexts_of_the_workflows_that_it_runs(
    open_runner: OpenRunner, body: Callable[..., Any]
) -> None:
    """With one slot and one place: a body that waits takes neither."""
    runner = open_runner(max_concurrent_tasks=1, max_active_runs=1)
    define("parent", body)

    run = runner.submit("parent")

    assert run.result(WAIT).final_context.to_dict() == {"found": [2, 6, 4]}
    assert names(run.children()) == {"double": ["Completed"] * 3}


@pytest.mark.each_backend
@pytest.mark.parametrize("body", [three, three_async], ids=["sync", "async"])
def test_a_body_that_leaves_in_each_wait_gets_the_same(
    database_url: str, body: Callable[..., Any]
) -> None:
    define("parent", body)

    with harness(url=database_url, evict="always") as h:
        run = h.run("parent")

        assert (run.status, run.context) == ("Completed", {"found": [2, 6, 4]})
        assert names(run.handle.children()) == {"double": ["Completed"] * 3}


@pytest.mark.backend("sqlite", reason="each engine has a database in memory")
def test_a_crash_at_any_point_starts_no_child_twice() -> None:
    define("parent", three)

    report = crash_at_every_point("parent")

    assert (report.status, report.different) == ("Completed", ())


def test_the_parent_waits_in_the_table_and_another_process_may_run_the_child(
    open_runner: OpenRunner, database_url: str
) -> None:
    gate = Gate()
    define("held", gate.hold)
    define("parent", lambda context, handle: {"ran": len(handle.run_workflow("held"))})
    first = open_runner(evict_after_seconds=0)

    run = first.submit("parent")
    assert gate.begun.wait(WAIT)
    until(lambda: run.info().status == "Waiting")
    (child,) = run.children()
    waits = run.tasks()["t"].waits_for

    assert waits is not None
    assert (waits.kind, waits.name) == ("run", child.id)
    assert run.info().waits_for == waits
    gate.open.set()
    assert run.result(WAIT).final_context.to_dict() == {"ran": 0}


@pytest.mark.each_backend
def test_a_runner_that_has_the_workflow_executes_it_for_a_body_elsewhere(
    open_runner: OpenRunner, database_url: str
) -> None:
    define("parent", lambda context, handle: {"n": handle.run_workflow("far")["n"]})
    there = cloaca.Registry()
    with cloaca.WorkflowBuilder("far", registry=there):
        cloaca.task(id="t")(lambda context: {"n": 7})

    with cloaca.DefaultRunner(database_url, registry=there):
        run = open_runner().submit("parent")

        assert run.result(WAIT).final_context.to_dict() == {"n": 7}


@pytest.mark.each_backend
def test_a_key_is_for_one_input(runner: cloaca.DefaultRunner) -> None:
    def thrice(context: Context, handle: Handle) -> None:
        for n in (1, 1, 2):
            handle.run_workflow("double", {"n": n}, key="a")

    define("parent", thrice, retry_attempts=1)
    run = runner.submit("parent")
    found = run.result(WAIT).task_results["t"]
    (child,) = run.children()

    assert found.error_type == "VersionChangedError"
    told = f"run {child.id}, which this task has started with key='a', has another input"
    assert told in str(found.error)


# -- failures ------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_child_that_fails_or_is_cancelled_raises(runner: cloaca.DefaultRunner) -> None:
    gate, caught = Gate(), []
    define("held", gate.hold)

    def body(context: Context, handle: Handle) -> None:
        for name in ("fail", "held"):
            try:
                handle.run_workflow(name)
            except cloaca.RunFailedError as error:
                caught.append(error)

    define("parent", body)
    run = runner.submit("parent")
    assert gate.begun.wait(WAIT)
    held, failed = run.children()
    runner.get_run(held.id).cancel(reason="enough", grace=0)

    assert run.result(WAIT).status == "Completed"
    gate.open.set()
    of_failed, of_held = caught
    assert (type(of_failed), of_failed.run_id) == (cloaca.RunFailedError, failed.id)
    assert "t: ValueError: no" in str(of_failed)
    assert (type(of_held), of_held.run_id) == (cloaca.RunCancelledError, held.id)
    assert "enough" in str(of_held)


def test_a_further_attempt_keeps_the_children_that_completed_and_starts_failed_ones_anew(
    runner: cloaca.DefaultRunner,
) -> None:
    attempts: list[int] = []

    def fail_once(context: Context) -> None:
        if len(attempts) < 2:
            raise ValueError("bad")

    def body(context: Context, handle: Handle) -> None:
        attempts.append(handle.attempt)
        handle.run_workflow("double", {"n": 1})
        handle.run_workflow("once", key="bad")

    define("once", fail_once, retry_attempts=1)
    define("parent", body)
    run = runner.submit("parent")

    assert run.result(WAIT).status == "Completed"
    assert attempts == [1, 2]
    assert names(run.children()) == {"double": ["Completed"], "once": ["Failed", "Completed"]}


@pytest.mark.each_backend
def test_a_retry_begins_failed_children_again_and_waits_for_their_next_round(
    runner: cloaca.DefaultRunner,
) -> None:
    heals = [False]

    def fail(context: Context) -> dict[str, Any]:
        if not heals[0]:
            raise ValueError("not yet")
        return {"ok": True}

    def body(context: Context, handle: Handle) -> dict[str, Any]:
        by_number = handle.run_workflow("double", {"n": 4})["double"]
        return {"by_number": by_number, "ok": handle.start_workflow("heal", key="h").result()["ok"]}

    define("heal", fail, retry_attempts=1)
    define("parent", body, retry_attempts=1)
    run = runner.submit("parent")
    assert run.result(WAIT).status == "Failed"
    before = {each.id for each in run.children()}

    heals[0] = True
    run = runner.retry(run.id)

    assert run.result(WAIT).final_context.to_dict() == {"by_number": 8, "ok": True}
    assert {each.id: each.round for each in run.children()} == {
        each.id: 2 if each.workflow_name == "heal" else 1 for each in run.children()
    }
    assert {each.id for each in run.children()} == before


@pytest.mark.each_backend
def test_below_a_task_that_runs_again_only_children_that_are_asked_for_again_begin_again(
    runner: cloaca.DefaultRunner,
) -> None:
    numbers, heals = [[1, 2, 3], [1, 4]], [False]

    def fail(context: Context) -> None:
        if not heals[0]:
            raise ValueError("not yet")

    def body(context: Context, handle: Handle) -> None:
        begun = [handle.start_workflow("heal", {"n": n}) for n in context["numbers"]]
        by_key = handle.start_workflow("heal", {"all": context["numbers"]}, key="all")
        for each in (*begun, by_key):
            each.result()

    define("heal", fail, retry_attempts=1)
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task
        def prep(context: Context) -> dict[str, Any]:
            return {"numbers": numbers.pop(0)}

        cloaca.task(id="t", retry_attempts=1, dependencies=[prep])(body)

    run = runner.submit("parent")
    assert run.result(WAIT).status == "Failed"
    for each in run.children():
        runner.get_run(each.id).wait(WAIT)
    ids = [each.id for each in reversed(run.children())]
    heals[0] = True
    run = runner.retry(run.id, tasks=["prep"])

    assert run.result(WAIT).status == "Completed"
    rounds = {each.id: each.round for each in run.children()}
    assert [rounds.pop(each) for each in ids] == [2, 1, 1, 1]
    assert list(rounds.values()) == [1, 1]


@pytest.mark.each_backend
def test_a_run_that_fails_cancels_the_children_for_which_it_waited_alone(
    runner: cloaca.DefaultRunner,
) -> None:
    def body(context: Context, handle: Handle) -> None:
        handle.start_workflow("slow")
        handle.submit("slow", tags={"of": "submit"})
        raise ValueError("broken")

    define("parent", body, retry_attempts=1)
    run = runner.submit("parent")
    assert run.result(WAIT).status == "Failed"

    (started,) = [each for each in run.children() if not each.tags]
    ended = runner.get_run(started.id).result(WAIT)

    assert ended.status == "Cancelled"
    assert ended.error_message == (
        f"the run that started it has failed (with its parent, run {run.id})"
    )
    (submitted,) = [each for each in run.children() if each.tags]
    assert submitted.status in ("Pending", "Running", "Waiting")
    runner.get_run(submitted.id).cancel()


@pytest.mark.each_backend
def test_the_time_limit_of_a_run_counts_while_it_waits_for_a_child(h: Harness) -> None:
    """Unlike a sleep: the child has the same deadline, and ends with its parent."""
    define("parent", lambda context, handle: handle.run_workflow("busy"))
    with cloaca.WorkflowBuilder("busy"):

        @cloaca.task
        async def work(context: Context) -> None:
            await asyncio.sleep(HALF_AN_HOUR)

    run = h.submit("parent", time_limit=600)
    h.clock.advance(seconds=599)
    (child,) = run.handle.children()
    assert child.status == "Running"
    h.clock.advance(seconds=2)
    h.drain()

    assert run.status == "Failed"
    (child,) = run.handle.children()
    assert child.ended_at is not None


def test_a_cancel_of_the_parent_reaches_the_child(runner: cloaca.DefaultRunner) -> None:
    define("parent", lambda context, handle: handle.run_workflow("slow"))
    run = runner.submit("parent")
    until(lambda: names(run.children()).get("slow") == ["Waiting"])

    run.cancel(reason="enough")

    assert run.result(WAIT).status == "Cancelled"
    (child,) = run.children()
    assert runner.get_run(child.id).result(WAIT).status == "Cancelled"


# -- waits ---------------------------------------------------------------------------------------


def test_a_wait_for_a_result_ends_after_its_timeout_and_the_next_one_waits_on(h: Harness) -> None:
    def body(context: Context, handle: Handle) -> dict[str, Any]:
        child = handle.start_workflow("slow")
        with pytest.raises(cloaca.PipelineTimeoutError) as late:
            child.result(timeout=60)
        assert (late.value.run_id, late.value.timeout) == (child.run_id, 60)
        return {"then": child.result().to_dict()}

    define("parent", body)
    run = h.run("parent", {"n": 1})
    h.clock.advance(seconds=HALF_AN_HOUR)
    h.drain()

    assert run.context == {"n": 1, "then": {}}


def test_a_result_that_is_known_is_returned_again(runner: cloaca.DefaultRunner) -> None:
    def body(context: Context, handle: Handle) -> dict[str, Any]:
        child = handle.start_workflow("double", {"n": 3}, key="same")
        again = handle.start_workflow("double", {"n": 3}, key="same")
        assert repr(child) == f"ChildHandle(run_id={child.run_id!r})"
        assert again.run_id == child.run_id
        return {
            "found": [child.result()["double"], child.result()["double"], again.result()["double"]]
        }

    define("parent", body)

    assert runner.execute("parent").final_context["found"] == [6, 6, 6]


def test_two_waits_of_a_body_for_one_child_are_refused(runner: cloaca.DefaultRunner) -> None:
    gate = Gate()
    define("held", gate.hold)

    async def body(context: Context, handle: AsyncHandle) -> dict[str, Any]:
        child = await handle.start_workflow("held")
        first = asyncio.ensure_future(child.result())
        await asyncio.sleep(0)
        try:
            await child.result()
        except cloaca.RunnerUsageError as error:
            gate.open.set()
            await first
            return {"error": str(error).replace(child.run_id, "ID")}
        return {}

    define("parent", body)

    assert runner.execute("parent").final_context.to_dict() == {
        "error": "another call of this body waits for run ID already"
    }


# -- what is seen --------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_an_explanation_names_the_child_and_the_events_its_end(h: Harness) -> None:
    define("parent", lambda context, handle: handle.run_workflow("slow"))
    run = h.run("parent")
    h.clock.advance(seconds=60)
    (child,) = run.handle.children()
    explained = run.handle.explain()
    (task,) = explained.tasks

    assert (task.code, task.waits_for and task.waits_for.name) == ("child_run", child.id)
    told = f"its body waits for the end of run {child.id} of slow, which is Waiting,"
    assert task.why.startswith(told)
    assert explained.why.startswith(f"task t: {told}")
    h.clock.advance(seconds=HALF_AN_HOUR)
    h.drain()
    events = [(each.kind, each.detail) for each in run.handle.events()]
    assert ("child_ended", f"run {child.id}: Completed") in events


# -- refused -------------------------------------------------------------------------------------


def test_calls_that_make_no_sense_are_refused(runner: cloaca.DefaultRunner) -> None:
    refused: list[tuple[type[BaseException], str]] = []

    def body(context: Context, handle: Handle) -> None:
        calls: list[Callable[[], object]] = [
            lambda: handle.run_workflow("nowhere"),
            lambda: handle.run_workflow("double", {"n": 1}, key="a::b"),
            lambda: handle.run_workflow("double", {"n": 1}, priority=101),
            lambda: handle.step("s", lambda: len(handle.run_workflow("double", {"n": 1}))),
            lambda: handle.start_workflow("double", {"n": 1}).result(timeout=-1),
        ]
        for call in calls:
            try:
                call()
            except Exception as error:
                refused.append((type(error), str(error)))

    define("parent", body)
    runner.execute("parent")

    assert [kind for kind, _ in refused] == [
        cloaca.WorkflowNotFoundError,
        cloaca.DefinitionError,
        cloaca.ConfigError,
        cloaca.StepInUseError,
        cloaca.DefinitionError,
    ]
    assert "key" in refused[1][1]
    assert "timeout" in refused[4][1]


def test_a_workflow_that_runs_itself_ends_at_fifty_levels(runner: cloaca.DefaultRunner) -> None:
    define(
        "endless",
        lambda context, handle: handle.run_workflow("endless", {"n": context["n"] + 1}),
        retry_attempts=1,
    )

    result = runner.execute("endless", {"n": 1})

    assert result.status == "Failed"
    assert runner.count_runs(workflow_name="endless") == 50
    (deepest,) = runner.list_runs(limit=1)
    assert "at most 50 deep" in str(deepest.error_message)
