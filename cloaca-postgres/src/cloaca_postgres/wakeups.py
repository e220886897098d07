"""Telling other processes that something has changed, and hearing it from them.

What runs do is told after their commit, on a connection of its own, once for everything that has
gathered: to notify makes a commit slower, and all of a database's wait for one another. What
runners do is rare, and some of it must not be missed (nobody else looks after a lease that nobody
knows of), so that is told within its transaction. Who listens and loses its connection takes that
for a change, as it cannot know what it has missed; a look at how much was written, now and then,
stands in for what was never told: runs, as only those are told of after their commit.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Final, Protocol

from cloaca_core.errors import StoreError
from cloaca_core.logs import SafeLogger
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row
from cloaca_core.values.backoff import Backoff
from cloaca_postgres.driver import Session
from cloaca_postgres.pool import FIRST_PAUSE_S, LONGEST_PAUSE_S, Pool
from cloaca_postgres.statements import STATEMENTS, naming, step

log = SafeLogger("cloaca.wakeups")

APART_S: Final = 0.01
"""Between two announcements, while others are known to listen."""
APART_ALONE_S: Final = 0.5
"""The same while no other runner is there: who only looks on does not mind."""
WATCHDOG_S: Final = 30.0
"""With what a change leads to, and with the beat that ends a lease before it, still less than a
tenth of a statement per second.
"""
APART_POLLING_S: Final = 0.1
LAST_DELAY_S: Final = 1.0
_GROWTH: Final = 1.5
_DEADLINE_S: Final = 5.0
_WRITTEN: Final = step(STATEMENTS.runs_written)
_NEWEST: Final = step(STATEMENTS.newest_transaction)
_OF_RUNNERS: Final = frozenset(("release", "unregister", "register", "take_over_runs", "fence"))
_OF_RUNS: Final = frozenset(
    ("insert_unowned_run", "end_run", "insert_tick_run", "insert_event_run")
)
_OF_SCHEDULES: Final = frozenset(
    ("put_schedule", "retime_schedule", "add_trigger", "change_trigger")
)
"""Nobody else looks after a schedule that nobody knows of, so these must not be missed either."""


class Wakeups(Protocol):
    """What the dialect needs of either kind."""

    async def wait(self) -> Change:
        """Return when others may have changed something, or after ``close``."""

    def within(self, steps: Sequence[Step]) -> Sequence[Step]:
        """What to run in the transaction of these steps, after them."""

    def wrote(self, steps: Sequence[Step]) -> None:
        """These were committed."""

    def set_contended(self, *, contended: bool) -> None:
        """Whether others are known to listen."""

    async def close(self) -> None:
        """End; who waits returns."""


class News:
    """Which transactions others want to hear of, and the message that tells them."""

    def __init__(self, schema: str) -> None:
        self.sender: str = os.urandom(8).hex()
        self.message: Step = step(STATEMENTS.notify, channel=channel_of(schema), sender=self.sender)
        self._held: bool | None = None

    def within(self, steps: Sequence[Step]) -> Sequence[Step]:
        """The message, if a runner came, went, took up work or let go of it, or if a schedule may
        be due sooner.
        """
        return [self.message] if any(map(self._is_to_be_heard, steps)) else ()

    def wrote(self, steps: Sequence[Step]) -> bool:
        """Whether runs have ended or become claimable by this."""
        for each in steps:
            if each.statement.name == "beat":
                self._held = _holds(each)
        return any(map(_is_of_runs, steps))

    def _is_to_be_heard(self, one: Step) -> bool:
        if one.statement.name == "beat":  # a lease begins or ends: others watch it from now on
            return _holds(one) is not self._held
        return one.statement.name in _OF_RUNNERS | _OF_SCHEDULES


def _holds(beat: Step) -> bool:
    """Whether it is for a lease, or says that nothing is owned."""
    return bool(beat.params[beat.statement.parameters.index("lease_until")])


def _is_of_runs(one: Step) -> bool:
    if one.statement.name == "insert_run":
        owner = one.statement.parameters.index("owner")
        return any(row[owner] is None for row in one.rows or ())
    return one.statement.name in _OF_RUNS


class Listener:
    """Hears by LISTEN, tells by NOTIFY, on one session, which it replaces when it is lost."""

    def __init__(self, connect: Callable[[], Awaitable[Session]], schema: str) -> None:
        self._connect = connect
        self._listen_step = naming("listen", "LISTEN {}", channel_of(schema))
        self._news = News(schema)
        self._written = 0
        self._apart = APART_S
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._changed = asyncio.Event()
        self._change = Change.RUNS
        self._to_tell = asyncio.Event()
        self._closed = False
        self._task = asyncio.create_task(self._keep_listening(), name="cloaca-listener")

    async def wait(self) -> Change:
        await self._changed.wait()
        if not self._closed:
            self._changed.clear()
        change, self._change = self._change, Change.RUNS
        return change

    def within(self, steps: Sequence[Step]) -> Sequence[Step]:
        return self._news.within(steps)

    def wrote(self, steps: Sequence[Step]) -> None:
        if self._news.wrote(steps):
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
                log.exception("the listener failed; again in %.2f s", self._backoff.pause)
            await self._backoff.wait()

    async def _serve(self) -> None:
        session = await self._connect()
        try:
            await self._listen(session)
            self._backoff.reset()
            await self._tell(session)
        finally:
            session.close()

    async def _listen(self, session: Session) -> None:
        session.notified = self._hear
        session.lost = self._to_tell.set  # wakes ``_tell``, which finds it closed
        answers = await session.run([self._listen_step, _WRITTEN], _DEADLINE_S)
        self._written = _number(answers)  # whoever looks from now on sees what that counts
        self._report(Change.ANYTHING)

    def _hear(self, sender: str) -> None:
        if sender != self._news.sender:
            self._report(Change.ANYTHING)

    def _report(self, change: Change) -> None:
        if change is Change.ANYTHING:
            self._change = change
        self._changed.set()

    async def _tell(self, session: Session) -> None:
        """Announce what has gathered; now and then, however much that is, look whether the session
        still lives, and whether anybody has written what we were not told of.
        """
        now = asyncio.get_running_loop().time
        look_at = now() + WATCHDOG_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await self._to_tell.wait()
            if self._apart != APART_S and not session.closed:
                await asyncio.sleep(self._apart)
            news = self._to_tell.is_set()
            self._to_tell.clear()
            try:
                if news:
                    await self._announce(session)
                if now() >= look_at:
                    await self._catch_up(session)
                    look_at = now() + WATCHDOG_S
            except StoreError:
                self._to_tell.set()
                raise
            await asyncio.sleep(APART_S)

    async def _announce(self, session: Session) -> None:
        await session.run([self._news.message], _DEADLINE_S)

    async def _catch_up(self, session: Session) -> None:
        written = _number(await session.run([_WRITTEN], _DEADLINE_S))
        if written != self._written:
            self._written = written
            self._report(Change.RUNS)


class Poller:
    """Asks how far the server's transactions have come, where a pooler forbids to listen.

    Others may be able to listen all the same, so it tells them.

    Others on the server write as well, so a change alone is no reason to look again soon: who has
    nothing to do looks once a second, who hands out or ends runs more often.
    """

    def __init__(self, pool: Pool, schema: str, first_delay: float) -> None:
        self._pool = pool
        self._news = News(schema)
        self._to_tell = asyncio.Event()
        self._stirred = asyncio.Event()
        self._closed = asyncio.Event()
        self._seen: int | None = None
        self._first_delay = first_delay
        self._last_delay = max(first_delay, LAST_DELAY_S)
        self._delay = first_delay
        self._task = asyncio.create_task(self._tell(), name="cloaca-teller")

    async def wait(self) -> Change:
        while not self._closed.is_set():
            await self._rest()
            if self._closed.is_set() or await self._has_changed():
                break
        return Change.ANYTHING

    async def _rest(self) -> None:
        if await _within(self._delay, self._stirred):
            self._stirred.clear()
            self._delay = self._first_delay
            await _within(self._first_delay, self._closed)
        else:
            self._delay = min(self._delay * _GROWTH, self._last_delay)

    async def _has_changed(self) -> bool:
        (((newest,),),) = await self._pool.run([_NEWEST])
        before, self._seen = self._seen, newest
        return bool(before != newest)

    def within(self, steps: Sequence[Step]) -> Sequence[Step]:
        return self._news.within(steps)

    def wrote(self, steps: Sequence[Step]) -> None:
        if self._news.wrote(steps):
            self._to_tell.set()
            self._stirred.set()

    def set_contended(self, *, contended: bool) -> None:
        """Changes nothing."""

    async def close(self) -> None:
        self._closed.set()
        self._stirred.set()
        await _ended(self._task)

    async def _tell(self) -> None:
        while True:
            await self._to_tell.wait()
            self._to_tell.clear()
            try:
                await self._pool.run([self._news.message])
            except StoreError:
                self._to_tell.set()
            await asyncio.sleep(APART_POLLING_S)


def channel_of(schema: str) -> str:
    """A hash: the name of a channel may not be longer than that of a schema."""
    return f"cloaca_{blake2b(schema.encode(), digest_size=8).hexdigest()}"


def _number(answers: Sequence[Sequence[Row]]) -> int:
    """The one value of the last step's one row."""
    ((number,),) = answers[-1]
    return int(number)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether the event comes in this time, which is waited for at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
