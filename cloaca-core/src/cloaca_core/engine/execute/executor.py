"""Sends user code where it runs: to the engine's threads, to the loop of the coroutines, or to an
executor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from cloaca_core.engine.execute.coroutines import BodyLoop
from cloaca_core.engine.execute.threads import BodyThreads
from cloaca_core.engine.execute.work import COROUTINES, THREADS, Stage, Work

if TYPE_CHECKING:
    from cloaca_core.definition.task import Task
    from cloaca_core.engine.execute.attempt import Attempt, AttemptTools
    from cloaca_core.engine.execute.usage import SlotUse, Usage
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.values.map_items import Item
    from cloaca_core.values.payloads.json_values import JsonValue


MakeAttempt: TypeAlias = (
    "Callable[[ActiveRun, int, dict[str, JsonValue], Resume, AttemptTools, Item | None], Attempt]"
)
"""Makes attempts, with the arguments of ``Attempt``."""


class PendingCall(Protocol):
    """A call of a body that the engine has not answered yet."""

    def is_answered(self) -> bool:
        """Whether it has been answered. Any thread may call it."""

    def suspend(self) -> None:
        """Ask the body to suspend, if its wait allows that. On the engine's loop."""


class Pool(Protocol):
    """An executor of the program. While a body runs there, a thread of ``threads`` waits for it."""

    @property
    def place(self) -> str:
        """The name of the place of work that runs there."""

    @property
    def domain(self) -> str:
        """The failure domain of bodies there: the engine's process if the executor runs in it."""

    @property
    def threads(self) -> BodyThreads:
        """Threads that wait for bodies, one for each body that runs there at once."""

    @property
    def attempt(self) -> MakeAttempt:
        """Makes attempts that run there."""


class Pools(Protocol):
    """The executors of the program, by the names that tasks use."""

    def __iter__(self) -> Iterator[Pool]:
        """The executors that the runner was given."""

    def find(self, name: str) -> Pool:
        """The executor of this name. If the runner was not given one, it postpones bodies."""

    def lacks(self, name: str) -> bool:
        """Whether the runner was not given the executor of this name."""

    def usage(self) -> dict[str, Usage]:
        """The use of the slots of each executor, by its name."""

    def close(self) -> None:
        """Let the threads of all executors end."""


class Executor:
    """All places where user code runs. Belongs to the engine's loop, but for ``start_reserved``.
    ``broken`` is called with the reason when a place has died. Without ``pools`` all bodies run in
    this process, also if their tasks name an executor, as in a simulation.
    """

    def __init__(
        self,
        thread_slots: int,
        async_slots: int,
        loop: asyncio.AbstractEventLoop,
        broken: Callable[[str], None] = lambda _: None,
        pools: Pools | None = None,
    ) -> None:
        self._loop = loop
        self._own: dict[str, BodyThreads] = {}
        self._threads = BodyThreads(thread_slots, loop)
        self._coroutines = BodyLoop(async_slots, loop, broken)
        self._on_threads = [self._threads]
        self._places: dict[str, BodyThreads | BodyLoop] = {
            THREADS: self._threads,
            COROUTINES: self._coroutines,
        }
        self.seal: Callable[[Work], bool] = partial(_sealed, self._places)
        self._pools = pools
        self.lacks: Callable[[str], bool] = _lacks_none if pools is None else pools.lacks
        """Whether the runner was not given an executor, so that its bodies are postponed."""
        for pool in pools or ():
            self._add(pool)

    def add_threads(self, place: str, slots: int) -> str:
        """Make a place for sync bodies, with so many threads of its own. Returns its name."""
        self._own[place] = self._places[place] = threads = BodyThreads(slots, self._loop)
        self._on_threads.append(threads)
        return place

    def _add(self, pool: Pool) -> None:
        self._places[pool.place] = pool.threads
        self._on_threads.append(pool.threads)

    def pool(self, name: str) -> Pool | None:
        """The executor of this name; None if bodies that name it run in this process."""
        if self._pools is None:
            return None
        pool = self._pools.find(name)
        if pool.place not in self._places:
            self._add(pool)
        return pool

    def usage(self) -> dict[str, Usage]:
        """The use of the slots of each executor, by its name."""
        return {} if self._pools is None else self._pools.usage()

    def slot_use(self) -> dict[str, SlotUse]:
        """The use of the slots of each place, by its name."""
        return {name: _use_of(place) for name, place in self._places.items()}

    def slots(self, place: str) -> int:
        """The number of pieces of work that this place runs at once."""
        return self._places[place].slots

    def slots_of(self, task: Task) -> int:
        """How many bodies of this task run at once where they run."""
        if task.executor is not None and (pool := self.pool(task.executor)) is not None:
            return pool.threads.slots
        return self.slots(COROUTINES if task.is_async else THREADS)

    def is_free(self, task: Task) -> bool:
        """Whether a body of this task that is submitted now has a slot at once, here."""
        place = self._places[COROUTINES if task.is_async else THREADS]
        return place.under_way < place.slots

    @property
    def thread_slots(self) -> int:
        """The number of bodies that can each hold a thread at once, while they run here or in
        another process.
        """
        return sum(each.slots for each in self._on_threads)

    @property
    def free_threads(self) -> int:
        """The number of further bodies that could hold a thread now."""
        used = sum(work.holds_slot and not work.is_async for work in self.running())
        return max(0, self.thread_slots - used)

    @property
    def free_slots(self) -> int:
        """The number of further bodies that could begin now, be they coroutines or not."""
        return min(self.free_threads, _use_of(self._coroutines).free)

    def submit(self, work: Work) -> None:
        """Queue work. Its ``finished`` is called on the engine's loop unless it is abandoned."""
        work.stage = Stage.QUEUED
        self._places[work.place].submit(work)

    def reserve(self, work: Work) -> bool:
        """Reserve a slot for work that will soon be started or abandoned. False if there is
        none.
        """
        expected = self._places[work.place].reserve()
        if expected:
            work.stage = Stage.QUEUED
        return expected

    def start_reserved(self, work: Work) -> None:
        """Queue work that has a reserved slot. Any thread may call it."""
        self._places[work.place].start_reserved(work)

    def release_slot(self, work: Work) -> None:
        """The body of ``work`` begins to wait for another run."""
        self._places[work.place].release_slot(work)

    async def reacquire_slot(self, work: Work) -> None:
        """Return when the body of ``work`` may continue."""
        await self._places[work.place].reacquire_slot(work)

    def call_made(self, call: PendingCall) -> None:
        """A body has called the engine, and is about to wait for the answer. Any thread may call
        it. An engine on its own thread needs no help.
        """

    def abandon(self, work: Work, *, even_running: bool = True) -> bool:
        """Give work up. False when it has just run and its report is on the way, or when it is
        running and ``even_running`` is false.
        """
        if work.stage is Stage.HELD:  # no place has counted it
            work.abandoned = True
            return True
        abandoned = self._places[work.place].abandon(work, even_running=even_running)
        if abandoned:
            work.given_up()
        return abandoned

    def interrupt(self, work: Work) -> None:
        """Cancel a running coroutine, so that it ends soon; its outcome counts. A body of another
        process is notified; a thread cannot be interrupted.
        """
        self._places[work.place].interrupt(work)

    def running(self) -> Iterator[Work]:
        """The work that is running right now. Any thread may call it. The threads of bodies change
        the collections of each place, so they are copied, in one operation of the interpreter.
        """
        for each in self._on_threads:
            for work in list(each.running.values()):
                if work.stage is Stage.RUNNING:
                    yield work
        for work in list(self._coroutines.running):
            if work.stage is Stage.RUNNING:
                yield work

    @property
    def is_starting(self) -> bool:
        """Whether work that has a slot has not begun yet. Its thread may be late, or another body
        may block its loop.
        """
        for each in self._places.values():  # noqa: SIM110 - a loop is quicker: each commit asks
            if each.under_way and each.is_starting:
                return True
        return False

    @property
    def backlog(self) -> int:
        """The number of turns for which work waits: the work of a line, such as the items of a map,
        waits for one.
        """
        return sum(each.turns for each in self._places.values())

    @property
    def abandoned(self) -> int:
        """The number of bodies that still run although they were given up."""
        return sum(each.abandoned for each in self._places.values())

    def close(self) -> None:
        """Let the threads and the loop end, without waiting for running bodies."""
        self._threads.close()
        for each in self._own.values():
            each.close()
        self._coroutines.close()
        if self._pools is not None:
            self._pools.close()


def _sealed(places: Mapping[str, BodyThreads | BodyLoop], work: Work) -> bool:
    return places[work.place].seal(work)


def _lacks_none(_: str) -> bool:
    return False


def _use_of(place: BodyThreads | BodyLoop) -> SlotUse:
    from cloaca_core.engine.execute.usage import SlotUse  # few programs have metrics

    works: list[Work] = (
        list(place.running.values()) if isinstance(place, BodyThreads) else list(place.running)
    )
    used = sum(work.holds_slot for work in works)
    return SlotUse(used, max(0, place.slots - used), place.backlog)
