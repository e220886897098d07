"""Renews the lease by which this runner owns its runs, and notices when it is lost.

A runner that owns nothing beats seldom, with a long lease. Before it owns something again it takes
a short lease, so that other runners soon notice if it dies.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.recover.process_identity import ProcessIdentity, host_name
from cloaca_core.logs import SafeLogger
from cloaca_core.store.runner_rows import RunnerName, RunnerRow, Sharing

if TYPE_CHECKING:
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.store.protocol import KernelStore
    from cloaca_core.values.times.clock import Clock

log = SafeLogger("cloaca.lease")

BEATS_PER_LEASE: Final = 3
NUMBER_BITS: Final = 47
"""Bits of the random number of a runner: six bytes in a row of SQLite, and no number is drawn
twice.
"""
IDLE_BEAT: Final = 60.0
"""Seconds between two beats of a runner that owns nothing."""
IDLE_BEAT_NEARBY: Final = 600.0
"""The same where all runners share a machine: there, processes are watched directly, and each write
to a file wakes all of its runners.
"""
NEVER: Final = float("-inf")
NOTHING: Final = Sharing()


class Lease:
    """The registration of one runner. Belongs to the engine's loop.

    ``is_needed`` is called before each beat. ``lost`` is set when the runner was fenced; ``losses``
    counts that. Runs are owned under ``runner_id``. ``sharing`` returns the request and backlog to
    write with a beat; its argument is whether the runner owns nothing. ``queues`` are the
    queues that it serves, as its row has them.
    """

    def __init__(
        self,
        store: KernelStore,
        runner_id: RunnerId,
        identity: ProcessIdentity,
        seconds: float,
        is_needed: Callable[[], bool],
        clock: Clock,
        subjects: Subjects,
        sharing: Callable[[bool], Sharing] = lambda _: NOTHING,
        queues: str | None = None,
    ) -> None:
        self.runner_id: RunnerId = runner_id
        self.interval: float = seconds / BEATS_PER_LEASE
        seldom = IDLE_BEAT_NEARBY if store.lease_ends_with_boot else IDLE_BEAT
        self.idle_interval: float = max(seldom, self.interval)
        self.lost: asyncio.Event = asyncio.Event()
        self.losses: int = 0
        self._is_needed = is_needed
        self._subjects = subjects
        self._sharing = sharing
        self._queues = queues
        self._clock = clock
        self._store = store
        self._identity = identity
        self._last_beat = NEVER
        self._idle_beat = NEVER
        self._idle_since: int | None = None
        self._needed = asyncio.Event()
        self._lock = asyncio.Lock()

    async def register(self) -> None:
        """Write the row of this runner, and the name for the attempts that it records."""
        row = RunnerRow(
            id=self.runner_id.current,
            **self._identity._asdict(),
            beat=0,
            lease_until=self._lease_end(self.interval),
            fenced=False,
            started_at=self._clock.wall(),
            queues=self._queues,
        )
        number = secrets.randbits(NUMBER_BITS)
        await self._store.register(row, RunnerName(number, row.id, host_name(), row.pid))
        self._last_beat = self._clock.monotonic()
        self._idle_since = None
        self._needed.set()

    async def reenlist(self) -> None:
        """Register under the new id, after the old one was declared dead."""
        async with self._lock:  # a beat under the old id that comes later would be lost again
            await self.register()
            self.lost.clear()  # last: what fails before this is tried again

    def is_idle(self) -> bool:
        """Whether the row of this runner says that it owns nothing."""
        return self._last_beat == NEVER

    def need(self) -> None:
        """Beat from now on: this runner is about to own a run."""
        self._needed.set()

    def is_fresh(self) -> bool:
        """Whether the lease is certain to last until the next beat."""
        return self._clock.monotonic() - self._last_beat < self.interval * 1.5

    async def refresh(self) -> None:
        """Beat now, unless another caller has just done so."""
        async with self._lock:
            self.need()
            if not self.is_fresh():
                await self._beat()

    async def prove(self) -> None:
        """Beat now. That proves that the database takes writes, so other runners can beat as
        well.
        """
        async with self._lock:
            if self._is_needed():
                await self._beat()
            else:
                await self._beat_idly()

    async def turn(self) -> None:
        """Beat when the time has come; seldom while nothing is owned."""
        if not await self._is_needed_by(self._idle_beat + self.idle_interval):
            async with self._lock:
                if not self._needed.is_set():  # nobody has taken a short one meanwhile
                    await self._beat_idly()
            return
        await asyncio.sleep(self._until(self._last_beat + self.interval))
        async with self._lock:
            if self._is_needed():
                await self._beat()
            else:
                await self._become_idle()

    async def _is_needed_by(self, instant: float) -> bool:
        """Wait until the lease is needed, at most up to this monotonic instant."""
        if not self._needed.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._until(instant)):
                    await self._needed.wait()
        return self._needed.is_set()

    def _until(self, instant: float) -> float:
        """Seconds until a monotonic instant; 0 for one that has passed."""
        return max(0.0, instant - self._clock.monotonic())

    async def _become_idle(self) -> None:
        self._needed.clear()  # first: a caller that needs the lease meanwhile sets it again
        try:
            await self._beat_idly()
        except BaseException:
            self._needed.set()  # not written: the lease would end, as if this runner were dead
            raise

    async def _beat(self) -> None:
        """Take a lease under which this runner may own runs."""
        sent = self._clock.monotonic()
        self._idle_since = None
        if await self._write(self._lease_end(self.interval)):
            self._last_beat = sent
            self._subjects.steered.publish()  # of runs that we may own

    async def _beat_idly(self) -> None:
        """Take a long lease, under which this runner must own nothing: another runner could take
        its runs over only after a long time.
        """
        sent = self._clock.monotonic()
        self._last_beat = NEVER  # it is stale at once
        if self._idle_since is None:
            self._idle_since = self._clock.wall()
        await self._write(self._lease_end(self.idle_interval))
        self._idle_beat = sent

    async def _write(self, lease_until: int) -> bool:
        """Write a beat. Returns whether this runner still counts as alive."""
        idle = self._idle_since
        sharing = self._sharing(idle is not None).text()
        if await self._store.beat(self.runner_id.current, lease_until, idle, sharing):
            return True
        if not self.lost.is_set():
            log.error(
                "runner %s was declared dead by another runner",
                self.runner_id.current,
                extra={"runner_id": self.runner_id.current},
            )
            self.losses += 1
            self.lost.set()
        return False

    def _lease_end(self, interval: float) -> int:
        """The end of a lease that begins now, for a runner that beats at this interval."""
        return self._store.lease_clock() + round(interval * BEATS_PER_LEASE * 1e6)
