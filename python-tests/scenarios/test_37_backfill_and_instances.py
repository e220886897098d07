"""A period of the past is run after the fact, and workflows are scheduled with parameters."""

from __future__ import annotations

import queue
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from tables import each_row

import cloaca

DAY = ("2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z")
UNKNOWN = "00000000-0000-0000-0000-000000000000"
PATIENCE = 60
"""Seconds until a test gives up; a schedule of every second fires well before."""

Fired = queue.SimpleQueue[dict[str, Any]]
Open = Callable[..., cloaca.DefaultRunner]


@pytest.fixture
def open_idle(open_runner: Open) -> Open:
    """Opens runners that fire nothing: the hour of a schedule may come within a test."""
    return lambda: open_runner(enable_cron_scheduling=False)


@pytest.fixture
def fired() -> Fired:
    """The contexts with which the runs of the workflow "tick" began."""
    contexts: Fired = queue.SimpleQueue()
    with cloaca.WorkflowBuilder("tick"):

        @cloaca.task
        def take(context: cloaca.Context) -> None:
            contexts.put(context.to_dict())

    return contexts


def hours(filled: cloaca.Backfill) -> list[int]:
    """The hour of each tick."""
    return [datetime.fromisoformat(time).hour for time in filled.scheduled_times]


# -- back-fill -----------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_period_of_the_past_is_run(runner: cloaca.DefaultRunner, fired: Fired) -> None:
    schedule_id = runner.schedule("n", "tick", "0 */6 * * *", "UTC", params={"table": "orders"})
    before = runner.get_cron_schedule(schedule_id)

    filled = runner.backfill(schedule_id, *DAY)

    assert hours(filled) == [0, 6, 12, 18]
    assert (filled.schedule_id, filled.already_run, filled.beyond_limit) == (schedule_id, 0, 0)
    results = [runner.get_run(run_id).result(timeout=PATIENCE) for run_id in filled.run_ids]
    assert [result.status for result in results] == ["Completed"] * 4
    contexts = sorted(
        (fired.get(timeout=PATIENCE) for _ in range(4)), key=lambda each: each["scheduled_time"]
    )
    assert tuple(each["scheduled_time"] for each in contexts) == filled.scheduled_times
    history = runner.get_cron_execution_history(schedule_id)
    assert [each["pipeline_execution_id"] for each in history] == list(reversed(filled.run_ids))
    assert contexts[0] == {
        "table": "orders",
        "scheduled_time": "2024-02-29T00:00:00+00:00",
        "schedule_id": schedule_id,
        "schedule_timezone": "UTC",
        "schedule_expression": "0 */6 * * *",
        "is_recovery": True,
        "recovery_attempt": 1,
        "original_execution_id": history[-1]["id"],
    }
    assert runner.get_cron_schedule(schedule_id) == before


def test_a_preview_says_what_would_run_and_runs_nothing(open_idle: Open) -> None:
    runner = open_idle()
    schedule_id = runner.schedule("n", "elsewhere", "@hourly", "UTC")

    filled = runner.preview_backfill("n", *DAY, limit=2)

    assert filled == cloaca.Backfill(
        schedule_id=schedule_id,
        scheduled_times=("2024-02-29T00:00:00+00:00", "2024-02-29T01:00:00+00:00"),
        run_ids=(),
        already_run=0,
        beyond_limit=22,
    )
    assert runner.get_cron_execution_history(schedule_id) == []
    assert runner.list_runs() == []


def test_twice_makes_none_twice(open_idle: Open) -> None:
    first, second = open_idle(), open_idle()
    first.schedule("n", "elsewhere", "@hourly", "UTC")

    some = first.backfill("n", *DAY, limit=10)
    rest = second.backfill("n", *DAY)
    none = first.backfill("n", *DAY)

    assert (hours(some), some.beyond_limit) == (list(range(10)), 14)
    assert (hours(rest), rest.already_run) == (list(range(10, 24)), 10)
    assert (hours(none), none.already_run, none.run_ids) == ([], 24, ())
    assert {run.id for run in first.list_runs()} == {*some.run_ids, *rest.run_ids}


def test_a_schedule_that_is_disabled_can_be_back_filled(runner: cloaca.DefaultRunner) -> None:
    schedule_id = runner.register_cron_workflow("elsewhere", "@daily", "Asia/Tokyo")
    runner.set_cron_schedule_enabled(schedule_id, False)

    filled = runner.backfill(schedule_id, *DAY)

    assert filled.scheduled_times == ("2024-02-29T15:00:00+00:00",)
    assert len(runner.list_runs()) == 1


def test_beside_a_schedule_that_fires_each_tick_runs_once(
    runner: cloaca.DefaultRunner, fired: Fired
) -> None:
    schedule_id = runner.register_cron_workflow("tick", "* * * * * *", "UTC")
    until = datetime.fromisoformat(fired.get(timeout=PATIENCE)["scheduled_time"])
    start = until - timedelta(seconds=5)

    filled = runner.backfill(schedule_id, start, until)
    again = runner.backfill(schedule_id, start, until + timedelta(seconds=1))

    assert len(filled.run_ids) + filled.already_run == 5
    assert (again.run_ids, again.already_run) == ((), 6)
    runner.set_cron_schedule_enabled(schedule_id, False)
    history = runner.get_cron_execution_history(schedule_id)
    assert len({each["scheduled_time"] for each in history}) == len(history)
    assert {each["pipeline_execution_id"] for each in history} == {
        run.id for run in runner.list_runs()
    }


@each_row(
    ("arguments", "message"),
    [
        ((UNKNOWN, *DAY), "Record not found"),
        (("unknown", *DAY), "Record not found"),
        (("n", DAY[1], DAY[0]), "end must be after start"),
        (("n", DAY[0], "2999-01-01T00:00:00Z"), "end must not be after a tick that is still to"),
        (("n", "2024-02-29", DAY[1]), "Invalid datetime format: start"),
        (("n", DAY[0], datetime(2024, 3, 1)), "Invalid datetime format: end"),  # noqa: DTZ001 - it has no zone: that is refused
        (("n", "2000-01-01T00:00:00Z", DAY[1]), "start and end must have at most 100000 ticks"),
    ],
)
def test_a_back_fill_that_cannot_be_is_refused(
    open_idle: Open, arguments: tuple[Any, Any, Any], message: str
) -> None:
    runner = open_idle()
    runner.schedule("n", "elsewhere", "@hourly", "UTC")

    for ask in (runner.preview_backfill, runner.backfill):
        with pytest.raises(
            cloaca.ScheduleError, match=f"^Failed to back-fill schedule: {re.escape(message)}"
        ):
            ask(*arguments)

    assert runner.list_runs() == []


# -- instances -----------------------------------------------------------------------------------


def test_the_runs_of_an_instance_hold_its_params(
    runner: cloaca.DefaultRunner, fired: Fired
) -> None:
    params = cloaca.Context({"region": "eu", "schedule_id": "mine"})
    schedule_id = runner.register_workflow_instance("tick", "eu", "* * * * * *", "UTC", params)

    context = fired.get(timeout=PATIENCE)

    assert context["region"] == "eu"
    assert context["schedule_id"] == schedule_id


def test_an_instance_again_is_changed(runner: cloaca.DefaultRunner, fired: Fired) -> None:
    first = runner.register_workflow_instance("tick", "eu", "@yearly", "UTC", {"region": "eu"})
    again = runner.register_workflow_instance("tick", "eu", "* * * * * *", "UTC", {"region": "de"})

    assert first == again
    assert fired.get(timeout=PATIENCE)["region"] == "de"


def test_names_of_instances_and_of_schedules_do_not_meet(runner: cloaca.DefaultRunner) -> None:
    ids = {
        runner.register_workflow_instance("a", "eu", "@daily", "UTC", {}),
        runner.register_workflow_instance("b", "eu", "@daily", "UTC", {}),
        runner.register_workflow_instance("acme::etl::a", "eu", "@daily", "UTC", {}),
        runner.schedule("eu", "a", "@daily", "UTC"),
    }

    names = {each["name"]: each["workflow_name"] for each in runner.list_cron_schedules()}
    assert len(ids) == 4
    assert names == {
        "public::embedded::a::eu": "a",
        "public::embedded::b::eu": "b",
        "acme::etl::a::eu": "a",
        "eu": "a",
    }
    assert runner.preview_backfill("public::embedded::b::eu", *DAY).schedule_id in ids


@each_row(
    ("arguments", "kind", "message"),
    [
        (("a", "", "@daily", "UTC", {}), ValueError, "instance_name '' must have 1 to 255"),
        (("a", "x::y", "@daily", "UTC", {}), ValueError, "instance_name 'x::y' must not contain"),
        (("a", 7, "@daily", "UTC", {}), TypeError, "instance_name must be a str"),
        (("a::b", "x", "@daily", "UTC", {}), ValueError, "workflow_name must be a workflow's"),
        (("a", "x", "bad", "UTC", {}), ValueError, "Invalid cron expression or timezone"),
        (("a", "x", "@daily", "Mars", {}), ValueError, "Invalid cron expression or timezone"),
    ],
)
def test_an_instance_that_cannot_be_is_refused(
    shared_runner: cloaca.DefaultRunner,
    arguments: tuple[Any, ...],
    kind: type[Exception],
    message: str,
) -> None:
    refusal = re.escape(f"Failed to register workflow instance: {message}")
    with pytest.raises(kind, match=f"^{refusal}") as caught:
        shared_runner.register_workflow_instance(*arguments)

    assert isinstance(caught.value, cloaca.CloacaError)
    assert shared_runner.list_cron_schedules() == []


@each_row(
    ("params", "kind", "message"),
    [
        ([1], cloaca.ContextTypeError, "params must be a Context, a mapping or None, not list"),
        ({"a": float("nan")}, cloaca.ContextValueError, "a: nan has no JSON form"),
        ({"a": "x" * (16 << 20)}, cloaca.ContextValueError, "params is 16777224 bytes long"),
    ],
    ids=["a type", "a value", "too much"],
)
def test_params_that_are_no_context_are_refused(
    shared_runner: cloaca.DefaultRunner, params: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=f"^Failed to register workflow instance: {message}"):
        shared_runner.register_workflow_instance("a", "x", "@daily", "UTC", params)
    with pytest.raises(kind, match=f"^Failed to set schedule: {message}"):
        shared_runner.schedule("x", "a", "@daily", "UTC", params=params)


# -- names of workflows --------------------------------------------------------------------------


@each_row(
    ("name", "kind", "message"),
    [
        ("", ValueError, "workflow_name '' must have 1 to 255 characters"),
        ("a::b", ValueError, "workflow_name must be a workflow's name or"),
        ("a\n", ValueError, "workflow_name 'a\\n' must not contain control characters"),
        (7, TypeError, "workflow_name must be a str"),
    ],
)
def test_a_workflow_s_name_that_cannot_be_is_refused(
    shared_runner: cloaca.DefaultRunner, name: Any, kind: type[Exception], message: str
) -> None:
    refusal = re.escape(f"Failed to register cron workflow: {message}")
    with pytest.raises(kind, match=f"^{refusal}") as caught:
        shared_runner.register_cron_workflow(name, "@daily", "UTC")

    assert isinstance(caught.value, cloaca.CloacaError)


def test_a_name_that_several_workflows_have_is_refused(
    shared_runner: cloaca.DefaultRunner,
) -> None:
    for package in ("one", "two"):
        with cloaca.WorkflowBuilder("twin", package=package):

            @cloaca.task
            def nothing(context: cloaca.Context) -> None: ...

    with pytest.raises(
        cloaca.AmbiguousWorkflowError, match=r"^Failed to register cron workflow: "
    ) as caught:
        shared_runner.register_cron_workflow("twin", "@daily", "UTC")

    assert caught.value.candidates == ("public::one::twin", "public::two::twin")


# -- tenants -------------------------------------------------------------------------------------


def test_schedules_of_two_tenants_never_meet(new_database_url: Callable[[], str]) -> None:
    """Schemas of one PostgreSQL database, or files, whose names are all the same within."""
    seen: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()

    def open_tenant(owner: str) -> cloaca.DefaultRunner:
        registry = cloaca.Registry()
        with cloaca.WorkflowBuilder("nightly", registry=registry):

            @cloaca.task
            def take(context: cloaca.Context) -> None:
                seen.put((owner, context["owner"]))

        return cloaca.DefaultRunner(new_database_url(), registry=registry)

    def schedules(runner: cloaca.DefaultRunner, owner: str) -> str:
        runner.register_workflow_instance("nightly", "eu", "@daily", "UTC", {"owner": owner})
        return runner.schedule("n", "nightly", "* * * * * *", "UTC", params={"owner": owner})

    with open_tenant("a") as a, open_tenant("b") as b:
        mine, yours = schedules(a, "a"), schedules(b, "b")
        met: Counter[tuple[str, str]] = Counter()
        while min(met["a", "a"], met["b", "b"]) < 2:
            met[seen.get(timeout=PATIENCE)] += 1
        a.set_cron_schedule_enabled(mine, False)
        a.delete_cron_schedule(yours)
        a.set_cron_schedule_enabled(yours, False)

        assert set(met) == {("a", "a"), ("b", "b")}
        assert [each["enabled"] for each in b.list_cron_schedules() if each["name"] == "n"] == [
            True
        ]
        b.set_cron_schedule_enabled(yours, False)
        assert len(a.list_cron_schedules()) == len(b.list_cron_schedules()) == 2
        assert a.backfill("public::embedded::nightly::eu", *DAY).already_run == 0
        assert b.backfill("public::embedded::nightly::eu", *DAY).already_run == 0
        for runner, own, foreign in ((a, mine, yours), (b, yours, mine)):
            runs = {
                each["pipeline_execution_id"] for each in runner.get_cron_execution_history(own)
            }
            assert runs < {run.id for run in runner.list_runs(limit=1_000)}
            assert runner.get_cron_execution_history(foreign) == []
            with pytest.raises(cloaca.ScheduleError, match="Record not found"):
                runner.get_cron_schedule(foreign)
            stats = runner.get_cron_execution_stats("2020-01-01T00:00:00Z")
            assert stats["total_executions"] == len(runs) + 1


# -- by hand -------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_schedule_runs_at_once_when_a_program_asks(open_idle: Open, fired: Fired) -> None:
    runner = open_idle()
    schedule_id = runner.schedule("n", "tick", "@yearly", "UTC", params={"shop": "eu"})
    runner.set_cron_schedule_enabled(schedule_id, False)

    run = runner.run_schedule("n", by="ann")
    run.wait(PATIENCE)

    context = fired.get(timeout=PATIENCE)
    assert (context["shop"], context["schedule_id"]) == ("eu", schedule_id)
    (tick,) = runner.get_cron_execution_history(schedule_id)
    assert tick["pipeline_execution_id"] == run.id
    assert [(act.kind, act.by) for act in runner.actions(limit=1)] == [("run_schedule", "ann")]
    with pytest.raises(cloaca.ScheduleError, match="Failed to run schedule: Record not found"):
        runner.run_schedule("none")


# -- async ---------------------------------------------------------------------------------------


async def test_the_async_runner_has_the_same_calls(database_url: str) -> None:
    async with cloaca.AsyncRunner(database_url) as runner:
        schedule_id = await runner.register_workflow_instance("a", "eu", "@daily", "UTC", {})
        preview = await runner.preview_backfill(schedule_id, *DAY)
        filled = await runner.backfill(schedule_id, *DAY)

        assert preview.scheduled_times == filled.scheduled_times
        assert [run.id for run in await runner.list_runs()] == list(filled.run_ids)
        assert (await runner.run_schedule(schedule_id)).id not in filled.run_ids
