"""Bodies of recovered runs start as they fit; suspects one at a time."""

from __future__ import annotations

from typing import cast

from cloaca_core._engine.execute.attempt import Attempt
from cloaca_core._engine.execute.work import COROUTINES, THREADS
from cloaca_core._engine.orchestrate.quarantine import Quarantine

FAR = "executor cpu"
"""A place whose workers die one by one."""


class FakeAttempt:
    """As much of an attempt as matters here."""

    def __init__(self, crashes: int = 0, place: str = THREADS) -> None:
        self.crashes = crashes
        self.place = place


class Gate:
    """A ``Quarantine`` with two slots for sync bodies and on ``FAR``, and one for coroutines;
    ``gone`` is who may start.
    """

    def __init__(self) -> None:
        self.gone: list[Attempt] = []
        self._quarantine = Quarantine(
            {THREADS: 2, COROUTINES: 1, FAR: 2}.__getitem__,
            lambda attempt: attempt.place != FAR,
            self.gone.append,
        )

    def add(self, count: int = 1, *, crashes: int = 0, place: str = THREADS) -> list[Attempt]:
        attempts = [cast(Attempt, FakeAttempt(crashes, place)) for _ in range(count)]
        for attempt in attempts:
            self._quarantine.add(attempt)
        return attempts

    def over(self, attempt: Attempt) -> None:
        self._quarantine.over(attempt)


def test_as_many_go_as_there_are_slots_and_in_order() -> None:
    gate = Gate()
    attempts = gate.add(5)
    assert gate.gone == attempts[:2]

    gate.over(attempts[1])

    assert gate.gone == attempts[:3]


def test_sync_and_async_bodies_do_not_wait_for_each_other() -> None:
    gate = Gate()
    sync, coroutines = gate.add(3), gate.add(2, place=COROUTINES)

    assert gate.gone == [*sync[:2], coroutines[0]]


def test_suspects_go_one_at_a_time_whatever_their_kind() -> None:
    gate = Gate()
    first, second = gate.add(crashes=1) + gate.add(crashes=3, place=COROUTINES)
    assert gate.gone == [first]

    gate.over(first)

    assert gate.gone == [first, second]


def test_suspects_that_take_nothing_with_them_go_as_there_are_slots() -> None:
    gate = Gate()
    near, far = gate.add(crashes=1), gate.add(3, crashes=1, place=FAR)
    assert gate.gone == [*near, *far[:2]]

    gate.over(far[0])

    assert gate.gone == [*near, *far]


def test_a_suspect_that_has_come_further_lets_the_next_go_all_the_same() -> None:
    """A step that it has taken shows that it is none."""
    gate = Gate()
    first, second = gate.add(2, crashes=1)
    first.crashes = 0
    gate.over(first)

    assert gate.gone == [first, second]


def test_the_unsuspected_do_not_wait_for_suspects() -> None:
    gate = Gate()
    suspects, others = gate.add(2, crashes=1), gate.add(2)

    assert gate.gone == [suspects[0], *others]


def test_one_that_is_given_up_while_it_waits_never_goes() -> None:
    gate = Gate()
    attempts = gate.add(4)
    gate.over(attempts[2])

    gate.over(attempts[0])

    assert gate.gone == [attempts[0], attempts[1], attempts[3]]


def test_telling_twice_frees_one_place() -> None:
    gate = Gate()
    attempts = gate.add(5)
    gate.over(attempts[0])
    gate.over(attempts[0])

    assert gate.gone == attempts[:3]


def test_an_attempt_that_was_never_added_is_ignored() -> None:
    gate = Gate()
    gate.over(cast(Attempt, FakeAttempt()))

    assert gate.gone == []


def test_one_that_ends_at_once_lets_the_next_go() -> None:
    """Acting on an attempt may end it before ``add`` of the next one."""
    ended: list[Attempt] = []

    def go(attempt: Attempt) -> None:
        ended.append(attempt)
        quarantine.over(attempt)

    quarantine = Quarantine(lambda _: 1, lambda _: True, go)
    attempts = [cast(Attempt, FakeAttempt()) for _ in range(3)]
    for attempt in attempts:
        quarantine.add(attempt)

    assert ended == attempts
