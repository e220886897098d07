"""A view hears when a runner has gone, although nothing has changed in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from model.memory_store import MemoryStore

from cloaca_core.engine.observe.watchers import Watchers
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import RunnerClosedError, StoreUnavailableError
from cloaca_core.features.explain.facts import RunnerState
from cloaca_core.features.explain.records import RunnerLoad
from cloaca_testing.conformance.rows import runner
from cloaca_tools.views.lease_ends import LeaseEnds

pytestmark = pytest.mark.virtual_time
SECOND = 1_000_000


class Desk:
    """Runners as a view sees them, whose leases end so many seconds after the start."""

    def __init__(self, **leases: float) -> None:
        self.leases = dict(leases)
        self.here: set[str] = set()
        self.looks = 0
        self.fails = False
        self.watchers = Watchers(MemoryStore(), lambda _: None, Subjects())
        self._start = asyncio.get_running_loop().time()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return asyncio.get_running_loop().time() - self._start

    async def look(self) -> tuple[Sequence[RunnerState], int]:
        self.looks += 1
        if self.fails:
            raise StoreUnavailableError("not now")
        return [self._state(*each) for each in self.leases.items()], round(self.seconds * SECOND)

    def _state(self, name: str, lease: float) -> RunnerState:
        load = RunnerLoad(runner(name), 0, owns_workflow=False)
        return RunnerState(load, round(lease * SECOND), is_here=name in self.here)


async def test_it_is_told_when_the_first_lease_ends() -> None:
    desk = Desk(one=30, other=20)
    with desk.watchers.listening() as notices:
        ends = LeaseEnds(notices, desk.look)
        await ends.next()
        assert desk.seconds == pytest.approx(20)
        await ends.next()
        assert desk.seconds == pytest.approx(30)
        assert desk.looks == 4  # no more than the leases that end


async def test_a_lease_that_was_renewed_is_no_news() -> None:
    desk = Desk(one=15)
    with desk.watchers.listening() as notices:
        hearing = asyncio.ensure_future(LeaseEnds(notices, desk.look).next())
        await asyncio.sleep(10)
        desk.leases["one"] = 25
        await asyncio.sleep(10)
        assert (hearing.done(), desk.looks) == (False, 2)
        await hearing
        assert desk.seconds == pytest.approx(25)


async def test_a_change_is_heard_at_once_and_not_again() -> None:
    desk = Desk(one=15)
    with desk.watchers.listening() as notices:
        ends = LeaseEnds(notices, desk.look)
        desk.watchers.wake()
        await ends.next()
        assert desk.seconds == 0
        await ends.next()
        assert desk.seconds == pytest.approx(15)


async def test_one_that_was_gone_before_and_this_one_are_no_news() -> None:
    desk = Desk(gone=-1, mine=15)
    desk.here.add("mine")
    with desk.watchers.listening() as notices:
        hearing = asyncio.ensure_future(LeaseEnds(notices, desk.look).next())
        await asyncio.sleep(100)
        assert (hearing.done(), desk.looks) == (False, 1)
        hearing.cancel()


async def test_changes_are_heard_of_while_the_runners_cannot_be_read() -> None:
    desk = Desk(gone=-1, one=15)
    with desk.watchers.listening() as notices:
        ends = LeaseEnds(notices, desk.look)
        for fails in (False, True, False):
            desk.fails = fails
            desk.watchers.wake()
            await ends.next()
        await ends.next()
        assert desk.seconds == pytest.approx(15)


async def test_the_end_of_the_runner_ends_it() -> None:
    desk = Desk(one=15)
    with desk.watchers.listening() as notices:
        desk.watchers.fail_all(RunnerClosedError("over"))
        with pytest.raises(RunnerClosedError):
            await LeaseEnds(notices, desk.look).next()
