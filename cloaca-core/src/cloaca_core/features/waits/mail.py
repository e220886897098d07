"""Reads the messages of runs of this runner that it does not know yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from cloaca_core.errors import StoreError, StoreUnavailableError
from cloaca_core.features.waits.open_waits import open_waits
from cloaca_core.values.times.backoff import Backoff

if TYPE_CHECKING:
    from cloaca_core.engine.orchestrate.run_facts import Guarded
    from cloaca_core.features.waits.part import WaitStore
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.store.messages import MessageRow
    from cloaca_core.values.times.clock import Clock

T = TypeVar("T")

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
"""Seconds between two tries to read while the database is away."""


class Mail:
    """Belongs to the engine's loop. ``came`` is called with a run whose messages were read."""

    def __init__(
        self,
        store: WaitStore,
        clock: Clock,
        guarded: Guarded,
        came: Callable[[ActiveRun], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._guarded = guarded
        self._came = came
        self._loop = asyncio.get_running_loop()
        self._reading: dict[ActiveRun, asyncio.Task[None]] = {}

    def read(self, run: ActiveRun, *, some_unnumbered: bool = False) -> bool:
        """Read the messages of the run that are unknown here; false if a read is under way. With
        ``some_unnumbered``, some messages may have no number yet.
        """
        if run in self._reading:
            return False
        reading = self._read_messages(run, some_unnumbered=some_unnumbered)
        self._reading[run] = self._loop.create_task(reading)
        return True

    async def _read_messages(self, run: ActiveRun, *, some_unnumbered: bool) -> None:
        """Read the unread messages of a run that are unknown here. First give numbers to messages
        without one.
        """
        waits, now = open_waits(run), self._clock.wall()
        sent, seen = waits.sent, waits.seen
        try:
            if some_unnumbered:
                await persistently(lambda: self._store.number_messages([run.id], now))
            unread = await persistently(lambda: self._store.messages([run.id], seen))
        except StoreError as error:
            del self._reading[run]
            self._guarded(run, _give_up, error)
        else:
            del self._reading[run]  # first: more may have come while it was read
            self._guarded(run, self._put, run, unread, sent)

    def _put(self, run: ActiveRun, unread: Sequence[MessageRow], sent: int) -> None:
        open_waits(run).put(unread, sent)
        self._came(run)

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or this runner no longer owns it."""
        if (reading := self._reading.pop(run, None)) is not None:
            reading.cancel()


async def persistently(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer of the database. Retries as long as it cannot be reached."""
    backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
    while True:
        try:
            return await ask()
        except StoreUnavailableError:
            await backoff.wait()


def _give_up(error: StoreError) -> None:
    """The waits of a run cannot be read, so it cannot continue."""
    raise error
