"""A period is run after the fact, each of its ticks once, while the schedule fires as well."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import pytest_asyncio
from model.firing_by_hand import HOUR, MINUTE, Runner, Store, inputs, runners, times, wanted
from model.operations import Do
from tables import each_row

from cloaca_core.assembly.caller import Caller
from cloaca_core.assembly.host import EngineHost
from cloaca_core.errors import CloacaError, RunnerClosedError, ScheduleError
from cloaca_core.features.schedules.operations.backfill import (
    BackfillSpec,
    Filled,
    PreviewBackfill,
    RunBackfill,
    RunSchedule,
)
from cloaca_core.features.schedules.operations.schedules import PutSchedule
from cloaca_core.features.schedules.records import TickRow
from cloaca_core.features.schedules.results import Backfill
from cloaca_core.features.schedules.tick_rows import TICKS_PER_COMMIT
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.states import TickOutcome

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
"""When the store's clock stands still."""


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Callable[..., Runner]]:
    async with runners() as start_one:
        yield start_one


@pytest.fixture
def store() -> Store:
    return Store()


Start = Callable[..., Runner]


def at(time: str) -> datetime:
    """A time of that morning."""
    hour, minute = map(int, time.split(":"))
    return NOON.replace(hour=hour, minute=minute)


def morning(schedule: str = "n", limit: int | None = None) -> BackfillSpec:
    """The four hours before noon."""
    return BackfillSpec(schedule, at("08:00"), at("12:00"), limit)


async def hourly(runner: Runner, **options: Any) -> str:
    return await runner.calls.put(wanted("@hourly", name="n", **options))


def told(filled: Filled) -> tuple[list[int], int, int]:
    """The hours that run, how many have before, and how many are left."""
    hours = [datetime.fromtimestamp(tick // 1_000_000, UTC).hour for tick in filled.ticks]
    return hours, filled.already, filled.left


async def test_a_preview_makes_nothing(store: Store, start: Start) -> None:
    runner = start(store)
    await hourly(runner)

    filled = await runner.back_filling.preview(morning(limit=3))

    assert told(filled) == ([8, 9, 10], 0, 1)
    assert filled.runs == ()
    assert (store.runs, store.ticks) == ({}, {})


async def test_a_tick_of_the_past_makes_a_run_that_says_that_it_is_late(
    store: Store, start: Start
) -> None:
    runner = start(store)
    schedule_id = await hourly(runner, params='{"a":1}')
    before = store.schedules[schedule_id]

    filled = await runner.back_filling.run(BackfillSpec("n", at("08:00"), at("09:00")))

    name = f"{schedule_id}@2026-03-10T08:00:00+00:00"
    assert inputs(store) == [
        {
            "a": 1,
            "scheduled_time": "2026-03-10T08:00:00+00:00",
            "schedule_id": schedule_id,
            "schedule_timezone": "UTC",
            "schedule_expression": "@hourly",
            "is_recovery": True,
            "recovery_attempt": 1,
            "original_execution_id": name,
        }
    ]
    assert filled.runs == tuple(store.runs)
    assert [tick.outcome for tick in store.ticks.values()] == [TickOutcome.BACKFILLED]
    assert store.schedules[schedule_id] == before
    assert runner.made == 1


async def test_the_same_again_makes_none_twice(store: Store, start: Start) -> None:
    runner = start(store)
    await hourly(runner)

    first = await runner.back_filling.run(morning())
    second = await runner.back_filling.run(morning())

    assert told(first) == ([8, 9, 10, 11], 0, 0)
    assert told(second) == ([], 4, 0)
    assert second.runs == ()
    assert times(store) == ["08:00", "09:00", "10:00", "11:00"]


async def test_beyond_its_limit_the_next_call_goes_on(store: Store, start: Start) -> None:
    runner = start(store)
    await hourly(runner)

    assert told(await runner.back_filling.run(morning(limit=3))) == ([8, 9, 10], 0, 1)
    assert told(await runner.back_filling.run(morning(limit=3))) == ([11], 3, 0)


async def test_a_schedule_that_is_disabled_is_back_filled(store: Store, start: Start) -> None:
    runner = start(store)
    schedule_id = await hourly(runner)
    await runner.calls.set_enabled(schedule_id, False)

    assert told(await runner.back_filling.run(morning(schedule_id))) == ([8, 9, 10, 11], 0, 0)


async def test_what_a_policy_dropped_is_back_filled(store: Store, start: Start) -> None:
    runner = start(store)
    store.time -= 5 * HOUR
    await hourly(runner, catchup_policy="skip")
    store.time += 5 * HOUR
    await runner.fire()
    assert times(store) == ["12:00"]

    filled = await runner.back_filling.run(BackfillSpec("n", at("08:00"), at("12:01")))

    assert told(filled) == ([8, 9, 10, 11], 1, 0)


async def test_a_tick_that_was_decided_and_made_no_run_is_back_filled(
    store: Store, start: Start
) -> None:
    runner = start(store)
    schedule_id = await hourly(runner)
    tick = store.time - HOUR
    store.ticks[schedule_id, tick] = TickRow(schedule_id, tick, None, "Skipped", tick)

    assert told(await runner.back_filling.run(morning())) == ([8, 9, 10, 11], 0, 0)
    assert times(store)[-1] == "11:00"


async def test_what_is_back_filled_is_not_fired_again(store: Store, start: Start) -> None:
    runner = start(store)
    await hourly(runner)
    store.time += HOUR  # 13:00 is due, and no runner has fired it yet

    await runner.back_filling.run(BackfillSpec("n", at("12:00"), at("14:00")))
    await runner.fire()

    assert times(store) == ["12:00", "13:00"]


async def test_two_who_back_fill_share_the_ticks(store: Store, start: Start) -> None:
    first, second = start(store), start(store)
    await hourly(first)

    filled = await asyncio.gather(
        first.back_filling.run(morning()), second.back_filling.run(morning())
    )

    assert times(store) == ["08:00", "09:00", "10:00", "11:00"]
    assert sorted(run for each in filled for run in each.runs) == sorted(store.runs)
    assert [len(each.ticks) + each.already for each in filled] == [4, 4]


async def test_a_commit_has_no_more_ticks_than_a_firing(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.put(wanted("* * * * * *", name="n"))
    seconds = TICKS_PER_COMMIT + 1
    spec = BackfillSpec("n", NOON - timedelta(seconds=seconds), NOON, seconds)

    filled = await runner.back_filling.run(spec)

    assert len(filled.ticks) == len(store.runs) == seconds
    assert store.commits == 2


async def test_an_id_and_a_name_are_known_apart(store: Store, start: Start) -> None:
    runner = start(store)
    schedule_id = await hourly(runner)
    named = await runner.calls.put(wanted("@hourly", name="00000000-0000-0000-0000-000000000000"))

    by_id = await runner.back_filling.preview(morning(schedule_id.upper()))
    by_name = await runner.back_filling.preview(morning("00000000-0000-0000-0000-000000000000"))

    assert (by_id.schedule_id, by_name.schedule_id) == (schedule_id, named)


async def test_a_schedule_that_is_deleted_meanwhile_makes_nothing(start: Start) -> None:
    class Deleting(Store):
        async def commit(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
            self.schedules.clear()
            return await super().commit(batch, on_commit)

    store = Deleting()
    runner = start(store)
    await hourly(runner)

    with pytest.raises(ScheduleError, match="has been deleted meanwhile"):
        await runner.back_filling.run(morning())

    assert store.runs == {}


async def test_one_that_is_cut_off_leaves_nothing_for_the_loop_to_end(
    store: Store, start: Start
) -> None:
    """The loop is stopped right after it at a shutdown, and would complain."""
    runner = start(store)
    await hourly(runner)
    await runner.writer.stop()  # what is to be committed waits
    left: list[object] = []
    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(finalizer=left.append)

    filling = asyncio.create_task(runner.back_filling.run(morning()))
    await asyncio.sleep(0)
    filling.cancel()
    await asyncio.wait([filling])

    sys.set_asyncgen_hooks(*before)
    assert filling.cancelled()
    assert left == []


@each_row(
    ("spec", "kind", "message"),
    [
        (morning("unknown"), ValueError, "Record not found: no schedule has the id or the name"),
        (morning("a\0b"), ValueError, "Record not found"),
        (morning(cast("Any", 7)), TypeError, "schedule must be a str, got int"),
        (morning(limit=-1), ValueError, "limit must be at least 0, got -1"),
        (BackfillSpec("n", "2026-03-10", NOON), ValueError, "Invalid datetime format: start"),
        (BackfillSpec("n", at("08:00"), "soon"), ValueError, "Invalid datetime format: end"),
        (BackfillSpec("n", NOON, at("08:00")), ValueError, "end must be after start"),
        (
            BackfillSpec("n", NOON, NOON + timedelta(hours=2)),
            ValueError,
            "end must not be after a tick",
        ),
    ],
)
async def test_what_cannot_be_is_refused(
    store: Store, start: Start, spec: BackfillSpec, kind: type[Exception], message: str
) -> None:
    runner = start(store)
    await hourly(runner)
    store.time += MINUTE

    refusal = f"^{re.escape(f'Failed to back-fill schedule: {message}')}"
    for ask in (runner.back_filling.preview, runner.back_filling.run):
        with pytest.raises(kind, match=refusal) as caught:
            await ask(spec)
        assert isinstance(caught.value, CloacaError)

    assert store.runs == {}


# -- calls ---------------------------------------------------------------------------------------


async def test_a_call_answers_with_the_ticks_as_text(do: Do, caller: Caller) -> None:
    schedule_id = do(PutSchedule("n", "flow", "@hourly", "UTC"))

    preview = do(PreviewBackfill("n", at("08:00"), at("11:00"), 2))
    filled = await RunBackfill("n", at("08:00"), at("11:00"), 2).call(caller)

    times = ("2026-03-10T08:00:00+00:00", "2026-03-10T09:00:00+00:00")
    assert preview == Backfill(schedule_id, times, (), 0, 1)
    assert (filled.scheduled_times, filled.already_run, filled.beyond_limit) == (times, 0, 1)
    assert len(filled.run_ids) == 2


def test_an_engine_that_shuts_down_refuses_a_call_before_it_looks_at_arguments(
    do: Do, host: EngineHost
) -> None:
    """It was sent when the host was open still."""
    engine = host.engine
    engine._lifecycle.closing = True
    try:
        for operation in (RunBackfill("n", "x", "x", -1), PreviewBackfill("n", "x", "x", -1)):
            with pytest.raises(RunnerClosedError):
                do(operation)
    finally:
        engine._lifecycle.closing = False


async def test_who_asked_is_noted_once_if_there_are_ticks_to_run(
    store: Store, start: Start
) -> None:
    runner = start(store)
    await hourly(runner)
    store.noted.clear()

    await runner.back_filling.preview(morning())
    assert store.noted == {}
    await runner.back_filling.run(morning())
    await runner.back_filling.run(morning())  # all of them have

    (act,) = store.noted.values()
    about = "n: 2026-03-10 08:00:00 to 2026-03-10 12:00:00 UTC"
    assert (act.kind, act.reason, act.asked_by) == ("backfill_schedule", about, "ann")


async def test_a_back_fill_of_several_pages_is_noted_once(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.put(wanted("* * * * *", name="n"))
    store.noted.clear()
    ticks = 2 * TICKS_PER_COMMIT
    period = (NOON - timedelta(minutes=ticks), NOON)

    filled = await runner.back_filling.run(BackfillSpec("n", *period, ticks))

    assert len(filled.ticks) == ticks
    assert len(store.noted) == 1


# -- run now -------------------------------------------------------------------------------------


async def test_a_schedule_is_run_now_with_its_context_limit_and_queue(
    store: Store, start: Start
) -> None:
    """It is off, and a run of an earlier tick counts for nothing: a person asks."""
    runner = start(store)
    options = {"params": '{"a":1}', "time_limit": 60, "queue": "slow", "overlap_policy": "skip"}
    schedule_id = await hourly(runner, **options)
    await runner.calls.set_enabled(schedule_id, False)
    store.noted.clear()
    before = store.schedules[schedule_id]

    run_id = await runner.back_filling.run_now("n")

    assert list(store.runs) == [run_id]
    assert inputs(store) == [
        {
            "a": 1,
            "scheduled_time": "2026-03-10T12:00:00.000001+00:00",
            "schedule_id": schedule_id,
            "schedule_timezone": "UTC",
            "schedule_expression": "@hourly",
        }
    ]
    run = store.runs[run_id]
    assert (run.time_limit, run.queue, run.asked_queue) == (60_000_000, "slow", "slow")
    assert [tick.outcome for tick in store.ticks.values()] == [TickOutcome.REQUESTED]
    assert store.schedules[schedule_id] == before
    (act,) = store.noted.values()
    assert (act.kind, act.reason, act.asked_by) == ("run_schedule", "n", "ann")


async def test_requests_at_the_instant_of_a_tick_make_runs_beside_that_of_the_tick(
    store: Store, start: Start
) -> None:
    """The clock of a test may stand still, at a whole hour."""
    runner = start(store)
    await hourly(runner)

    requested = [await runner.back_filling.run_now("n") for _ in range(2)]
    filled = await runner.back_filling.run(BackfillSpec("n", NOON, NOON + timedelta(hours=1)))

    assert len(filled.runs) == 1
    assert store.runs.keys() == {*requested, *filled.runs}


async def test_what_is_no_schedule_is_not_run(store: Store, start: Start) -> None:
    runner = start(store)

    with pytest.raises(ScheduleError, match="Failed to run schedule: Record not found: no sched"):
        await runner.back_filling.run_now("n")


def test_a_client_runs_a_schedule_by_its_name(do: Do) -> None:
    schedule_id = do(PutSchedule("n", "w", "@hourly", "UTC"))

    assert do(RunSchedule(schedule_id, by="ann")) != do(RunSchedule("n"))
