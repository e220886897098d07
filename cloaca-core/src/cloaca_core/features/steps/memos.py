"""Reads and writes memos for bodies, and lets bodies wait.

Each call of a body is answered once: with a result, or with a signal if the body is given up or
this runner no longer owns its run. A value that a body has obtained is written also while its run
is being cancelled, for the next round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from cloaca_core.engine.execute.work import Stage
from cloaca_core.engine.record import attempt_rows
from cloaca_core.errors import StoreError, StoreUnavailableError
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.steps.steps import Answer, Tell, Withdraw, ended_early, suspended_early
from cloaca_core.run.items.units import BITS
from cloaca_core.run.life import State
from cloaca_core.values.times.backoff import Backoff

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.features.steps.asked_wait import AskedWait
    from cloaca_core.run.rows import AttemptRow

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0

ReadMemos: TypeAlias = Callable[[str, str, int], Awaitable[Sequence[MemoRow]]]
"""Reads the memos of a run's task."""
WriteMemo: TypeAlias = (
    "Callable[[Attempt, MemoRow, Sequence[AttemptRow], Tell, Callable[[], None]], None]"
)
"""Writes a memo and rows of its body, answers the body, and calls the last function."""


class BodyWaiter(Protocol):
    """Lets bodies wait without their slots. Belongs to the engine's loop."""

    def wait(self, call: BodyCall, asked: AskedWait) -> None:
        """A body waits. Its call is answered with the memo of how the wait ended, or with a
        signal.
        """

    def defer(self, call: BodyCall, seconds: float) -> None:
        """A body waits for this number of seconds. The wait is not written."""

    def withdraw(self, call: BodyCall) -> None:
        """A body has cut its own wait off. It takes its slot again, and continues."""


class BodyCall:
    """The call of a body that waits for an answer. ``timer`` is set while it pauses, ``reading``
    while its memos are read. ``interrupted`` is called instead of an answer if its run is being
    cancelled, or the body no longer waits. ``ask_to_suspend`` is set in a wait in which the body
    can be suspended.

    A coroutine may cut its wait off while the engine asks it to suspend: the first of them counts.
    """

    __slots__ = ("_first", "_tells", "ask_to_suspend", "attempt", "interrupted", "reading", "timer")

    def __init__(self, attempt: Attempt, tell: Tell) -> None:
        self.attempt: Attempt = attempt
        self.timer: asyncio.TimerHandle | None = None
        self.reading: asyncio.Task[None] | None = None
        self.interrupted: Callable[[], None] | None = None
        self.ask_to_suspend: Callable[[], None] | None = None
        self._tells = [tell]
        self._first: dict[None, str] = {}

    def withdraw(self) -> bool:
        """The body no longer waits. False if it was asked to suspend first. Any thread may call
        it.
        """
        return self._first.setdefault(None, "withdraw") == "withdraw"

    def may_ask_to_suspend(self) -> bool:
        """Whether the body still waits. From now on it cannot cut its wait off."""
        return self._first.setdefault(None, "leave") == "leave"

    def answer(self, answer: Answer) -> None:
        """Answer the call, unless it was answered. Any thread may call it."""
        with suppress(IndexError):
            self._tells.pop()(answer)

    def is_answered(self) -> bool:
        """Whether it has been answered. Any thread may call it."""
        return not self._tells

    def suspend(self) -> None:
        """Ask the body to suspend, if it is in a wait that allows it."""
        if self.ask_to_suspend is not None:
            self.ask_to_suspend()

    def end(self) -> None:
        """Answer the call with the signal that ends the body, and stop reading for it."""
        self.answer(ended_early(self.attempt))
        if self.timer is not None:
            self.timer.cancel()
        if self.reading is not None:
            self.reading.cancel()


class Memos:
    """Bodies call ``load``, ``keep`` and ``pause``, on any thread; the rest belongs to the engine's
    loop. ``waiter`` lets bodies wait: ``assembly`` sets it once. ``cleared`` is called with an
    attempt once a record says that it has come further than where processes died; each body calls
    ``call_made`` before it waits for its answer. ``calls`` are the calls without an answer.
    """

    waiter: BodyWaiter

    def __init__(
        self,
        write: WriteMemo,
        read: ReadMemos,
        cleared: Callable[[Attempt], None] = lambda _: None,
        call_made: Callable[[BodyCall], None] = lambda _: None,
    ) -> None:
        self._cleared = cleared
        self._write_memo = write
        self._read = read
        self._call_made = call_made
        self._loop = asyncio.get_running_loop()
        self.calls: dict[Attempt, set[BodyCall]] = {}

    # -- bodies ------------------------------------------------------------------------------

    def load(self, attempt: Attempt, tell: Tell) -> None:
        """Read the memos of the attempt's task. Retries as long as the database cannot be
        reached.
        """
        self._ask(BodyCall(attempt, tell), self._begin_to_read)

    def keep(self, attempt: Attempt, memo: MemoRow, tell: Tell) -> None:
        """Write a memo."""
        self._ask(BodyCall(attempt, tell), partial(self._write, memo))

    def pause(self, attempt: Attempt, seconds: float, tell: Tell) -> None:
        """Wait, but not after the body is asked to end."""
        self._ask(BodyCall(attempt, tell), partial(self._begin_to_pause, seconds))

    def wait(self, attempt: Attempt, asked: AskedWait, tell: Tell) -> Withdraw:
        """Wait for an instant or a message, without the slot."""
        return self._away(BodyCall(attempt, tell), partial(self._begin_to_wait, asked))

    def defer(self, attempt: Attempt, seconds: float, tell: Tell) -> Withdraw:
        """Wait without the slot, until the body is to end."""
        return self._away(BodyCall(attempt, tell), partial(self._begin_to_defer, seconds))

    def _away(self, call: BodyCall, begin: Callable[[BodyCall], None]) -> Withdraw:
        self._ask(call, begin)
        return partial(self._ask_to_withdraw, call)

    def _ask(self, call: BodyCall, begin: Callable[[BodyCall], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._begin, call, begin)
        except RuntimeError:  # the loop has been closed
            call.end()
            return
        self._call_made(call)

    def _ask_to_withdraw(self, call: BodyCall) -> bool:
        if not call.withdraw():
            return False
        with suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._withdraw, call)
        return True

    # -- on the loop -------------------------------------------------------------------------

    def _begin(self, call: BodyCall, begin: Callable[[BodyCall], None]) -> None:
        if call.attempt.abandoned or call.attempt.owner.life.state is State.OVER:
            call.end()
            return
        self.calls.setdefault(call.attempt, set()).add(call)
        begin(call)

    def _begin_to_read(self, call: BodyCall) -> None:
        call.reading = self._loop.create_task(self._load(call))

    async def _load(self, call: BodyCall) -> None:
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            try:
                answer: Answer = await self._read(
                    call.attempt.run_id, call.attempt.task_id, (call.attempt.index >> BITS) - 1
                )
            except StoreUnavailableError:
                await backoff.wait()
                continue
            except StoreError as error:
                answer = error
            self.conclude(call, answer)
            return

    def _write(self, memo: MemoRow, call: BodyCall) -> None:
        attempt = call.attempt
        marks: list[AttemptRow] = []
        then = partial(self.conclude, call, None)
        if attempt.crashes:  # it has come further than where processes died
            attempt.crashes = 0
            mark = attempt_rows.start_mark if attempt.holds_slot else attempt_rows.waiting_mark
            marks, then = [mark(attempt)], partial(self._clear, call)
        self._write_memo(attempt, memo, marks, call.answer, then)

    def _clear(self, call: BodyCall) -> None:
        self._cleared(call.attempt)
        self.conclude(call, None)

    def _begin_to_pause(self, seconds: float, call: BodyCall) -> None:
        if call.attempt.cancelled:
            self.conclude(call, ended_early(call.attempt))
        else:
            call.timer = self._loop.call_later(seconds, self.conclude, call, None)

    def _begin_to_wait(self, asked: AskedWait, call: BodyCall) -> None:
        if self._may_wait(call):
            self.waiter.wait(call, asked)

    def _begin_to_defer(self, seconds: float, call: BodyCall) -> None:
        if self._may_wait(call):
            self.waiter.defer(call, seconds)

    def _may_wait(self, call: BodyCall) -> bool:
        """Whether the body is still here and not asked to end. A thread of it may outlive it."""
        attempt = call.attempt
        if attempt.is_suspending:
            self.conclude(call, suspended_early(attempt))
        elif attempt.cancelled or attempt.stage is Stage.RAN:
            self.conclude(call, ended_early(attempt))
        return not call.is_answered()

    def end_waits(self, attempt: Attempt) -> None:
        """A body is being suspended: end the waits of its other threads and tasks."""
        for call in list(self.calls.get(attempt, ())):
            if call.interrupted is not None:
                call.interrupted = None
                if call.timer is not None:
                    call.timer.cancel()
                self.conclude(call, suspended_early(attempt))

    def _withdraw(self, call: BodyCall) -> None:
        """A coroutine was cancelled while it waited."""
        if call.interrupted is not None and call in self.calls.get(call.attempt, ()):
            self.waiter.withdraw(call)

    def conclude(self, call: BodyCall, answer: Answer) -> None:
        """Answer a body."""
        call.answer(answer)
        calls = self.calls.get(call.attempt)
        if calls is not None:
            calls.discard(call)
            if not calls:
                del self.calls[call.attempt]

    def interrupt(self, attempt: Attempt) -> None:
        """End the pauses and waits of a body whose run is being cancelled."""
        for call in list(self.calls.get(attempt, ())):
            if call.interrupted is not None:
                call.interrupted()
            elif call.timer is not None:
                call.end()
                self.conclude(call, None)

    def give_up(self, attempt: Attempt) -> None:
        """Answer all calls of an attempt that was given up or has ended."""
        for call in self.calls.pop(attempt, ()):
            call.end()

    def give_up_all(self) -> None:
        """The loop has died: answer all calls."""
        for attempt in list(self.calls):
            self.give_up(attempt)
