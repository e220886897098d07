"""Calls about schedules: what is the caller's is looked at on its thread, the rest at the table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from model.operations import Do
from tables import each_row

from cloaca_core.assembly.caller import Caller
from cloaca_core.assembly.host import EngineHost
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.inputs.params import workflow_params
from cloaca_core.definition.task import task
from cloaca_core.engine.calls.call import Call
from cloaca_core.errors import (
    CloacaError,
    ContextError,
    CronExpressionError,
    InputError,
    RunnerClosedError,
    RunnerUsageError,
    ScheduleError,
)
from cloaca_core.features.schedules.operations.schedules import (
    ChangeSchedule,
    DeleteSchedule,
    EnableSchedule,
    GetSchedule,
    ListSchedules,
    PutInstance,
    PutSchedule,
    RegisterCron,
    RetimeSchedule,
    ScheduleHistory,
    ScheduleStats,
)
from cloaca_core.features.schedules.records import ScheduleRow

WAIT = 60
UNKNOWN = "00000000-0000-0000-0000-000000000000"
FLOW = "public::embedded::flow"


def row_of(host: EngineHost, schedule_id: str) -> ScheduleRow:
    async def read(engine: Any) -> ScheduleRow | None:
        found: ScheduleRow | None = await engine.store.get_schedule(schedule_id)
        return found

    row = host.send(read).result(WAIT)
    assert row is not None
    return row


# -- make ----------------------------------------------------------------------------------------


async def test_a_workflow_is_registered_under_its_full_name(
    do: Do, caller: Caller, host: EngineHost
) -> None:
    first = do(RegisterCron("flow", "@daily", "UTC"))
    second = await RegisterCron("flow", "@daily", "UTC").call(caller)

    assert first != second
    for schedule_id in (first, second):
        row = row_of(host, schedule_id)
        assert (row.workflow, row.name, row.params) == (FLOW, None, "{}")
        assert (row.cron_expression, row.timezone) == ("@daily", "UTC")


def test_a_schedule_is_as_it_was_asked_for(do: Do, host: EngineHost) -> None:
    start = datetime(2100, 1, 1, tzinfo=UTC)
    schedule_id = do(
        PutSchedule(
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
        )
    )

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


def test_an_instance_is_named_after_its_workflow(do: Do, host: EngineHost) -> None:
    schedule_id = do(
        PutInstance(
            instance_name="eu",
            workflow_name="flow",
            cron_expression="@hourly",
            timezone="UTC",
            params={"region": "eu"},
        )
    )

    row = row_of(host, schedule_id)
    assert (row.name, row.params) == (f"{FLOW}::eu", '{"region":"eu"}')


def test_a_call_that_is_not_waited_for_adds_nothing(do: Do, caller: Caller) -> None:
    RegisterCron("flow", "@daily", "UTC").call(caller)
    PutSchedule("n", "flow", "@daily", "UTC").call(caller)

    assert do(ListSchedules()) == []


# -- look and change -----------------------------------------------------------------------------


async def test_one_schedule_goes_through_its_life(do: Do, caller: Caller) -> None:
    schedule_id = do(PutSchedule("n", "flow", "@daily", "UTC"))

    await RetimeSchedule(schedule_id, "@hourly", "Europe/Berlin").call(caller)
    await EnableSchedule(schedule_id, False).call(caller)
    found = await GetSchedule(schedule_id).call(caller)
    assert (found["cron_expression"], found["timezone"]) == ("@hourly", "Europe/Berlin")
    assert found["enabled"] is False
    assert do(ListSchedules(False, 10, 0)) == [found]
    assert do(ListSchedules(True, 10, 0)) == []
    assert await ScheduleHistory(schedule_id).call(caller) == []
    assert (await ScheduleStats("2026-01-01T00:00:00Z").call(caller))["total_executions"] == 0

    do(ChangeSchedule(schedule_id, "flow", "@daily", "UTC", {"a": 1}, queue="slow"))
    changed = do(GetSchedule(schedule_id))
    assert (changed["name"], changed["cron_expression"], changed["queue"]) == (
        "n",
        "@daily",
        "slow",
    )

    do(DeleteSchedule(schedule_id))
    with pytest.raises(ScheduleError, match=r"^Failed to get cron schedule: Record not found"):
        do(GetSchedule(schedule_id))


def test_the_loop_that_fires_hears_of_a_change(do: Do, host: EngineHost) -> None:
    heard: list[str] = []
    host.engine.subjects.schedules.subscribe(lambda: heard.append("changed"))

    do(PutSchedule("n", "flow", "@daily", "UTC"))

    assert heard == ["changed"]


# -- refusals ------------------------------------------------------------------------------------


def test_parameters_that_the_workflow_does_not_take_are_refused(do: Do, host: EngineHost) -> None:
    with WorkflowBuilder("typed", registry=host.registry) as builder:
        builder.input(workflow_params(n=int))
        task(id="a")(lambda context: None)

    with pytest.raises(InputError, match=r"^Failed to set schedule: n: expected an integer, got"):
        do(PutSchedule("n", "typed", "@daily", "UTC", {"n": "1"}))
    with pytest.raises(InputError, match=r"^Failed to register cron workflow: n: expected"):
        do(RegisterCron("typed", "@daily", "UTC"))
    do(PutSchedule("n", "typed", "@daily", "UTC", {"n": 1}))


_MADE: list[tuple[str, Callable[[Caller, str, Any], Call[str]]]] = [
    (
        "Failed to register cron workflow: ",
        lambda caller, expression, _: RegisterCron("flow", expression, "UTC").call(caller),
    ),
    (
        "Failed to set schedule: ",
        lambda caller, expression, params: PutSchedule("n", "flow", expression, "UTC", params).call(
            caller
        ),
    ),
    (
        "Failed to register workflow instance: ",
        lambda caller, expression, params: PutInstance(
            instance_name="i",
            workflow_name="flow",
            cron_expression=expression,
            timezone="UTC",
            params=params,
        ).call(caller),
    ),
]


@each_row(("prefix", "make"), _MADE)
def test_a_refusal_of_the_table_begins_with_what_failed(
    caller: Caller, prefix: str, make: Callable[[Caller, str, Any], Call[str]]
) -> None:
    call = make(caller, "* * *", None)

    with pytest.raises(CronExpressionError, match=f"^{prefix}Invalid cron expression"):
        call.wait()


@each_row(("prefix", "make"), _MADE[1:])
def test_parameters_are_refused_when_the_call_is_made(
    caller: Caller, prefix: str, make: Callable[[Caller, str, Any], Call[str]]
) -> None:
    with pytest.raises(ContextError, match=f"^{prefix}params must be a Context"):
        make(caller, "@daily", 7)
    with pytest.raises(ContextError, match=f"^{prefix}params is 2008 bytes .* is 1024"):
        make(caller, "@daily", {"a": "x" * 2000})


def test_an_impossible_workflow_name_is_refused_when_the_call_is_made(caller: Caller) -> None:
    with pytest.raises(CloacaError, match=r"^Failed to register cron workflow: workflow_name"):
        RegisterCron("", "@daily", "UTC").call(caller)


@each_row(("prefix", "make"), _MADE)
def test_a_closed_runner_says_first_that_it_is_closed(
    caller: Caller,
    host: EngineHost,
    prefix: str,
    make: Callable[[Caller, str, Any], Call[str]],
) -> None:
    host.close().result(WAIT)

    with pytest.raises(RunnerClosedError):
        make(caller, "* * *", 7)


_OTHERS: list[Callable[[Caller], Call[Any]]] = [
    lambda caller: ListSchedules(7, 7, 7).call(caller),  # type: ignore[arg-type]  # never looked at
    lambda caller: GetSchedule("x").call(caller),
    lambda caller: RetimeSchedule("x", "x", "x").call(caller),
    lambda caller: ChangeSchedule("x", "x", "x", "x").call(caller),
    lambda caller: EnableSchedule("x", True).call(caller),
    lambda caller: DeleteSchedule("x").call(caller),
    lambda caller: ScheduleHistory("x").call(caller),
    lambda caller: ScheduleStats("x").call(caller),
]


@each_row("make", _OTHERS)
def test_an_engine_that_shuts_down_refuses_a_call_before_it_looks_at_arguments(
    caller: Caller, host: EngineHost, make: Callable[[Caller], Call[Any]]
) -> None:
    """It was sent when the host was open still."""
    engine = host.engine
    engine._lifecycle.closing = True
    try:
        with pytest.raises(RunnerClosedError):
            make(caller).wait()
    finally:
        engine._lifecycle.closing = False


@each_row("make", _OTHERS)
def test_a_runner_that_is_not_open_says_so(
    own_registry: Any, make: Callable[[Caller], Call[Any]]
) -> None:
    caller = Caller(EngineHost(":memory:", None, None, own_registry))

    with pytest.raises(RunnerUsageError, match="not open yet"):
        make(caller).wait()
