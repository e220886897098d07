"""Polls for changes of other processes, behind a pooler."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from cloaca_core.errors import StoreError
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.dialect import Answers, Step
from cloaca_core.values.times.backoff import Backoff
from cloaca_postgres.sessions.pool import Pool
from cloaca_postgres.statements import STATEMENTS, step
from cloaca_postgres.wakeups.announcements import (
    LEAVING_S,
    WATCHED_APART_S,
    Announcements,
    Message,
    ended,
    within,
)

APART_POLLING_S: Final = 0.1
"""Seconds between two announcements."""
LAST_DELAY_S: Final = 1.0
"""Seconds between two polls of an idle runner."""
_GROWTH: Final = 1.5
_NEWEST: Final = step(STATEMENTS.newest_transaction)


class Poller:
    """Polls the server's transaction counter, for poolers, behind which LISTEN does not work.

    It still announces, since other runners may be able to listen.

    Other programs on the server write as well, so a change alone does not make it poll sooner: an
    idle runner polls once a second, one that hands out or ends runs more often.
    """

    def __init__(self, pool: Pool, announcements: Announcements, first_delay: float) -> None:
        self._pool = pool
        self._announcements = announcements
        self._asked = asyncio.Event()
        self._due = Message.NEWS
        self._returns = False
        self._return_timer: asyncio.TimerHandle | None = None
        self._woken = asyncio.Event()
        self._closed = asyncio.Event()
        self._seen: int | None = None
        self._watched = False
        self._backoff = Backoff(first_delay, max(first_delay, LAST_DELAY_S), _GROWTH)
        self._task = asyncio.create_task(self._announce(), name="cloaca-teller")

    async def wait(self) -> Change:
        while not self._closed.is_set():
            await self._rest()
            if self._closed.is_set() or await self._has_changed():
                break
            if self._returns:
                self._returns = False
                return Change.RUNS
        self._returns = False
        return Change.ANYTHING

    async def _rest(self) -> None:
        delay = self._backoff.next()
        if await within(min(delay, WATCHED_APART_S) if self._watched else delay, self._woken):
            self._woken.clear()
            self._backoff.reset()
            await within(self._backoff.first, self._closed)

    async def _has_changed(self) -> bool:
        (((newest,),),) = await self._pool.run([_NEWEST])
        before, self._seen = self._seen, newest
        return bool(before != newest)

    def within(self, steps: Sequence[Step]) -> Sequence[Step]:
        return self._announcements.within(steps)

    def wrote(self, steps: Sequence[Step], answers: Answers) -> None:
        if (message := self._announcements.wrote(steps, answers)) is not None:
            self._announce_soon(message)
            self._woken.set()

    def return_in(self, seconds: float) -> None:
        if self._return_timer is None and not self._closed.is_set():
            self._return_timer = self._task.get_loop().call_later(seconds, self._return)

    def _return(self) -> None:
        self._return_timer = None
        self._returns = True
        self._woken.set()

    def set_contended(self, *, contended: bool) -> None:
        """Do nothing."""

    def set_watched(self, *, watched: bool) -> None:
        """Poll soon, as often as after a change."""
        self._watched = watched
        if watched:
            self._woken.set()

    async def close(self) -> None:
        self._closed.set()
        self._woken.set()
        if self._return_timer is not None:
            self._return_timer.cancel()
        await ended(self._task)
        if self._asked.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVING_S):
                    await self._announce_due()

    async def _announce(self) -> None:
        while True:
            await self._asked.wait()
            await self._announce_due()
            await asyncio.sleep(APART_POLLING_S)

    async def _announce_due(self) -> None:
        self._asked.clear()
        message, self._due = self._due, Message.NEWS
        try:
            await self._pool.run([self._announcements.of(message)])
        except StoreError:
            self._announce_soon(message)
        except asyncio.CancelledError:  # whether it was announced is not known
            self._announce_soon(message)
            raise

    def _announce_soon(self, message: Message) -> None:
        if message is Message.LATE:
            self._due = message
        self._asked.set()
