"""Cron schedules: they are made, listed, changed, and really fire."""

from __future__ import annotations

import queue
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tables import each_row

import cloaca

UNKNOWN = "00000000-0000-0000-0000-000000000000"
PATIENCE = 60
"""Seconds until a test gives up; a schedule of every second fires well before."""

Fired = queue.SimpleQueue[dict[str, Any]]


@pytest.fixture
def fired() -> Fired:
    """The contexts with which the runs of the workflow "tick" began."""
    contexts: Fired = queue.SimpleQueue()
    with cloaca.WorkflowBuilder("tick"):

        @cloaca.task
        def take(context: cloaca.Context) -> None:
            contexts.put(context.to_dict())

    return contexts


# -- fire ----------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_schedule_of_every_second_fires(
    open_runner: Callable[..., cloaca.DefaultRunner], fired: Fired
) -> None:
    runner = open_runner(max_concurrent_tasks=1)  # runs of late ticks begin in their order
    before = datetime.now(UTC)
    schedule_id = runner.register_cron_workflow("tick", "* * * * * *", "Europe/Berlin")

    first, second = fired.get(timeout=PATIENCE), fired.get(timeout=PATIENCE)

    assert first.keys() == {
        "scheduled_time",
        "schedule_id",
        "schedule_timezone",
        "schedule_expression",
    }
    assert first["schedule_id"] == schedule_id
    assert first["schedule_timezone"] == "Europe/Berlin"
    assert first["schedule_expression"] == "* * * * * *"
    time, next_time = (datetime.fromisoformat(each["scheduled_time"]) for each in (first, second))
    assert (time.microsecond, next_time - time) == (0, timedelta(seconds=1))
    assert time > before - timedelta(seconds=5)  # another machine's clock may be the database's


def test_the_history_names_the_runs_newest_first(
    runner: cloaca.DefaultRunner, fired: Fired
) -> None:
    schedule_id = runner.register_cron_workflow("tick", "* * * * * *", "UTC")
    for _ in range(2):
        fired.get(timeout=PATIENCE)
    runner.set_cron_schedule_enabled(schedule_id, False)

    history = runner.get_cron_execution_history(schedule_id)

    assert history[0].keys() == {
        "id",
        "schedule_id",
        "scheduled_time",
        "claimed_at",
        "pipeline_execution_id",
        "workflow_execution_id",
        "created_at",
        "updated_at",
    }
    times = [row["scheduled_time"] for row in history]
    assert times == sorted(times, reverse=True)
    assert len(times) >= 2
    assert {row["schedule_id"] for row in history} == {schedule_id}
    assert {row["workflow_execution_id"] for row in history} == {
        run.id for run in runner.list_runs()
    }
    assert runner.get_cron_execution_history(schedule_id, 1, 1) == history[1:2]
    assert runner.get_cron_execution_history(schedule_id, limit=0) == []
    assert runner.get_cron_schedule(schedule_id)["last_run_at"] == times[0]
    assert runner.get_cron_execution_stats("2020-01-01T00:00:00Z") == {
        "total_executions": len(history),
        "successful_executions": len(history),
        "lost_executions": 0,
        "success_rate": 100.0,
    }


def test_a_schedule_that_another_runner_made_fires_here(
    open_runner: Callable[..., cloaca.DefaultRunner], fired: Fired
) -> None:
    elsewhere = open_runner(enable_cron_scheduling=False)
    open_runner()

    elsewhere.register_cron_workflow("tick", "* * * * * *", "UTC")

    assert fired.get(timeout=PATIENCE)["schedule_expression"] == "* * * * * *"


def test_a_workflow_that_is_registered_later_is_fired_from_then_on(
    runner: cloaca.DefaultRunner,
) -> None:
    runner.register_cron_workflow("later", "* * * * * *", "UTC")
    done: queue.SimpleQueue[str] = queue.SimpleQueue()

    with cloaca.WorkflowBuilder("later"):

        @cloaca.task
        def take(context: cloaca.Context) -> None:
            done.put("done")

    assert done.get(timeout=PATIENCE) == "done"


def test_params_are_what_each_run_begins_with(runner: cloaca.DefaultRunner, fired: Fired) -> None:
    runner.schedule("mine", "tick", "* * * * * *", "UTC", params={"table": "orders"})

    assert fired.get(timeout=PATIENCE)["table"] == "orders"


# -- make and find -------------------------------------------------------------------------------


def test_a_schedule_is_a_dict_with_these_keys(runner: cloaca.DefaultRunner) -> None:
    schedule_id = runner.register_cron_workflow("orders", "30 9 * * *", "Asia/Tokyo")

    found = runner.get_cron_schedule(schedule_id)

    next_run = datetime.fromisoformat(found.pop("next_run_at"))
    assert (next_run.hour, next_run.minute) == (0, 30)
    created = found.pop("created_at")
    assert datetime.fromisoformat(created).tzinfo is not None
    assert found == {
        "id": schedule_id,
        "workflow_name": "orders",
        "cron_expression": "30 9 * * *",
        "timezone": "Asia/Tokyo",
        "enabled": True,
        "catchup_policy": "run_once",
        "last_run_at": None,
        "updated_at": created,
        "name": None,
        "overlap_policy": "allow",
        "queue": None,  # beyond 0.x
        "start_date": None,
        "end_date": None,
    }


def test_schedules_are_listed(runner: cloaca.DefaultRunner) -> None:
    first = runner.register_cron_workflow("b", "@daily", "UTC")
    second = runner.register_cron_workflow("a", "@daily", "UTC")
    runner.set_cron_schedule_enabled(first, False)

    def ids(*arguments: Any, **options: Any) -> list[str]:
        return [each["id"] for each in runner.list_cron_schedules(*arguments, **options)]

    assert ids() == [second, first]
    assert ids(True) == [second]
    assert ids(enabled_only=False, limit=1, offset=1) == [first]


def test_the_same_name_again_changes_the_schedule(runner: cloaca.DefaultRunner) -> None:
    first = runner.schedule(
        "nightly",
        "orders",
        "@daily",
        "UTC",
        catchup_policy="run_all",
        start_date="2030-01-01T00:00:00+01:00",
        end_date=datetime(2031, 1, 1, tzinfo=UTC),
    )

    second = runner.schedule("nightly", "orders", "@hourly", "UTC", catchup_policy="skip")

    assert first == second
    (found,) = runner.list_cron_schedules()
    assert found["name"] == "nightly"
    assert found["cron_expression"] == "@hourly"
    assert found["catchup_policy"] == "skip"
    assert found["start_date"] is None


def test_dates_bound_the_ticks(runner: cloaca.DefaultRunner) -> None:
    schedule_id = runner.schedule(
        "once", "orders", "@yearly", "UTC", start_date="2090-06-01T00:00:00Z"
    )
    ended = runner.schedule("never", "orders", "@yearly", "UTC", end_date="2020-06-01T00:00:00Z")

    assert runner.get_cron_schedule(schedule_id)["next_run_at"] == "2091-01-01T00:00:00+00:00"
    assert runner.get_cron_schedule(ended)["next_run_at"] is None


# -- change --------------------------------------------------------------------------------------


def test_an_update_changes_when_it_ticks(runner: cloaca.DefaultRunner) -> None:
    schedule_id = runner.register_cron_workflow("orders", "@daily", "UTC")

    runner.update_cron_schedule(schedule_id, "15 10 * * *", "UTC")

    found = runner.get_cron_schedule(schedule_id)
    assert found["cron_expression"] == "15 10 * * *"
    assert found["next_run_at"].endswith("T10:15:00+00:00")


def test_a_disabled_schedule_fires_when_it_is_enabled_again(
    runner: cloaca.DefaultRunner, fired: Fired
) -> None:
    schedule_id = runner.register_cron_workflow("tick", "@yearly", "UTC")
    runner.set_cron_schedule_enabled(schedule_id, False)
    assert runner.get_cron_schedule(schedule_id)["enabled"] is False
    runner.update_cron_schedule(schedule_id, "* * * * * *", "UTC")

    runner.set_cron_schedule_enabled(schedule_id, True)

    assert fired.get(timeout=PATIENCE)["schedule_id"] == schedule_id


def test_a_deleted_schedule_is_gone(runner: cloaca.DefaultRunner) -> None:
    schedule_id = runner.register_cron_workflow("orders", "@daily", "UTC")

    runner.delete_cron_schedule(schedule_id)

    assert runner.list_cron_schedules() == []
    with pytest.raises(ValueError, match=r"^Failed to get cron schedule: "):
        runner.get_cron_schedule(schedule_id)


# -- refuse --------------------------------------------------------------------------------------


@each_row(
    ("call", "message"),
    [
        (
            lambda r: r.register_cron_workflow("w", "bad", "UTC"),
            "Failed to register cron workflow: Invalid cron expression or timezone",
        ),
        (
            lambda r: r.register_cron_workflow("w", "* * * * *", "Mars/Olympus"),
            "Failed to register cron workflow: Invalid cron expression or timezone",
        ),
        (lambda r: r.get_cron_schedule("bad"), "Failed to get cron schedule: Invalid schedule ID"),
        (lambda r: r.get_cron_schedule(UNKNOWN), "Failed to get cron schedule: "),
        (
            lambda r: r.update_cron_schedule("bad", "@daily", "UTC"),
            "Failed to update cron schedule: Invalid schedule ID",
        ),
        (
            lambda r: r.update_cron_schedule(UNKNOWN, "@daily", "UTC"),
            "Failed to update cron schedule: ",
        ),
        (
            lambda r: r.set_cron_schedule_enabled("bad", True),
            "Failed to update cron schedule: Invalid schedule ID",
        ),
        (
            lambda r: r.delete_cron_schedule("bad"),
            "Failed to delete cron schedule: Invalid schedule ID",
        ),
        (lambda r: r.get_cron_execution_history("bad"), "Invalid schedule ID"),
        (lambda r: r.get_cron_execution_stats("yesterday"), "Invalid datetime format"),
        (lambda r: r.get_cron_execution_stats("2020-01-01T00:00:00"), "Invalid datetime format"),
        (lambda r: r.list_cron_schedules(limit=-1), "limit must be at least 0"),
        (
            lambda r: r.schedule("n", "w", "@daily", "UTC", catchup_policy="some"),
            'unknown catchup_policy "some"',
        ),
        (
            lambda r: r.schedule("n", "w", "@daily", "UTC", overlap_policy="wait"),
            'unknown overlap_policy "wait": expected one of allow, skip, queue, cancel_old',
        ),
        (lambda r: r.schedule("n", "w", "@daily", "UTC", jitter_seconds=-1), "jitter_seconds"),
        (
            lambda r: r.schedule("n", "w", "@daily", "UTC", start_date="2030-01-01"),
            "Invalid datetime format",
        ),
        (lambda r: r.schedule("", "w", "@daily", "UTC"), "name"),
    ],
)
def test_what_cannot_be_is_refused(
    shared_runner: cloaca.DefaultRunner,
    call: Callable[[cloaca.DefaultRunner], object],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        call(shared_runner)

    assert isinstance(caught.value, cloaca.CloacaError)
    assert shared_runner.list_cron_schedules() == []


def test_an_update_that_is_refused_changes_nothing(runner: cloaca.DefaultRunner) -> None:
    schedule_id = runner.register_cron_workflow("w", "@daily", "UTC")
    before = runner.get_cron_schedule(schedule_id)

    with pytest.raises(cloaca.CronExpressionError):
        runner.update_cron_schedule(schedule_id, "bad", "UTC")

    assert runner.get_cron_schedule(schedule_id) == before


def test_an_unknown_schedule_is_no_error_where_0_x_says_none(
    runner: cloaca.DefaultRunner,
) -> None:
    runner.set_cron_schedule_enabled(UNKNOWN, False)
    runner.delete_cron_schedule(UNKNOWN)

    assert runner.get_cron_execution_history(UNKNOWN) == []
    assert runner.get_cron_execution_stats("2020-01-01T00:00:00+02:00") == {
        "total_executions": 0,
        "successful_executions": 0,
        "lost_executions": 0,
        "success_rate": 0.0,
    }


# -- async ---------------------------------------------------------------------------------------


async def test_the_async_runner_has_the_same_calls(database_url: str, fired: Fired) -> None:
    async with cloaca.AsyncRunner(database_url) as runner:
        first = await runner.register_cron_workflow("tick", "@daily", "UTC")
        second = await runner.schedule("mine", "tick", "@daily", "UTC")
        await runner.update_cron_schedule(first, "@hourly", "UTC")
        await runner.set_cron_schedule_enabled(first, False)

        assert (await runner.get_cron_schedule(first))["cron_expression"] == "@hourly"
        assert [each["id"] for each in await runner.list_cron_schedules(True)] == [second]
        assert await runner.get_cron_execution_history(first) == []
        stats = await runner.get_cron_execution_stats("2020-01-01T00:00:00Z")
        assert stats["total_executions"] == 0
        await runner.delete_cron_schedule(first)
        assert [each["id"] for each in await runner.list_cron_schedules()] == [second]
