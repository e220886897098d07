"""Bodies of recovered runs start as they fit; a suspect runs alone in its process or pool."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import pytest

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.work import COROUTINES, ENGINE_PROCESS, THREADS
from cloaca_core.engine.orchestrate.quarantine import Quarantine

FAR = "executor cpu"
"""A place whose workers die one by one."""
NEAR = "executor threads"
"""An executor in this process."""
FRAIL, OTHER = "executor pool", "executor other"
"""Places that break with all their bodies."""


class FakeAttempt:
    """As much of an attempt as matters here."""

    def __init__(self, crashes: int = 0, place: str = THREADS) -> None:
        self.crashes = crashes
        self.place = place
        self.domain = ENGINE_PROCESS if place in (THREADS, COROUTINES, NEAR) else place
        self.shared = place in (FRAIL, OTHER)
        self.alone = False


class Gate:
    """A ``Quarantine`` with two slots for sync bodies and on executors, and one for coroutines;
    ``gone`` is who may start. ``running`` are bodies that run without having come by here.
    """

    def __init__(self) -> None:
        self.gone: list[Attempt] = []
        self.running: list[Attempt] = []
        self.quarantine = Quarantine(
            {THREADS: 2, COROUTINES: 1, NEAR: 2, FAR: 2, FRAIL: 2, OTHER: 2}.__getitem__,
            lambda: [*self.running, *self.gone],
        )

    def add(self, count: int = 1, *, crashes: int = 0, place: str = THREADS) -> list[Attempt]:
        return self._each(self.quarantine.add, count, crashes, place)

    def hold(self, count: int = 1, *, place: str = THREADS) -> list[Attempt]:
        """Attempts of runs that have lost no process come while their place is closed."""
        assert self.quarantine.closes(cast(Attempt, FakeAttempt(place=place)))
        return self._each(self.quarantine.hold, count, 0, place)

    def runs(self, place: str = THREADS) -> Attempt:
        """An attempt of such a run has begun before."""
        self.running.append(cast(Attempt, FakeAttempt(place=place)))
        return self.running[-1]

    def come_back(self, attempt: Attempt) -> None:
        self.quarantine.come_back(attempt, partial(self.gone.append, attempt))

    def over(self, attempt: Attempt) -> None:
        for attempts in (self.gone, self.running):
            if attempt in attempts:
                attempts.remove(attempt)
        self.quarantine.over(attempt)

    def _each(
        self,
        call: Callable[[Attempt, Callable[[], None]], None],
        count: int,
        crashes: int,
        place: str,
    ) -> list[Attempt]:
        attempts = [cast(Attempt, FakeAttempt(crashes, place)) for _ in range(count)]
        for attempt in attempts:
            call(attempt, partial(self.gone.append, attempt))
        return attempts


@pytest.fixture
def gate() -> Gate:
    return Gate()


class TestTurnstiles:
    def test_as_many_go_as_there_are_slots_and_in_order(self, gate: Gate) -> None:
        attempts = gate.add(5)
        assert gate.gone == attempts[:2]

        gate.over(attempts[1])

        assert gate.gone == [attempts[0], attempts[2]]

    def test_sync_and_async_bodies_do_not_wait_for_each_other(self, gate: Gate) -> None:
        sync, coroutines = gate.add(3), gate.add(2, place=COROUTINES)

        assert gate.gone == [*sync[:2], coroutines[0]]

    def test_after_one_death_bodies_go_together(self, gate: Gate) -> None:
        """Their process was killed from outside, as far as anybody knows."""
        attempts = gate.add(2, crashes=1)

        assert gate.gone == attempts

    def test_those_that_take_nothing_with_them_go_as_there_are_slots(self, gate: Gate) -> None:
        far = gate.add(3, crashes=3, place=FAR)

        assert gate.gone == far[:2]

    def test_one_that_is_given_up_while_it_waits_never_goes(self, gate: Gate) -> None:
        attempts = gate.add(4)
        gate.over(attempts[2])

        gate.over(attempts[0])

        assert gate.gone == [attempts[1], attempts[3]]

    def test_telling_twice_frees_one_place(self, gate: Gate) -> None:
        attempts = gate.add(5)
        gate.over(attempts[0])
        gate.over(attempts[0])

        assert gate.gone == attempts[1:3]

    def test_an_attempt_that_was_never_added_is_ignored(self, gate: Gate) -> None:
        gate.over(cast(Attempt, FakeAttempt()))

        assert gate.gone == []

    def test_one_that_ends_at_once_lets_the_next_go(self) -> None:
        """Acting on an attempt may end it before ``add`` of the next one."""
        ended: list[Attempt] = []
        quarantine = Quarantine(lambda _: 1, lambda: ())

        def go(attempt: Attempt) -> None:
            ended.append(attempt)
            quarantine.over(attempt)

        attempts = [cast(Attempt, FakeAttempt(crashes)) for crashes in (0, 2, 0, 2)]
        for attempt in attempts:
            quarantine.add(attempt, partial(go, attempt))

        assert ended == attempts
        assert not quarantine.closed


class TestSuspects:
    def test_they_go_one_at_a_time_whatever_their_kind(self, gate: Gate) -> None:
        first, second = gate.add(crashes=2) + gate.add(crashes=5, place=COROUTINES)
        assert gate.gone == [first]

        gate.over(first)

        assert gate.gone == [second]

    def test_one_goes_when_the_last_body_that_runs_has_ended(self, gate: Gate) -> None:
        recovered, other = gate.add(2)
        running = gate.runs(COROUTINES)
        (suspect,) = gate.add(crashes=2)
        gate.over(recovered)
        gate.over(running)
        assert suspect not in gate.gone

        gate.over(other)

        assert gate.gone == [suspect]

    def test_nothing_begins_beside_it_nor_while_it_waits(self, gate: Gate) -> None:
        running = gate.runs()
        (suspect,) = gate.add(crashes=2)
        recovered, held = gate.add(), gate.hold()
        gate.over(running)
        assert gate.gone == [suspect]

        gate.over(suspect)

        assert gate.gone == [*held, *recovered]

    def test_all_suspects_go_before_what_came_after_the_first(self, gate: Gate) -> None:
        (first,) = gate.add(crashes=2)
        held = gate.hold(3)
        (second,) = gate.add(crashes=2)
        gate.over(first)
        assert gate.gone == [second]

        gate.over(second)

        assert gate.gone == held

    def test_bodies_of_executors_go_beside_it(self, gate: Gate) -> None:
        gate.runs(FAR)
        (suspect,) = gate.add(crashes=2)

        assert gate.gone == [suspect, *gate.add(place=FAR)]
        assert gate.quarantine.closed == {ENGINE_PROCESS}

    def test_one_of_an_executor_in_this_process_runs_alone_in_it(self, gate: Gate) -> None:
        running = gate.runs()
        suspects = gate.add(crashes=2, place=NEAR)
        assert gate.gone == []

        gate.over(running)

        assert gate.gone == suspects
        assert gate.quarantine.closed == {ENGINE_PROCESS}

    def test_one_that_runs_alone_is_marked_so_until_it_has_ended(self, gate: Gate) -> None:
        first, second = gate.add(2, crashes=2, place=FRAIL)
        assert (first.alone, second.alone) == (True, False)

        gate.over(first)

        assert (first.alone, second.alone) == (False, True)

    def test_one_of_a_pool_runs_alone_there_and_all_other_places_go_on(self, gate: Gate) -> None:
        running = gate.runs(FRAIL)
        gate.runs()
        gate.runs(OTHER)
        (suspect,) = gate.add(crashes=2, place=FRAIL)
        recovered, held = gate.add(place=FRAIL), gate.hold(place=FRAIL)
        assert gate.gone == []
        others = [*gate.add(), *gate.add(place=OTHER), *gate.add(crashes=2, place=OTHER)]
        assert gate.gone == others[:2]

        gate.over(running)
        assert gate.gone == [*others[:2], suspect]
        gate.over(suspect)

        assert gate.gone == [*others[:2], *held, *recovered]
        assert gate.quarantine.closed == {OTHER}

    def test_one_that_has_come_further_lets_others_begin_but_no_suspect(self, gate: Gate) -> None:
        first, second = gate.add(2, crashes=2)
        first.crashes = 0
        gate.quarantine.cleared(first)
        assert gate.gone == [first]

        gate.over(first)

        assert gate.gone == [second]
        held = gate.hold()
        gate.quarantine.cleared(second)
        assert gate.gone == [second, *held]
        assert not gate.quarantine.closed

    def test_who_has_come_further_without_being_alone_changes_nothing(self, gate: Gate) -> None:
        (suspect,) = gate.add(crashes=2)
        held = gate.hold()
        gate.quarantine.cleared(held[0])

        assert gate.gone == [suspect]

    @pytest.mark.parametrize("comes_alone", [False, True])
    def test_one_that_is_given_up_while_it_waits_holds_nothing_up(
        self, gate: Gate, comes_alone: bool
    ) -> None:
        running = gate.runs()
        (suspect,) = gate.add(crashes=2)
        others = [] if comes_alone else gate.add(crashes=2)
        held = gate.hold()
        gate.over(suspect)
        assert gate.gone == (held if comes_alone else [])

        gate.over(running)

        assert gate.gone == (held if comes_alone else others)

    def test_one_that_is_held_and_given_up_never_goes(self, gate: Gate) -> None:
        (suspect,) = gate.add(crashes=2)
        given_up, kept = gate.hold(2)
        gate.over(given_up)

        gate.over(suspect)

        assert gate.gone == [kept]

    def test_a_suspect_that_comes_as_it_opens_closes_it_again(self, gate: Gate) -> None:
        (suspect,) = gate.add(crashes=2)
        new = cast(Attempt, FakeAttempt(crashes=2))
        first = gate.runs()
        gate.quarantine.hold(first, lambda: gate.quarantine.add(new, lambda: gate.gone.append(new)))
        held = gate.hold()
        gate.over(suspect)
        assert gate.gone == []

        gate.over(first)
        assert gate.gone == [new]
        gate.over(new)

        assert gate.gone == held


class TestComingBack:
    def test_at_once_while_there_is_no_suspect(self, gate: Gate) -> None:
        gate.come_back(attempt := cast(Attempt, FakeAttempt(crashes=1)))

        assert gate.gone == [attempt]

    def test_not_beside_a_suspect(self, gate: Gate) -> None:
        (suspect,) = gate.add(crashes=2)
        gate.come_back(attempt := cast(Attempt, FakeAttempt()))
        assert gate.gone == [suspect]

        gate.over(suspect)

        assert gate.gone == [attempt]

    def test_a_suspect_when_its_turn_has_come(self, gate: Gate) -> None:
        (suspect,) = gate.add(crashes=2)
        gate.over(suspect)
        running = gate.runs()
        gate.come_back(suspect)
        assert gate.gone == []

        gate.over(running)

        assert gate.gone == [suspect]

    def test_one_that_has_not_given_way_yet_goes_on(self, gate: Gate) -> None:
        """Its wait was over before it was recorded; the suspect still waits for its end."""
        running = gate.runs()
        (suspect,) = gate.add(crashes=2)
        gate.come_back(running)
        assert gate.gone == [running]

        gate.over(running)
        gate.come_back(suspect)

        assert gate.gone == [suspect] * 2
