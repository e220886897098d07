"""Which runs are ours, and what each has under way."""

from __future__ import annotations

import asyncio

import pytest
from model.quiet import quiet
from model.runs import active_run, attempt_of, graph_of

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.orchestrate.active_runs import ActiveRuns, Capacity
from cloaca_core.run.active_run import ActiveRun

GRAPH = graph_of(a={}, b={})


@pytest.fixture
def runs() -> ActiveRuns:
    return ActiveRuns()


def under_way(runs: ActiveRuns, run: ActiveRun, index: int = 0) -> Attempt:
    attempt = attempt_of(run, index)
    runs.begin(attempt)
    return attempt


def test_a_run_is_found_by_its_id(runs: ActiveRuns) -> None:
    run = active_run(GRAPH)
    runs.add(run)

    assert (runs.get("r"), "r" in runs, runs.ids(), list(runs), len(runs)) == (
        run,
        True,
        {"r"},
        [run],
        1,
    )
    assert runs.get("other") is None


def test_one_that_was_claimed_again_is_not_removed_with_the_old_one(runs: ActiveRuns) -> None:
    old, new = active_run(GRAPH), active_run(GRAPH, epoch=3)
    runs.add(old)
    runs.add(new)

    assert (runs.remove(old), list(runs)) == (False, [new])
    assert (runs.remove(new), list(runs)) == (True, [])


def test_the_runs_may_change_while_one_goes_through_them(runs: ActiveRuns) -> None:
    for run_id in ("a", "b"):
        runs.add(active_run(GRAPH, id=run_id))
    for run in runs:
        runs.remove(run)

    assert len(runs) == 0


def test_an_attempt_is_ours_while_its_run_is(runs: ActiveRuns) -> None:
    run = active_run(GRAPH)
    attempt = attempt_of(run)
    owned = [runs.owns(attempt)]
    runs.add(run)
    owned.append(runs.owns(attempt))
    runs.add(active_run(GRAPH, epoch=2))
    owned.append(runs.owns(attempt))

    assert owned == [False, True, False]


def test_an_attempt_is_under_way_until_it_is_discarded(runs: ActiveRuns) -> None:
    run = active_run(GRAPH)
    attempt = under_way(runs, run)
    other = attempt_of(run, number=2)
    assert (runs.has(attempt), runs.has(other), runs.attempts(run)) == (True, False, [attempt])
    assert runs.are_busy()

    runs.discard(other)  # not this one
    assert runs.has(attempt)
    runs.discard(attempt)

    assert (runs.attempts(run), runs.are_busy()) == ([], False)


def test_of_a_run_that_is_forgotten_nothing_is_kept(runs: ActiveRuns) -> None:
    run = active_run(GRAPH)
    attempt = under_way(runs, run)
    runs.begin_wait(run)
    assert list(runs.forget(run)) == [attempt]

    runs.discard(attempt)
    runs.end_wait(run)

    assert (runs._attempts, runs._away, runs.waiting(), runs.are_busy()) == ({}, {}, 0, False)


@pytest.mark.parametrize(
    ("attempts", "away", "waits"),
    [
        (0, 0, False),  # between two steps
        (1, 0, False),
        (1, 1, True),
        (2, 1, False),  # one of them still runs
        (2, 2, True),
    ],
)
def test_a_run_waits_when_all_its_bodies_do(
    runs: ActiveRuns, attempts: int, away: int, waits: bool
) -> None:
    run = active_run(GRAPH)
    for index in range(attempts):
        under_way(runs, run, index)
    for _ in range(away):
        runs.begin_wait(run)

    assert (runs.only_waits(run), runs.waiting()) == (waits, int(waits))


def test_it_waits_no_more_when_one_of_them_comes_back(runs: ActiveRuns) -> None:
    run = active_run(GRAPH)
    under_way(runs, run)
    runs.begin_wait(run)
    runs.end_wait(run)

    assert (runs.only_waits(run), runs.waiting()) == (False, 0)


class TestLingering:
    def test_one_that_stays_for_a_message_takes_no_place(self, runs: ActiveRuns) -> None:
        run = active_run(GRAPH)
        runs.add(run)

        runs.release_place(run)
        runs.release_place(run)
        assert runs.waiting() == 1

    def test_so_many_may_stay(self, runs: ActiveRuns) -> None:
        first, second = active_run(GRAPH, id="a"), active_run(GRAPH, id="b")

        runs.release_place(first)

        assert [runs.may_release_place(each, 1) for each in (first, second)] == [True, False]
        assert runs.may_release_place(second, 2)

    def test_it_takes_its_place_again_when_a_body_begins(self, runs: ActiveRuns) -> None:
        run = active_run(GRAPH)
        runs.add(run)
        runs.release_place(run)
        under_way(runs, run)

        assert runs.waiting() == 0

    def test_one_that_is_ours_no_more_does_not_stay(self, runs: ActiveRuns) -> None:
        run = active_run(GRAPH)
        runs.add(run)
        runs.release_place(run)
        runs.remove(run)

        assert runs.waiting() == 0


def test_those_of_schedules_are_known(runs: ActiveRuns) -> None:
    runs.add(active_run(GRAPH))
    runs.add(active_run(GRAPH, id="t", schedule_id="s"))

    assert runs.scheduled() == ["t"]


@pytest.mark.virtual_time
class TestQuiet:
    async def waits(self, runs: ActiveRuns) -> asyncio.Task[None]:
        quiet = asyncio.create_task(runs.quiet())
        await asyncio.sleep(0)
        return quiet

    async def test_it_is_when_nothing_is_under_way(self, runs: ActiveRuns) -> None:
        runs.add(active_run(GRAPH))

        await runs.quiet()

    async def test_it_is_once_the_last_attempt_is_discarded(self, runs: ActiveRuns) -> None:
        run = active_run(GRAPH)
        first, second = under_way(runs, run, 0), under_way(runs, run, 1)
        quiet = await self.waits(runs)
        runs.discard(first)
        await asyncio.sleep(0)
        assert not quiet.done()

        runs.discard(second)

        await quiet

    async def test_it_is_once_the_last_run_is_forgotten(self, runs: ActiveRuns) -> None:
        run = active_run(GRAPH)
        under_way(runs, run)
        quiet = await self.waits(runs)

        runs.forget(run)

        await quiet


@pytest.fixture
async def capacity(runs: ActiveRuns) -> Capacity:
    return Capacity(3, runs)


async def test_a_run_takes_a_place(capacity: Capacity, runs: ActiveRuns) -> None:
    runs.add(active_run(GRAPH))

    assert (capacity.free(), capacity.is_in_use()) == (2, True)


async def test_one_that_only_waits_for_others_takes_none(
    capacity: Capacity, runs: ActiveRuns
) -> None:
    run = active_run(GRAPH)
    runs.add(run)
    runs.begin(attempt_of(run))
    runs.begin_wait(run)

    assert (capacity.free(), capacity.is_in_use()) == (3, True)


async def test_one_that_is_on_its_way_takes_one_until_it_has_arrived(capacity: Capacity) -> None:
    capacity.reserve(2)
    assert (capacity.free(), capacity.is_in_use()) == (1, True)

    capacity.unreserve(2)

    assert (capacity.free(), capacity.is_in_use()) == (3, False)


async def test_a_claim_that_fails_keeps_no_place(capacity: Capacity) -> None:
    def fail() -> None:
        with capacity.reserving(2):
            raise OSError(f"{capacity.free()} is free")

    with pytest.raises(OSError, match="1 is free"):
        fail()

    assert capacity.free() == 3


async def test_there_are_never_fewer_than_none(capacity: Capacity) -> None:
    """A body of ours that waits for its child may take it on by right."""
    capacity.reserve(5)

    assert capacity.free() == 0


async def test_whoever_waits_goes_on_when_there_are_enough(capacity: Capacity) -> None:
    capacity.reserve(3)
    waiting = asyncio.create_task(capacity.wait_until(lambda: capacity.free() >= 2))
    await quiet()
    done = []
    for _ in range(2):
        capacity.unreserve(1)
        capacity.changed()
        await quiet()
        done.append(waiting.done())

    assert done == [False, True]


async def test_nobody_waits_for_what_there_is(capacity: Capacity) -> None:
    await capacity.wait_until(lambda: capacity.free() >= 3)


async def test_what_is_gone_again_is_waited_for_again(capacity: Capacity) -> None:
    capacity.reserve(3)
    waiting = asyncio.create_task(capacity.wait_until(lambda: capacity.free() >= 1))
    await quiet()
    capacity.unreserve(1)
    capacity.changed()
    capacity.reserve(1)
    await quiet()
    assert not waiting.done()

    capacity.unreserve(1)
    capacity.changed()
    await waiting


async def test_a_caller_that_is_awake_already_is_not_asked_by_each_run_that_ends(
    capacity: Capacity,
) -> None:
    asked: list[int] = []

    def is_enough() -> bool:
        asked.append(capacity.free())
        return asked[-1] > 0

    capacity.reserve(3)
    waiting = asyncio.create_task(capacity.wait_until(is_enough))
    await quiet()
    for _ in range(3):
        capacity.unreserve(1)
        capacity.changed()
    await waiting

    assert asked == [0, 1, 3]
