"""How far user code has come, and how much of its time it has spent."""

from __future__ import annotations

from typing import Any

import pytest
from model.hand_clock import HandClock
from tables import each_row

from cloaca_core.engine.execute.work import BodyClock, Stage, Work
from cloaca_core.values.times.clock import SYSTEM_CLOCK


@pytest.fixture
def hands() -> HandClock:
    return HandClock()


class Nothing(Work):
    """Work that does nothing."""

    def run(self) -> None:
        pass

    async def run_async(self) -> None:
        pass

    def broke(self, error: BaseException) -> None:
        pass


class RacedClock(BodyClock):
    """Its body ends on another thread at the moment at which the loop has looked."""

    is_asked = False

    def __getattribute__(self, name: str) -> Any:
        seen = super().__getattribute__(name)
        if name == "_resumed" and self.is_asked:
            self.is_asked = False
            self.pause()
        return seen


class TestBodyClock:
    def test_it_stands_before_the_body_begins(self, hands: HandClock) -> None:
        clock = BodyClock(hands)
        hands.now += 5

        assert clock.spent() == 0

    def test_it_runs_with_the_body(self, hands: HandClock) -> None:
        clock = BodyClock(hands)
        clock.start()
        hands.now += 5

        assert clock.spent() == 5

    def test_it_stands_while_the_body_waits_and_goes_on_with_it(self, hands: HandClock) -> None:
        clock = BodyClock(hands)
        for spent in (3, 4):
            clock.start()
            hands.now += spent
            clock.pause()
            hands.now += 100
        clock.start()
        hands.now += 2

        assert clock.spent() == 9

    def test_pausing_twice_counts_once(self, hands: HandClock) -> None:
        clock = BodyClock(hands)
        clock.start()
        hands.now += 5
        clock.pause()
        clock.pause()

        assert clock.spent() == 5

    def test_starting_twice_loses_nothing(self, hands: HandClock) -> None:
        """Of an async body that waited for several runs, each call lets it go on."""
        clock = BodyClock(hands)
        clock.start()
        hands.now += 5
        clock.start()

        assert clock.spent() == 5

    def test_it_may_have_begun_before_that_is_known(self, hands: HandClock) -> None:
        clock = BodyClock(hands)
        clock.restart(2.0)
        hands.now += 1
        clock.pause()
        assert clock.spent() == 3

    def test_what_counted_before_a_body_began_once_more_is_dropped(self, hands: HandClock) -> None:
        clock = BodyClock(hands)
        clock.start()
        hands.now += 5
        clock.pause()
        clock.restart(2.0)
        hands.now += 10
        clock.restart(1.0)
        assert clock.spent() == 1

    def test_pausing_what_never_ran_is_nothing(self, hands: HandClock) -> None:
        clock = BodyClock(hands)
        clock.pause()

        assert clock.spent() == 0

    def test_a_body_that_ends_while_it_is_asked_has_not_spent_its_time_twice(
        self, hands: HandClock
    ) -> None:
        clock = RacedClock(hands)
        clock.start()
        hands.now += 5
        clock.is_asked = True

        assert clock.spent() == 5


class TestWork:
    def test_new_work_is_held_and_would_hold_a_slot(self) -> None:
        work = Nothing(is_async=False, clock=SYSTEM_CLOCK)

        assert work.stage is Stage.HELD
        assert (work.holds_slot, work.abandoned, work.leaves) == (True, False, False)

    @each_row("is_async", [True, False])
    def test_it_knows_where_it_belongs(self, is_async: bool) -> None:
        assert Nothing(is_async=is_async, clock=SYSTEM_CLOCK).is_async is is_async

    def test_queueing_is_not_running(self, hands: HandClock) -> None:
        work = Nothing(is_async=False, clock=SYSTEM_CLOCK)
        hands.now += 5

        assert work.clock.spent() == 0

    def test_it_runs_from_its_beginning(self, hands: HandClock) -> None:
        work = Nothing(is_async=False, clock=hands)
        work.begin()
        hands.now += 5

        assert work.stage is Stage.RUNNING
        assert work.clock.spent() == 5

    def test_whoever_does_not_care_need_not_listen(self) -> None:
        work = Nothing(is_async=False, clock=SYSTEM_CLOCK)

        work.finished(work)
