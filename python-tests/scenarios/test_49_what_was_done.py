"""49: what was done with a run, by whom and why, can be read afterwards; so can each attempt."""

from __future__ import annotations

import os
import socket
import threading

import pytest
from tables import each_row

import cloaca

WAIT = 60


class Held:
    """A body that is inside until it may go on."""

    def __init__(self) -> None:
        self.inside, self.go_on = threading.Event(), threading.Event()

    def __call__(self, _: cloaca.Context) -> None:
        self.inside.set()
        self.go_on.wait(WAIT)


def define_unsteady(broken: list[bool]) -> None:
    """Two tasks, of which the second fails as long as something is broken."""
    with cloaca.WorkflowBuilder("unsteady"):

        @cloaca.task(id="load")
        def load(context: cloaca.Context) -> dict[str, int]:
            return {"rows": 3}

        @cloaca.task(id="store", dependencies=["load"], retry_attempts=1)
        def store(context: cloaca.Context) -> dict[str, str]:
            if broken:
                raise OSError("no disk")
            return {"stored": "all"}


@pytest.mark.each_backend
def test_the_events_tell_who_paused_and_resumed_a_run(runner: cloaca.DefaultRunner) -> None:
    held = Held()
    with cloaca.WorkflowBuilder("held"):
        cloaca.task(id="only")(held)
    run = runner.submit("held")
    assert held.inside.wait(WAIT)
    run.pause(by="ann", reason="the disk is full")
    run.pause(by="bob")
    run.resume(by="ann")
    held.go_on.set()
    run.result(WAIT).raise_for_status()

    asked = [(e.kind, e.detail) for e in run.events() if e.detail and e.detail.startswith("by ")]
    assert asked == [
        ("paused", "by ann: the disk is full"),
        ("paused", "by bob (nothing changed)"),
        ("resumed", "by ann"),
    ]


def test_a_cancelled_run_tells_by_whom_and_keeps_what_was_done(
    runner: cloaca.DefaultRunner,
) -> None:
    held = Held()
    with cloaca.WorkflowBuilder("halfway"):
        cloaca.task(id="first")(lambda context: {"n": 1})
        cloaca.task(id="second", dependencies=["first"])(held)
    run = runner.submit("halfway")
    assert held.inside.wait(WAIT)
    assert run.info().active_bodies == 1
    run.cancel(by="ann", reason="no use", grace=WAIT)
    held.go_on.set()
    result = run.result(WAIT)

    assert result.status == "Cancelled"
    assert result.final_context.to_dict() == {}
    assert run.outputs() == {"first": {"n": 1}, "second": {}}
    assert [e.detail for e in run.events() if e.kind == "cancel_requested"] == ["by ann: no use"]
    info = run.info()
    assert (info.status, info.reason) == ("Cancelled", "cancelled by ann: no use")
    assert info.active_bodies == 0


def test_a_retried_run_shows_its_rounds_and_all_attempts(runner: cloaca.DefaultRunner) -> None:
    broken = [True]
    define_unsteady(broken)
    run = runner.submit("unsteady", tags={"team": "a"})
    assert run.result(WAIT).status == "Failed"
    assert run.outputs() == {"load": {"rows": 3}}
    broken.clear()
    runner.retry(run.id, by="ann", reason="the disk is back")
    run.result(WAIT).raise_for_status()

    assert [(a.task_id, a.attempt, a.round, a.status) for a in run.attempts()] == [
        ("load", 1, 1, "Completed"),
        ("store", 1, 1, "Failed"),
        ("store", 2, 2, "Completed"),
    ]
    assert run.attempts()[1].error == "OSError: no disk"
    here = (runner.health()["runner_id"], os.getpid(), socket.gethostname())
    assert {(a.runner, a.process, a.host) for a in run.attempts()} == {here}
    assert [(r.round, r.status) for r in run.rounds()] == [(1, "Failed"), (2, "Completed")]
    final = run.rounds()[1].final_context
    assert final is not None
    assert final["stored"] == "all"
    kinds = [e.kind for e in run.events() if not e.kind.startswith("task_")]
    assert kinds == ["created", "started", "ended", "retried", "started", "ended"]
    assert run.outputs() == {"load": {"rows": 3}, "store": {"stored": "all"}}
    info = run.info()
    assert (info.id, info.round, info.status, dict(info.tags)) == (
        run.id,
        2,
        "Completed",
        {"team": "a"},
    )


def test_what_was_asked_of_all_runs_and_workflows_is_listed(
    runner: cloaca.DefaultRunner,
) -> None:
    with cloaca.WorkflowBuilder("simple"):
        cloaca.task(id="only")(lambda context: None)
    assert runner.actions() == []
    runner.pause_workflow("simple", by="ann", reason="no disk")
    run = runner.submit("simple")
    run.cancel(by="bob")
    run.cancel(by="cleo")
    runner.resume_workflow("simple", by="ann")

    assert [(a.kind, a.by, a.run_id, a.changed) for a in runner.actions()] == [
        ("resume", "ann", None, True),
        ("cancel", "cleo", run.id, False),
        ("cancel", "bob", run.id, True),
        ("pause", "ann", None, True),
    ]
    assert {action.workflow_name for action in runner.actions()} == {"simple"}
    assert [(a.kind, a.reason) for a in runner.actions(limit=4)][-1] == ("pause", "no disk")
    assert [a.by for a in runner.actions(limit=1)] == ["ann"]


def test_who_asks_is_the_user_of_the_process_unless_it_is_said(
    runner: cloaca.DefaultRunner,
) -> None:
    runner.pause_workflow("simple")

    (action,) = runner.actions()
    assert "@" in action.by


def test_who_submitted_a_run_is_listed_if_it_is_said(runner: cloaca.DefaultRunner) -> None:
    define_unsteady(broken := [True])
    silent = runner.submit("unsteady")
    asked = runner.submit("unsteady", idempotency_key="k", by="ann")
    assert asked.result(WAIT).status == "Failed"
    runner.submit("unsteady", idempotency_key="k", by="bob")  # which is there
    broken.clear()
    runner.submit("unsteady", idempotency_key="k", failed_policy="retry", by="cleo")
    asked.result(WAIT).raise_for_status()

    assert [(a.kind, a.by, a.run_id) for a in reversed(runner.actions())] == [
        ("submit", "ann", asked.id),
        ("retry", "cleo", asked.id),
    ]
    assert next((e.kind, e.detail) for e in asked.events()) == ("created", "by ann")
    assert next((e.kind, e.detail) for e in silent.events()) == ("created", None)
    assert "submit" not in [event.kind for event in asked.events()]
    with pytest.raises(ValueError, match="by must have 1 to 255 characters"):
        runner.submit("unsteady", by="")


def test_who_submits_with_a_message_has_sent_it(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("paid"):

        @cloaca.task
        def take(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, object]:
            return {"sum": handle.wait_for("sum")}

    run = runner.submit("paid", send=("sum", 3), by="ann")
    run.result(WAIT).raise_for_status()

    assert [e.detail for e in run.events() if e.kind == "sent"] == ["by ann: sum"]


def test_who_changed_schedules_is_listed_but_not_who_declares_them_again(
    runner: cloaca.DefaultRunner,
) -> None:
    with cloaca.WorkflowBuilder("nightly"):
        cloaca.task(id="only")(lambda context: None)
    for _ in range(2):  # two starts of a program
        schedule = runner.schedule("n", "nightly", "0 2 1 1 *", "UTC", by="ann")
    runner.schedule("n", "nightly", "0 2 1 1 *", "UTC", params={"day": 1}, by="bob")
    runner.update_cron_schedule(schedule, "0 3 1 1 *", "Asia/Tokyo", by="cleo")
    runner.set_cron_schedule_enabled(schedule, False, by="dan")
    runner.set_cron_schedule_enabled(schedule, False, by="eve")
    runner.set_cron_schedule_enabled(schedule, True, by="fay")
    years = ("2024-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
    for name in ("guy", "hal"):
        runner.backfill("n", *years, by=name)
    runner.delete_cron_schedule(schedule, by="ida")
    runner.delete_cron_schedule(schedule, by="jim")
    alone = runner.register_cron_workflow("nightly", "@yearly", "UTC", by="kim")
    runner.register_workflow_instance("nightly", "one", "@yearly", "UTC", by="lee")

    assert [(a.kind, a.reason, a.by) for a in reversed(runner.actions())] == [
        ("add_schedule", "n: 0 2 1 1 *, UTC", "ann"),
        ("change_schedule", "n: 0 2 1 1 *, UTC", "bob"),
        ("change_schedule", "n: 0 3 1 1 *, Asia/Tokyo", "cleo"),
        ("disable_schedule", "n", "dan"),
        ("enable_schedule", "n", "fay"),
        ("backfill_schedule", "n: 2024-01-01 00:00:00 to 2026-01-01 00:00:00 UTC", "guy"),
        ("delete_schedule", "n", "ida"),
        ("add_schedule", f"{alone}: @yearly, UTC", "kim"),
        ("add_schedule", "public::embedded::nightly::one: @yearly, UTC", "lee"),
    ]
    assert {(a.run_id, a.workflow_name, a.changed) for a in runner.actions()} == {
        (None, "nightly", True)
    }


def test_who_deleted_runs_is_listed(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("simple"):
        cloaca.task(id="only")(lambda context: None)
    for _ in range(2):
        runner.execute("simple", {})
    never = "2020-01-01T00:00:00Z"
    runner.prune(before=never, by="ann")
    runner.prune(before="2100-01-01T00:00:00Z", dry_run=True, by="bob")
    runner.prune(before="2100-01-01T00:00:00Z", workflow_name="simple", by="cleo")

    (act,) = runner.actions()
    what = "2 runs that ended before 2100-01-01 00:00:00 UTC"
    assert (act.kind, act.by, act.reason, act.workflow_name) == ("prune", "cleo", what, "simple")


def test_who_switched_a_trigger_or_let_a_runner_leave_is_listed(
    database_url: str, runner: cloaca.DefaultRunner
) -> None:
    cloaca.trigger(name="mail", on="letters", poll_interval="1h")(bool)
    cloaca.trigger(name="clock", poll_interval="1h")(bool)
    runner.set_trigger_enabled("mail", False, by="ann")
    runner.set_trigger_enabled("mail", False, by="bob")
    runner.set_trigger_enabled("clock", False, by="cleo")
    config = cloaca.DefaultRunnerConfig(runner_id="other")
    with cloaca.DefaultRunner(database_url, config=config, registry=cloaca.Registry()):
        assert runner.drain_runner("other", by="dan")
    assert not runner.drain_runner("other", by="eve")

    assert [(a.kind, a.reason, a.by, a.workflow_name) for a in reversed(runner.actions())] == [
        ("disable_trigger", "mail", "ann", "letters"),
        ("disable_trigger", "clock", "cleo", ""),
        ("drain_runner", "other", "dan", ""),
    ]


@each_row("limit", [0, -1, 2**70])
def test_a_listing_of_nothing_is_refused(shared_runner: cloaca.DefaultRunner, limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        shared_runner.actions(limit=limit)


async def test_all_of_it_can_be_awaited(database_url: str) -> None:
    with cloaca.WorkflowBuilder("simple"):
        cloaca.task(id="only")(lambda context: {"n": 1})
    async with cloaca.AsyncRunner(database_url) as runner:
        run = await runner.submit("simple", by="bob")
        await run.result(WAIT)
        await run.cancel(by="ann")

        assert (await run.info()).status == "Completed"
        assert "cancel_requested" in [event.kind for event in await run.events()]
        assert [attempt.task_id for attempt in await run.attempts()] == ["only"]
        assert [each.round for each in await run.rounds()] == [1]
        assert await run.outputs() == {"only": {"n": 1}}
        assert [action.by for action in await runner.actions()] == ["ann", "bob"]


async def test_who_changed_a_schedule_can_be_awaited(database_url: str) -> None:
    with cloaca.WorkflowBuilder("nightly"):
        cloaca.task(id="only")(lambda context: None)
    cloaca.trigger(name="mail", on="nightly", poll_interval="1h")(bool)
    config = cloaca.DefaultRunnerConfig(runner_id="self")
    async with cloaca.AsyncRunner(database_url, config=config) as runner:
        schedule = await runner.schedule("n", "nightly", "@yearly", "UTC", by="1")
        await runner.update_cron_schedule(schedule, "@daily", "UTC", by="2")
        await runner.set_cron_schedule_enabled(schedule, False, by="3")
        await runner.backfill("n", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", by="4")
        await runner.delete_cron_schedule(schedule, by="5")
        await runner.register_cron_workflow("nightly", "@yearly", "UTC", by="6")
        await runner.register_workflow_instance("nightly", "one", "@yearly", "UTC", by="7")
        await runner.set_trigger_enabled("mail", False, by="8")
        told = [action.by for action in await runner.actions()]
        assert await runner.drain_runner("self", by="9")

    assert told == list("87654321")
    async with cloaca.AsyncClient(database_url) as client:
        assert [action.by for action in await client.actions(limit=1)] == ["9"]


def test_each_attempt_names_its_runner_also_when_that_is_gone(database_url: str) -> None:
    broken = [True]
    define_unsteady(broken)
    with cloaca.DefaultRunner(database_url) as first:
        run_id = first.execute("unsteady", timeout=WAIT).execution_id
        gone = first.health()["runner_id"]
    broken.clear()
    with cloaca.DefaultRunner(database_url) as second:
        run = second.retry(run_id)
        run.result(WAIT).raise_for_status()
        fork = run.fork("store")
        fork.result(WAIT).raise_for_status()
        there = second.health()["runner_id"]

        ran = [(a.task_id, a.attempt, a.runner) for a in run.attempts()]
        assert ran == [("load", 1, gone), ("store", 1, gone), ("store", 2, there)]
        place = f"process {os.getpid()} on {socket.gethostname()}"
        started = [event.detail for event in run.events() if event.kind == "task_started"]
        assert started == [place] * 3
        kept = [(a.task_id, a.runner, a.host) for a in fork.attempts()]
        assert kept == [("load", None, None), ("store", there, socket.gethostname())]
