"""Listens for changes of other processes, and announces ours, on one session.

A listener that loses its connection takes that for a change, as it may have missed one. For changes
of runs that were never announced, each listener compares now and then how much was written. One
that is closed announces first what is due, without a pause: a command that submits a run ends at
once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from cloaca_core.errors import StoreError
from cloaca_core.logs import SafeLogger
from cloaca_core.store.changes import Change, stronger
from cloaca_core.store.sql.dialect import Answers, Step
from cloaca_core.store.sql.queries import Row
from cloaca_core.values.times.backoff import Backoff
from cloaca_postgres.sessions.pool import FIRST_PAUSE_S, LONGEST_PAUSE_S
from cloaca_postgres.sessions.session import Session
from cloaca_postgres.statements import STATEMENTS, naming, step
from cloaca_postgres.wakeups.announcements import (
    LEAVING_S,
    WATCHED_APART_S,
    Announcements,
    Message,
    are_of_runs,
    ended,
    within,
)

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
_DEADLINE_S: Final = 5.0
_WRITTEN: Final = step(STATEMENTS.runs_written)


class DueMessages:
    """The messages that are due, until they are announced."""

    def __init__(self, announcements: Announcements) -> None:
        self._announcements = announcements
        self._due: set[Message] = set()
        self._under_way: set[Message] = set()
        self.asked = asyncio.Event()
        """Set while ``announce`` is to be called."""

    def add(self, message: Message) -> None:
        """Have a message announced."""
        self._due.add(message)
        self.asked.set()

    def are_left(self) -> bool:
        """Whether a message is not known to have been announced."""
        return bool(self._due or self._under_way)

    def may_wait(self) -> bool:
        """Whether none is due that another process waits for."""
        return self._due <= {Message.NEWS, Message.LATE}

    async def announce(self, session: Session) -> None:
        """Announce them together; after a failure they are due as before."""
        self._under_way, self._due = self._due, set()
        self.asked.clear()
        try:
            if messages := [self._announcements.of(each) for each in told_by(self._under_way)]:
                await session.run(messages, _DEADLINE_S)
        except StoreError:
            self._due |= self._under_way
            raise
        finally:
            self._under_way = set()


def told_by(due: set[Message]) -> Sequence[Message]:
    """The messages that say all of these: LATE implies news and steps, NEWS implies steps."""
    if Message.LATE in due:
        due = due - {Message.NEWS, Message.STEPS}
    elif Message.NEWS in due:
        due = due - {Message.STEPS}
    return [each for each in Message if each in due]


class Listener:
    """Uses LISTEN and NOTIFY on one session, which it replaces when it is lost. It is opened at the
    first ``wait``, or when there is something to announce.
    """

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
        self._due = DueMessages(announcements)
        self._watches = False
        self._watches_until = 0.0
        self._watched_until = 0.0
        self._steps_timer: asyncio.TimerHandle | None = None
        self._steps_at = -WATCHED_APART_S
        self._return_timer: asyncio.TimerHandle | None = None
        self._closing = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    async def wait(self) -> Change:
        self._begin()
        await self._changed.wait()
        if not self._closing.is_set():
            self._changed.clear()
        change, self._change = self._change, None
        return change or Change.RUNS

    def within(self, steps: Sequence[Step]) -> Sequence[Step]:
        return self._announcements.within(steps)

    def wrote(self, steps: Sequence[Step], answers: Answers) -> None:
        message = self._announcements.wrote(steps, answers)
        if message is Message.MOVES:  # parts that do not claim would delay the claim by their reads
            self._loop.call_later(APART_S, self._announce_soon, Message.NEWS)
        elif message is not None:
            self._announce_soon(message)
        elif self._watched_until and are_of_runs(steps):
            self._announce_steps_soon()

    def return_in(self, seconds: float) -> None:
        if self._return_timer is None and not self._closing.is_set():
            self._return_timer = self._loop.call_later(seconds, self._return)

    def _return(self) -> None:
        self._return_timer = None
        self._report(Change.RUNS)

    def set_contended(self, *, contended: bool) -> None:
        if contended and self._apart != APART_S:
            self._announce_soon(Message.NEWS)  # announce what was held back
        self._apart = APART_S if contended else APART_ALONE_S

    def set_watched(self, *, watched: bool) -> None:
        self._watches = watched
        if watched and self._now() >= self._watches_until:
            self._announce_that_it_watches()

    def _announce_that_it_watches(self) -> None:
        self._watches_until = self._now() + WATCHDOG_S
        self._announce_soon(Message.WATCHES)

    async def close(self) -> None:
        self._closing.set()
        self._changed.set()
        if self._return_timer is not None:
            self._return_timer.cancel()
        if self._steps_timer is not None:
            self._steps_timer.cancel()
            self._announce_steps()
        if self._task is None:
            return
        if self._due.are_left():
            self._due.asked.set()
            await asyncio.wait([self._task], timeout=LEAVING_S)
        await ended(self._task)

    def _begin(self) -> None:
        """Open the session, now that there is something to hear or to announce."""
        if self._task is None and not self._closing.is_set():
            self._task = self._loop.create_task(self._keep_listening(), name="cloaca-listener")

    def _announce_soon(self, message: Message) -> None:
        self._due.add(message)
        self._begin()

    def _announce_steps_soon(self) -> None:
        """Announce steps if a listener still watches: at once, or soon with later steps."""
        if self._steps_timer is None and self._now() < self._watched_until:
            at = max(self._now(), self._steps_at + WATCHED_APART_S)
            self._steps_timer = self._loop.call_at(at, self._announce_steps)

    def _announce_steps(self) -> None:
        self._steps_timer = None
        self._steps_at = self._now()
        self._announce_soon(Message.STEPS)

    def _now(self) -> float:
        return self._loop.time()

    async def _keep_listening(self) -> None:
        """Serve until it is closed; after a failure one more connection may announce the rest."""
        is_last = False
        while not is_last:
            is_last = self._closing.is_set()
            if await self._has_served():
                return
            await within(self._backoff.next(), self._closing)

    async def _has_served(self) -> bool:
        """Whether all was announced until it was closed; False after a failure."""
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
            await self._announce_changes(session)
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
        """Wake ``_announce_changes``, which finds the session closed."""
        self._announce_soon(Message.NEWS)

    def _hear(self, payload: str) -> None:
        sender, _, kind = payload.partition(" ")
        if sender == self._announcements.sender:
            return
        self._heard_until = self._now() + HEARD_FOR_S
        if kind == Message.WATCHES.value:
            self._watched_until = self._heard_until
            self._announce_soon(Message.STEPS)  # steps that were written before this came
        elif kind == Message.MOVES.value:
            self._report(Change.MOVES)
        elif kind != Message.STEPS.value:
            self._announcements.heard(kind)
            self._report(Change.ANYTHING)
        elif self._watches or self._now() < self._watches_until:
            self._report(Change.STEPS)

    def _report(self, change: Change) -> None:
        self._change = stronger(self._change, change)
        self._changed.set()

    async def _announce_changes(self, session: Session) -> None:
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
                    await self._due.asked.wait()
            if self._may_wait() and now() >= self._heard_until and not session.closed:
                await within(self._apart, self._closing)
            is_last = self._closing.is_set()
            try:
                await self._due.announce(session)
                if now() >= look_at:
                    await self._catch_up(session)
                    look_at = now() + WATCHDOG_S
            except StoreError:
                self._announce_soon(Message.NEWS)
                raise
            await within(APART_S, self._closing)

    def _may_wait(self) -> bool:
        """Whether no message is due that another process waits for."""
        return self._apart != APART_S and self._due.may_wait()

    async def _catch_up(self, session: Session) -> None:
        if self._watches:
            self._announce_that_it_watches()
        written = _number(await session.run([_WRITTEN], _DEADLINE_S))
        if written != self._written:
            self._written = written
            self._report(Change.RUNS)


def _number(answers: Sequence[Sequence[Row]]) -> int:
    """The single value of the last step's single row."""
    ((number,),) = answers[-1]
    return int(number)
