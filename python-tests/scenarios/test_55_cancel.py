"""55: a run that should not go on is cancelled, wherever it is executed, with all that it began."""

from __future__ import annotations

import asyncio
import getpass
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from own_database import OwnDatabases
from scenarios.steering import LONG, WAIT, WAYS, Gate, Steer, define, steer_by, until
from tables import each_row

import cloaca


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture(params=WAYS)
def steer(request: pytest.FixtureRequest, database_url: str, runner: cloaca.DefaultRunner) -> Steer:
    """Each way to steer a run."""
    return steer_by(request.param, database_url, runner)


# -- a run that no runner owns ---------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_run_that_waits_is_cancelled_when_the_call_returns_and_never_starts(
    open_runner: Callable[..., cloaca.DefaultRunner], steer: Steer, runner: cloaca.DefaultRunner
) -> None:
    seen: list[str] = []
    define("work", lambda context: seen.append(context["name"]))
    runner.stop()
    run = runner.submit("work", {"name": "cancelled"})

    assert steer("cancel", run.id, reason="not needed", by="ann") == cloaca.Steered(
        "Cancelled", changed=True
    )
    result = run.result(WAIT)
    runner.start()
    runner.execute("work", {"name": "later"})

    assert (result.status, result.final_context.to_dict()) == ("Cancelled", {"name": "cancelled"})
    assert result.error_message == "cancelled by ann: not needed"
    assert run.info().started_at is None
    assert seen == ["later"]
    with pytest.raises(cloaca.RunCancelledError, match="cancelled by ann: not needed") as caught:
        result.raise_for_status()
    assert (caught.value.run_id, caught.value.status) == (run.id, "Cancelled")


def test_a_run_that_is_to_start_later_is_cancelled(runner: cloaca.DefaultRunner) -> None:
    define("work", lambda context: None)
    run = runner.submit("work", delay=LONG)

    assert run.cancel() == cloaca.Steered("Cancelled", changed=True)
    assert run.tasks()["t"].status == "Cancelled"


def test_a_run_that_waits_for_its_next_attempt_is_cancelled(runner: cloaca.DefaultRunner) -> None:
    """It is in the memory of no runner; nothing of it comes later."""
    attempts: list[int] = []

    def fails(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        attempts.append(handle.attempt)
        raise cloaca.RetryAfter(LONG, cause=ValueError("busy"))

    define("work", fails, retry_attempts=5)
    run = runner.submit("work")
    until(lambda: run.status() == "Waiting")
    answer = run.cancel()
    task = run.result(WAIT).task_results["t"]

    assert answer == cloaca.Steered("Cancelled", changed=True)
    assert (task.status, task.error, task.attempts) == ("Cancelled", "ValueError: busy", 1)
    assert task.may_have_had_effects
    assert task.retry_at is None
    assert attempts == [1]


def test_a_workflow_that_no_runner_knows_keeps_nothing_from_being_cancelled(
    database_url: str, runner: cloaca.DefaultRunner
) -> None:
    elsewhere = cloaca.Registry()
    with cloaca.WorkflowBuilder("elsewhere", registry=elsewhere):
        cloaca.task(id="t")(lambda context: None)
    with cloaca.DefaultRunner(database_url, registry=elsewhere, start=False) as other:
        run_id = other.submit("elsewhere").id
    run = runner.get_run(run_id)

    assert run.cancel() == cloaca.Steered("Cancelled", changed=True)
    assert run.result(WAIT).status == "Cancelled"


def test_a_run_behind_a_cancelled_one_goes_on(runner: cloaca.DefaultRunner, gate: Gate) -> None:
    define("nightly", lambda context: gate.hold(context))
    runner.schedule("s", "nightly", "* * * * * *", "UTC", overlap_policy="queue")
    until(lambda: runner.count_runs(workflow_name="nightly") >= 3)
    runner.set_cron_schedule_enabled(runner.list_cron_schedules()[0]["id"], False)
    third, second, first = runner.list_runs(workflow_name="nightly")[-3:]
    assert gate.begun.wait(WAIT)

    assert runner.get_run(second.id).cancel().status == "Cancelled"
    gate.open.set()
    assert runner.get_run(first.id).result(WAIT).status == "Completed"
    assert runner.get_run(third.id).result(WAIT).status == "Completed"


# -- bodies in threads -----------------------------------------------------------------------------


def test_a_body_looks_at_its_handle_and_ends(
    runner: cloaca.DefaultRunner, gate: Gate, steer: Steer
) -> None:
    told: list[object] = []

    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
        assert not handle.cancelled
        gate.begun.set()
        until(lambda: handle.cancelled)
        return {"copied": 7}

    with cloaca.WorkflowBuilder("work"):
        options: dict[str, Any] = {
            "on_cancel": lambda *_: told.append("on_cancel"),
            "on_success": lambda *_: told.append("on_success"),
        }
        cloaca.task(id="copy", **options)(body)
        cloaca.task(id="publish", dependencies=["copy"], **options)(lambda context: None)
    run = runner.submit("work", {"rows": 9})
    assert gate.begun.wait(WAIT)

    assert steer("cancel", run.id) == cloaca.Steered("Cancelling", changed=True)
    result = run.result(WAIT)

    assert (result.status, result.final_context.to_dict()) == ("Cancelled", {"rows": 9})
    assert {name: task.status for name, task in run.tasks().items()} == {
        "copy": "Completed",
        "publish": "Cancelled",
    }
    assert run.outputs() == {"copy": {"copied": 7}}
    assert told == ["on_success"]
    by = f"{getpass.getuser()}@{socket.gethostname()}"
    assert result.error_message == f"cancelled by {by}"


CALLS: dict[str, Callable[[cloaca.DefaultRunner, cloaca.RunHandle], object]] = {
    "submit": lambda runner, run: runner.submit("other"),
    "submit_many": lambda runner, run: runner.submit_many("other", [{}]),
    "execute": lambda runner, run: runner.execute("other"),
    "status": lambda runner, run: run.status(),
    "result": lambda runner, run: run.result(),
    "cancel": lambda runner, run: run.cancel(),
    "list_runs": lambda runner, run: runner.list_runs(),
    "get_run": lambda runner, run: runner.get_run(run.id),
}


@pytest.mark.parametrize("name", CALLS)
def test_each_call_into_cloaca_ends_the_body(
    runner: cloaca.DefaultRunner, gate: Gate, name: str
) -> None:
    seen: list[object] = []
    define("other", lambda context: None)
    other = runner.submit("other")

    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        gate.begun.set()
        until(lambda: handle.cancelled)
        try:
            CALLS[name](runner, other)
        except Exception as error:
            seen.append(error)
        finally:
            seen.append("cleaned up")

    define(
        "work",
        body,
        on_cancel=lambda task_id, context: seen.append((task_id, dict(context))),
        on_failure=lambda *_: seen.append("on_failure"),
    )
    run = runner.submit("work", {"n": 1})
    assert gate.begun.wait(WAIT)
    run.cancel(reason="why", by="ann")
    task = run.result(WAIT).task_results["t"]

    assert seen == ["cleaned up", ("t", {"n": 1})]
    assert (task.status, task.error, task.skip_reason) == (
        "Cancelled",
        None,
        "cancelled by ann: why",
    )
    assert task.started_at is not None
    assert task.may_have_had_effects


def test_a_body_that_fails_meanwhile_is_recorded_and_not_tried_again(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    told: list[str] = []

    def body(context: cloaca.Context) -> None:
        gate.hold(context)
        raise ValueError("of its own")

    options: dict[str, Any] = {
        "on_cancel": lambda *_: told.append("on_cancel"),
        "on_failure": lambda *_: told.append("on_failure"),
    }
    define("work", body, retry_attempts=5, retry_delay_ms=0, **options)
    run = runner.submit("work")
    assert gate.begun.wait(WAIT)
    run.cancel()
    gate.open.set()
    result = run.result(WAIT)

    task = result.task_results["t"]
    assert (result.status, task.status, task.error, task.attempts) == (
        "Cancelled",
        "Failed",
        "ValueError: of its own",
        1,
    )
    assert told == ["on_failure"]


@pytest.mark.parametrize("grace", [0, 0.05, timedelta(milliseconds=50)])
def test_a_body_that_does_not_end_is_given_up(
    runner: cloaca.DefaultRunner, gate: Gate, grace: float | timedelta
) -> None:
    told = threading.Event()

    def body(context: cloaca.Context) -> dict[str, str]:
        gate.hold(context)
        return {"late": "result"}

    define("work", body, on_cancel=lambda *_: told.set())
    run = runner.submit("work", {"n": 1})
    assert gate.begun.wait(WAIT)
    started_at = run.tasks()["t"].started_at
    run.cancel(grace=grace)
    result = run.result(WAIT)
    assert told.wait(WAIT)
    assert runner.health()["abandoned_bodies"] == 1
    gate.open.set()
    until(lambda: runner.health()["abandoned_bodies"] == 0)

    task = run.result(WAIT).task_results["t"]
    assert (task.status, task.started_at) == ("Cancelled", started_at)
    assert result.final_context.to_dict() == {"n": 1}
    assert run.outputs() == {}


def test_of_two_cancels_the_earlier_deadline_holds(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    define("work", gate.hold)
    run = runner.submit("work")
    assert gate.begun.wait(WAIT)

    assert run.cancel(grace=LONG, reason="first") == cloaca.Steered("Cancelling", changed=True)
    assert run.cancel(grace=0.05, reason="second") == cloaca.Steered("Cancelling", changed=False)
    assert (run.result(WAIT).error_message or "").endswith(": first")
    gate.open.set()


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_that_has_ended_keeps_its_end(runner: cloaca.DefaultRunner, fails: bool) -> None:
    define("work", lambda context: 1 / 0 if fails else None, retry_attempts=1)
    run = runner.submit("work")
    before = run.result(WAIT)

    assert run.cancel() == cloaca.Steered("Failed" if fails else "Completed", changed=False)
    assert run.result(WAIT).end_time == before.end_time
    assert [event.kind for event in run.events()].count("ended") == 1


def test_what_has_not_begun_does_not_begin(
    open_runner: Callable[..., cloaca.DefaultRunner], gate: Gate
) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    seen: list[str] = []
    with cloaca.WorkflowBuilder("work"):
        cloaca.task(id="first")(gate.hold)
        for name in ("second", "third"):
            cloaca.task(id=name)(lambda context: seen.append("begun"))
        cloaca.task(id="last", dependencies=["first"])(lambda context: seen.append("begun"))
    run = runner.submit("work")
    assert gate.begun.wait(WAIT)
    run.cancel()
    gate.open.set()
    run.wait(WAIT)
    define("other", lambda context: None)
    runner.execute("other")

    assert {name: task.status for name, task in run.tasks().items()} == {
        "first": "Completed",
        "second": "Cancelled",
        "third": "Cancelled",
        "last": "Cancelled",
    }
    assert seen == []


# -- coroutines ------------------------------------------------------------------------------------


def test_a_coroutine_is_interrupted_and_cleans_up(
    runner: cloaca.DefaultRunner, gate: Gate, steer: Steer
) -> None:
    seen: list[object] = []

    async def body(context: cloaca.Context) -> None:
        gate.begun.set()
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            seen.append("interrupted")
            raise
        finally:
            await asyncio.sleep(0.01)
            seen.append("cleaned up")

    async def on_cancel(task_id: str, context: cloaca.Context) -> None:
        await asyncio.sleep(0)
        seen.append((task_id, dict(context)))

    on_failure: Callable[..., object] = lambda *_: seen.append("on_failure")  # noqa: E731 - short
    define("work", body, on_cancel=on_cancel, on_failure=on_failure)
    run = runner.submit("work", {"n": 1})
    assert gate.begun.wait(WAIT)
    steer("cancel", run.id)
    task = run.result(WAIT).task_results["t"]

    assert seen == ["interrupted", "cleaned up", ("t", {"n": 1})]
    assert (task.status, task.error) == ("Cancelled", None)
    assert task.may_have_had_effects


def test_a_coroutine_that_swallows_the_interruption_and_returns_is_recorded(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    async def body(context: cloaca.Context) -> dict[str, str]:
        gate.begun.set()
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            return {"saved": "half of it"}
        return {}

    define("work", body)
    run = runner.submit("work")
    assert gate.begun.wait(WAIT)
    run.cancel()

    assert run.result(WAIT).status == "Cancelled"
    assert run.outputs() == {"t": {"saved": "half of it"}}


def test_a_coroutine_that_swallows_the_interruption_is_interrupted_by_each_call(
    database_url: str, gate: Gate
) -> None:
    seen: list[str] = []
    runners: list[cloaca.AsyncRunner] = []

    async def body(context: cloaca.Context) -> None:
        gate.begun.set()
        for call in (
            asyncio.Event().wait,
            lambda: runners[0].submit("other"),
            runners[0].list_runs,
        ):
            try:
                await call()
            except asyncio.CancelledError:
                seen.append("interrupted")
        await runners[0].list_runs()

    async def cancelled() -> str:
        async with cloaca.AsyncRunner(database_url) as runner:
            runners.append(runner)
            run = await runner.submit("work")
            await asyncio.to_thread(gate.begun.wait, WAIT)
            await run.cancel()
            result = await run.result(WAIT)
            assert await runner.count_runs(workflow_name="other") == 0
            return result.task_results["t"].status

    define("other", lambda context: None)
    define("work", body)

    assert asyncio.run(cancelled()) == "Cancelled"
    assert seen == ["interrupted"] * 3


def test_a_coroutine_that_swallows_everything_is_given_up(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    ended = threading.Event()

    async def body(context: cloaca.Context) -> dict[str, int]:
        gate.begun.set()
        for _ in range(2):  # the cancel, and the end of its time
            try:
                await asyncio.sleep(LONG)
            except asyncio.CancelledError:
                continue
        ended.set()
        return {"n": 1}

    define("work", body)
    run = runner.submit("work")
    assert gate.begun.wait(WAIT)
    run.cancel(grace=0.5)

    assert run.result(WAIT).task_results["t"].status == "Cancelled"
    assert ended.wait(WAIT)
    assert run.outputs() == {}


# -- children --------------------------------------------------------------------------------------


def test_children_and_their_children_are_cancelled(
    open_runner: Callable[..., cloaca.DefaultRunner], steer: Steer, runner: cloaca.DefaultRunner
) -> None:
    """They wait in the table, or run here or on another runner; each waiting caller hears."""
    below = threading.Barrier(3)

    def leaf(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        below.wait(WAIT)
        until(lambda: handle.cancelled)

    def child(context: cloaca.Context) -> None:
        runner.submit("idle", delay=LONG)
        runner.execute("leaf")

    def parent(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        runner.submit("child")
        runner.submit("child")
        until(lambda: handle.cancelled)

    define("idle", lambda context: None)
    define("leaf", leaf)
    define("child", child)
    define("parent", parent)
    run = runner.submit("parent")
    below.wait(WAIT)
    steer("cancel", run.id, reason="why", by="ann")
    until(lambda: runner.count_runs(status="Cancelled") == 7)

    children = runner.list_runs(parent_id=run.id)
    assert len(children) == 2
    for each in children:
        assert each.error_message == f"cancelled by ann: why (with its parent, run {run.id})"
        assert len(runner.list_runs(parent_id=each.id, status="Cancelled")) == 2


def test_children_may_be_left_alone_and_detached_ones_always_are(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    def parent(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        runner.submit("idle", {"detached": False}, delay=LONG)
        runner.submit("idle", {"detached": True}, delay=LONG, detached=True)
        gate.begun.set()
        until(lambda: handle.cancelled)

    define("idle", lambda context: None)
    define("parent", parent)
    run = runner.submit("parent")
    assert gate.begun.wait(WAIT)
    run.cancel(children=False)
    run.wait(WAIT)
    assert runner.count_runs(workflow_name="idle", status="Pending") == 2

    second = runner.submit("parent")
    until(lambda: runner.count_runs(workflow_name="idle") == 4)
    second.cancel()
    until(lambda: runner.count_runs(workflow_name="idle", status="Cancelled") == 1)
    assert runner.count_runs(workflow_name="idle", status="Pending") == 3


def test_a_child_that_was_left_alone_begins_afterwards(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    def parent(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        runner.submit("idle", delay=LONG).pause()
        runner.submit("later", delay=0.1).pause()
        gate.begun.set()
        until(lambda: handle.cancelled)

    define("idle", lambda context: None)
    define("later", lambda context: None)
    define("parent", parent)
    run = runner.submit("parent")
    assert gate.begun.wait(WAIT)
    run.cancel(children=False)
    run.wait(WAIT)

    (child,) = runner.list_runs(workflow_name="later")
    runner.resume(child.id)

    assert runner.get_run(child.id).result(WAIT).status == "Completed"


@pytest.mark.parametrize("act", ["cancel", "pause"])
def test_runs_below_a_child_that_has_ended_follow_too(
    runner: cloaca.DefaultRunner, gate: Gate, act: str
) -> None:
    below: list[cloaca.RunHandle] = []

    def child(context: cloaca.Context) -> None:
        below.append(runner.submit("idle", delay=LONG))

    def parent(context: cloaca.Context) -> None:
        runner.execute("child")
        gate.hold(context)

    define("idle", lambda context: None)
    define("child", child)
    define("parent", parent)
    run = runner.submit("parent")
    assert gate.begun.wait(WAIT)

    getattr(run, act)()

    (leaf,) = below
    status = "Cancelled" if act == "cancel" else "Paused"
    until(lambda: leaf.status() == status)
    if act == "pause":
        run.resume()
        until(lambda: leaf.status() == "Pending")
    gate.open.set()
    run.wait(WAIT)


@pytest.mark.parametrize("how", ["execute", "result"])
def test_a_parent_that_waits_for_a_cancelled_child_gets_its_result(
    runner: cloaca.DefaultRunner, gate: Gate, how: str
) -> None:
    def child(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        gate.begun.set()
        until(lambda: handle.cancelled)

    def parent(context: cloaca.Context) -> dict[str, str | None]:
        result = runner.execute("child") if how == "execute" else runner.submit("child").result()
        return {"status": result.status, "error": result.error_message}

    define("child", child)
    define("parent", parent)
    run = runner.submit("parent")
    assert gate.begun.wait(WAIT)
    runner.get_run(runner.list_runs(parent_id=run.id)[0].id).cancel(by="ann")
    result = run.result(WAIT)

    assert result.status == "Completed"
    assert result.final_context.to_dict() == {"status": "Cancelled", "error": "cancelled by ann"}


def test_a_parent_that_fails_cancels_no_child(runner: cloaca.DefaultRunner) -> None:
    def parent(context: cloaca.Context) -> None:
        runner.submit("idle", delay=LONG)
        raise ValueError("bad")

    define("idle", lambda context: None)
    define("parent", parent, retry_attempts=1)
    assert runner.submit("parent").result(WAIT).status == "Failed"

    assert runner.count_runs(workflow_name="idle", status="Pending") == 1


def test_no_child_escapes_a_body_that_makes_them_all_the_time(
    runner: cloaca.DefaultRunner, gate: Gate, steer: Steer
) -> None:
    def parent(context: cloaca.Context) -> None:
        while True:
            runner.submit("idle", delay=LONG)
            gate.begun.set()

    define("idle", lambda context: None)
    define("parent", parent)
    run = runner.submit("parent")
    assert gate.begun.wait(WAIT)
    steer("cancel", run.id)

    assert run.result(WAIT).task_results["t"].status == "Cancelled"
    until(lambda: runner.count_runs(status="Pending") == 0)
    assert runner.count_runs(workflow_name="idle") == runner.count_runs(
        workflow_name="idle", status="Cancelled"
    )


@pytest.mark.backend("postgres", reason="a writer on SQLite holds up the cancel")
def test_a_child_in_a_transaction_of_its_own_is_cancelled_when_that_commits(
    runner: cloaca.DefaultRunner, gate: Gate, database_url: str, own_databases: OwnDatabases
) -> None:
    """It was not there when the children of its parent were cancelled."""
    seen: list[str] = []
    connection = own_databases.connect(database_url)

    def parent(context: cloaca.Context) -> None:
        seen.append(runner.submit("child", connection=connection).id)
        gate.hold(context)

    define("child", lambda context: seen.append("begun"))
    define("parent", parent)
    run = runner.submit("parent")
    assert gate.begun.wait(WAIT)
    run.cancel(grace=0)
    run.wait(WAIT)
    gate.open.set()
    with connection:
        connection.commit()
    child = runner.get_run(seen[0]).result(WAIT)

    assert (child.status, len(seen)) == ("Cancelled", 1)
    assert (child.error_message or "").endswith(f"(with its parent, run {run.id})")


def test_a_body_that_was_given_up_starts_no_more_runs(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    seen: list[str] = []

    def body(context: cloaca.Context) -> None:
        gate.hold(context)
        try:
            runner.submit("other")
        except BaseException as error:
            seen.append(type(error).__name__)
            raise

    define("other", lambda context: None)
    define("work", body)
    run = runner.submit("work")
    assert gate.begun.wait(WAIT)
    run.cancel(grace=0)
    run.wait(WAIT)
    gate.open.set()
    until(lambda: runner.health()["abandoned_bodies"] == 0)

    assert (seen, runner.count_runs(workflow_name="other")) == (["BodyCancelled"], 0)


# -- runners that go -------------------------------------------------------------------------------


def test_a_runner_that_shuts_down_ends_what_is_being_cancelled(
    open_runner: Callable[..., cloaca.DefaultRunner], gate: Gate
) -> None:
    define("work", gate.hold)
    with open_runner(shutdown_grace_seconds=0) as first:
        run_id = first.submit("work").id
        assert gate.begun.wait(WAIT)
        first.get_run(run_id).cancel(grace=LONG, by="ann")
    gate.open.set()
    result = open_runner().get_run(run_id).result(WAIT)

    assert (result.status, result.error_message) == ("Cancelled", "cancelled by ann")
    task = result.task_results["t"]
    assert (task.status, task.may_have_had_effects) == ("Cancelled", True)


def test_the_way_it_went_is_in_its_events(runner: cloaca.DefaultRunner, gate: Gate) -> None:
    define("work", gate.hold)
    run = runner.submit("work")
    assert gate.begun.wait(WAIT)
    run.cancel(reason="why", by="ann", grace=0)
    run.wait(WAIT)
    gate.open.set()

    kinds = [(event.kind, event.detail) for event in run.events()]
    assert ("cancel_requested", "by ann: why") in kinds
    assert ("task_cancelled", "cancelled by ann: why") in kinds
    assert kinds[-1] == ("ended", "cancelled by ann: why")
    assert [action.kind for action in runner.actions() if action.run_id == run.id] == ["cancel"]


# -- refusals --------------------------------------------------------------------------------------


@each_row(
    ("options", "error", "message"),
    [
        ({"grace": -1}, ValueError, r"grace must be 0 to 1000000000 seconds, got -1"),
        ({"grace": float("nan")}, ValueError, r"grace must be 0 to 1000000000 seconds, got nan"),
        ({"grace": timedelta(seconds=-1)}, ValueError, r"grace must be 0 to 1000000000 seconds"),
        ({"grace": "5"}, TypeError, r"grace must be a number of seconds or a timedelta, got str"),
        ({"grace": True}, TypeError, r"grace must be a number of seconds or a timedelta, got bool"),
        ({"children": 1}, TypeError, r"children must be a bool, not int"),
        ({"reason": ""}, ValueError, r"reason"),
        ({"reason": "x" * 256}, ValueError, r"reason"),
        ({"reason": 5}, TypeError, r"reason must be a str, not int"),
        ({"by": ""}, ValueError, r"by"),
        ({"by": b"ann"}, TypeError, r"by must be a str, not bytes"),
    ],
)
def test_what_is_wrong_is_refused_at_the_call(
    shared_runner: cloaca.DefaultRunner,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    define("work", lambda context: None)
    run = shared_runner.submit("work", delay=LONG)

    with pytest.raises(error, match=message):
        run.cancel(**options)
    assert run.status() == "Pending"
    run.cancel()


@each_row("kind", ["cancel", "pause", "resume"])
def test_a_run_that_is_not_there_is_said_so(shared_runner: cloaca.DefaultRunner, kind: str) -> None:
    missing = "01890000-0000-7000-8000-000000000000"

    with pytest.raises(cloaca.RunNotFoundError, match=missing):
        getattr(shared_runner.get_run(missing), kind)()
