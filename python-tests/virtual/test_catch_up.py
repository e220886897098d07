"""A program that was off for a week: what it makes up for when it is back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from model.runs import nothing
from model.virtual_engine import World, at, world
from tables import each_row

pytestmark = pytest.mark.virtual_time

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
BACK = NOON + timedelta(days=7)
"""Noon of the 17th: the midnights of the 11th to the 17th were missed, seven of them."""


def midnights(*days: int) -> list[datetime]:
    return [datetime(2026, 3, day, tzinfo=UTC) for day in days]


async def miss_a_week(w: World, back: datetime, options: dict[str, Any], **settings: Any) -> None:
    """One program adds a schedule and is off an hour later; another one is there from ``back``."""
    w.define(nothing)
    first = await w.start()
    await first.schedule("0 0 * * *", **options)
    await w.clock.until(NOON + timedelta(hours=1))
    await first.stop()
    await w.clock.until(back)
    await w.start(**settings)


def scheduled(w: World) -> list[datetime]:
    """The ticks that have runs, in the order in which those were made."""
    return [datetime.fromisoformat(json.loads(run.input)["scheduled_time"]) for run in w.runs()]


@pytest.mark.parametrize(
    ("policy", "settings", "made_up_for"),
    [
        ("skip", {}, []),
        ("run_once", {}, [17]),  # the newest
        (None, {}, [17]),  # the default
        ("run_all", {}, [11, 12, 13, 14, 15, 16, 17]),
        ("run_all", {"cron_max_catchup_executions": 3}, [15, 16, 17]),  # the newest of them
        ("run_once", {"cron_max_catchup_executions": 0}, []),
        ("run_all", {"cron_enable_recovery": False}, []),
    ],
)
async def test_missed_ticks_run_as_the_policy_says(
    policy: str | None, settings: dict[str, Any], made_up_for: list[int]
) -> None:
    async with world(NOON) as w:
        await miss_a_week(w, BACK, {"catchup_policy": policy}, **settings)
        await w.clock.until(BACK + timedelta(hours=1))

        assert scheduled(w) == midnights(*made_up_for)
        assert {at(run.created_at) for run in w.runs()} <= {BACK}
        assert all(json.loads(run.input)["is_recovery"] for run in w.runs())


@pytest.mark.parametrize("policy", ["skip", "run_once", "run_all"])
async def test_afterwards_it_ticks_as_ever(policy: str) -> None:
    async with world(NOON) as w:
        await miss_a_week(w, BACK, {"catchup_policy": policy})
        await w.clock.until(BACK + timedelta(hours=1))
        made_up_for = len(w.runs())

        await w.clock.until(BACK + timedelta(days=2))

        assert scheduled(w)[made_up_for:] == midnights(18, 19)
        assert [at(run.created_at) for run in w.runs()[made_up_for:]] == midnights(18, 19)


@each_row(
    ("seconds", "runs"),
    [
        (60, [17]),  # not for longer than a minute: in time
        (61, []),
    ],
)
async def test_a_tick_that_has_been_due_for_a_minute_was_not_missed(
    seconds: int, runs: list[int]
) -> None:
    async with world(NOON) as w:
        back = midnights(17)[0] + timedelta(seconds=seconds)
        await miss_a_week(w, back, {"catchup_policy": "skip"})
        await w.clock.until(back + timedelta(hours=1))

        assert scheduled(w) == midnights(*runs)
        assert not any("is_recovery" in json.loads(run.input) for run in w.runs())


async def test_missed_ticks_of_a_schedule_that_queues_run_one_after_the_other() -> None:
    async with world(NOON) as w:
        await miss_a_week(w, BACK, {"catchup_policy": "run_all", "overlap_policy": "queue"})
        await w.clock.until(BACK + timedelta(hours=1))

        assert scheduled(w) == midnights(11, 12, 13, 14, 15, 16, 17)
        assert {run.status for run in w.runs()} == {"Completed"}


async def test_a_second_program_makes_up_for_nothing_again() -> None:
    async with world(NOON) as w:
        await miss_a_week(w, BACK, {"catchup_policy": "run_all"})
        await w.start()
        await w.clock.until(BACK + timedelta(hours=1))

        assert scheduled(w) == midnights(11, 12, 13, 14, 15, 16, 17)
