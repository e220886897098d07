"""Bodies of recovered runs start as they fit; suspects one at a time."""

from __future__ import annotations

from typing import cast

from cloaca_core._engine.execute.attempt import Job
from cloaca_core._engine.orchestrate.quarantine import Caution


class FakeJob:
    """As much of a job as matters here."""

    def __init__(self, *, crashes: int = 0, is_async: bool = False) -> None:
        self.crashes = crashes
        self.is_async = is_async


class Gate:
    """A ``Caution`` with two sync slots and one async one; ``gone`` is who may start."""

    def __init__(self) -> None:
        self.gone: list[Job] = []
        self._caution = Caution((2, 1), self.gone.append)

    def add(self, count: int = 1, *, crashes: int = 0, is_async: bool = False) -> list[Job]:
        jobs = [cast(Job, FakeJob(crashes=crashes, is_async=is_async)) for _ in range(count)]
        for job in jobs:
            self._caution.add(job)
        return jobs

    def over(self, job: Job) -> None:
        self._caution.over(job)


def test_as_many_go_as_there_are_slots_and_in_order() -> None:
    gate = Gate()
    jobs = gate.add(5)
    assert gate.gone == jobs[:2]

    gate.over(jobs[1])

    assert gate.gone == jobs[:3]


def test_sync_and_async_bodies_do_not_wait_for_each_other() -> None:
    gate = Gate()
    sync, coroutines = gate.add(3), gate.add(2, is_async=True)

    assert gate.gone == [*sync[:2], coroutines[0]]


def test_suspects_go_one_at_a_time_whatever_their_kind() -> None:
    gate = Gate()
    first, second = gate.add(crashes=1) + gate.add(crashes=3, is_async=True)
    assert gate.gone == [first]

    gate.over(first)

    assert gate.gone == [first, second]


def test_the_unsuspected_do_not_wait_for_suspects() -> None:
    gate = Gate()
    suspects, others = gate.add(2, crashes=1), gate.add(2)

    assert gate.gone == [suspects[0], *others]


def test_one_that_is_given_up_while_it_waits_never_goes() -> None:
    gate = Gate()
    jobs = gate.add(4)
    gate.over(jobs[2])

    gate.over(jobs[0])

    assert gate.gone == [jobs[0], jobs[1], jobs[3]]


def test_telling_twice_frees_one_place() -> None:
    gate = Gate()
    jobs = gate.add(5)
    gate.over(jobs[0])
    gate.over(jobs[0])

    assert gate.gone == jobs[:3]


def test_a_job_that_was_never_added_is_ignored() -> None:
    gate = Gate()
    gate.over(cast(Job, FakeJob()))

    assert gate.gone == []


def test_one_that_ends_at_once_lets_the_next_go() -> None:
    """Acting on a job may end it before ``add`` of the next one."""
    ended: list[Job] = []

    def go(job: Job) -> None:
        ended.append(job)
        caution.over(job)

    caution = Caution((1, 1), go)
    jobs = [cast(Job, FakeJob()) for _ in range(3)]
    for job in jobs:
        caution.add(job)

    assert ended == jobs
