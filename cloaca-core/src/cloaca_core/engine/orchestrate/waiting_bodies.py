"""Releases a task's slot while it waits for another run.

A waiting body gives up its slot, its start mark (a body that waits kills no process) and, when all
bodies of its run wait, the run's place, so that the other run can execute. It takes a slot again
before it continues. Belongs to the engine's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from cloaca_core.engine.orchestrate.ports import Ports
from cloaca_core.engine.record import attempt_rows
from cloaca_core.errors import BodyCancelled

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt, AttemptWork
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.engine.orchestrate.quarantine import Quarantine
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.run.rows import AttemptRow

Mark: TypeAlias = "Callable[[Attempt, AttemptRow, Callable[[], None], Sequence[Beside]], None]"
"""Writes the state of a body, with rows of features, and calls the function when it is durable."""


class WaitingBodies:
    """``away`` are the attempts that wait for other runs. ``marking`` has the attempts that
    continue once a record is durable. ``resumed`` is called with each body that continues,
    ``place_free`` when a run may need no place for a while, ``item_waits`` when an item of a map
    has released its slot.
    """

    def __init__(
        self,
        executor: Executor,
        quarantine: Quarantine,
        runs: ActiveRuns,
        mark: Mark,
        resumed: Callable[[AttemptWork], None],
        place_free: Callable[[], None],
        item_waits: Callable[[Attempt], None] = lambda _: None,
        ports: Ports | None = None,
    ) -> None:
        self._executor = executor
        self._quarantine = quarantine
        self._runs = runs
        self._mark = mark
        self._resumed = resumed
        self._place_free = place_free
        self._item_waits = item_waits
        self._ports = Ports() if ports is None else ports
        self.away: dict[Attempt, AttemptWork] = {}
        self.marking: dict[Attempt, set[asyncio.Future[None]]] = {}
        self._returning: dict[AttemptWork, asyncio.Event] = {}
        self._interrupts: dict[Attempt, set[asyncio.Future[None]]] = {}

    def release_slot(self, work: AttemptWork) -> None:
        """A body or its follow-up begins to wait. If it is async or has threads of its own, it may
        wait for several runs at once; its slot is free until the last wait ends.
        """
        work.waits += 1
        if work.waits > 1 or work in self._returning:
            return
        work.clock.pause()
        self._goes_away(work)
        self._executor.release_slot(work)
        attempt = work.attempt
        attempt.marked = False
        back = self._ports.limits.ended(attempt) if attempt.task.limits else ()
        self._mark(attempt, attempt_rows.waiting_mark(attempt), partial(self._give_way, work), back)
        self._place_free()

    @contextmanager
    def interruption(self, work: AttemptWork) -> Iterator[asyncio.Future[None]]:
        """A future that raises ``BodyCancelled`` when the wait of this body must end."""
        interrupt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waits = self._interrupts.setdefault(work.attempt, set())
        waits.add(interrupt)
        try:
            yield interrupt
        finally:
            interrupt.cancel()
            waits.discard(interrupt)
            if not waits:
                self._interrupts.pop(work.attempt, None)

    def interrupt(self, attempt: Attempt) -> None:
        """End the waits of a body whose run is being cancelled."""
        for interrupt in self._interrupts.get(attempt, ()):
            if not interrupt.done():
                interrupt.set_exception(BodyCancelled(f"run {attempt.owner.id} is being cancelled"))

    async def reacquire_slot(self, work: AttemptWork) -> None:
        """Return when the body may continue, or still waits for other runs."""
        work.waits -= 1
        if work.waits:
            return
        if (returned := self._returning.get(work)) is not None:
            await returned.wait()
            return
        returned = self._returning[work] = asyncio.Event()
        try:
            await self._return(work)
        finally:
            returned.set()

    def is_away(self, attempt: Attempt) -> bool:
        """Whether its body or its follow-up waits for another run, and is not taking its slot again
        yet.
        """
        work = self.away.get(attempt)
        if work is None:
            return False
        return work not in self._returning or self._ports.limits.is_unplaced(attempt)

    async def _return(self, work: AttemptWork) -> None:
        attempt = work.attempt
        if attempt.task.limits:
            await self._ports.limits.take_again(attempt)
        if attempt.crashes or self._quarantine.closed:
            await self._turn(attempt)
        await self._executor.reacquire_slot(work)
        del self._returning[work]
        if work.waits:  # again, while it waited for its slot
            if work.holds_slot:
                self._executor.release_slot(work)
            if attempt.task.limits:
                self._ports.limits.give_up(attempt)
            self._quarantine.over(attempt)
            return
        if self.away.get(attempt) is work:
            self._is_back(attempt)
        if attempt.owner.recovered and not work.abandoned:
            await self._marked_again(attempt)
        if not (work.abandoned or work.waits):  # it may be away again
            work.clock.start()
            self._resumed(work)

    def give_up(self, attempt: Attempt) -> None:
        """Forget an attempt that was given up or has ended: its run no longer waits because of
        it.
        """
        self._is_back(attempt)
        for durable in self.marking.pop(attempt, ()):
            durable.set_result(None)

    def _goes_away(self, work: AttemptWork) -> None:
        if work.attempt not in self.away:
            self._runs.begin_wait(work.attempt.owner)
        self.away[work.attempt] = work

    def _is_back(self, attempt: Attempt) -> None:
        if self.away.pop(attempt, None) is not None:
            self._runs.end_wait(attempt.owner)

    def _give_way(self, work: AttemptWork) -> None:
        """Let other attempts start: this one may wait for one of them."""
        if work.waits:
            self._quarantine.over(work.attempt)
            if work.attempt.item is not None:
                self._item_waits(work.attempt)

    async def _turn(self, attempt: Attempt) -> None:
        """Wait until the body may continue beside others; a suspect, until no other body runs."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.marking.setdefault(attempt, set()).add(turn)
        self._quarantine.come_back(attempt, partial(self._is_marked, attempt, turn))
        await turn

    async def _marked_again(self, attempt: Attempt) -> None:
        """Wait until the start mark of a recovered run's body is durable, as before its start. The
        body may have waited again meanwhile, so several marks may be on the way.
        """
        attempt.marked = True
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.marking.setdefault(attempt, set()).add(durable)
        self._mark(
            attempt,
            attempt_rows.start_mark(attempt),
            partial(self._is_marked, attempt, durable),
            (),
        )
        await durable

    def _is_marked(self, attempt: Attempt, durable: asyncio.Future[None]) -> None:
        if durable.done():  # given up
            return
        durable.set_result(None)
        self.marking[attempt].remove(durable)
        if not self.marking[attempt]:
            del self.marking[attempt]
