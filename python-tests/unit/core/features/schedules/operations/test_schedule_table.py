"""Calls about schedules are checked, take effect from now on, and answer in the dicts of 0.x."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import pytest_asyncio
from model.firing_by_hand import (
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    WORKFLOW,
    Runner,
    Store,
    runners,
    times,
    wanted,
)
from tables import each_row

from cloaca_core.errors import (
    CloacaError,
    CronExpressionError,
    DefinitionTypeError,
    ScheduleError,
)
from cloaca_core.features.schedules.operations.schedule_table import (
    LONGEST_JITTER,
    ScheduleSpec,
    ScheduleTable,
)
from cloaca_core.features.schedules.records import ScheduleRow, TickRow
from cloaca_core.store.acts import ActRow
from cloaca_core.values.states import TickOutcome

UNKNOWN = "00000000-0000-0000-0000-000000000000"


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Callable[..., Runner]]:
    async with runners() as start_one:
        yield start_one


@pytest.fixture
def store() -> Store:
    return Store()


Start = Callable[..., Runner]


def is_awake(runner: Runner) -> bool:
    """Whether the loop was told to look, since it was asked last."""
    told = runner.loop._wakeup._woken.is_set()
    runner.loop._wakeup._woken.clear()
    return told


async def test_the_same_again_puts_right_what_a_clock_that_was_ahead_has_decided(
    store: Store, start: Start
) -> None:
    """A user who registers the schedule is told of no time that is far off."""
    runner = start(store)
    schedule_id = await runner.calls.put(wanted("@hourly", name="n"))
    store.time += 100 * HOUR
    await runner.fire()
    store.time -= 100 * HOUR - MINUTE

    assert await runner.calls.put(wanted("@hourly", name="n")) == schedule_id

    assert (await runner.calls.get(schedule_id))["next_run_at"] == "2026-03-10T13:00:00+00:00"


# -- make ----------------------------------------------------------------------------------------


async def test_a_schedule_begins_with_the_first_tick_from_now_on(
    store: Store, start: Start
) -> None:
    runner = start(store)

    schedule_id = await runner.calls.register(wanted("@hourly"))

    assert store.schedules == {
        schedule_id: ScheduleRow(
            id=schedule_id,
            name=None,
            workflow=WORKFLOW,
            cron_expression="@hourly",
            timezone="UTC",
            enabled=True,
            catchup_policy="run_once",
            overlap_policy="allow",
            jitter_seconds=0,
            start_date=None,
            end_date=None,
            params="{}",
            decided_until=NOON,  # which is a tick: it was before the schedule
            next_tick=NOON + HOUR,
            due_at=NOON + HOUR,
            last_tick=None,
            generation=0,
            created_at=NOON,
            updated_at=NOON,
        )
    }
    assert is_awake(runner)


async def test_each_registration_is_a_schedule_of_its_own(store: Store, start: Start) -> None:
    runner = start(store)
    for _ in range(2):
        await runner.calls.register(wanted())

    assert len(store.schedules) == 2


async def test_jitter_moves_when_a_tick_is_due_and_not_what_it_is(
    store: Store, start: Start
) -> None:
    runner = start(store)

    schedule_id = await runner.calls.put(wanted("@hourly", name="n", jitter_seconds=600))

    row = store.schedules[schedule_id]
    assert row.next_tick == NOON + HOUR
    assert row.due_at is not None
    assert NOON + HOUR < row.due_at < NOON + HOUR + 600 * SECOND


async def test_the_same_name_again_keeps_the_id_by_which_jitter_is_drawn(
    store: Store, start: Start
) -> None:
    runner = start(store)
    first = await runner.calls.put(wanted("@hourly", name="n", jitter_seconds=600))
    due_at = store.schedules[first].due_at

    # Other ticks and back: the second time it is computed anew.
    for expression in ("@daily", "@hourly"):
        again = await runner.calls.put(wanted(expression, name="n", jitter_seconds=600))
        assert again == first

    assert store.schedules[first].due_at == due_at
    assert is_awake(runner)


async def test_an_instance_is_named_after_its_workflow_and_itself(
    store: Store, start: Start
) -> None:
    runner = start(store)
    other = ScheduleSpec("public::embedded::other", "@hourly", "UTC", "eu")

    first = await runner.calls.put_instance(wanted("@hourly", name="eu"))
    await runner.calls.put_instance(other)
    await runner.calls.put(wanted("@hourly", name="eu"))
    again = await runner.calls.put_instance(wanted("@daily", name="eu"))

    assert first == again
    assert [row.name for row in store.schedules.values()] == [
        f"{WORKFLOW}::eu",
        "public::embedded::other::eu",
        "eu",
    ]
    assert store.schedules[first].cron_expression == "@daily"


@each_row(
    ("options", "kind", "message"),
    [
        ({"catchup_policy": "some"}, ValueError, 'unknown catchup_policy "some"'),
        ({"overlap_policy": "some"}, ValueError, 'unknown overlap_policy "some"'),
        ({"jitter_seconds": -1}, ValueError, "jitter_seconds must be at least 0"),
        ({"time_limit": 0}, ValueError, "time_limit must be greater than 0"),
        ({"time_limit": "5"}, TypeError, "time_limit must be a number of seconds or a timedelta"),
        ({"catchup_policy": ""}, ValueError, 'unknown catchup_policy ""'),  # not a default
        ({"overlap_policy": ""}, ValueError, 'unknown overlap_policy ""'),
        ({"jitter_seconds": False}, TypeError, "jitter_seconds must be an int"),
        ({"jitter_seconds": 1.5}, TypeError, "jitter_seconds must be an int"),
        ({"jitter_seconds": LONGEST_JITTER + 1}, ValueError, "jitter_seconds must be at most"),
        ({"start_date": "2030-01-01"}, ValueError, "Invalid datetime format: start_date"),
        ({"end_date": "2030-01-01"}, ValueError, "Invalid datetime format: end_date"),
        (
            {"start_date": "2030-01-01T00:00:01Z", "end_date": "2030-01-01T00:00:00Z"},
            ValueError,
            "end_date must not be before start_date",
        ),
        ({"timezone": "Mars/Olympus"}, ValueError, "Invalid cron expression or timezone"),
        ({"expression": "bad"}, ValueError, "Invalid cron expression or timezone"),
        ({"expression": 5}, TypeError, "cron_expression must be a str, got int"),
        ({"expression": ["@daily"]}, TypeError, "cron_expression must be a str, got list"),
        ({"timezone": {"UTC"}}, TypeError, "timezone must be a str, got set"),
        ({"name": "a::b"}, ValueError, "name 'a::b' must not contain '::'"),
        ({"name": 7}, TypeError, "name must be a str"),
    ],
)
async def test_a_schedule_that_cannot_be_is_refused(
    store: Store, start: Start, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    runner = start(store)

    with pytest.raises(kind, match=f"^{re.escape(f'Failed to set schedule: {message}')}") as caught:
        await runner.calls.put(wanted(**{"name": "n", **options}))

    assert isinstance(caught.value, CloacaError)
    assert store.schedules == {}
    assert not is_awake(runner)


@each_row(("expression", "zone"), [([], "UTC"), ("@daily", {})])
async def test_a_change_to_what_is_no_text_is_refused(
    store: Store, start: Start, expression: Any, zone: Any
) -> None:
    runner = start(store)
    schedule_id = await runner.calls.register(wanted("@hourly"))

    with pytest.raises(DefinitionTypeError, match=r"^Failed to update cron schedule: .* a str"):
        await runner.calls.update(schedule_id, expression, zone)


async def test_a_refusal_keeps_its_facts(store: Store, start: Start) -> None:
    with pytest.raises(CronExpressionError) as caught:
        await start(store).calls.register(wanted("61 * * * *"))

    assert str(caught.value).startswith("Failed to register cron workflow: Invalid cron")
    assert (caught.value.field, caught.value.given) == ("minute", "61")


async def test_both_dates_may_be_the_same_instant(store: Store, start: Start) -> None:
    date = "2026-03-10T13:00:00Z"

    schedule_id = await start(store).calls.put(
        wanted("@hourly", name="n", start_date=date, end_date=date)
    )

    assert store.schedules[schedule_id].next_tick == NOON + HOUR


# -- change --------------------------------------------------------------------------------------


async def test_an_update_counts_from_now_on(store: Store, start: Start) -> None:
    runner = start(store)
    schedule_id = await runner.calls.register(wanted("@hourly"))
    before = store.schedules[schedule_id]
    is_awake(runner)
    store.time += 90 * MINUTE  # 13:00 was missed: with the old expression that is over

    await runner.calls.update(schedule_id, "45 * * * *", "Asia/Kathmandu")

    assert store.schedules[schedule_id] == before._replace(
        cron_expression="45 * * * *",
        timezone="Asia/Kathmandu",  # 45 minutes past there is on the hour in UTC
        decided_until=store.time,
        next_tick=NOON + 2 * HOUR,
        due_at=NOON + 2 * HOUR,
        updated_at=store.time,
        generation=1,
    )
    assert is_awake(runner)


async def test_all_settings_change_and_the_same_ticks_go_on(store: Store, start: Start) -> None:
    """Of a schedule without a name, which is off and stays so; the same again is no change."""
    runner = start(store)
    schedule_id = await runner.calls.register(wanted("@hourly"))
    await runner.calls.set_enabled(schedule_id, False)
    before = store.schedules[schedule_id]
    store.time += 30 * MINUTE
    spec = wanted("@hourly", params='{"a":1}', overlap_policy="skip", time_limit=60, queue="slow")

    for _ in range(2):
        await runner.calls.change(replace(spec, workflow="p::other"), schedule_id)

    assert store.schedules[schedule_id] == before._replace(
        workflow="p::other",
        params='{"a":1}',
        overlap_policy="skip",
        time_limit=60_000_000,
        queue="slow",
        updated_at=store.time,
        generation=before.generation + 1,
    )


async def test_other_ticks_of_a_changed_schedule_count_from_now_on(
    store: Store, start: Start
) -> None:
    runner = start(store)
    schedule_id = await runner.calls.register(wanted("@hourly"))
    store.time += 90 * MINUTE  # 13:00 is due, and is missed now
    end = datetime(2027, 1, 1, tzinfo=UTC)

    await runner.calls.change(wanted("@hourly", jitter_seconds=5), schedule_id)
    assert store.schedules[schedule_id].next_tick == NOON + HOUR
    await runner.calls.change(wanted("@hourly", end_date=end), schedule_id)

    row = store.schedules[schedule_id]
    assert (row.decided_until, row.next_tick) == (store.time, NOON + 2 * HOUR)


async def test_with_another_jitter_a_changed_schedule_is_due_at_once(
    store: Store, start: Start
) -> None:
    runner = start(store)
    schedule_id = await runner.calls.register(wanted("@hourly"))
    before = store.schedules[schedule_id]

    await runner.calls.change(wanted("@hourly", jitter_seconds=5), schedule_id)

    row = store.schedules[schedule_id]
    assert (row.due_at, row.next_tick) == (store.time, before.next_tick)


async def test_a_schedule_that_is_gone_is_not_changed(store: Store, start: Start) -> None:
    runner = start(store)
    schedule_id = await runner.calls.register(wanted("@hourly"))
    await runner.calls.delete(schedule_id)

    with pytest.raises(ScheduleError, match="Failed to update cron schedule"):
        await runner.calls.change(wanted("@hourly"), schedule_id)


async def test_enabling_counts_from_now_on(store: Store, start: Start) -> None:
    runner = start(store)
    schedule_id = await runner.calls.register(wanted("@hourly"))
    await runner.calls.set_enabled(schedule_id, False)
    disabled = store.schedules[schedule_id]
    assert (disabled.enabled, disabled.generation) == (False, 1)
    is_awake(runner)
    store.time += 90 * MINUTE

    await runner.calls.set_enabled(schedule_id, True)

    row = store.schedules[schedule_id]
    assert (row.enabled, row.next_tick, row.updated_at) == (True, NOON + 2 * HOUR, store.time)
    assert is_awake(runner)


async def test_what_is_enabled_already_misses_nothing_by_being_enabled(
    store: Store, start: Start
) -> None:
    runner = start(store)
    schedule_id = await runner.calls.register(wanted("@hourly"))
    before = store.schedules[schedule_id]
    store.time += HOUR

    await runner.calls.set_enabled(schedule_id, True)

    assert store.schedules[schedule_id] == before
    await runner.fire()
    assert times(store) == ["13:00"]


class Busy(Store):
    """Another process changes a schedule before each of our changes, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def change_schedule(self, schedule: ScheduleRow, act: ActRow | None = None) -> bool:
        if self.times:
            self.times -= 1
            row = self.schedules[schedule.id]
            self.schedules[row.id] = row._replace(generation=row.generation + 1, last_tick=7)
        return await super().change_schedule(schedule, act)


async def test_a_change_that_a_firing_gets_in_the_way_of_is_made_again(start: Start) -> None:
    store = Busy(3)
    runner = start(store)
    schedule_id = await runner.calls.register(wanted())

    await runner.calls.set_enabled(schedule_id, False)

    row = store.schedules[schedule_id]
    assert (row.enabled, row.generation, row.last_tick) == (False, 4, 7)


async def test_a_change_is_given_up_in_the_end(start: Start) -> None:
    store = Busy(1_000)
    runner = start(store)
    schedule_id = await runner.calls.register(wanted())

    with pytest.raises(
        ScheduleError, match=r"^Failed to update cron schedule: the schedule is changed"
    ):
        await runner.calls.set_enabled(schedule_id, False)


async def test_a_schedule_that_is_deleted_meanwhile_needs_no_change(start: Start) -> None:
    class Deleting(Store):
        async def change_schedule(self, schedule: ScheduleRow, act: ActRow | None = None) -> bool:
            self.schedules.clear()
            return await super().change_schedule(schedule, act)

    store = Deleting()
    runner = start(store)
    schedule_id = await runner.calls.register(wanted())

    await runner.calls.update(schedule_id, "@daily", "UTC")

    assert store.schedules == {}


async def test_an_id_may_be_written_in_any_of_its_forms(store: Store, start: Start) -> None:
    runner = start(store)
    schedule_id = await runner.calls.register(wanted())

    found = await runner.calls.get(schedule_id.upper().replace("-", ""))
    assert found["id"] == schedule_id
    await runner.calls.delete(f"{{{schedule_id}}}")
    assert store.schedules == {}


@each_row(
    ("ask", "message"),
    [
        (lambda c: c.get("bad"), "Failed to get cron schedule: Invalid schedule ID: 'bad'"),
        (lambda c: c.get(UNKNOWN), "Failed to get cron schedule: Record not found"),
        (lambda c: c.update("bad", "@daily", "UTC"), "Failed to update cron schedule: Invalid"),
        (lambda c: c.update(UNKNOWN, "@daily", "UTC"), "Failed to update cron schedule: Record"),
        (lambda c: c.set_enabled("bad", True), "Failed to update cron schedule: Invalid"),
        (lambda c: c.delete("bad"), "Failed to delete cron schedule: Invalid schedule ID"),
        (
            lambda c: c.history("bad", None, None),
            "Failed to get cron execution history: Invalid schedule ID",
        ),
        (lambda c: c.history(UNKNOWN, -1, None), "limit must be at least 0"),
        (lambda c: c.history(UNKNOWN, None, -1), "offset must be at least 0"),
        (lambda c: c.page(None, -1, None), "limit must be at least 0"),
        (lambda c: c.stats("yesterday"), "Invalid datetime format: since"),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    store: Store,
    start: Start,
    ask: Callable[[ScheduleTable], Coroutine[Any, Any, object]],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as caught:
        await ask(start(store).calls)

    assert isinstance(caught.value, CloacaError)


async def test_an_id_is_a_text(store: Store, start: Start) -> None:
    message = "Failed to get cron schedule: Invalid schedule ID: schedule_id must be a str, got int"
    with pytest.raises(TypeError, match=f"^{message}$") as caught:
        await start(store).calls.get(cast("Any", 7))

    assert isinstance(caught.value, ValueError)  # as in 0.x


async def test_flags_are_bools(store: Store, start: Start) -> None:
    calls = start(store).calls
    schedule_id = await calls.register(wanted())

    with pytest.raises(TypeError, match="enabled must be a bool"):
        await calls.set_enabled(schedule_id, cast("Any", 1))
    with pytest.raises(TypeError, match="enabled_only must be a bool"):
        await calls.page(cast("Any", 1), None, None)


# -- list ----------------------------------------------------------------------------------------


async def test_a_page_has_a_hundred_schedules_unless_it_is_told_otherwise(
    store: Store, start: Start
) -> None:
    calls = start(store).calls
    for _ in range(101):
        await calls.register(wanted())

    assert len(await calls.page(None, None, None)) == 100
    assert len(await calls.page(None, 10**30, None)) == 101
    assert len(await calls.page(None, None, 99)) == 2
    assert await calls.page(None, None, 10**30) == []


async def test_a_schedule_is_told_in_texts(store: Store, start: Start) -> None:
    calls = start(store).calls
    schedule_id = await calls.put(
        wanted("@hourly", name="n", start_date="2026-03-10T15:00:00+01:00")
    )

    assert await calls.get(schedule_id) == {
        "id": schedule_id,
        "workflow_name": "orders",
        "cron_expression": "@hourly",
        "timezone": "UTC",
        "enabled": True,
        "catchup_policy": "run_once",
        "next_run_at": "2026-03-10T14:00:00+00:00",
        "last_run_at": None,
        "created_at": "2026-03-10T12:00:00+00:00",
        "updated_at": "2026-03-10T12:00:00+00:00",
        "name": "n",
        "overlap_policy": "allow",
        "start_date": "2026-03-10T14:00:00+00:00",
        "end_date": None,
        "queue": None,
    }


async def test_the_history_names_tick_and_run(store: Store, start: Start) -> None:
    runner = start(store)
    schedule_id = await runner.calls.register(wanted())
    store.time += MINUTE + 3 * SECOND
    await runner.fire()

    (row,) = await runner.calls.history(schedule_id, None, None)

    (run_id,) = store.runs
    assert row == {
        "id": f"{schedule_id}@2026-03-10T12:01:00+00:00",
        "schedule_id": schedule_id,
        "scheduled_time": "2026-03-10T12:01:00+00:00",
        "claimed_at": "2026-03-10T12:01:03+00:00",
        "pipeline_execution_id": run_id,
        "workflow_execution_id": run_id,
        "created_at": "2026-03-10T12:01:03+00:00",
        "updated_at": "2026-03-10T12:01:03+00:00",
    }


async def test_statistics_are_of_what_was_decided_since(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.register(wanted("@hourly"))
    store.time += 4 * HOUR + 2 * MINUTE  # the newest of four runs late, three are lost
    await runner.fire()

    assert await runner.calls.stats("2026-03-10T17:02:00+01:00") == {
        "total_executions": 4,
        "successful_executions": 1,
        "lost_executions": 3,
        "success_rate": 25.0,
    }
    assert (await runner.calls.stats("2026-03-10T16:02:01Z"))["success_rate"] == 0.0


async def test_a_tick_without_a_run_has_no_id_in_the_history(store: Store, start: Start) -> None:
    calls = start(store).calls
    schedule_id = await calls.register(wanted())
    store.ticks[schedule_id, NOON] = TickRow(schedule_id, NOON, None, TickOutcome.FIRED, NOON)

    (row,) = await calls.history(schedule_id, None, None)

    assert (row["pipeline_execution_id"], row["workflow_execution_id"]) == (None, None)


# -- the log of actions --------------------------------------------------------------------------


def acts(store: Store) -> list[tuple[str, str | None]]:
    """What was asked of schedules, oldest first."""
    noted = store.noted.values()
    assert {(act.run_id, act.workflow, act.asked_by) for act in noted} == {("", WORKFLOW, "ann")}
    return [(act.kind, act.reason) for act in noted]


async def test_each_change_of_a_schedule_is_noted_with_who_asked(
    store: Store, start: Start
) -> None:
    runner = start(store)
    schedule_id = await runner.calls.put(wanted("@hourly", name="n"))
    await runner.calls.put(wanted("@hourly", name="n"))  # as a program does at each start
    await runner.calls.put(wanted("@daily", name="n"))
    await runner.calls.update(schedule_id, "@weekly", "Asia/Tokyo")
    await runner.calls.set_enabled(schedule_id, False)
    await runner.calls.set_enabled(schedule_id, False)  # it is
    await runner.calls.set_enabled(schedule_id, True)
    await runner.calls.delete(schedule_id)
    await runner.calls.delete(schedule_id)

    assert acts(store) == [
        ("add_schedule", "n: @hourly, UTC"),
        ("change_schedule", "n: @daily, UTC"),
        ("change_schedule", "n: @weekly, Asia/Tokyo"),
        ("disable_schedule", "n"),
        ("enable_schedule", "n"),
        ("delete_schedule", "n"),
    ]


async def test_a_schedule_without_a_name_is_noted_by_its_id(store: Store, start: Start) -> None:
    runner = start(store)
    schedule_id = await runner.calls.register(wanted("@hourly"))
    await runner.calls.delete(schedule_id)

    assert acts(store) == [
        ("add_schedule", f"{schedule_id}: @hourly, UTC"),
        ("delete_schedule", schedule_id),
    ]
