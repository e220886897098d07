"""The ticks of a schedule within its dates, and when each is due."""

from __future__ import annotations

from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.definition.cron.expression import CronExpression
from cloaca_core.features.schedules.timing.timing import Timing, jitter
from cloaca_core.values.times.instants import SECOND

MINUTE = 60 * SECOND
JITTER_OF_S_0 = 0xCE7F6DDBC7565518
EACH_MINUTE = CronExpression("* * * * *", "UTC")


class TestDates:
    def test_both_dates_belong_to_the_schedule(self) -> None:
        timing = Timing("s", EACH_MINUTE, start=2 * MINUTE, end=4 * MINUTE)
        expected = [2 * MINUTE, 3 * MINUTE, 4 * MINUTE]
        assert timing.between(0, 9 * MINUTE) == expected
        assert timing.count(0, 9 * MINUTE) == 3
        assert timing.newest(0, 9 * MINUTE, 2) == expected[-2:]

    @each_row(
        ("expected", "after"),
        [
            (2 * MINUTE, -5 * MINUTE),
            (2 * MINUTE, 2 * MINUTE - 1),
            (3 * MINUTE, 2 * MINUTE),
            (4 * MINUTE, 4 * MINUTE - 1),
            (None, 4 * MINUTE),
        ],
    )
    def test_the_next_tick_is_within_them(self, expected: int | None, after: int) -> None:
        timing = Timing("s", EACH_MINUTE, start=2 * MINUTE, end=4 * MINUTE)
        assert timing.next_tick(after) == expected


class TestJitter:
    def test_without_it_a_tick_is_due_when_it_is(self) -> None:
        assert Timing("s", EACH_MINUTE).due_at(5 * MINUTE) == 5 * MINUTE

    def test_every_runner_computes_the_same(self) -> None:
        """The formula is part of what runners of different versions agree on."""
        assert jitter("s", 5 * MINUTE, 2**64) == jitter("s", 5 * MINUTE, 2**64)
        # blake2b over "s 0", eight bytes, big-endian, by another program (b2sum -l 64).
        assert jitter("s", 0, 2**64) == JITTER_OF_S_0

    def test_it_differs_from_tick_to_tick_and_from_schedule_to_schedule(self) -> None:
        """So that ten thousand schedules of one minute spread over their room."""
        by_tick = {jitter("s", tick, 10**9) for tick in range(100)}
        by_schedule = {jitter(str(n), 0, 10**9) for n in range(100)}
        assert len(by_tick) == len(by_schedule) == 100

    def test_it_fills_its_room_evenly(self) -> None:
        counts = [0] * 10
        for n in range(10_000):
            counts[jitter(str(n), 0, 10)] += 1
        assert all(900 < count < 1100 for count in counts)

    @given(seconds=st.integers(0, 3600), minute=st.integers(0, 10**6))
    def test_a_tick_is_due_before_the_next_one(self, seconds: int, minute: int) -> None:
        timing = Timing("s", EACH_MINUTE, jitter_seconds=seconds)
        tick = minute * MINUTE
        delay = timing.due_at(tick) - tick
        assert 0 <= delay < MINUTE
        assert delay <= seconds * SECOND
