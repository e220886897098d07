"""Bodies that wait in this process: each gives up its slot, and takes one again before it
continues.

A body whose own thread or task has waited for ``evict_after`` seconds is asked to suspend: a signal
unwinds it, and its run may leave memory. Later it runs again from its top, and comes to the same
wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from cloaca_core.errors import BodySuspended
from cloaca_core.features.steps.steps import ended_early
from cloaca_core.features.waits.open_waits import OpenWait

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import AttemptWork
    from cloaca_core.errors import CloacaError
    from cloaca_core.features.steps.memos import BodyCall, Memos
    from cloaca_core.features.steps.records import MemoRow
    from cloaca_core.run.active_run import ActiveRun


NEXT_LOOK: Final = 0.1
"""Seconds; the least time until the next try to suspend a body."""


class Slots(Protocol):
    """Releases and reacquires the slots of waiting bodies."""

    def release_slot(self, work: AttemptWork) -> None:
        """A body begins to wait."""

    async def reacquire_slot(self, work: AttemptWork) -> None:
        """Return when the body may continue."""


class BodyWaits:
    """Belongs to the engine's loop. ``ceases`` is called with the run of a body that no longer
    waits, and again when the body has its slot again.
    """

    def __init__(
        self,
        evict_after: float,
        memos: Memos,
        slots: Slots,
        ceases: Callable[[ActiveRun], None] = lambda _: None,
    ) -> None:
        self._evict_after = evict_after
        self._memos = memos
        self._slots = slots
        self._ceases = ceases
        self._loop = asyncio.get_running_loop()
        self._calls: dict[OpenWait, BodyCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def attend(self, call: BodyCall, wait: OpenWait, *, may_suspend: bool) -> None:
        """A body begins to wait. It has come further than where processes died, as the wait is
        written.
        """
        call.attempt.crashes = 0
        self._calls[wait] = call
        wait.attended = True
        self._away(call, partial(self._interrupt, call, wait))
        if may_suspend:
            call.ask_to_suspend = partial(self._leave, call, wait)
            call.timer = self._loop.call_later(self._evict_after, call.suspend)

    def defer(self, call: BodyCall, seconds: float) -> None:
        """A body waits for this number of seconds. The wait is not written."""
        self._away(call, partial(self._end_deferral, call))
        call.timer = self._loop.call_later(seconds, self._return, call, None)

    def go_on(self, wait: OpenWait, memo: MemoRow) -> None:
        """The wait of a body is over."""
        if (call := self.forget(wait)) is not None:
            self._return(call, [memo])

    def answer(self, call: BodyCall, memo: MemoRow) -> None:
        """The body comes to a wait that is over already."""
        self._memos.conclude(call, [memo])

    def refuse(self, call: BodyCall, error: CloacaError) -> None:
        """The body may not wait for this: it continues with the error."""
        self._memos.conclude(call, error)

    def forget(self, wait: OpenWait) -> BodyCall | None:
        """The body no longer waits. Returns its call, if it waited here."""
        wait.attended = False
        return self._calls.pop(wait, None)

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold a reference to a task of the loop until it has ended: the loop itself does not."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def withdraw(self, call: BodyCall) -> OpenWait | None:
        """The body has cut its own wait off. Returns that wait, if it has a row."""
        found = next((wait for wait, mine in self._calls.items() if mine is call), None)
        if found is not None:
            self.forget(found)
        self._return(call, None)
        return found

    def _away(self, call: BodyCall, interrupt: partial[None]) -> None:
        """The body gives up its slot. While it waits, it cannot kill a process."""
        call.interrupted = interrupt
        self._slots.release_slot(call.attempt)

    def _interrupt(self, call: BodyCall, wait: OpenWait) -> None:
        """The run of the body is being cancelled."""
        self.forget(wait)
        self._return(call, ended_early(call.attempt))

    def _end_deferral(self, call: BodyCall) -> None:
        """The run of the body is being cancelled."""
        self._return(call, ended_early(call.attempt))

    def _return(self, call: BodyCall, answer: list[MemoRow] | BaseException | None) -> None:
        call.interrupted = None
        if call.timer is not None:
            call.timer.cancel()
        self.keep(self._loop.create_task(self._reacquire(call, answer)))
        self._ceases(call.attempt.owner)

    async def _reacquire(
        self, call: BodyCall, answer: list[MemoRow] | BaseException | None
    ) -> None:
        await self._slots.reacquire_slot(call.attempt)
        self._ceases(call.attempt.owner)
        self._memos.conclude(call, answer)

    def _leave(self, call: BodyCall, wait: OpenWait) -> None:
        """Ask the body to suspend. If one of its waits is about to end, look again later. It may
        wait for its other threads and tasks before it ends, so their waits end as well.
        """
        attempt = call.attempt
        if attempt.abandoned or self._calls.get(wait) is not call:
            return
        mine = [each for each, other in self._calls.items() if other.attempt is attempt]
        if any(each.ending for each in mine):
            seconds = max(self._evict_after, NEXT_LOOK)
            call.timer = self._loop.call_later(seconds, self._leave, call, wait)
            return
        if not call.may_ask_to_suspend():  # it has just cut its wait off
            return
        for each in mine:
            self.forget(each)
        attempt.is_suspending = True
        name = wait.row.name or wait.row.kind
        self._memos.conclude(call, BodySuspended(f"{attempt} leaves while it waits for {name}"))
        self._memos.end_waits(attempt)
        self._ceases(attempt.owner)
