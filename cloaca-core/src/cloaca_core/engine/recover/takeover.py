"""Finds runners that are gone and makes their runs claimable again.

Level-triggered: every sweep looks at all runners. A process of this host that has certainly ended
is taken over at once. Any other runner must have an ended lease, and a beat counter that this
runner has seen unchanged for a whole beat interval, on its own clock. Then it gets a last chance: a
runner that stood still together with this one (the host slept, the process was stopped, the
database took no writes) beats as soon as it can, and this runner may only have been the first to
wake.

The next sweep comes when the lease that was last seen ends. A runner beats three times in a lease,
so a sweep sees its last beat at least a beat interval before that lease ends: both conditions are
met at the same time.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.recover.lease import BEATS_PER_LEASE, Lease
from cloaca_core.engine.recover.lease_clock import LeaseClock
from cloaca_core.engine.recover.liveness import Liveness
from cloaca_core.engine.recover.process_identity import (
    ProcessIdentity,
    is_neighbour,
    process_of,
)
from cloaca_core.engine.recover.process_watch import ProcessWatch
from cloaca_core.engine.runtime import failpoints
from cloaca_core.logs import SafeLogger
from cloaca_core.store.runner_rows import RunnerRow

if TYPE_CHECKING:
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.store.protocol import KernelStore
    from cloaca_core.values.times.clock import Clock

log = SafeLogger("cloaca.takeover")

RUNS_PER_STEP: Final = 500
LAST_CHANCE: Final = 0.5
"""Seconds, at most a beat interval: a runner that stays silent for this long, after a write of this
runner has succeeded, is dead.
"""
LATE: Final = 1.0
"""If the end of a last chance is noticed more than these seconds late, this process itself stood
still meanwhile.
"""
A_LITTLE: Final = 0.001
"""Seconds by which a timer may fire too early."""
LONGEST_SLEEP: Final = 60.0
"""Seconds. Deaths and changes wake it; this only limits the delay when a wake-up is missed."""


class Verdict(Enum):
    """The judgement about another runner."""

    ALIVE = auto()
    SUSPECT = auto()
    """Its lease has ended, and it has a last chance to beat."""
    DEAD = auto()


async def _nothing(_: str) -> None:
    """No feature has anything to free."""


class Takeover:
    """Belongs to the engine's loop.

    ``is_crowded`` says whether the last sweep found other live runners, ``others_work`` whether one
    of them may own runs. ``recovered`` counts the runs that were freed. ``others`` is called with
    the rows of live runners, ``fenced`` is awaited with the id of each runner that was fenced,
    ``gone`` is called when runners have left or were taken over by others.
    """

    def __init__(
        self,
        store: KernelStore,
        lease: Lease,
        runner_id: RunnerId,
        identity: ProcessIdentity,
        subjects: Subjects,
        clock: Clock,
        others: Callable[[Sequence[RunnerRow]], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._others = others
        self._lease = lease
        self._runner_id = runner_id
        self._identity = identity
        self._subjects = subjects
        self._clock = clock
        self._liveness = Liveness(store, identity)
        # By runner id: a beat counter, and the monotonic time at which it was first seen so, or at
        # which the last chance of its runner began.
        self._seen: dict[str, tuple[int, float]] = {}
        self._warned: dict[str, tuple[int, float]] = {}
        leases = (lease.interval * BEATS_PER_LEASE, lease.idle_interval * BEATS_PER_LEASE)
        self._lease_clock = LeaseClock(store.lease_clock, *leases, clock)
        self._deaths = ProcessWatch(self.wake)
        self._due = asyncio.Event()
        self._due.set()
        self.is_crowded: bool = False
        self.others_work: bool = False
        self.recovered: int = 0
        self.fenced: Callable[[str], Awaitable[None]] = _nothing
        self.gone: Callable[[], None] = lambda: None
        subjects.anything.subscribe(self.wake)

    def wake(self) -> None:
        """A runner may have been added or removed."""
        self._due.set()

    async def turn(self) -> None:
        """Sweep now if woken; otherwise when the next lease may have ended."""
        try:
            timeout = await self.sweep()
        except Exception:
            self._seen.clear()  # a failed read does not show that a beat counter stood still
            self._warned.clear()
            raise
        try:
            async with asyncio.timeout(timeout):
                await self._due.wait()
        except TimeoutError:
            return

    async def sweep(self) -> float | None:
        """Take over from all runners that are gone. Returns the seconds until the next sweep is
        due.
        """
        self._due.clear()
        others = [row for row in await self._store.runners() if not self._is_mine(row)]
        self._lease_clock.notice()
        known = {row.id for row in others}
        if not self._seen.keys() <= known:
            self.gone()
        self._forget_all_but(known)
        live = [row for row in others if not await self._is_dealt_with(row)]
        self.is_crowded = bool(live)
        self.others_work = any(row.idle_since is None for row in live)
        self._others(live)
        self._store.set_contended(contended=self.is_crowded)
        self._deaths.watch([r.pid for r in live if is_neighbour(self._identity, process_of(r))])
        return self._next_look(live)

    async def _is_dealt_with(self, row: RunnerRow) -> bool:
        """Take over from this runner if it is dead."""
        self._note(row)
        match self._verdict(row):
            case Verdict.DEAD:
                return await self._take_over(row)
            case Verdict.ALIVE:
                self._warned.pop(row.id, None)
            case Verdict.SUSPECT:
                await self._warn(row)
        return False

    async def _warn(self, row: RunnerRow) -> None:
        """Begin its last chance, once a write of ours shows that the database takes writes."""
        if row.id not in self._warned:
            await self._lease.prove()
            self._warned[row.id] = (row.beat, self._clock.monotonic())

    def _note(self, row: RunnerRow) -> None:
        """Record since when its beat counter has stood still. Cancel its last chance if it has
        beaten, or if this process stood still meanwhile.
        """
        now = self._clock.monotonic()
        if self._seen.get(row.id, (-1, now))[0] != row.beat:
            self._seen[row.id] = (row.beat, now)
        beat, since = self._warned.get(row.id, (-1, 0.0))
        if beat != row.beat or now - since > self._last_chance() + LATE:
            self._warned.pop(row.id, None)

    def _verdict(self, row: RunnerRow) -> Verdict:
        """Judge a runner by its row and the notes about it; changes nothing."""
        if row.fenced or self._liveness.has_ended(row):
            return Verdict.DEAD
        now, (_, since) = self._clock.monotonic(), self._seen[row.id]
        if self._lease_left(row) >= 0 or now - since < self._lease.interval:
            return Verdict.ALIVE
        if row.id not in self._warned:
            return Verdict.SUSPECT
        _, since = self._warned[row.id]
        return Verdict.DEAD if now - since >= self._last_chance() else Verdict.SUSPECT

    def _forget_all_but(self, known: set[str]) -> None:
        for memory in (self._seen, self._warned):
            for runner_id in memory.keys() - known:
                del memory[runner_id]

    def close(self) -> None:
        """Stop watching processes."""
        self._deaths.watch([])

    def _is_mine(self, row: RunnerRow) -> bool:
        return row.id == self._runner_id.current and process_of(row) == self._identity

    def _lease_left(self, row: RunnerRow) -> float:
        """Seconds until a lease ends. A lease of an earlier boot has ended, where leases end with
        the boot.
        """
        if self._liveness.is_of_earlier_boot(row):
            return -math.inf
        return self._lease_clock.left(row.lease_until, idle=row.idle_since is not None)

    def _last_chance(self) -> float:
        return min(LAST_CHANCE, self._lease.interval)

    async def _take_over(self, row: RunnerRow) -> bool:
        """Fence it and free its runs. False when it has just beaten."""
        if not row.fenced and not await self._store.fence(row.id, row.beat):
            # Its end is reported once, and its last beat may land later: look again at once.
            self.wake()
            return False
        failpoints.hit("takeover.after_fence")
        await self.fenced(row.id)
        count = 0
        while freed := await self._store.take_over(row.id, RUNS_PER_STEP):
            count += freed
            self.recovered += freed
            self._subjects.claimable.publish()
            self._subjects.ended_elsewhere.publish()  # those that it was to cancel
        self._seen.pop(row.id, None)
        self._warned.pop(row.id, None)
        level = logging.WARNING if count else logging.INFO
        log.log(level, "took over %d run(s) of runner %s, which is gone", count, row.id)
        return True

    def _next_look(self, live: list[RunnerRow]) -> float | None:
        """Seconds until the next sweep; None when there is no other runner. A new runner, or a
        lease that ends sooner, changes the database, and that wakes this loop.
        """
        if self._warned:
            first = min(since for _, since in self._warned.values())
            return max(0.0, first + self._last_chance() - self._clock.monotonic()) + A_LITTLE
        if not live:
            return None
        return min(min(map(self._until_suspect, live)) + A_LITTLE, LONGEST_SLEEP)

    def _until_suspect(self, row: RunnerRow) -> float:
        """Seconds until a runner has lost its lease and has been silent for a beat interval."""
        _, since = self._seen[row.id]
        beat_left = since + self._lease.interval - self._clock.monotonic()
        return max(self._lease_left(row), beat_left, 0.0)
