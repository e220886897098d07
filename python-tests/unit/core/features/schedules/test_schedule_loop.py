"""Schedules fire when they are due, by a clock that the tests hold in their hands."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from model.firing_by_hand import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    WORKFLOW,
    Runner,
    Store,
    inputs,
    runners,
    runs_of,
    times,
    wanted,
)

from cloaca_core.features.schedules.operations.backfill import BackfillSpec
from cloaca_core.features.schedules.operations.schedule_table import ScheduleSpec
from cloaca_core.features.schedules.schedule_loop import LEAD, SCHEDULES_PER_COMMIT


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Callable[..., Runner]]:
    async with runners() as start_one:
        yield start_one


@pytest.fixture
def store() -> Store:
    return Store()


Start = Callable[..., Runner]


# -- due -----------------------------------------------------------------------------------------


async def test_without_schedules_it_sleeps_for_ever(store: Store, start: Start) -> None:
    assert await start(store).fire() is None


async def test_what_ticks_need_is_imported_when_there_is_a_schedule_and_not_when_it_is_due(
    store: Store, start: Start
) -> None:
    runner = start(store)
    await runner.fire()
    assert "_rows" not in vars(runner.loop)

    await runner.calls.register(wanted("@daily"))
    await runner.fire()

    assert "_rows" in vars(runner.loop)


async def test_it_sleeps_until_the_next_tick(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.register(wanted())
    store.time += 40 * SECOND

    assert await runner.fire() == 20 - LEAD / SECOND
    assert store.runs == {}


@pytest.mark.parametrize(
    ("expected", "settings"),
    [
        (30, {}),
        (7, {"cron_poll_interval_seconds": 7}),
        (60, {"cron_poll_interval_seconds": 3600}),  # the clock may be set at any time
    ],
)
async def test_it_looks_at_the_clock_now_and_then(
    store: Store, start: Start, expected: float, settings: dict[str, Any]
) -> None:
    runner = start(store, **settings)
    await runner.calls.register(wanted("@daily"))

    assert await runner.fire() == expected


async def test_a_tick_makes_a_run_that_says_which_one_it_is(store: Store, start: Start) -> None:
    runner = start(store)
    schedule_id = await runner.calls.put(
        wanted("1 13 * * *", timezone="Europe/Berlin", name="n", params='{"a":1}')
    )
    store.time += MINUTE

    await runner.fire()

    assert inputs(store) == [
        {
            "a": 1,
            "scheduled_time": "2026-03-10T12:01:00+00:00",
            "schedule_id": schedule_id,
            "schedule_timezone": "Europe/Berlin",
            "schedule_expression": "1 13 * * *",
        }
    ]
    (run,) = runs_of(store)
    workflow = runner.registry.get(WORKFLOW)
    assert workflow is not None
    assert (run.workflow, run.version, run.owner) == (WORKFLOW, workflow.version, None)
    assert runner.made == 1


async def test_each_tick_is_fired_once(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.register(wanted())
    for _ in range(3):
        store.time += MINUTE
        await runner.fire()
        await runner.fire()

    assert times(store) == ["12:01", "12:02", "12:03"]


async def test_a_queue_is_looked_at_as_a_schedule_names_it_and_as_a_run_asks_for_it(
    store: Store, start: Start
) -> None:
    runner = start(store)
    await runner.calls.put(wanted(name="plain"))
    await runner.calls.put(wanted(name="n", queue="gpu"))
    assert runner.asked == ["gpu"]
    store.time += MINUTE

    await runner.fire()

    assert runner.asked == ["gpu", "gpu"]
    assert {(run.queue, run.asked_queue) for run in runs_of(store)} == {
        ("default", None),
        ("gpu", "gpu"),
    }


async def test_a_workflow_that_is_not_registered_here_is_left_to_others(
    store: Store, start: Start
) -> None:
    runner = start(store)
    await runner.calls.register(ScheduleSpec("public::embedded::others", "* * * * *", "UTC"))
    store.time += MINUTE

    assert await runner.fire() is None
    assert store.runs == {}


async def test_more_than_a_commit_takes_is_fired_in_several(store: Store, start: Start) -> None:
    runner = start(store)
    count = SCHEDULES_PER_COMMIT + 1
    for _ in range(count):
        await runner.calls.register(wanted())
    store.time += MINUTE

    await runner.fire()

    assert len(store.runs) == count
    assert store.commits == 2


async def test_a_schedule_that_cannot_be_read_does_not_stop_the_others(
    store: Store, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    runner = start(store, cron_poll_interval_seconds=3600)
    broken = await runner.calls.register(wanted())
    await runner.calls.register(wanted())
    store.schedules[broken] = store.schedules[broken]._replace(timezone="Mars/Olympus")
    store.time += MINUTE

    with caplog.at_level(logging.ERROR):
        timeout = await runner.fire()

    assert len(store.runs) == 1
    assert timeout == 60 - LEAD / SECOND
    assert f"schedule {broken} cannot be fired here" in caplog.text


@pytest.mark.virtual_time
async def test_a_lost_answer_fires_nothing_twice(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.register(wanted())
    store.time += MINUTE
    store.dropped = True

    await runner.fire()

    assert times(store) == ["12:01"]
    assert store.commits == 2


async def test_a_new_schedule_wakes_it(store: Store, start: Start) -> None:
    runner = start(store)
    turn = asyncio.create_task(runner.loop.turn())
    await asyncio.sleep(0)
    assert not turn.done()

    await runner.calls.register(wanted())

    await turn


# -- ahead ---------------------------------------------------------------------------------------


async def _decided_ahead(store: Store, *runners: Runner) -> None:
    """Let the runners look shortly before 12:01."""
    store.time += MINUTE - LEAD // 2
    for runner in runners:
        assert await runner.fire() == LEAD / 2 / SECOND
    assert store.runs == {}


async def test_at_the_due_instant_the_commit_alone_is_left(
    store: Store, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = start(store)
    await runner.calls.register(wanted())
    await _decided_ahead(store, runner)
    asked = _count_reads(store, monkeypatch)
    store.time += LEAD // 2

    assert await runner.loop.fire_due() == 0.0

    assert asked == []
    assert times(store) == ["12:01"]
    (run,) = runs_of(store)
    assert run.created_at == store.time


async def test_its_run_is_newer_than_those_made_after_the_decision(
    store: Store, start: Start
) -> None:
    runner = start(store)
    await runner.calls.register(wanted())
    await _decided_ahead(store, runner)
    submitted = runner.ids.next()
    store.time += LEAD // 2

    await runner.fire()

    (run,) = runs_of(store)
    assert run.id > submitted  # listings are by id, newest first


async def test_what_was_decided_is_not_decided_again_before_it_is_due(
    store: Store, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = start(store)
    await runner.calls.register(wanted())
    await _decided_ahead(store, runner)
    asked = _count_reads(store, monkeypatch)

    await runner.fire()
    await runner.fire()

    assert asked == ["next_due", "next_due"]


def _count_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reads of schedules that the loop makes from here on."""
    asked: list[str] = []
    reads = {name: getattr(store, name) for name in ("next_due", "due_schedules")}

    def counted(name: str) -> Callable[..., Any]:
        async def read(*args: Any) -> Any:
            asked.append(name)
            return await reads[name](*args)

        return read

    for name in reads:
        monkeypatch.setattr(store, name, counted(name))
    return asked


async def test_a_schedule_that_changes_after_that_is_decided_anew(
    store: Store, start: Start
) -> None:
    runner = start(store)
    names = ["changed", "disabled", "deleted"]
    changed, disabled, deleted = [await runner.calls.put(wanted(name=name)) for name in names]
    await _decided_ahead(store, runner)
    await runner.calls.put(wanted(name="changed", params='{"new":true}'))
    await runner.calls.set_enabled(disabled, False)
    await runner.calls.delete(deleted)
    store.time += LEAD // 2

    await runner.fire()

    assert [(each["schedule_id"], each.get("new")) for each in inputs(store)] == [(changed, True)]


async def test_a_schedule_that_comes_after_that_is_in_time(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.register(wanted())
    await _decided_ahead(store, runner)
    await runner.calls.register(wanted())
    store.time += LEAD // 2

    await runner.fire()

    assert times(store) == ["12:01", "12:01"]


async def test_a_host_that_fell_asleep_after_that_does_what_the_policy_says(
    store: Store, start: Start
) -> None:
    runner = start(store)
    await runner.calls.put(wanted("1 12 * * *", name="skipped", catchup_policy="skip"))
    await runner.calls.put(wanted("1 12 * * *", name="caught up", catchup_policy="run_once"))
    await _decided_ahead(store, runner)
    store.time += 2 * MINUTE

    await runner.fire()

    (caught_up,) = inputs(store)
    assert caught_up["is_recovery"] is True


async def test_a_clock_put_back_after_that_fires_when_it_has_come_round(
    store: Store, start: Start
) -> None:
    runner = start(store)
    await runner.calls.register(wanted())
    await _decided_ahead(store, runner)
    store.time -= 40 * SECOND

    assert await runner.fire() == 30  # the clock may be set again
    assert store.runs == {}
    store.time += 40 * SECOND + LEAD // 2
    await runner.fire()

    assert times(store) == ["12:01"]


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (True, ["12:01", "12:02"]),  # it ended after the decisions of that instant were made
        (False, ["12:01"]),
    ],
)
async def test_which_runs_are_under_way_counts_when_the_tick_is_due(
    store: Store, start: Start, ended: bool, expected: list[str]
) -> None:
    runner = start(store)
    await runner.calls.put(wanted("* * * * *", name="n", overlap_policy="skip"))
    store.time += MINUTE
    await runner.fire()
    (first,) = runs_of(store)
    store.time += MINUTE - LEAD // 2
    await runner.fire()
    if ended:
        store.runs[first.id] = first._replace(status="Completed", ended_at=store.time)
    store.time += LEAD // 2

    await runner.fire()

    assert times(store) == expected


async def test_two_runners_that_have_decided_fire_once(store: Store, start: Start) -> None:
    one, other = start(store), start(store)
    await one.calls.register(wanted())
    await _decided_ahead(store, one, other)
    store.time += LEAD // 2

    await asyncio.gather(one.fire(), other.fire())

    assert times(store) == ["12:01"]


async def test_a_runner_that_shuts_down_fires_nothing_more(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.register(wanted())
    await _decided_ahead(store, runner)
    runner.loop.closing = True
    store.time += LEAD // 2

    assert await runner.fire() is None
    assert store.runs == {}


# -- missed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "expected", "lost"),
    [
        ("skip", ["12:00"], 24),
        ("run_once", ["11:00", "12:00"], 23),
        ("run_all", ["09:00", "10:00", "11:00", "12:00"], 21),  # no more than the setting
    ],
)
async def test_a_host_that_slept_for_a_day_does_what_the_policy_says(
    store: Store, start: Start, policy: str, expected: list[str], lost: int
) -> None:
    runner = start(store, cron_max_catchup_executions=3)
    store.time -= HOUR
    await runner.calls.put(wanted("@hourly", name="n", catchup_policy=policy))
    store.time += DAY + HOUR  # now a tick is due, the ones before were missed

    await runner.fire()

    assert times(store) == expected
    assert await store.count_ticks(0) == (len(expected), lost)


@pytest.mark.parametrize(
    ("expected", "settings"),
    [
        ([], {"cron_enable_recovery": False}),
        # It was about runs that had got lost, of which there are none.
        (["13:00", "14:00", "15:00", "16:00", "17:00"], {"cron_max_recovery_age_seconds": 0}),
    ],
)
async def test_settings_may_drop_what_a_policy_would_run(
    store: Store, start: Start, expected: list[str], settings: dict[str, Any]
) -> None:
    runner = start(store, **settings)
    await runner.calls.put(wanted("@hourly", name="n", catchup_policy="run_all"))
    store.time += 5 * HOUR + 50 * MINUTE

    await runner.fire()

    assert times(store) == expected
    assert await store.count_ticks(0) == (len(expected), 5 - len(expected))


async def test_a_missed_tick_runs_however_old_it_is(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.put(wanted("@daily", name="n", catchup_policy="run_all"))
    store.time += 3 * DAY

    await runner.fire()

    days = [each["scheduled_time"][:10] for each in inputs(store)]
    assert days == ["2026-03-11", "2026-03-12", "2026-03-13"]


async def test_a_run_made_late_says_so(store: Store, start: Start) -> None:
    runner = start(store)
    schedule_id = await runner.calls.register(wanted("@hourly"))
    store.time += HOUR + 2 * MINUTE

    await runner.fire()

    (late,) = inputs(store)
    assert (late["is_recovery"], late["recovery_attempt"]) == (True, 1)
    (tick,) = await runner.calls.history(schedule_id, None, None)
    assert late["original_execution_id"] == tick["id"]


async def test_what_was_missed_while_disabled_is_over(store: Store, start: Start) -> None:
    runner = start(store)
    schedule_id = await runner.calls.register(wanted())
    await runner.calls.set_enabled(schedule_id, False)
    store.time += HOUR
    assert await runner.fire() is None

    await runner.calls.set_enabled(schedule_id, True)

    await runner.fire()
    assert store.runs == {}
    assert await store.count_ticks(0) == (0, 0)


async def test_the_same_schedule_again_misses_nothing(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.put(wanted("@hourly", name="n"))
    store.time += HOUR + MINUTE

    await runner.calls.put(wanted("@hourly", name="n"))  # as a program does when it starts

    await runner.fire()
    assert times(store) == ["13:00"]


async def test_a_tick_whose_jitter_is_taken_away_is_not_late(store: Store, start: Start) -> None:
    runner = start(store)
    for jitter in (3600, 0):
        options: dict[str, Any] = {"jitter_seconds": jitter, "catchup_policy": "skip"}
        await runner.calls.put(wanted("@hourly", name="n", **options))
    await runner.fire()

    store.time += HOUR
    await runner.fire()

    assert times(store) == ["13:00"]


# -- clocks --------------------------------------------------------------------------------------


async def test_a_clock_put_back_an_hour_fires_nothing_twice(store: Store, start: Start) -> None:
    """Whether it was ahead before or is behind now cannot be told. Ticks have their rows."""
    runner = start(store)
    await runner.calls.register(wanted("*/15 * * * *"))
    for _ in range(8):
        store.time += 15 * MINUTE
        await runner.fire()
    before = times(store)

    store.time -= HOUR
    for _ in range(4):
        await runner.fire()
        store.time += 15 * MINUTE
    assert times(store) == before == [f"{12 + n // 4}:{n % 4 * 15:02}" for n in range(1, 9)]

    store.time += 15 * MINUTE
    await runner.fire()
    assert times(store) == [*before, "14:15"]


async def test_a_clock_put_back_a_minute_is_waited_for(
    store: Store, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    runner = start(store)
    await runner.calls.register(wanted("*/20 * * * * *"))
    for _ in range(3):
        store.time += 20 * SECOND
        await runner.fire()
    (before,) = store.schedules.values()

    store.time -= MINUTE
    await runner.fire()
    assert list(store.schedules.values()) == [before]
    store.time += 80 * SECOND
    await runner.fire()

    assert len(store.runs) == 4
    assert not caplog.records


@pytest.mark.parametrize("again", [False, True])
async def test_a_clock_that_was_ahead_silences_no_schedule_once_it_is_right(
    store: Store, start: Start, caplog: pytest.LogCaptureFixture, again: bool
) -> None:
    """Neither where the same runner goes on, nor where the next one finds it so."""
    runner = start(store)
    await runner.calls.put(wanted(name="n"))
    store.time += MINUTE
    await runner.fire()
    store.time += 365 * DAY
    await runner.fire()
    ahead = len(store.runs)

    store.time -= 365 * DAY
    next_one = start(store)
    if again:
        await next_one.calls.put(wanted(name="n"))
    made = []
    for _ in range(3):
        store.time += MINUTE
        await (next_one if again else runner).fire()
        made.append(len(store.runs) - ahead)

    assert made == [1, 2, 3]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith(
        "was decided until 2027-03-10T12:01:00+00:00 by a clock that was ahead; "
        "it goes on from 2026-03-10T12:01:00+00:00"
    )


async def _ended_by_a_clock_that_was_ahead(store: Store, runner: Runner) -> str:
    """Fire a schedule of 30 days a year ahead, and put the clock right."""
    schedule_id = await runner.calls.register(wanted(end_date="2026-04-09T12:00:00Z"))
    store.time += 365 * DAY
    await runner.fire()
    assert store.schedules[schedule_id].due_at is None
    store.time -= 365 * DAY
    return schedule_id


@pytest.mark.parametrize("others", [0, 1])
async def test_a_schedule_that_such_a_clock_has_ended_goes_on_under_the_next_runner(
    store: Store, start: Start, others: int
) -> None:
    """Also where no other schedule is due at any time."""
    first = start(store)
    await _ended_by_a_clock_that_was_ahead(store, first)
    ahead = len(store.runs)
    for _ in range(others):
        await first.calls.register(wanted("@yearly"))

    next_one = start(store)
    made = []
    for minutes in range(4):
        store.time += MINUTE * min(minutes, 1)
        await next_one.fire()
        made.append(len(store.runs) - ahead)

    assert made == [0, 1, 2, 3]


@pytest.mark.parametrize("next_one", [False, True])
async def test_a_runner_whose_schedules_have_ended_looks_whether_a_clock_was_ahead(
    store: Store, start: Start, monkeypatch: pytest.MonkeyPatch, next_one: bool
) -> None:
    """Also one that was opened while the clock was ahead."""
    runner = start(store)
    await _ended_by_a_clock_that_was_ahead(store, runner)
    if next_one:
        runner = start(store)
        store.time += 365 * DAY
        await runner.fire()
        store.time -= 365 * DAY
    asked = _count_reads(store, monkeypatch)

    pause = await runner.fire()

    assert pause is not None
    assert 0 < pause <= 60
    assert asked == ["next_due"]
    monkeypatch.setattr(runner.loop, "_check_at", 0.0)  # that time has passed
    assert await runner.fire() == 30


async def test_a_runner_without_schedules_sleeps_on_and_loads_nothing_of_cron(
    store: Store, start: Start
) -> None:
    runner = start(store)

    assert [await runner.fire() for _ in range(2)] == [None, None]
    assert not {"_rows", "cursor_correction"} & vars(runner.loop).keys()


async def test_one_that_cannot_be_put_right_is_told_of_once_for_each_change_of_it(
    store: Store, start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = start(store)
    broken = await _ended_by_a_clock_that_was_ahead(store, runner)
    store.schedules[broken] = store.schedules[broken]._replace(timezone="Mars/Olympus")

    async def look_twice() -> None:
        for _ in range(2):
            monkeypatch.setattr(runner.loop, "_check_at", 0.0)  # the time has come
            await runner.loop.fire_due()

    await look_twice()
    store.schedules[broken] = store.schedules[broken]._replace(generation=99)
    await look_twice()

    told = [record.getMessage() for record in caplog.records]
    assert told == [f"schedule {broken} cannot be put right here"] * 2


async def test_the_next_runner_puts_right_what_it_finds(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.register(wanted())
    store.time += DAY
    await runner.fire()
    store.time -= DAY - MINUTE
    ahead = len(store.runs)

    next_one = start(store)
    await next_one.fire()

    assert len(store.runs) == ahead + 1  # 12:01


async def test_one_that_runs_looks_now_and_then_whether_others_were_ahead(
    store: Store, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong = start(store), start(store, ahead=DAY)
    await right.calls.register(wanted("@hourly"))
    await right.fire()
    await wrong.fire()
    ahead = len(store.runs)
    store.time += HOUR
    await right.fire()
    assert len(store.runs) == ahead

    monkeypatch.setattr(right.loop, "_check_at", 0.0)  # the time has come
    await right.fire()

    assert len(store.runs) == ahead + 1  # 13:00


async def test_what_passed_while_the_clock_was_ahead_was_missed(store: Store, start: Start) -> None:
    """Each tick has one run under run_all, and those of the future have theirs already."""
    runner = start(store)
    await runner.calls.register(wanted(catchup_policy="run_all"))
    store.time += MINUTE
    await runner.fire()  # 12:01
    store.time += HOUR
    await runner.fire()  # to 13:01
    before = times(store)

    store.time -= HOUR - 4 * MINUTE
    await runner.fire()
    for _ in range(60):
        store.time += MINUTE
        await runner.fire()

    assert [f"{(n := 60 + minute) // 60 + 11}:{n % 60:02}" for minute in range(1, 66)] == times(
        store
    )
    assert set(before) < set(times(store))


async def test_two_runners_put_a_schedule_right_once(
    store: Store, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = start(store), start(store)
    await first.calls.register(wanted())
    store.time += DAY
    await asyncio.gather(first.fire(), second.fire())
    store.time -= DAY - MINUTE
    ahead = len(store.runs)

    await asyncio.gather(first.fire(), second.fire())

    assert len(store.runs) == ahead + 1
    assert [each.levelname for each in caplog.records] == ["WARNING"]


async def test_one_that_was_changed_on_a_clock_that_was_ahead_begins_now(
    store: Store, start: Start
) -> None:
    """When that was indeed is not known: nothing before now is made good."""
    runner = start(store)
    store.time += DAY
    await runner.calls.register(wanted(catchup_policy="run_all"))
    store.time -= DAY - 30 * MINUTE
    await runner.fire()
    assert times(store) == []

    store.time += MINUTE
    await runner.fire()
    assert times(store) == ["12:31"]


@pytest.mark.parametrize("policy", ["allow", "skip", "queue", "cancel_old"])
async def test_a_tick_that_has_its_run_does_nothing_when_its_time_really_comes(
    store: Store, start: Start, policy: str
) -> None:
    """Under no policy does it block or cancel another run."""
    runner = start(store)
    await runner.calls.register(wanted(overlap_policy=policy, catchup_policy="skip"))
    for _ in range(4):
        store.time += MINUTE
        await runner.fire()
    before, behind = dict(store.runs), dict(store.behind)

    store.time -= 150 * SECOND
    await runner.fire()
    for _ in range(3):
        store.time += 50 * SECOND
        await runner.fire()

    assert (store.runs, store.behind) == (before, behind)


async def test_one_that_cannot_be_read_is_told_of_and_the_others_are_put_right(
    store: Store, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    runner = start(store)
    ids = [await runner.calls.register(wanted()) for _ in range(2)]
    store.time += DAY
    await runner.fire()
    store.schedules[ids[0]] = store.schedules[ids[0]]._replace(timezone="Mars/Olympus")
    store.time -= DAY - MINUTE

    await runner.fire()

    assert [each.levelname for each in caplog.records] == ["ERROR", "WARNING"]
    assert store.schedules[ids[1]].decided_until == store.time


async def test_a_clock_put_forward_an_hour_makes_no_burst(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.register(wanted())

    store.time += HOUR
    await runner.fire()

    # 13:00 is due now, 12:59 is not older than a minute; of the missed ones the newest.
    assert times(store) == ["12:58", "12:59", "13:00"]


async def test_a_schedule_changed_on_a_clock_that_was_put_back_fires_nothing_again(
    store: Store, start: Start
) -> None:
    runner = start(store)
    schedule_id = await runner.calls.register(wanted())
    store.time += MINUTE
    await runner.fire()
    store.time -= 30 * SECOND

    await runner.calls.update(schedule_id, "*/1 * * * *", "UTC")
    store.time += 40 * SECOND
    await runner.fire()

    assert times(store) == ["12:01"]


async def test_two_runners_whose_clocks_differ_fire_each_tick_once(
    store: Store, start: Start
) -> None:
    slow, fast = start(store), start(store, ahead=MINUTE)
    await slow.calls.register(wanted("*/20 * * * * *"))
    for _ in range(30):
        store.time += 10 * SECOND
        await asyncio.gather(slow.fire(), fast.fire())

    ticks = [each["scheduled_time"] for each in inputs(store)]
    assert len(ticks) == len(set(ticks)) == 18  # five minutes, and one more on the fast clock
    assert not any("is_recovery" in each for each in inputs(store))


# -- overlap -------------------------------------------------------------------------------------


async def test_a_tick_that_is_skipped_leaves_the_schedule_s_last_run_as_it_was(
    store: Store, start: Start
) -> None:
    runner = start(store)
    schedule_id = await runner.calls.put(wanted(name="n", overlap_policy="skip"))
    for _ in range(2):
        store.time += MINUTE
        await runner.fire()

    assert times(store) == ["12:01"]
    assert await store.count_ticks(0) == (1, 1)
    assert [
        row["workflow_execution_id"] for row in await runner.calls.history(schedule_id, None, None)
    ] == [
        None,
        next(iter(store.runs)),
    ]
    assert (await runner.calls.get(schedule_id))["last_run_at"] == "2026-03-10T12:01:00+00:00"


async def test_each_tick_queues_behind_the_one_before(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.put(wanted(name="n", overlap_policy="queue"))
    for _ in range(3):
        store.time += MINUTE
        await runner.fire()

    first, second, third = [run.id for run in runs_of(store)]
    assert store.behind == {second: first, third: second}
    assert runner.heard == 0


async def test_who_may_have_lost_a_run_to_a_tick_hears_of_it(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.put(wanted(name="n", overlap_policy="cancel_old"))
    store.time += MINUTE
    await runner.fire()
    assert runner.heard == 0

    store.time += MINUTE
    await runner.fire()

    assert [run.status for run in runs_of(store)] == ["Cancelled", "Pending"]
    assert runner.heard == 1


async def test_missed_ticks_that_all_run_meet_each_other(store: Store, start: Start) -> None:
    runner = start(store)
    await runner.calls.put(
        wanted("@hourly", name="n", overlap_policy="queue", catchup_policy="run_all")
    )
    store.time += 3 * HOUR + 2 * MINUTE

    await runner.fire()

    first, second, third = [run.id for run in runs_of(store)]
    assert store.behind == {second: first, third: second}


@pytest.mark.parametrize(
    ("policy", "filled", "expected"),
    [
        ("skip", "13", {"14:00": None}),  # 15:00 meets that one
        ("queue", "14", {"13:00": None, "15:00": "13:00"}),
    ],
)
async def test_a_missed_tick_does_not_meet_the_run_that_a_back_filled_one_never_makes(
    store: Store, start: Start, policy: str, filled: str, expected: dict[str, str | None]
) -> None:
    runner = start(store)
    await runner.calls.put(
        wanted("@hourly", name="n", overlap_policy=policy, catchup_policy="run_all")
    )
    store.time += 3 * HOUR + 2 * MINUTE
    await runner.back_filling.run(BackfillSpec("n", _at(f"{filled}:00"), _at(f"{filled}:30")))

    await runner.fire()

    made = [run for run in runs_of(store) if run.schedule_id is not None]
    tick_of = {run.id: json.loads(run.input)["scheduled_time"][11:16] for run in made}
    assert {
        tick: tick_of.get(store.behind.get(run_id, "")) for run_id, tick in tick_of.items()
    } == expected


async def test_who_fires_waits_for_a_back_fill_that_is_under_way(
    store: Store, start: Start
) -> None:
    """In one commit neither would see the other's runs."""
    runner = start(store)
    await runner.calls.put(
        wanted("@hourly", name="n", overlap_policy="skip", catchup_policy="run_all")
    )
    store.time += 2 * HOUR + 2 * MINUTE

    spec = BackfillSpec("n", _at("13:00"), _at("13:30"))
    await asyncio.gather(runner.back_filling.run(spec), runner.fire())

    assert times(store) == ["13:00", "14:00"]


def _at(hour: str) -> str:
    return f"2026-03-10T{hour}:00Z"


async def test_a_changed_policy_counts_from_the_next_tick_on(store: Store, start: Start) -> None:
    runner = start(store)
    for policy in ("queue", "queue", "skip", "cancel_old"):
        await runner.calls.put(wanted(name="n", overlap_policy=policy))
        store.time += MINUTE
        await runner.fire()

    assert [run.status for run in runs_of(store)] == ["Cancelled", "Cancelled", "Pending"]
    assert store.behind == {}
    assert await store.count_ticks(0) == (3, 1)


@pytest.mark.parametrize("policy", ["skip", "queue", "cancel_old"])
async def test_two_runners_decide_one_tick_once(store: Store, start: Start, policy: str) -> None:
    one, other = start(store), start(store)
    await one.calls.put(wanted(name="n", overlap_policy=policy))
    for _ in range(3):
        store.time += MINUTE
        await asyncio.gather(one.fire(), other.fire())

    assert await store.count_ticks(0) == ((1, 2) if policy == "skip" else (3, 0))
    claimable = [run for run in runs_of(store) if store.is_claimable(run)]
    assert len(claimable) == 1
