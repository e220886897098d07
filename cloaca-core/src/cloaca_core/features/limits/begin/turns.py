"""Bodies that need places of limits ask for them at their turn: once a slot is theirs, which is
kept until the answer. A place that was asked for earlier would stand idle here until a slot is
free, while another runner has bodies for the place, and a rate would let all of them begin at once.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cloaca_core.engine.execute.work import Stage, Work

if TYPE_CHECKING:
    from cloaca_core.definition.task import Task
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.features.limits.records import Unit, Waiter
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.values.limits.needs import Needs
    from cloaca_core.values.times.clock import Clock


class Turn(Work):
    """Waits for a slot as a body does, then keeps the slot until it is released. ``comes`` is
    called on the thread of the slot. ``has_come`` belongs to the engine's loop.
    """

    __slots__ = ("_comes", "_executor", "_released", "has_come")

    def __init__(
        self,
        task: Task,
        waiter: Waiter,
        executor: Executor,
        clock: Clock,
        comes: Callable[[], None],
    ) -> None:
        since = waiter.since + 1  # a body that came in the same µs and has its places is first
        super().__init__(is_async=task.is_async, clock=clock, priority=-waiter.rank, since=since)
        self.has_come: bool = False
        self._comes = comes
        self._executor = executor
        self._released: concurrent.futures.Future[None] = concurrent.futures.Future()

    def release(self) -> None:
        """Free the slot."""
        if not self._released.done():
            self._released.set_result(None)

    def is_answered(self) -> bool:
        """See ``PendingCall``."""
        return self._released.done()

    def suspend(self) -> None:
        """See ``PendingCall``. The answer comes soon."""

    def run(self) -> None:
        self._comes()
        self._executor.call_made(self)
        self._released.result()

    async def run_async(self) -> None:
        self._comes()
        await asyncio.wrap_future(self._released)

    def broke(self, error: BaseException) -> None:
        """Do nothing: its slot is free."""


class Turns:
    """Belongs to the engine's loop. ``ask`` is called with each body that asks now, and the names
    of its limits.

    ``_turns`` are those of bodies that wait for a slot or for the answer. ``_in_line`` are the
    bodies that stand in line for their places, with their needs: a body with the same needs
    asks without a slot, as it will stand there, too.
    """

    def __init__(
        self, executor: Executor, clock: Clock, ask: Callable[[Unit, Sequence[str]], None]
    ) -> None:
        self._executor = executor
        self._clock = clock
        self._ask = ask
        self._loop = asyncio.get_running_loop()
        self._turns: dict[Unit, Turn] = {}
        self._in_line: dict[Unit, Needs] = {}
        self._blocked: Counter[Needs] = Counter()

    def enter(self, run: ActiveRun, waiter: Waiter) -> None:
        """A body is ready."""
        task = _task(run, waiter)
        if waiter.needs in self._blocked or self._is_elsewhere(task):
            self._ask(waiter.unit, [name for name, _ in waiter.needs])
        else:
            self._line_up(task, waiter)

    def _line_up(self, task: Task, waiter: Waiter) -> None:
        def comes() -> None:
            self._loop.call_soon_threadsafe(self._come, turn, waiter)

        turn = Turn(task, waiter, self._executor, self._clock, comes)
        self._turns[waiter.unit] = turn
        self._executor.submit(turn)

    def _come(self, turn: Turn, waiter: Waiter) -> None:
        if self._turns.get(waiter.unit) is turn:
            turn.has_come = True
            self._ask(waiter.unit, [name for name, _ in waiter.needs])

    def denied(self, waiter: Waiter) -> None:
        """A body has asked, and stands in line from now on."""
        self.leave(waiter.unit)
        self._in_line[waiter.unit] = waiter.needs
        self._blocked[waiter.needs] += 1

    def takes_slot(self, run: ActiveRun, waiter: Waiter) -> bool:
        """A body has got its places: whether it has a slot, or one is free. ``leave`` is to be
        called once it is on its way there. If none is free it asks again at its turn.
        """
        task, turn = _task(run, waiter), self._turns.get(waiter.unit)
        if (turn is not None and turn.has_come) or self._is_elsewhere(task):
            return True
        if self._executor.is_free(task):
            return True
        self.leave(waiter.unit)
        if (keeper := self._keeper(task)) is not None:
            self._turns[waiter.unit] = self._turns.pop(keeper)
            return True
        self._line_up(task, waiter)
        return False

    def _keeper(self, task: Task) -> Unit | None:
        """A body with a slot of the same place, and without an answer yet: it needs the slot only
        if that is a yes.
        """
        for unit, turn in self._turns.items():
            if turn.has_come and turn.is_async == task.is_async:
                return unit
        return None

    def leave(self, unit: Unit) -> None:
        """A body does not wait for its places any more."""
        if (turn := self._turns.pop(unit, None)) is not None:
            if turn.stage is Stage.QUEUED:
                self._executor.abandon(turn, even_running=False)
            turn.release()
        if (needs := self._in_line.pop(unit, None)) is not None:
            self._blocked[needs] -= 1
            if not self._blocked[needs]:
                del self._blocked[needs]

    def awaits(self, unit: Unit) -> bool:
        """Whether a body waits for a slot in which it asks."""
        turn = self._turns.get(unit)
        return turn is not None and not turn.has_come

    def _is_elsewhere(self, task: Task) -> bool:
        """Whether the body runs in an executor, whose threads only wait for its answers."""
        return task.executor is not None and self._executor.pool(task.executor) is not None


def _task(run: ActiveRun, waiter: Waiter) -> Task:
    return run.graph.tasks[run.graph.position[waiter.task_id]]
