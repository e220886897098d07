"""Schedules that a clock which was ahead has decided go on from what is known, each by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from model.firing_by_hand import DAY, MINUTE, NOON, Store

from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.schedules.cursor_correction import CursorCorrection
from cloaca_core.features.schedules.records import ScheduleRow
from cloaca_testing.conformance.rows import schedule

Put = Callable[..., ScheduleRow]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def put(store: Store) -> Put:
    """Stores a schedule of each minute that is decided until tomorrow noon."""

    def put(schedule_id: str = "s", **fields: Any) -> ScheduleRow:
        row = schedule(schedule_id, due_at=NOON + DAY + MINUTE, created_at=NOON - 9 * MINUTE)
        store.schedules[schedule_id] = row._replace(**{"decided_until": NOON + DAY, **fields})
        return store.schedules[schedule_id]

    return put


@pytest.mark.parametrize(
    ("newest", "decided_until"),
    [
        (NOON - 2 * MINUTE, NOON - 2 * MINUTE),  # 11:59 was missed: the policy decides about it
        (None, NOON - 9 * MINUTE),  # it has not ticked since it was made
    ],
)
async def test_it_goes_on_from_its_newest_tick_up_to_now(
    store: Store, put: Put, newest: int | None, decided_until: int
) -> None:
    row = put()

    assert await CursorCorrection(store).put_right([(row, newest)], NOON)

    assert store.schedules["s"] == row._replace(
        decided_until=decided_until,
        next_tick=decided_until + MINUTE,
        due_at=decided_until + MINUTE,
        generation=row.generation + 1,
    )


async def test_one_that_was_changed_by_that_clock_goes_on_from_now(store: Store, put: Put) -> None:
    row = put(updated_at=NOON + DAY)

    assert await CursorCorrection(store).put_right([(row, NOON - 2 * MINUTE)], NOON)

    now = store.schedules["s"]
    assert (now.decided_until, now.next_tick, now.updated_at) == (NOON, NOON + MINUTE, NOON)


async def test_one_that_such_a_clock_has_ended_ticks_until_its_end_again(
    store: Store, put: Put
) -> None:
    row = put(next_tick=None, due_at=None, end_date=NOON + MINUTE)

    await CursorCorrection(store).put_right([(row, NOON)], NOON)

    assert store.schedules["s"].due_at == NOON + MINUTE


async def test_one_that_is_spread_over_time_has_its_usual_place_in_it(
    store: Store, put: Put
) -> None:
    row = put(cron_expression="@hourly", jitter_seconds=600)

    await CursorCorrection(store).put_right([(row, NOON)], NOON)

    now = store.schedules["s"]
    assert now.next_tick == NOON + 60 * MINUTE
    assert now.due_at is not None
    assert now.next_tick < now.due_at <= now.next_tick + 10 * MINUTE


async def test_one_that_was_changed_meanwhile_is_left_and_not_told_of(
    store: Store, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    seen = put()
    changed = put(generation=seen.generation + 1)

    assert not await CursorCorrection(store).put_right([(seen, NOON)], NOON)

    assert store.schedules["s"] == changed
    assert caplog.messages == []


async def test_one_that_cannot_be_read_is_told_of_once_and_keeps_no_other_back(
    store: Store, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = put("broken", timezone="Mars/Olympus"), put("sound")
    correction = CursorCorrection(store)

    assert await correction.put_right([(broken, NOON), (sound, NOON)], NOON)
    assert not await correction.put_right([(broken, NOON)], NOON)

    assert store.schedules["broken"] == broken
    unreadable, put_right = caplog.messages
    assert unreadable == "schedule broken cannot be put right here"
    assert put_right == (
        "schedule sound was decided until 2026-03-11T12:00:00+00:00 by a clock that was ahead; "
        "it goes on from 2026-03-10T12:00:00+00:00"
    )


async def test_an_outage_is_taken_for_no_flaw_of_a_schedule(
    store: Store, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: ScheduleRow) -> bool:
        raise StoreUnavailableError("away")

    monkeypatch.setattr(store, "change_schedule", away)

    with pytest.raises(StoreUnavailableError):
        await CursorCorrection(store).put_right([(put(), NOON)], NOON)
