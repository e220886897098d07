"""Calls about schedules: what is the caller's is looked at on its thread, the rest at the table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.context import Context
from cloaca_core.errors import (
    CloacaError,
    ContextError,
    CronExpressionError,
    RunnerClosedError,
    RunnerUsageError,
    ScheduleError,
)
from cloaca_core.records.schedules import ScheduleRow
from cloaca_core.runner.calls.call import Call
from cloaca_core.runner.calls.firing.schedules import ScheduleCalls
from cloaca_core.runner.host import EngineHost

WAIT = 20
UNKNOWN = "00000000-0000-0000-0000-000000000000"
FLOW = "public::embedded::flow"


@pytest.fixture
def schedules(host: EngineHost) -> ScheduleCalls:
    return ScheduleCalls(host)


def row_of(host: EngineHost, schedule_id: str) -> ScheduleRow:
    async def read(engine: Any) -> ScheduleRow | None:
        found: ScheduleRow | None = await engine.store.get_schedule(schedule_id)
        return found

    row = host.send(read).result(WAIT)
    assert row is not None
    return row


# -- make ----------------------------------------------------------------------------------------


async def test_a_workflow_is_registered_under_its_full_name(
    schedules: ScheduleCalls, host: EngineHost
) -> None:
    first = schedules.register("flow", "@daily", "UTC").wait()
    second = await schedules.register("flow", "@daily", "UTC")

    assert first != second
    for schedule_id in (first, second):
        row = row_of(host, schedule_id)
        assert (row.workflow, row.name, row.params) == (FLOW, None, "{}")
        assert (row.cron_expression, row.timezone) == ("@daily", "UTC")


def test_a_schedule_is_as_it_was_asked_for(schedules: ScheduleCalls, host: EngineHost) -> None:
    start = datetime(2100, 1, 1, tzinfo=UTC)
    schedule_id = schedules.put(
        "n",
        "flow",
        "@hourly",
        "Europe/Berlin",
        Context({"a": 1}),
        catchup_policy="skip",
        overlap_policy="queue",
        jitter_seconds=5,
        start_date=start,
        end_date="2100-01-02T00:00:00Z",
    ).wait()

    row = row_of(host, schedule_id)
    assert row._replace(decided_until=0, next_tick=0, due_at=0, created_at=0, updated_at=0) == (
        ScheduleRow(
            id=schedule_id, name="n", workflow=FLOW, cron_expression="@hourly",
            timezone="Europe/Berlin", enabled=True, catchup_policy="skip", overlap_policy="queue",
            jitter_seconds=5, start_date=4_102_444_800_000_000, end_date=4_102_531_200_000_000,
            params='{"a":1}', decided_until=0, next_tick=0, due_at=0, last_tick=None,
            generation=0, created_at=0, updated_at=0,
        )
    )  # fmt: skip


def test_an_instance_is_named_after_its_workflow(
    schedules: ScheduleCalls, host: EngineHost
) -> None:
    schedule_id = schedules.put_instance("eu", "flow", "@hourly", "UTC", {"region": "eu"}).wait()

    row = row_of(host, schedule_id)
    assert (row.name, row.params) == (f"{FLOW}::eu", '{"region":"eu"}')


def test_a_call_that_is_not_waited_for_adds_nothing(schedules: ScheduleCalls) -> None:
    schedules.register("flow", "@daily", "UTC")
    schedules.put("n", "flow", "@daily", "UTC", None)

    assert schedules.page(None, None, None).wait() == []


# -- look and change -----------------------------------------------------------------------------


async def test_one_schedule_goes_through_its_life(schedules: ScheduleCalls) -> None:
    schedule_id = schedules.put("n", "flow", "@daily", "UTC", None).wait()

    await schedules.update(schedule_id, "@hourly", "Europe/Berlin")
    await schedules.set_enabled(schedule_id, False)
    found = await schedules.get(schedule_id)
    assert (found["cron_expression"], found["timezone"]) == ("@hourly", "Europe/Berlin")
    assert found["enabled"] is False
    assert schedules.page(False, 10, 0).wait() == [found]
    assert schedules.page(True, 10, 0).wait() == []
    assert await schedules.history(schedule_id, None, None) == []
    assert (await schedules.stats("2026-01-01T00:00:00Z"))["total_executions"] == 0

    schedules.delete(schedule_id).wait()
    with pytest.raises(ScheduleError, match=r"^Failed to get cron schedule: Record not found"):
        schedules.get(schedule_id).wait()


def test_the_loop_that_fires_hears_of_a_change(
    schedules: ScheduleCalls, host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(host.engine, "schedule_changed", lambda: heard.append("changed"))

    schedules.put("n", "flow", "@daily", "UTC", None).wait()

    assert heard == ["changed"]


# -- refusals ------------------------------------------------------------------------------------


_MADE: list[tuple[str, Callable[[ScheduleCalls, str, Any], Call[str]]]] = [
    (
        "Failed to register cron workflow: ",
        lambda calls, expression, _: calls.register("flow", expression, "UTC"),
    ),
    (
        "Failed to set schedule: ",
        lambda calls, expression, params: calls.put("n", "flow", expression, "UTC", params),
    ),
    (
        "Failed to register workflow instance: ",
        lambda calls, expression, params: calls.put_instance(
            "i", "flow", expression, "UTC", params
        ),
    ),
]


@each_row(("prefix", "make"), _MADE)
def test_a_refusal_of_the_table_begins_with_what_failed(
    schedules: ScheduleCalls, prefix: str, make: Callable[[ScheduleCalls, str, Any], Call[str]]
) -> None:
    call = make(schedules, "* * *", None)

    with pytest.raises(CronExpressionError, match=f"^{prefix}Invalid cron expression"):
        call.wait()


@each_row(("prefix", "make"), _MADE[1:])
def test_parameters_are_refused_when_the_call_is_made(
    schedules: ScheduleCalls, prefix: str, make: Callable[[ScheduleCalls, str, Any], Call[str]]
) -> None:
    with pytest.raises(ContextError, match=f"^{prefix}params must be a Context"):
        make(schedules, "@daily", 7)
    with pytest.raises(ContextError, match=f"^{prefix}params is 2008 bytes .* is 1024"):
        make(schedules, "@daily", {"a": "x" * 2000})


def test_an_impossible_workflow_name_is_refused_when_the_call_is_made(
    schedules: ScheduleCalls,
) -> None:
    with pytest.raises(CloacaError, match=r"^Failed to register cron workflow: workflow_name"):
        schedules.register("", "@daily", "UTC")


@pytest.mark.parametrize(("prefix", "make"), _MADE)
def test_a_closed_runner_says_first_that_it_is_closed(
    schedules: ScheduleCalls,
    host: EngineHost,
    prefix: str,
    make: Callable[[ScheduleCalls, str, Any], Call[str]],
) -> None:
    host.close().result(WAIT)

    with pytest.raises(RunnerClosedError):
        make(schedules, "* * *", 7)


_OTHERS: list[Callable[[ScheduleCalls], Call[Any]]] = [
    lambda calls: calls.page(7, 7, 7),  # type: ignore[arg-type]  # never looked at
    lambda calls: calls.get("x"),
    lambda calls: calls.update("x", "x", "x"),
    lambda calls: calls.set_enabled("x", True),
    lambda calls: calls.delete("x"),
    lambda calls: calls.history("x", None, None),
    lambda calls: calls.stats("x"),
]


@each_row("make", _OTHERS)
def test_an_engine_that_shuts_down_refuses_a_call_before_it_looks_at_arguments(
    schedules: ScheduleCalls, host: EngineHost, make: Callable[[ScheduleCalls], Call[Any]]
) -> None:
    """It was sent when the host was open still."""
    engine = host.engine
    engine._lifecycle.closing = True
    try:
        with pytest.raises(RunnerClosedError):
            make(schedules).wait()
    finally:
        engine._lifecycle.closing = False


@pytest.mark.parametrize("make", _OTHERS)
def test_a_runner_that_is_not_open_says_so(
    own_registry: Any, make: Callable[[ScheduleCalls], Call[Any]]
) -> None:
    calls = ScheduleCalls(EngineHost(":memory:", None, None, own_registry))

    with pytest.raises(RunnerUsageError, match="not open yet"):
        make(calls).wait()
