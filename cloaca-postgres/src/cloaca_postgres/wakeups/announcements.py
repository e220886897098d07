"""Announces changes to the other processes of a schema: when, and with which message.

Changes of runs are announced after their commit, on a separate connection, several at once: NOTIFY
makes a commit slower, and all notifying commits of a database wait for one another. Changes of
runners are rare and must not be missed (no other runner watches a lease that it does not know of),
so they are announced within their transaction. So are moves of runs to another queue, as a runner
waits for each.

Steps of runs are announced only while a listener has announced that it watches runs, which it
repeats; other listeners ignore them.

A message that runs have become claimable late says since when they are so by their rows: the claims
of a listener may look past them (see ``claim_marks``).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from hashlib import blake2b
from typing import Final, Protocol

from cloaca_core.store.changes import Change
from cloaca_core.store.sql.dialect import Answers, Step
from cloaca_core.store.sql.news import News
from cloaca_postgres.statements import STATEMENTS, step
from cloaca_postgres.wakeups.late_runs import LATE, are_late, are_long_ago

WATCHED_APART_S: Final = 0.1
"""Seconds between two announcements of steps, while a listener watches runs."""
LEAVING_S: Final = 2.0
"""Seconds for which ``close`` waits at most until changes are announced that are still due."""
_OF_RUNS: Final = frozenset(
    ("record_attempt", "record_memo", "record_wait", "record_lines", "record_progress")
)
_SINCE: Final = "since"


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
    MOVES = "moves"
    """Runs have moved to other queues. NEWS follows a little later."""
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
        """The message, if the steps change more than runs: it must not be missed. A run that moves
        to another queue is announced here too, for speed.
        """
        change = self._news.of(steps)
        if change is Change.MOVES:
            return [self.of(Message.MOVES)]
        if change is not Change.ANYTHING:
            return ()
        return [self.of(Message.LATE if are_long_ago(steps) else Message.NEWS)]

    def wrote(self, steps: Sequence[Step], answers: Answers) -> Message | None:
        """The message that is due after the commit of these steps. ``MOVES`` was announced with
        them.
        """
        change = self._news.of(steps)
        self._news.wrote(steps)
        if change is not None and are_late(steps, answers, self._wall()):
            self.came_late()
            if change is not Change.ANYTHING or not are_long_ago(steps):  # else it is told already
                return Message.LATE
        if change is Change.MOVES:
            return Message.MOVES
        return Message.NEWS if change is Change.RUNS else None

    def heard(self, kind: str) -> None:
        """Check whether a message of this kind announces runs that claims may look past."""
        word, _, instant = kind.partition(" ")
        if word == _SINCE and not (instant.isdecimal() and int(instant) >= self._wall() - LATE):
            self.came_late()


def are_of_runs(steps: Sequence[Step]) -> bool:
    """Whether these steps record progress of runs."""
    return any(each.statement.name in _OF_RUNS for each in steps)


def since(instant: int) -> str:
    """The kind of a message that runs have become claimable that are so since this instant."""
    return f"{_SINCE} {instant}"


def channel_of(schema: str) -> str:
    """The channel of a schema: a hash, since a name of full length has no room for a prefix."""
    return f"cloaca_{blake2b(schema.encode(), digest_size=8).hexdigest()}"


async def within(seconds: float, event: asyncio.Event) -> bool:
    """Wait for the event, at most so many seconds; True when it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    await asyncio.wait([task])
