"""Sends user code where it runs: to our threads, to the loop of the coroutines, to an executor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeAlias

from cloaca_core.engine.execute.coroutines import BodyLoop
from cloaca_core.engine.execute.threads import BodyThreads
from cloaca_core.engine.execute.work import COROUTINES, THREADS, Stage, Work

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt, AttemptTools
    from cloaca_core.engine.execute.usage import SlotUse, Usage
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.values.payloads.json_values import JsonValue


MakeAttempt: TypeAlias = (
    "Callable[[ActiveRun, int, dict[str, JsonValue], Resume, AttemptTools], Attempt]"
)
"""Makes attempts, by the arguments of ``Attempt``."""


class PendingCall(Protocol):
    """A call of a body that the engine has not answered yet."""

    def is_answered(self) -> bool:
        """Whether it has been answered; any thread."""

    def leave(self) -> None:
        """Ask the body to leave, if it is in a wait that it can leave. On the engine's loop."""


class Pool(Protocol):
    """An executor of the program: a thread of ``threads`` waits while a body runs there."""

    @property
    def place(self) -> str:
        """The place of work that runs there."""

    @property
    def ward(self) -> str:
        """The ward of bodies there: that of the engine if the executor runs in its process."""

    @property
    def threads(self) -> BodyThreads:
        """One for each body that runs there at once."""

    @property
    def attempt(self) -> MakeAttempt:
        """Makes attempts that run there."""


class Pools(Protocol):
    """The executors of the program, by the names that tasks give."""

    def __iter__(self) -> Iterator[Pool]:
        """Those that the runner was given."""

    def find(self, name: str) -> Pool:
        """The executor of this name; it puts bodies off if the runner was not given one."""

    def lacks(self, name: str) -> bool:
        """Whether the runner was not given the executor of this name."""

    def usage(self) -> dict[str, Usage]:
        """How the slots of each executor are used now, by its name."""

    def close(self) -> None:
        """Let the threads of all executors end."""


class Executor:
    """The places where user code runs, as one. Belongs to the engine's loop, but for ``let_go``.
    ``broken`` is called with the reason when one of them runs nothing any more. Without ``pools``
    all bodies run in this process, whatever executor their tasks name, as in a simulation.
    """

    def __init__(
        self,
        thread_slots: int,
        async_slots: int,
        loop: asyncio.AbstractEventLoop,
        broken: Callable[[str], None] = lambda _: None,
        pools: Pools | None = None,
    ) -> None:
        self._threads = BodyThreads(thread_slots, loop)
        self._coroutines = BodyLoop(async_slots, loop, broken)
        self._on_threads = [self._threads]
        self._places: dict[str, BodyThreads | BodyLoop] = {
            THREADS: self._threads,
            COROUTINES: self._coroutines,
        }
        self._pools = pools
        for pool in pools or ():
            self._add(pool)

    def _add(self, pool: Pool) -> None:
        self._places[pool.place] = pool.threads
        self._on_threads.append(pool.threads)

    def pool(self, name: str) -> Pool | None:
        """The executor of this name; None if bodies that want it run in this process."""
        if self._pools is None:
            return None
        pool = self._pools.find(name)
        if pool.place not in self._places:
            self._add(pool)
        return pool

    def lacks(self, name: str) -> bool:
        """Whether the runner was not given the executor of this name, so that its bodies are put
        off.
        """
        return self._pools is not None and self._pools.lacks(name)

    def usage(self) -> dict[str, Usage]:
        """How the slots of each executor are used now, by its name."""
        return {} if self._pools is None else self._pools.usage()

    def slot_use(self) -> dict[str, SlotUse]:
        """How the slots of each place are used now, by its name."""
        return {name: _use_of(place) for name, place in self._places.items()}

    def slots(self, place: str) -> int:
        """How many pieces of work this place runs at once."""
        return self._places[place].slots

    @property
    def thread_slots(self) -> int:
        """How many bodies run at once that hold a thread: here, or while another process works."""
        return sum(each.slots for each in self._on_threads)

    @property
    def free_threads(self) -> int:
        """How many more bodies could hold a thread now."""
        used = sum(work.holds_slot and not work.is_async for work in self.running())
        return max(0, self.thread_slots - used)

    def submit(self, work: Work) -> None:
        """Queue work; its ``finished`` is called on the engine's loop unless it is abandoned."""
        work.stage = Stage.QUEUED
        self._places[work.place].submit(work)

    def expect(self, work: Work) -> bool:
        """Keep a place for work that will soon be let go or abandoned; false when there is none."""
        expected = self._places[work.place].expect()
        if expected:
            work.stage = Stage.QUEUED
        return expected

    def let_go(self, work: Work) -> None:
        """Queue work that was expected. Any thread may do so."""
        self._places[work.place].let_go(work)

    def release_slot(self, work: Work) -> None:
        """The body of ``work`` begins to wait for another run."""
        self._places[work.place].release_slot(work)

    async def reacquire_slot(self, work: Work) -> None:
        """Return when the body of ``work`` may go on."""
        await self._places[work.place].reacquire_slot(work)

    def call_made(self, call: PendingCall) -> None:
        """A body has asked the engine for something, and is about to wait for the answer. Any
        thread. An engine on a thread of its own needs no help.
        """

    def abandon(self, work: Work, *, even_running: bool = True) -> bool:
        """Give work up; false when it has just run and its report is on the way, or when it runs
        and ``even_running`` is false.
        """
        if work.stage is Stage.HELD:  # no place has counted it
            work.abandoned = True
            return True
        return self._places[work.place].abandon(work, even_running=even_running)

    def interrupt(self, work: Work) -> None:
        """Cancel a coroutine that runs, so that it ends soon; its outcome counts. A body of another
        process is told; a thread cannot be interrupted.
        """
        self._places[work.place].interrupt(work)

    def running(self) -> Iterator[Work]:
        """The work that runs right now. Any thread may ask. Threads of bodies change what each
        place has, so it is copied, in one operation of the interpreter.
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
        """How many pieces of work wait for a slot."""
        return sum(each.backlog for each in self._places.values())

    @property
    def abandoned(self) -> int:
        """How many bodies go on running although they were given up."""
        return sum(each.abandoned for each in self._places.values())

    def close(self) -> None:
        """Let the threads and the loop end; running bodies are not waited for."""
        self._threads.close()
        self._coroutines.close()
        if self._pools is not None:
            self._pools.close()


def _use_of(place: BodyThreads | BodyLoop) -> SlotUse:
    from cloaca_core.engine.execute.usage import SlotUse  # few programs have metrics

    works: list[Work] = (
        list(place.running.values()) if isinstance(place, BodyThreads) else list(place.running)
    )
    used = sum(work.holds_slot for work in works)
    return SlotUse(used, max(0, place.slots - used), place.backlog)
