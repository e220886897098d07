"""The log of one attempt while its body runs: keeps the first lines and the last ones.

Lines come from the threads and tasks of the body; one consumer takes them. No lock is shared: a
thread that is preempted never holds the consumer up. So lines are added to and taken from lists and
queues, each in one atomic operation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias, TypeVar

from cloaca_core.features.task_logs.lines import (
    redacted,
    text_of_call,
    text_of_logged,
    text_of_record,
)
from cloaca_core.run.rows import THE_TASK
from cloaca_core.values.text import storable_text

if TYPE_CHECKING:
    import logging

    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.values.payloads.redaction import LineRedact

T = TypeVar("T")

PART_LINES: Final = 5_000
PART_BYTES: Final = 512 << 10
"""The first part of a log, and the last: together 10,000 lines and 1 MiB."""
LONGEST_DETAIL: Final = 255

Numbered: TypeAlias = tuple[int, str]
"""The text of a line after its number in the attempt, from 1, which lines that go have, too."""


class Told(NamedTuple):
    """How far a body says it has come."""

    done: float
    total: float | None
    detail: str | None
    at: int


class TaskLog:
    """Stores lines from the level ``least`` on; ``wall`` is the clock in µs. ``waits`` is called
    when the first line waits to be taken. A ``closed`` log takes nothing more. Of the text of
    progress the first ``longest_detail`` characters are stored.
    """

    __slots__ = (
        "_first",
        "_first_taken",
        "_last",
        "_last_bytes",
        "_numbers",
        "_redact",
        "_room",
        "_told",
        "_told_taken",
        "_wall",
        "closed",
        "is_listed",
        "item",
        "least",
    )

    longest_detail: int = LONGEST_DETAIL

    def __init__(self, least: int, wall: Callable[[], int], redact: LineRedact) -> None:
        self.least: int = least
        self.closed: bool = False
        self.item: int = THE_TASK
        self.is_listed: bool = False
        self._wall = wall
        self._redact = redact
        self._numbers = count(1)
        self._room = PART_BYTES
        self._first: list[str] = []
        self._first_taken = 0
        self._last: deque[Numbered] | None = None
        self._last_bytes = 0
        self._told: Told | None = None
        self._told_taken: Told | None = None

    def waits(self) -> None:
        """The first line since the last ones were taken waits. On the body's thread."""

    # -- the body's threads ------------------------------------------------------------------

    def take(self, record: logging.LogRecord) -> None:
        """Keep a record of ``logging``; raises nothing."""
        if not self.closed:
            self._put(next(self._numbers), text_of_record(record, self._wall(), self._redact))

    def take_call(self, names: str, message: object, args: tuple[object, ...]) -> None:
        """Keep what a logger was called with; raises nothing."""
        if not self.closed:
            line = text_of_logged(names, message, args, self._wall(), self._redact)
            number = next(self._numbers)
            if number <= PART_LINES and self._room > 0 and line.isascii():  # as _put, at once
                self._room -= len(line)
                self._first.append(line)
                if not self.is_listed:
                    self._list()
            else:
                self._put(number, line)

    def log(self, message: object, level: str, number: int, fields: Mapping[str, object]) -> None:
        """Store a line of ``handle.log``, if its level is stored."""
        if number >= self.least and not self.closed:
            line = text_of_call(message, level, fields, self._wall(), self._redact)
            self._put(next(self._numbers), line)

    def tell(self, done: float, total: float | None, text: str | None) -> None:
        """Store the body's progress, in place of its earlier progress."""
        self.put_told(Told(done, total, text, self._wall()))

    def put_told(self, told: Told) -> None:
        """Keep progress, also of another process."""
        if not self.closed:
            self._told = told if told.detail is None else self._clean(told, told.detail)
            self._list()

    def _clean(self, told: Told, detail: str) -> Told:
        return told._replace(detail=storable_text(self._redact(detail)[: self.longest_detail]))

    def put_sent(self, each: Numbered) -> None:
        """Keep a line that another process has numbered: the first ones without a gap, in order."""
        if not self.closed:
            number, line = each
            self._put(number, redacted(line, self._redact))

    def _put(self, number: int, line: str) -> None:
        if number <= PART_LINES and self._room > 0:
            self._room -= len(line) if line.isascii() else len(line.encode())
            self._first.append(line)
        else:
            self._put_last(number, line)
        if not self.is_listed:
            self._list()

    def _put_last(self, number: int, line: str) -> None:
        last = self._last = deque() if self._last is None else self._last
        last.append((number, line))
        self._last_bytes += len(line.encode())
        while self._last_bytes > PART_BYTES or len(last) > PART_LINES:
            self._drop_oldest(last)

    def _drop_oldest(self, last: deque[Numbered]) -> None:
        try:
            _, line = last.popleft()
            self._last_bytes -= len(line.encode())
        except IndexError:  # all of them were taken meanwhile
            self._last_bytes = 0

    def _list(self) -> None:
        if not self.is_listed:
            self.is_listed = True
            self.waits()

    # -- the consumer ------------------------------------------------------------------------

    def waiting(self) -> tuple[int, list[str], list[Numbered], Told | None]:
        """Take what waits: the number of the next line of the first part, those lines, lines of the
        last part, and progress.
        """
        self.is_listed = False  # first: a line that comes now lists the log again
        number = self._first_taken + 1
        first = self._first[:]
        del self._first[: len(first)]  # other threads only add, at the end
        self._first_taken += len(first)
        last: list[Numbered] = []
        if self._last is not None:
            last = _all_of(self._last)
            last.sort(key=itemgetter(0))  # two threads may have added them in another order
            self._last_bytes = 0
        told = self._told
        if told is self._told_taken:
            return number, first, last, None
        self._told_taken = told
        return number, first, last, told


class Book(Protocol):
    """Keeps the logs of attempts that have lines to take."""

    @property
    def least(self) -> int:
        """The number of the lowest level of which lines are stored."""

    @property
    def wall(self) -> Callable[[], int]:
        """The clock, in µs."""

    @property
    def redact(self) -> LineRedact:
        """Hides secrets."""

    def list(self, log: AttemptLog) -> None:
        """A log has its first line since it was taken. Any thread."""


class AttemptLog(TaskLog):
    """The log of an attempt of a run. ``tail`` has the chunks that were made of its last part, each
    with its position, lines and length; the book's own note.
    """

    __slots__ = ("_book", "attempt", "run", "tail", "task_id")

    def __init__(self, book: Book, run: ActiveRun, task_id: str, attempt: int) -> None:
        super().__init__(book.least, book.wall, book.redact)
        self._book = book
        self.run: ActiveRun = run
        self.task_id: str = task_id
        self.attempt: int = attempt
        self.tail: list[tuple[int, int, int]] = []

    def waits(self) -> None:
        self._book.list(self)


def _all_of(queue: deque[T]) -> list[T]:
    taken: list[T] = []
    try:
        while True:
            taken.append(queue.popleft())
    except IndexError:
        return taken
