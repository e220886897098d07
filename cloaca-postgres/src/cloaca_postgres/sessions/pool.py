"""A pool of sessions; the session used last is used next.

So a busy writer keeps to one session, whose statements are prepared. The first session is opened
when it is needed, each further one when callers have waited for a while. A lost one is dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from cloaca_core.errors import StoreError, StoreReadOnlyError, StoreUnavailableError
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row
from cloaca_core.values.times.backoff import Backoff
from cloaca_postgres.errors import is_conflict
from cloaca_postgres.sessions.decider import Decider
from cloaca_postgres.sessions.session import Session

STATEMENT_DEADLINE_S: Final = 10.0
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
PATIENCE_S: Final = 0.1
"""Seconds after which callers that wait are a reason for one more session. To begin one, and to
plan its statements, costs the server several times as much as most transactions do.
"""
_TRIES: Final = 5
"""Tries of a transaction that conflicts with others, before its caller gets the error."""


class Pool:
    """At most ``size`` sessions, made by ``connect``."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Session]],
        size: int,
        *,
        place: str,
        deadline: float = STATEMENT_DEADLINE_S,
    ) -> None:
        self._connect = connect
        self._size = size
        self._place = place
        self._deadline = deadline
        self._idle: list[Session] = []
        self._all: set[Session] = set()
        self._opening = 0
        self._growing: asyncio.Task[None] | None = None
        self._queue: deque[asyncio.Future[Session | None]] = deque()
        self._pause = 0.0
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._closed = False

    async def run(
        self, steps: Sequence[Step], *, first: bool = False, decider: Decider | None = None
    ) -> list[list[Row]]:
        """Run a transaction on a free session. One that is to be ``first`` waits for no other
        caller. With a ``decider`` it goes on with that one's steps.
        """
        for _ in range(_TRIES - 1):
            try:
                return await self._once(steps, first, decider)
            except StoreUnavailableError as error:
                if not is_conflict(error):
                    raise
        return await self._once(steps, first, decider)

    async def _once(
        self, steps: Sequence[Step], first: bool, decider: Decider | None
    ) -> list[list[Row]]:
        session = self._idle.pop() if self._idle else await self._another(first=first)
        try:
            if decider is not None:
                return await decider.run(session, steps, self._deadline)
            return await session.run(steps, self._deadline)
        except StoreReadOnlyError:
            session.close()  # a new session may be allowed to write, perhaps on a new server
            raise
        except StoreUnavailableError:
            if session.closed:  # what has broken it may have broken the others: the next is new
                for idle in list(self._idle):
                    idle.close()
            raise
        finally:
            self._give_back(session)

    def is_open(self) -> bool:
        """Whether there is a session. If there is none, one is opened meanwhile."""
        if not self._all and not self._closed:
            self._grow_soon(0)
        return bool(self._all)

    async def close(self) -> None:
        """Close all sessions; callers that wait for one get an error."""
        self._closed = True
        if self._growing is not None:
            self._growing.cancel()
            await asyncio.wait([self._growing])
        for session in list(self._all):
            session.close()
        while self._pass_on(None):
            pass

    # -- take and give back ------------------------------------------------------------------

    async def _another(self, *, first: bool) -> Session:
        """Return a session that has become free, or a new one if there is none."""
        while True:
            if self._closed:
                raise StoreError(f"{self._place}: the store is closed")
            if self._idle:
                return self._idle.pop()
            if not self._all and not self._opening:
                return await self._open()
            if (session := await self._turn(first=first)) is not None:
                return session

    async def _turn(self, *, first: bool) -> Session | None:
        """Wait in the queue for a session; None means to look again."""
        turn: asyncio.Future[Session | None] = asyncio.get_running_loop().create_future()
        if first:
            self._queue.appendleft(turn)
        else:
            self._queue.append(turn)
        self._grow_soon(PATIENCE_S)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._put(turn.result())
            raise

    def _give_back(self, session: Session) -> None:
        if session.is_busy:  # for a caller who was cancelled
            session.freed = lambda: self._give_back(session)
        else:
            self._put(None if session.closed else session)

    def _put(self, session: Session | None) -> None:
        """Give the session to the first caller in the queue, so that none overtakes it."""
        if not self._pass_on(session) and session is not None:
            self._idle.append(session)

    def _pass_on(self, session: Session | None) -> bool:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(session)
                return True
        return False

    # -- open and forget ---------------------------------------------------------------------

    def _has_room(self) -> bool:
        return len(self._all) + self._opening < self._size

    def _grow_soon(self, patience: float) -> None:
        if self._growing is None and self._has_room():
            self._growing = asyncio.create_task(self._grow(patience), name="cloaca-pool")

    async def _grow(self, patience: float) -> None:
        """Open one more session after a while if there is none or callers wait, and so on; without
        them they wait on.
        """
        try:
            await asyncio.sleep(patience)
            while (self._queue or not self._all) and self._has_room():
                self._put(await self._open())
                await asyncio.sleep(PATIENCE_S)
        except StoreError:
            pass  # the caller that was woken by it tries again, and is told
        finally:
            self._growing = None

    async def _open(self) -> Session:
        """Open a session; pause after a failure, so that an outage costs little."""
        self._opening += 1
        try:
            if self._pause:
                await asyncio.sleep(self._pause)
            session = await self._connect()
        except BaseException as error:
            if isinstance(error, StoreUnavailableError):
                self._pause = self._backoff.next()
            self._pass_on(None)
            raise
        finally:
            self._opening -= 1
        self._pause = 0.0
        self._backoff.reset()
        self._adopt(session)
        if self._closed:
            session.close()
        return session

    def _adopt(self, session: Session) -> None:
        self._all.add(session)
        session.lost = lambda: self._forget(session)

    def _forget(self, session: Session) -> None:
        self._all.discard(session)
        if session in self._idle:
            self._idle.remove(session)
        self._pass_on(None)
