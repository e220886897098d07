"""Tells other processes that something has changed, and hears it from them.

Changes of runs are announced after their commit, on a separate connection, several at once: NOTIFY
makes a commit slower, and all notifying commits of a database wait for one another. Changes of
runners are rare and must not be missed (no other runner watches a lease that it does not know of),
so they are announced within their transaction. A listener that loses its connection takes that for
a change, as it may have missed one. For changes of runs that were never announced, each listener
compares now and then how much was written. One that is closed announces first what is due, without
a pause: a command that submits a run ends at once.

Steps of runs are announced only while a listener has said that it watches runs, which it says again
and again; the others do not act on them.

A message that runs have become claimable late says since when they are so by their rows: the claims
of a listener may look past them (see ``claim_marks``).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from enum import Enum
from hashlib import blake2b
from typing import Final, Protocol

from cloaca_core.errors import StoreError
from cloaca_core.logs import SafeLogger
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.dialect import Answers, Step
from cloaca_core.store.sql.news import News
from cloaca_core.store.sql.queries import Row
from cloaca_core.values.times.backoff import Backoff
from cloaca_postgres.driver import Session
from cloaca_postgres.late_runs import LATE, are_late, are_long_ago
from cloaca_postgres.pool import FIRST_PAUSE_S, LONGEST_PAUSE_S, Pool
from cloaca_postgres.statements import STATEMENTS, naming, step

log: Final = SafeLogger("cloaca.wakeups")

APART_S: Final = 0.01
"""Seconds between two announcements, while other runners are known to listen."""
APART_ALONE_S: Final = 0.5
"""The same while there is no other runner and no announcement came from elsewhere lately: programs
that only observe can wait.
"""
HEARD_FOR_S: Final = 60.0
"""Seconds for which an announcement shows that its sender listens: a client, which is no runner."""
WATCHDOG_S: Final = 30.0
"""Seconds between two checks that the session is alive and that no announcement was missed. A
check reads the server's count of written rows. With the claim that a missed announcement leads to,
an idle runner executes less than one statement in ten seconds.
"""
WATCHED_APART_S: Final = 0.1
"""Seconds between two announcements of steps, while a listener watches runs."""
APART_POLLING_S: Final = 0.1
LAST_DELAY_S: Final = 1.0
LEAVING_S: Final = 2.0
"""Seconds for which ``close`` waits at most until changes are announced that are still due."""
_OF_RUNS: Final = frozenset(
    ("record_attempt", "record_memo", "record_wait", "record_lines", "record_progress")
)
_GROWTH: Final = 1.5
_SINCE: Final = "since"
_DEADLINE_S: Final = 5.0
_WRITTEN: Final = step(STATEMENTS.runs_written)
_NEWEST: Final = step(STATEMENTS.newest_transaction)


class Wakeups(Protocol):
    """The methods of ``Listener`` and ``Poller`` that the dialect uses."""

    async def wait(self) -> Change:
        """Return when other processes may have changed something, or after ``close``."""

    def within(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Steps to run in the same transaction, after these."""

    def wrote(self, steps: Sequence[Step], answers: Answers) -> None:
        """Note that these steps were committed."""

    def return_in(self, seconds: float) -> None:
        """Have ``wait`` return after so many seconds, as if runs had changed."""

    def set_contended(self, *, contended: bool) -> None:
        """Set whether other runners are known to listen."""

    def set_watched(self, *, watched: bool) -> None:
        """Set whether a caller watches runs here."""

    async def close(self) -> None:
        """Announce what is due and stop; a waiting ``wait`` returns. No error of the database is
        raised: others find then by themselves what was written.
        """


class Message(Enum):
    """The messages; their values stand after the sender."""

    NEWS = ""
    LATE = "since 0"
    """News, and runs have become claimable with instants that are long ago."""
    STEPS = "steps"
    WATCHES = "watches"
    """The sender watches runs: it is to hear of steps."""


class Announcements:
    """Chooses when to announce something, and makes the message. ``came_late`` is called when runs
    have become claimable, here or elsewhere, that claims may look past. ``wall`` is the database's
    clock in µs.
    """

    def __init__(self, schema: str, wall: Callable[[], int], came_late: Callable[[], None]) -> None:
        self.came_late: Callable[[], None] = came_late
        self._wall = wall
        self.sender: str = os.urandom(8).hex()
        self.channel: str = channel_of(schema)
        self._messages = {
            each: step(
                STATEMENTS.notify,
                channel=self.channel,
                sender=f"{self.sender} {each.value}".rstrip(),
            )
            for each in Message
        }
        self._news = News()

    def of(self, message: Message) -> Step:
        """A message of this sender."""
        return self._messages[message]

    def within(self, steps: Sequence[Step]) -> Sequence[Step]:
        """The message, if the steps change more than runs: it must not be missed."""
        if self._news.of(steps) is not Change.ANYTHING:
            return ()
        return [self.of(Message.LATE if are_long_ago(steps) else Message.NEWS)]

    def wrote(self, steps: Sequence[Step], answers: Answers) -> Message | None:
        """The message that is due after the commit of these steps."""
        change = self._news.of(steps)
        self._news.wrote(steps)
        if change is not None and are_late(steps, answers, self._wall()):
            self.came_late()
            if change is Change.RUNS or not are_long_ago(steps):  # else it is told already
                return Message.LATE
        return Message.NEWS if change is Change.RUNS else None

    def heard(self, kind: str) -> None:
        """Look whether a message of this kind tells of runs that claims may look past."""
        word, _, instant = kind.partition(" ")
        if word == _SINCE and not (instant.isdecimal() and int(instant) >= self._wall() - LATE):
            self.came_late()


class Listener:
    """Uses LISTEN and NOTIFY on one session, which it replaces when it is lost."""

    def __init__(
        self, connect: Callable[[], Awaitable[Session]], announcements: Announcements
    ) -> None:
        self._connect = connect
        self._listen_step = naming("listen", "LISTEN {}", announcements.channel)
        self._announcements = announcements
        self._written = 0
        self._apart = APART_S
        self._heard_until = 0.0
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._changed = asyncio.Event()
        self._change: Change | None = None
        self._to_tell = asyncio.Event()
        self._due: set[Message] = set()
        self._under_way: set[Message] = set()
        self._watches = False
        self._watches_until = 0.0
        self._watched_until = 0.0
        self._steps_timer: asyncio.TimerHandle | None = None
        self._steps_told_at = -WATCHED_APART_S
        self._return_timer: asyncio.TimerHandle | None = None
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._keep_listening(), name="cloaca-listener")

    async def wait(self) -> Change:
        await self._changed.wait()
        if not self._closing.is_set():
            self._changed.clear()
        change, self._change = self._change, None
        return change or Change.RUNS

    def within(self, steps: Sequence[Step]) -> Sequence[Step]:
        return self._announcements.within(steps)

    def wrote(self, steps: Sequence[Step], answers: Answers) -> None:
        if (message := self._announcements.wrote(steps, answers)) is not None:
            self._tell_of(message)
        elif self._watched_until and are_of_runs(steps):
            self._tell_of_steps_soon()

    def return_in(self, seconds: float) -> None:
        if self._return_timer is None and not self._closing.is_set():
            self._return_timer = self._task.get_loop().call_later(seconds, self._return)

    def _return(self) -> None:
        self._return_timer = None
        self._report(Change.RUNS)

    def set_contended(self, *, contended: bool) -> None:
        if contended and self._apart != APART_S:
            self._tell_of(Message.NEWS)  # announce what was held back
        self._apart = APART_S if contended else APART_ALONE_S

    def set_watched(self, *, watched: bool) -> None:
        self._watches = watched
        if watched and self._now() >= self._watches_until:
            self._tell_that_it_watches()

    def _tell_that_it_watches(self) -> None:
        self._watches_until = self._now() + WATCHDOG_S
        self._tell_of(Message.WATCHES)

    async def close(self) -> None:
        self._closing.set()
        self._changed.set()
        if self._return_timer is not None:
            self._return_timer.cancel()
        if self._steps_timer is not None:
            self._steps_timer.cancel()
            self._tell_of_steps()
        if self._due or self._under_way:
            self._to_tell.set()
            await asyncio.wait([self._task], timeout=LEAVING_S)
        await _ended(self._task)

    def _tell_of(self, message: Message) -> None:
        self._due.add(message)
        self._to_tell.set()

    def _tell_of_steps_soon(self) -> None:
        """Tell of steps if somebody still watches: at once, or soon and with those that follow."""
        if self._steps_timer is None and self._now() < self._watched_until:
            loop = self._task.get_loop()
            at = max(self._now(), self._steps_told_at + WATCHED_APART_S)
            self._steps_timer = loop.call_at(at, self._tell_of_steps)

    def _tell_of_steps(self) -> None:
        self._steps_timer = None
        self._steps_told_at = self._now()
        self._tell_of(Message.STEPS)

    def _now(self) -> float:
        return self._task.get_loop().time()

    async def _keep_listening(self) -> None:
        """Serve until it is closed; after a failure one more connection may tell what is due."""
        is_last = False
        while not is_last:
            is_last = self._closing.is_set()
            if await self._has_served():
                return
            await _within(self._backoff.next(), self._closing)

    async def _has_served(self) -> bool:
        """Whether all was told until it was closed; False after a failure."""
        try:
            await self._serve()
        except StoreError as error:
            log.info("no wake-ups until there is a connection again: %s", error)
        except Exception:
            log.exception("the listener failed; again in %.2f s", self._backoff.pause)
        else:
            return True
        return False

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
        session.lost = self._lost
        answers = await session.run([self._listen_step, _WRITTEN], _DEADLINE_S)
        self._written = _number(answers)  # earlier writes are visible from now on
        self._announcements.came_late()  # perhaps: nothing was heard of them
        self._report(Change.ANYTHING)

    def _lost(self) -> None:
        """Wake ``_tell``, which finds the session closed."""
        self._tell_of(Message.NEWS)

    def _hear(self, payload: str) -> None:
        sender, _, kind = payload.partition(" ")
        if sender == self._announcements.sender:
            return
        self._heard_until = self._now() + HEARD_FOR_S
        if kind == Message.WATCHES.value:
            self._watched_until = self._heard_until
            self._tell_of(Message.STEPS)  # of those that were written before this came
        elif kind != Message.STEPS.value:
            self._announcements.heard(kind)
            self._report(Change.ANYTHING)
        elif self._watches or self._now() < self._watches_until:
            self._report(Change.STEPS)

    def _report(self, change: Change) -> None:
        self._change = stronger(self._change, change)
        self._changed.set()

    async def _tell(self, session: Session) -> None:
        """Announce changes together; now and then check that the session is alive, and whether
        others have written anything without an announcement. Return after the last announcement,
        when it is closed.
        """
        now = self._now
        look_at = now() + WATCHDOG_S
        is_last = False
        while not is_last:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await self._to_tell.wait()
            if self._may_wait() and now() >= self._heard_until and not session.closed:
                await _within(self._apart, self._closing)
            is_last = self._closing.is_set()
            try:
                await self._tell_what_is_due(session)
                if now() >= look_at:
                    await self._catch_up(session)
                    look_at = now() + WATCHDOG_S
            except StoreError:
                self._tell_of(Message.NEWS)
                raise
            await _within(APART_S, self._closing)

    async def _tell_what_is_due(self, session: Session) -> None:
        self._under_way, self._due = self._due, set()
        self._to_tell.clear()
        try:
            await self._announce(session, self._under_way)
        except StoreError:
            self._due |= self._under_way
            raise
        finally:
            self._under_way = set()

    def _may_wait(self) -> bool:
        """Whether nothing is due that somebody waits for."""
        return self._apart != APART_S and self._due <= {Message.NEWS, Message.LATE}

    async def _announce(self, session: Session, due: set[Message]) -> None:
        if Message.LATE in due:  # tells of all other changes too
            due = due - {Message.NEWS, Message.STEPS}
        elif Message.NEWS in due:  # tells of steps too
            due = due - {Message.STEPS}
        messages = [self._announcements.of(each) for each in Message if each in due]
        if messages:
            await session.run(messages, _DEADLINE_S)

    async def _catch_up(self, session: Session) -> None:
        if self._watches:
            self._tell_that_it_watches()
        written = _number(await session.run([_WRITTEN], _DEADLINE_S))
        if written != self._written:
            self._written = written
            self._report(Change.RUNS)


class Poller:
    """Polls the server's transaction counter, for poolers, behind which LISTEN does not work.

    It still announces, since other runners may be able to listen.

    Other programs on the server write as well, so a change alone does not make it poll sooner: an
    idle runner polls once a second, one that hands out or ends runs more often.
    """

    def __init__(self, pool: Pool, announcements: Announcements, first_delay: float) -> None:
        self._pool = pool
        self._announcements = announcements
        self._to_tell = asyncio.Event()
        self._due = Message.NEWS
        self._returns = False
        self._return_timer: asyncio.TimerHandle | None = None
        self._woken = asyncio.Event()
        self._closed = asyncio.Event()
        self._seen: int | None = None
        self._watched = False
        self._backoff = Backoff(first_delay, max(first_delay, LAST_DELAY_S), _GROWTH)
        self._task = asyncio.create_task(self._tell(), name="cloaca-teller")

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
        if await _within(min(delay, WATCHED_APART_S) if self._watched else delay, self._woken):
            self._woken.clear()
            self._backoff.reset()
            await _within(self._backoff.first, self._closed)

    async def _has_changed(self) -> bool:
        (((newest,),),) = await self._pool.run([_NEWEST])
        before, self._seen = self._seen, newest
        return bool(before != newest)

    def within(self, steps: Sequence[Step]) -> Sequence[Step]:
        return self._announcements.within(steps)

    def wrote(self, steps: Sequence[Step], answers: Answers) -> None:
        if (message := self._announcements.wrote(steps, answers)) is not None:
            self._tell_soon(message)
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
        await _ended(self._task)
        if self._to_tell.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVING_S):
                    await self._tell_what_is_due()

    async def _tell(self) -> None:
        while True:
            await self._to_tell.wait()
            await self._tell_what_is_due()
            await asyncio.sleep(APART_POLLING_S)

    async def _tell_what_is_due(self) -> None:
        self._to_tell.clear()
        told, self._due = self._due, Message.NEWS
        try:
            await self._pool.run([self._announcements.of(told)])
        except StoreError:
            self._tell_soon(told)
        except asyncio.CancelledError:  # whether it was told is not known
            self._tell_soon(told)
            raise

    def _tell_soon(self, message: Message) -> None:
        if message is Message.LATE:
            self._due = message
        self._to_tell.set()


def stronger(one: Change | None, other: Change) -> Change:
    """Two changes as one."""
    if one is None or one is Change.STEPS or other is Change.ANYTHING:
        return other
    return one


def are_of_runs(steps: Sequence[Step]) -> bool:
    """Whether these steps record how runs go on."""
    return any(each.statement.name in _OF_RUNS for each in steps)


def since(instant: int) -> str:
    """The kind of a message that runs have become claimable that are so since this instant."""
    return f"{_SINCE} {instant}"


def channel_of(schema: str) -> str:
    """The channel of a schema: a hash, since a name of full length has no room for a prefix."""
    return f"cloaca_{blake2b(schema.encode(), digest_size=8).hexdigest()}"


def _number(answers: Sequence[Sequence[Row]]) -> int:
    """The single value of the last step's single row."""
    ((number,),) = answers[-1]
    return int(number)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Wait for the event, at most so many seconds; True when it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
