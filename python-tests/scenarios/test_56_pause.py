"""56: a run is held, and goes on where it was."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from own_database import OwnDatabases
from scenarios.steering import LONG, WAIT, WAYS, Gate, Steer, define, steer_by, until
from tables import each_row

import cloaca

PAUSED = cloaca.Steered("Paused", changed=True)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture(params=WAYS)
def steer(request: pytest.FixtureRequest, database_url: str, runner: cloaca.DefaultRunner) -> Steer:
    """Each way to steer a run."""
    return steer_by(request.param, database_url, runner)


def chain(first: Callable[..., Any], second: Callable[..., Any], **options: Any) -> None:
    """A workflow ``chain`` of two tasks."""
    with cloaca.WorkflowBuilder("chain"):
        cloaca.task(id="first", **options)(first)
        cloaca.task(id="second", dependencies=["first"])(second)


def is_free(runner: cloaca.DefaultRunner) -> bool:
    """Whether the runner has let go of all runs."""
    return bool(runner.health()["active_runs"] == 0)


# -- held ------------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_run_that_has_not_begun_waits_until_it_is_resumed(
    runner: cloaca.DefaultRunner, steer: Steer
) -> None:
    seen: list[str] = []
    define("work", lambda context: seen.append(context["name"]))
    runner.stop()
    run = runner.submit("work", {"name": "paused"})
    assert steer("pause", run.id, reason="not yet", by="ann") == PAUSED
    runner.start()
    runner.execute("work", {"name": "other"})

    assert (seen, run.status(), run.info().reason) == (
        ["other"],
        "Paused",
        "paused by ann: not yet",
    )
    assert steer("resume", run.id) == cloaca.Steered("Pending", changed=True)
    assert run.result(WAIT).status == "Completed"
    assert seen == ["other", "paused"]


def test_what_runs_ends_and_is_recorded_and_nothing_follows_until_it_is_resumed(
    runner: cloaca.DefaultRunner, gate: Gate, steer: Steer
) -> None:
    told: list[str] = []

    def first(context: cloaca.Context) -> dict[str, int]:
        gate.hold(context)
        return {"x": 1}

    def second(context: cloaca.Context) -> dict[str, int]:
        return {"y": context["x"] + 1}

    chain(first, second, on_success=lambda *_: told.append("on_success"))
    run = runner.submit("chain")
    assert gate.begun.wait(WAIT)
    started_at = run.tasks()["first"].started_at
    assert steer("pause", run.id) == PAUSED
    assert (run.status(), run.info().active_bodies) == ("Paused", 1)
    gate.open.set()
    until(lambda: is_free(runner))

    tasks = run.tasks()
    assert (run.status(), run.info().active_bodies) == ("Paused", 0)
    assert (tasks["first"].status, tasks["first"].started_at) == ("Completed", started_at)
    assert tasks["second"].status == "NotStarted"
    assert (told, run.outputs()) == (["on_success"], {"first": {"x": 1}})

    assert steer("resume", run.id).changed
    assert run.result(WAIT).final_context.to_dict() == {"x": 1, "y": 2}
    assert {name: task.attempts for name, task in run.tasks().items()} == {
        "first": 1,
        "second": 1,
    }


def test_it_goes_on_with_its_owner_if_a_body_still_runs(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    chain(gate.hold, lambda context: {"done": True})
    run = runner.submit("chain")
    assert gate.begun.wait(WAIT)
    run.pause()
    assert run.resume() == cloaca.Steered("Running", changed=True)
    gate.open.set()

    assert run.result(WAIT).final_context["done"] is True


def test_coroutines_end_by_themselves_as_well(runner: cloaca.DefaultRunner) -> None:
    begun, end = threading.Event(), threading.Event()

    async def first(context: cloaca.Context) -> dict[str, int]:
        begun.set()
        await asyncio.to_thread(end.wait, WAIT)
        return {"x": 1}

    chain(first, lambda context: None)
    run = runner.submit("chain")
    assert begun.wait(WAIT)
    run.pause()
    end.set()
    until(lambda: is_free(runner))

    assert run.tasks()["first"].status == "Completed"
    assert run.status() == "Paused"
    run.resume()
    run.result(WAIT).raise_for_status()


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_whose_last_body_leaves_nothing_to_do_ends(
    runner: cloaca.DefaultRunner, gate: Gate, fails: bool
) -> None:
    def body(context: cloaca.Context) -> None:
        gate.hold(context)
        if fails:
            raise ValueError("bad")

    define("work", body, retry_attempts=1)
    run = runner.submit("work")
    assert gate.begun.wait(WAIT)
    run.pause()
    gate.open.set()

    assert run.result(WAIT).status == ("Failed" if fails else "Completed")


def test_an_attempt_that_fails_is_tried_again_after_the_resume(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
        if handle.attempt == 1:
            gate.hold(context)
            raise ValueError("bad")
        return {"attempt": handle.attempt}

    define("work", body, retry_attempts=2, retry_delay_ms=1, retry_jitter=False)
    run = runner.submit("work")
    assert gate.begun.wait(WAIT)
    run.pause()
    gate.open.set()
    until(lambda: is_free(runner))
    assert run.tasks()["t"].attempts == 1
    run.resume()

    assert run.result(WAIT).final_context["attempt"] == 2


def test_a_run_that_waits_for_its_next_attempt_waits_on_when_it_is_resumed(
    runner: cloaca.DefaultRunner,
) -> None:
    def body(context: cloaca.Context) -> None:
        raise cloaca.RetryAfter(LONG)

    define("work", body)
    run = runner.submit("work")
    until(lambda: run.status() == "Waiting")
    due = run.tasks()["t"].retry_at
    assert run.pause() == PAUSED
    assert run.resume() == cloaca.Steered("Waiting", changed=True)

    assert run.tasks()["t"].retry_at == due
    run.cancel()


def test_it_goes_on_by_itself_when_its_time_has_come(
    runner: cloaca.DefaultRunner, steer: Steer
) -> None:
    define("work", lambda context: None)
    runner.stop()
    run, text = runner.submit("work"), runner.submit("work")
    instant = datetime.now(UTC) + timedelta(seconds=0.5)
    assert steer("pause", run.id, until=instant) == PAUSED
    assert steer("pause", text.id, until=instant.isoformat()) == PAUSED
    runner.start()

    for each in (run, text):
        result = each.result(WAIT)
        assert datetime.fromisoformat(result.start_time) >= instant
    resumed = [action for action in runner.actions() if action.kind == "resume"]
    assert {(action.by, action.reason) for action in resumed} == {
        ("cloaca", "its pause has come to its end")
    }


def test_a_new_pause_outlives_the_end_of_the_old_one(runner: cloaca.DefaultRunner) -> None:
    define("work", lambda context: None)
    runner.stop()
    run = runner.submit("work")
    run.pause(until=datetime.now(UTC) + timedelta(seconds=0.2))
    run.resume()
    run.pause()
    later = runner.submit("work")
    later.pause(until=datetime.now(UTC) + timedelta(seconds=0.4))
    runner.start()
    later.wait(WAIT)

    assert run.status() == "Paused"


# -- what else it is -------------------------------------------------------------------------------


def test_a_paused_run_is_cancelled_at_once(runner: cloaca.DefaultRunner, gate: Gate) -> None:
    chain(gate.hold, lambda context: None)
    run = runner.submit("chain")
    assert gate.begun.wait(WAIT)
    run.pause()
    gate.open.set()
    until(lambda: is_free(runner))

    assert run.cancel() == cloaca.Steered("Cancelled", changed=True)
    assert {name: task.status for name, task in run.tasks().items()} == {
        "first": "Completed",
        "second": "Cancelled",
    }


def test_it_counts_as_under_way(runner: cloaca.DefaultRunner) -> None:
    """For idempotency and for the overlap of ticks."""
    define("work", lambda context: None)
    runner.stop()
    run = runner.submit("work", idempotency_key="k")
    run.pause()
    again = runner.submit("work", idempotency_key="k")
    assert (again.id, again.created) == (run.id, False)

    define("nightly", lambda context: None)
    runner.schedule("s", "nightly", "* * * * * *", "UTC", overlap_policy="skip")
    until(lambda: runner.count_runs(workflow_name="nightly") == 1)
    (held,) = runner.list_runs(workflow_name="nightly")
    runner.get_run(held.id).pause()
    runner.start()
    schedule_id = runner.list_cron_schedules()[0]["id"]
    until(lambda: len(runner.get_cron_execution_history(schedule_id)) >= 3)
    assert runner.count_runs(workflow_name="nightly") == 1


def test_a_runner_that_shuts_down_leaves_it_paused(
    open_runner: Callable[..., cloaca.DefaultRunner], gate: Gate
) -> None:
    chain(gate.hold, lambda context: {"done": True})
    with open_runner(shutdown_grace_seconds=0) as first:
        run_id = first.submit("chain").id
        assert gate.begun.wait(WAIT)
        first.get_run(run_id).pause()
    gate.open.set()
    runner = open_runner()
    define("other", lambda context: None)
    runner.execute("other")
    run = runner.get_run(run_id)
    assert run.status() == "Paused"
    run.resume()

    assert run.result(WAIT).final_context["done"] is True


# -- children --------------------------------------------------------------------------------------


def test_a_body_waits_for_a_paused_child(runner: cloaca.DefaultRunner, gate: Gate) -> None:
    def child(context: cloaca.Context) -> dict[str, int]:
        gate.hold(context)
        return {"x": 1}

    def parent(context: cloaca.Context) -> dict[str, int]:
        return {"y": runner.execute("chain").final_context["x"]}

    chain(child, lambda context: None)
    define("parent", parent)
    run = runner.submit("parent")
    assert gate.begun.wait(WAIT)
    child_run = runner.get_run(runner.list_runs(parent_id=run.id)[0].id)
    child_run.pause()
    gate.open.set()
    until(lambda: child_run.info().active_bodies == 0)
    assert (run.status(), child_run.status()) == ("Running", "Paused")
    child_run.resume()

    assert run.result(WAIT).final_context["y"] == 1


# -- refusals --------------------------------------------------------------------------------------


def test_an_act_that_finds_it_done_changes_nothing(runner: cloaca.DefaultRunner) -> None:
    define("work", lambda context: None)
    run = runner.submit("work", delay=LONG)

    assert run.resume() == cloaca.Steered("Pending", changed=False)
    run.pause(reason="first", by="ann")
    assert run.pause(reason="second", by="bob") == cloaca.Steered("Paused", changed=False)
    assert run.info().reason == "paused by ann: first"
    run.cancel()


@pytest.mark.backend("postgres", reason="a writer on SQLite holds up the pause")
def test_a_child_in_a_transaction_of_its_own_is_paused_when_that_commits(
    runner: cloaca.DefaultRunner, gate: Gate, database_url: str, own_databases: OwnDatabases
) -> None:
    """Its parent has left memory by then, and had no child that was to be paused."""
    seen: list[str] = []
    connection = own_databases.connect(database_url)

    def first(context: cloaca.Context) -> None:
        seen.append(runner.submit("child", connection=connection).id)
        gate.hold(context)

    define("child", lambda context: seen.append("begun"))
    chain(first, lambda context: None)
    run = runner.submit("chain")
    assert gate.begun.wait(WAIT)
    run.pause(reason="wrong price", by="ann")
    gate.open.set()
    until(lambda: is_free(runner))
    with connection:
        connection.commit()
    child = runner.get_run(seen[0])
    until(lambda: child.status() == "Paused")

    assert seen[1:] == []
    expected = f"paused by ann: wrong price (with its parent, run {run.id})"
    assert child.info().reason == expected
    run.resume()
    assert [run.result(WAIT).status, child.result(WAIT).status] == ["Completed"] * 2
    assert seen[1:] == ["begun"]


@each_row("kind", ["pause", "resume"])
def test_a_run_that_has_ended_cannot_be_steered(runner: cloaca.DefaultRunner, kind: str) -> None:
    define("work", lambda context: None)
    run = runner.submit("work")
    run.wait(WAIT)

    with pytest.raises(cloaca.RunEndedError, match=run.id) as caught:
        getattr(run, kind)()
    assert (caught.value.run_id, caught.value.status) == (run.id, "Completed")
    assert set(caught.value.accepted) == {
        "Pending",
        "Running",
        "Waiting",
        "Paused",
        "Cancelling",
    }


@pytest.mark.parametrize("kind", ["pause", "resume"])
def test_nor_can_one_that_is_being_cancelled(
    runner: cloaca.DefaultRunner, gate: Gate, kind: str
) -> None:
    define("work", gate.hold)
    run = runner.submit("work")
    assert gate.begun.wait(WAIT)
    run.cancel(grace=LONG)

    with pytest.raises(cloaca.RunStateError, match="is being cancelled") as caught:
        getattr(run, kind)()
    assert type(caught.value) is cloaca.RunStateError
    assert caught.value.status == "Cancelling"
    gate.open.set()
    assert run.result(WAIT).status == "Cancelled"


@each_row(
    ("options", "error", "message"),
    [
        ({"until": datetime(2099, 1, 1)}, ValueError, r"until"),  # noqa: DTZ001 - without a zone
        ({"until": "tomorrow"}, ValueError, r"until"),
        ({"until": 5}, TypeError, r"until"),
        ({"children": None}, TypeError, r"children must be a bool, not NoneType"),
        ({"reason": ""}, ValueError, r"reason"),
        ({"by": 5}, TypeError, r"by must be a str, not int"),
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
        run.pause(**options)
    assert run.status() == "Pending"
    run.cancel()
