"""Telling other processes that something has changed, and hearing it from them.

Neither is on the way of a commit: what is to be told is told after it, on a connection of its
own, once for everything that has gathered. Who listens and loses its connection takes that for a
change, as it cannot know what it has missed.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Final, Protocol

from cloaca_core.errors import StoreError
from cloaca_core.store.dialect import Step
from cloaca_postgres.driver import Session
from cloaca_postgres.pool import FIRST_PAUSE_S, LONGEST_PAUSE_S, Pool
from cloaca_postgres.statements import STATEMENTS, naming, step

log = logging.getLogger("cloaca.wakeups")

APART_S: Final = 0.01
"""Between two announcements, while others are known to listen."""
APART_ALONE_S: Final = 0.5
"""The same while no other runner is there: who only looks on does not mind."""
WATCHDOG_S: Final = 15.0
_DEADLINE_S: Final = 5.0
_STILL_THERE: Final = step(STATEMENTS.clock)
_ALWAYS_NEWS: Final = frozenset(
    ("end_run", "release", "unregister", "register", "take_over_runs", "fence")
)


class Wakeups(Protocol):
    """What the dialect needs of either kind."""

    async def wait(self) -> None:
        """Return when others may have changed something, or after ``close``."""

    def wrote(self, steps: Sequence[Step]) -> None:
        """These were committed."""

    def set_contended(self, *, contended: bool) -> None:
        """Whether others are known to listen."""

    async def close(self) -> None:
        """End; who waits returns."""


class News:
    """Which transactions others want to hear of."""

    def __init__(self) -> None:
        self._held: bool | None = None

    def is_in(self, steps: Sequence[Step]) -> bool:
        """Whether runs ended or became claimable, or a runner came, went or took up work."""
        return any(self._is_news(each) for each in steps)

    def _is_news(self, one: Step) -> bool:
        name = one.statement.name
        if name == "insert_run":
            owner = one.statement.parameters.index("owner")
            return any(row[owner] is None for row in one.rows or ())
        if name == "beat":
            return self._has_turned(one)
        return name in _ALWAYS_NEWS

    def _has_turned(self, beat: Step) -> bool:
        """True when a lease begins or ends: others watch it, or need not any more."""
        held = bool(beat.params[beat.statement.parameters.index("lease_until")])
        before, self._held = self._held, held
        return held is not before


class Listener:
    """Hears by LISTEN, tells by NOTIFY, on one session, which it replaces when it is lost."""

    def __init__(self, connect: Callable[[], Awaitable[Session]], schema: str) -> None:
        self._connect = connect
        self._me = secrets.token_hex(8)
        self._listen_step = naming("listen", "LISTEN {}", _channel(schema))
        self._message = _message(schema, self._me)
        self._news = News()
        self._apart = APART_S
        self._pause = FIRST_PAUSE_S
        self._changed = asyncio.Event()
        self._to_tell = asyncio.Event()
        self._closed = False
        self._task = asyncio.create_task(self._keep_listening(), name="cloaca-listener")

    async def wait(self) -> None:
        await self._changed.wait()
        if not self._closed:
            self._changed.clear()

    def wrote(self, steps: Sequence[Step]) -> None:
        if self._news.is_in(steps):
            self._to_tell.set()

    def set_contended(self, *, contended: bool) -> None:
        if contended and self._apart != APART_S:
            self._to_tell.set()  # what they have missed while nobody was known to listen
        self._apart = APART_S if contended else APART_ALONE_S

    async def close(self) -> None:
        self._closed = True
        self._changed.set()
        await _ended(self._task)

    async def _keep_listening(self) -> None:
        while True:
            try:
                await self._serve()
            except StoreError as error:
                log.info("no wake-ups until there is a connection again: %s", error)
            except Exception:
                log.exception("the listener failed; again in %.2f s", self._pause)
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE_S)

    async def _serve(self) -> None:
        session = await self._connect()
        try:
            await self._listen(session)
            self._pause = FIRST_PAUSE_S
            await self._tell(session)
        finally:
            session.close()

    async def _listen(self, session: Session) -> None:
        session.notified = self._hear
        session.lost = self._to_tell.set  # wakes ``_tell``, which finds it closed
        await session.run([self._listen_step], _DEADLINE_S)
        self._changed.set()

    def _hear(self, sender: str) -> None:
        if sender != self._me:
            self._changed.set()

    async def _tell(self, session: Session) -> None:
        """Announce what has gathered; now and then make sure that the session still lives."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCHDOG_S):
                    await self._to_tell.wait()
            if self._apart != APART_S and not session.closed:
                await asyncio.sleep(self._apart)
            news = self._to_tell.is_set()
            self._to_tell.clear()
            try:
                await session.run([self._message if news else _STILL_THERE], _DEADLINE_S)
            except StoreError:
                self._to_tell.set()
                raise
            await asyncio.sleep(APART_S)


class Poller:
    """Asks how far the server's transactions have come, where a pooler forbids to listen.

    Others may be able to listen all the same, so it tells them.
    """

    FIRST_DELAY_S = 0.1
    LAST_DELAY_S = 1.0
    GROWTH = 1.5

    def __init__(self, pool: Pool, schema: str) -> None:
        self._pool = pool
        self._news = News()
        self._message = _message(schema, secrets.token_hex(8))
        self._to_tell = asyncio.Event()
        self._closed = asyncio.Event()
        self._seen: int | None = None
        self._delay = self.FIRST_DELAY_S
        self._task = asyncio.create_task(self._tell(), name="cloaca-teller")

    async def wait(self) -> None:
        while not self._closed.is_set():
            if await self._has_changed():
                self._delay = self.FIRST_DELAY_S
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(self._delay):
                    await self._closed.wait()
            self._delay = min(self._delay * self.GROWTH, self.LAST_DELAY_S)

    async def _has_changed(self) -> bool:
        (((newest,),),) = await self._pool.run([step(STATEMENTS.newest_transaction)])
        before, self._seen = self._seen, newest
        return bool(before != newest)

    def wrote(self, steps: Sequence[Step]) -> None:
        if self._news.is_in(steps):
            self._to_tell.set()

    def set_contended(self, *, contended: bool) -> None:
        """Changes nothing."""

    async def close(self) -> None:
        self._closed.set()
        await _ended(self._task)

    async def _tell(self) -> None:
        while True:
            await self._to_tell.wait()
            self._to_tell.clear()
            try:
                await self._pool.run([self._message])
            except StoreError:
                self._to_tell.set()
            await asyncio.sleep(self.FIRST_DELAY_S)


def _channel(schema: str) -> str:
    """A hash: the name of a channel may not be longer than that of a schema."""
    return f"cloaca_{blake2b(schema.encode(), digest_size=8).hexdigest()}"


def _message(schema: str, sender: str) -> Step:
    return step(STATEMENTS.notify, channel=_channel(schema), sender=sender)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
