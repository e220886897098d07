"""Which ticks run: those in time, and what a policy makes of the others."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st
from tables import each_row

from cloaca_core.definition.cron.expression import CronExpression
from cloaca_core.errors import DefinitionError
from cloaca_core.features.schedules.timing.catch_up import (
    GRACE,
    CatchUpPolicy,
    Decision,
    DueTick,
    catch_up_policy,
    decide,
    next_due,
)
from cloaca_core.features.schedules.timing.timing import Timing
from cloaca_core.values.times.instants import SECOND

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
HOURLY = Timing("s", CronExpression("0 * * * *", "UTC"))
POLICIES: list[CatchUpPolicy] = ["skip", "run_once", "run_all"]


def decided(policy: CatchUpPolicy, cursor: int, now: int, most: int = 100) -> Decision:
    return decide(HOURLY, policy, cursor=cursor, now=now, most=most)


class TestInTime:
    @each_row("policy", POLICIES)
    @each_row("late", [0, 1, GRACE])
    def test_a_tick_due_for_up_to_a_minute_runs_whatever_the_policy(
        self, policy: CatchUpPolicy, late: int
    ) -> None:
        decision = decided(policy, 0, HOUR + late)
        assert decision.run == (DueTick(HOUR, recovered=False),)
        assert (decision.lost, decision.cursor, decision.wake_at) == (0, HOUR, 2 * HOUR)

    def test_before_it_is_due_nothing_runs(self) -> None:
        decision = decided("run_all", 0, HOUR - 1)
        assert (decision.run, decision.lost, decision.wake_at) == ((), 0, HOUR)

    def test_ticks_of_each_second_all_run_when_the_loop_is_a_little_late(self) -> None:
        timing = Timing("s", CronExpression("* * * * * *", "UTC"))
        decision = decide(timing, "skip", cursor=HOUR, now=HOUR + 3 * SECOND, most=100)
        assert [each.tick - HOUR for each in decision.run] == [SECOND, 2 * SECOND, 3 * SECOND]


class TestMissed:
    @each_row(
        ("run", "lost", "policy", "most"),
        [
            ([], 3, "skip", 100),
            ([3], 2, "run_once", 100),
            ([1, 2, 3], 0, "run_all", 100),
            ([2, 3], 1, "run_all", 2),  # the newest of them, oldest first
            ([], 3, "run_all", 0),
            ([], 3, "run_once", 0),
        ],
    )
    def test_the_policy_decides_about_ticks_missed(
        self, run: list[int], lost: int, policy: CatchUpPolicy, most: int
    ) -> None:
        decision = decided(policy, 0, 3 * HOUR + GRACE + 1, most)
        assert decision.run == tuple(DueTick(hour * HOUR, recovered=True) for hour in run)
        assert decision.lost == lost
        assert decision.cursor >= 3 * HOUR
        assert decision.wake_at == 4 * HOUR

    def test_a_tick_in_time_runs_beside_what_was_missed(self) -> None:
        decision = decided("run_once", 0, 3 * HOUR)
        assert decision.run == (
            DueTick(2 * HOUR, recovered=True),
            DueTick(3 * HOUR, recovered=False),
        )
        assert decision.lost == 1

    def test_a_year_of_seconds_is_decided_by_counting(self) -> None:
        timing = Timing("s", CronExpression("* * * * * *", "UTC"))
        year = 365 * 24 * HOUR
        decision = decide(timing, "run_all", cursor=0, now=year, most=100)
        # The last minute is in time, both of its ends included.
        assert len(decision.run) == 100 + 61
        assert decision.lost == 365 * 86_400 - 61 - 100

    def test_dates_end_what_is_caught_up(self) -> None:
        timing = Timing("s", HOURLY.cron, start=2 * HOUR, end=4 * HOUR)
        decision = decide(timing, "run_all", cursor=0, now=9 * HOUR, most=100)
        assert [each.tick for each in decision.run] == [2 * HOUR, 3 * HOUR, 4 * HOUR]
        assert decision.wake_at is None


class TestClocks:
    @each_row("policy", POLICIES)
    def test_a_clock_that_is_put_back_fires_nothing_twice(self, policy: CatchUpPolicy) -> None:
        decision = decided(policy, 5 * HOUR, 4 * HOUR)
        assert (decision.run, decision.lost, decision.cursor) == ((), 0, 5 * HOUR)

    @given(
        policy=st.sampled_from(POLICIES),
        expression=st.sampled_from(["* * * * *", "*/7 * * * *", "0 2 * * *", "*/20 * * * * *"]),
        jitter=st.integers(0, 300),
        steps=st.lists(st.integers(-3600, 20_000), max_size=30),
        most=st.integers(0, 5),
    )
    def test_each_tick_is_decided_once_however_the_clock_steps(
        self, policy: CatchUpPolicy, expression: str, jitter: int, steps: list[int], most: int
    ) -> None:
        timing = Timing("s", CronExpression(expression, "Europe/Berlin"), jitter_seconds=jitter)
        cursor = now = start = 1_790_000_000 * SECOND
        run: list[int] = []
        lost = 0
        for step in steps:
            now += step * SECOND
            decision = decide(timing, policy, cursor=cursor, now=now, most=most)
            run += [each.tick for each in decision.run]
            lost += decision.lost
            cursor = decision.cursor
        assert run == sorted(set(run))
        assert len(run) + lost == timing.count(start, cursor)

    @given(
        policy=st.sampled_from(POLICIES),
        jitter=st.integers(0, 200),
        since=st.integers(0, 1000),
        most=st.integers(0, 5),
    )
    @example(policy="skip", jitter=0, since=60, most=5)
    def test_it_is_the_rule_applied_to_each_tick(
        self, policy: CatchUpPolicy, jitter: int, since: int, most: int
    ) -> None:
        """Late by more than a minute is missed; then none, the newest, or the newest few."""
        timing = Timing("s", CronExpression("*/3 * * * *", "UTC"), jitter_seconds=jitter)
        now = since * SECOND
        due = [tick for tick in timing.between(-1, now) if timing.due_at(tick) <= now]
        missed = [tick for tick in due if now - timing.due_at(tick) > 60 * SECOND]
        keep = {"skip": 0, "run_once": min(1, most), "run_all": most}[policy]
        kept = missed[len(missed) - keep :] if keep <= len(missed) else missed

        decision = decide(timing, policy, cursor=-1, now=now, most=most)

        assert [each.tick for each in decision.run if each.recovered] == kept
        assert [each.tick for each in decision.run if not each.recovered] == due[len(missed) :]
        assert decision.lost == len(missed) - len(kept)
        later = [tick for tick in timing.between(-1, now + HOUR) if tick not in due]
        assert decision.wake_at == timing.due_at(later[0])


def test_the_next_is_due_with_its_jitter() -> None:
    timing = Timing("s", HOURLY.cron, jitter_seconds=600)
    assert next_due(timing, 0) == timing.due_at(HOUR)
    assert next_due(Timing("s", HOURLY.cron, end=HOUR), HOUR) is None


def test_a_policy_is_read_by_its_name() -> None:
    assert catch_up_policy("run_all") == "run_all"
    with pytest.raises(
        DefinitionError,
        match='unknown catchup_policy "all": expected one of skip, run_once, run_all',
    ):
        catch_up_policy("all")
