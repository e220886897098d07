"""Reads and writes memos for bodies, and lets bodies wait.

Each call of a body is answered once: by what it asked for, or by a signal if the body is given up
or its run is no longer ours. A value that a body has obtained is kept also while its run is being
cancelled, for the next round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from cloaca_core._engine.execute.steps import Answer, Tell, ended_early
from cloaca_core._engine.record import attempt_rows
from cloaca_core.errors import StoreError, StoreUnavailableError
from cloaca_core.records.memos import MemoRow
from cloaca_core.values.backoff import Backoff

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import Attempt
    from cloaca_core.records.runs import AttemptRow

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0

ReadMemos: TypeAlias = Callable[[str, str], Awaitable[Sequence[MemoRow]]]
"""Reads the memos of a run's task."""
WriteMemo: TypeAlias = (
    "Callable[[Attempt, MemoRow, Sequence[AttemptRow], Tell, Callable[[], None]], None]"
)
"""Writes a memo and states of its body, tells the body, and calls the last function."""


class _Call:
    """A body that waits for an answer. ``timer`` is set while it pauses, ``reading`` while its
    memos are read.
    """

    __slots__ = ("_tells", "attempt", "reading", "timer")

    def __init__(self, attempt: Attempt, tell: Tell) -> None:
        self.attempt = attempt
        self.timer: asyncio.TimerHandle | None = None
        self.reading: asyncio.Task[None] | None = None
        self._tells = [tell]

    def answer(self, answer: Answer) -> None:
        """Answer it, unless that was done; any thread."""
        with suppress(IndexError):
            self._tells.pop()(answer)

    def end(self) -> None:
        """Answer it with the signal that ends the body, and look for nothing more."""
        self.answer(ended_early(self.attempt))
        if self.timer is not None:
            self.timer.cancel()
        if self.reading is not None:
            self.reading.cancel()


class Memos:
    """``load``, ``keep`` and ``pause`` are called by bodies, on any thread; the rest belongs to the
    engine's loop.
    """

    def __init__(self, write: WriteMemo, read: ReadMemos) -> None:
        self._write_memo = write
        self._read = read
        self._loop = asyncio.get_running_loop()
        self._calls: dict[Attempt, set[_Call]] = {}

    # -- bodies ------------------------------------------------------------------------------

    def load(self, attempt: Attempt, tell: Tell) -> None:
        """Read the memos of the attempt's task, however long the database cannot be reached."""
        self._ask(_Call(attempt, tell), self._begin_to_read)

    def keep(self, attempt: Attempt, memo: MemoRow, tell: Tell) -> None:
        """Write a memo."""
        self._ask(_Call(attempt, tell), partial(self._write, memo))

    def pause(self, attempt: Attempt, seconds: float, tell: Tell) -> None:
        """Wait, until the body is to end."""
        self._ask(_Call(attempt, tell), partial(self._begin_to_pause, seconds))

    def _ask(self, call: _Call, begin: Callable[[_Call], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._begin, call, begin)
        except RuntimeError:  # the loop has been closed
            call.end()

    # -- on the loop -------------------------------------------------------------------------

    def _begin(self, call: _Call, begin: Callable[[_Call], None]) -> None:
        if call.attempt.abandoned or call.attempt.owner.over:
            call.end()
            return
        self._calls.setdefault(call.attempt, set()).add(call)
        begin(call)

    def _begin_to_read(self, call: _Call) -> None:
        call.reading = self._loop.create_task(self._load(call))

    async def _load(self, call: _Call) -> None:
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            try:
                answer: Answer = await self._read(call.attempt.run_id, call.attempt.task_id)
            except StoreUnavailableError:
                await backoff.wait()
                continue
            except StoreError as error:
                answer = error
            self._conclude(call, answer)
            return

    def _write(self, memo: MemoRow, call: _Call) -> None:
        attempt = call.attempt
        marks: list[AttemptRow] = []
        if attempt.crashes:  # it has come further than where processes died
            attempt.crashes = 0
            mark = attempt_rows.start_mark if attempt.holds_slot else attempt_rows.waiting_mark
            marks = [mark(attempt)]
        self._write_memo(attempt, memo, marks, call.answer, partial(self._conclude, call, None))

    def _begin_to_pause(self, seconds: float, call: _Call) -> None:
        if call.attempt.cancelled:
            self._conclude(call, ended_early(call.attempt))
        else:
            call.timer = self._loop.call_later(seconds, self._conclude, call, None)

    def _conclude(self, call: _Call, answer: Answer) -> None:
        call.answer(answer)
        calls = self._calls.get(call.attempt)
        if calls is not None:
            calls.discard(call)
            if not calls:
                del self._calls[call.attempt]

    def interrupt(self, attempt: Attempt) -> None:
        """End the pauses of a body whose run is being cancelled."""
        for call in list(self._calls.get(attempt, ())):
            if call.timer is not None:
                call.end()
                self._conclude(call, None)

    def give_up(self, attempt: Attempt) -> None:
        """Answer all calls of an attempt that was given up or has ended."""
        for call in self._calls.pop(attempt, ()):
            call.end()

    def give_up_all(self) -> None:
        """Answer all calls, as the loop has died."""
        for attempt in list(self._calls):
            self.give_up(attempt)
