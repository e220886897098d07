"""Renews the lease by which this runner owns its runs, and notices when it is lost.

A runner that owns nothing says so once (a lease that ends at ``IDLE``) and beats no more; before it
owns something again it beats once, so that no other runner takes it for dead in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cloaca_core._engine.recover.process_identity import ProcessIdentity
from cloaca_core.logs import SafeLogger
from cloaca_core.records.runners import RunnerRow

if TYPE_CHECKING:
    from cloaca_core._engine.recover.runner_id import RunnerId
    from cloaca_core.store.protocol import Store
    from cloaca_core.values.clock import Clock

log = SafeLogger("cloaca.lease")

BEATS_PER_LEASE: Final = 3
IDLE: Final = 0
"""The lease end of a runner that owns nothing: it has no run to take over."""
NEVER: Final = float("-inf")


class Lease:
    """The registration of one runner. Belongs to the engine's loop.

    ``is_needed`` is asked before each beat and ``beaten`` called after it; ``lost`` is set when the
    runner was fenced, which ``losses`` counts. Runs are owned under ``runner_id``.
    """

    def __init__(
        self,
        store: Store,
        runner_id: RunnerId,
        identity: ProcessIdentity,
        seconds: float,
        is_needed: Callable[[], bool],
        clock: Clock,
        beaten: Callable[[], None] = lambda: None,
    ) -> None:
        self.runner_id: RunnerId = runner_id
        self.interval: float = seconds / BEATS_PER_LEASE
        self.lost: asyncio.Event = asyncio.Event()
        self.losses: int = 0
        self._is_needed = is_needed
        self._beaten = beaten
        self._clock = clock
        self._store = store
        self._identity = identity
        self._seconds = seconds
        self._last_beat = NEVER
        self._needed = asyncio.Event()
        self._lock = asyncio.Lock()

    async def register(self) -> None:
        """Write the row of this runner."""
        await self._store.register(
            RunnerRow(
                id=self.runner_id.current,
                **self._identity._asdict(),
                beat=0,
                lease_until=self._lease_end(),
                fenced=False,
                started_at=self._clock.wall(),
            )
        )
        self._last_beat = self._clock.monotonic()
        self._needed.set()

    async def reenlist(self) -> None:
        """Register under the new id, after the old one was declared dead."""
        async with self._lock:  # a beat under the old id that comes later would be lost again
            self.lost.clear()
            await self.register()

    def is_idle(self) -> bool:
        """True when the row of this runner says that it owns nothing."""
        return self._last_beat == NEVER

    def need(self) -> None:
        """Beat from now on: this runner is about to own a run."""
        self._needed.set()

    def is_fresh(self) -> bool:
        """True while the lease is certain to last until the next beat."""
        return self._clock.monotonic() - self._last_beat < self.interval * 1.5

    async def refresh(self) -> None:
        """Beat now, unless another caller just did."""
        async with self._lock:
            self.need()
            if not self.is_fresh():
                await self._beat(self._lease_end())

    async def prove(self) -> None:
        """Beat now: proof that the database takes writes, so other runners can beat as well."""
        async with self._lock:
            await self._beat(self._lease_end() if self._is_needed() else IDLE)

    async def turn(self) -> None:
        """Beat when the time has come; sleep while nothing is owned."""
        await self._needed.wait()
        await asyncio.sleep(max(0.0, self._last_beat + self.interval - self._clock.monotonic()))
        async with self._lock:
            if self._is_needed():
                await self._beat(self._lease_end())
            else:
                await self._become_idle()

    async def _become_idle(self) -> None:
        self._needed.clear()  # first: a caller that needs the lease meanwhile sets it again
        try:
            await self._beat(IDLE)
        except BaseException:
            self._needed.set()  # not written: the lease would end, as if this runner were dead
            raise

    async def _beat(self, lease_until: int) -> None:
        sent = self._clock.monotonic() if lease_until != IDLE else NEVER
        self._last_beat = min(self._last_beat, sent)  # an idle beat makes it stale at once
        if await self._store.beat(self.runner_id.current, lease_until):
            self._last_beat = sent
            self._beaten()
        elif not self.lost.is_set():
            log.error(
                "runner %s was declared dead by another runner",
                self.runner_id.current,
                extra={"runner_id": self.runner_id.current},
            )
            self.losses += 1
            self.lost.set()

    def _lease_end(self) -> int:
        return self._store.lease_clock() + int(self._seconds * 1e6)
