"""Sends sync user code to our threads, async user code to the loop of the bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Protocol

from cloaca_core._engine.execute.coroutines import BodyLoop
from cloaca_core._engine.execute.threads import BodyThreads
from cloaca_core._engine.execute.work import Stage, Work


class PendingCall(Protocol):
    """A call of a body that the engine has not answered yet."""

    def is_answered(self) -> bool:
        """Whether it has been answered; any thread."""

    def leave(self) -> None:
        """Ask the body to leave, if it is in a wait that it can leave. On the engine's loop."""


class Executor:
    """The two places where user code runs, as one. Belongs to the engine's loop, but for
    ``let_go``. ``broken`` is called with the reason when one of them runs nothing any more.
    """

    def __init__(
        self,
        thread_slots: int,
        async_slots: int,
        loop: asyncio.AbstractEventLoop,
        broken: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._threads = BodyThreads(thread_slots, loop)
        self._coroutines = BodyLoop(async_slots, loop, broken)

    def submit(self, work: Work) -> None:
        """Queue work; its ``finished`` is called on the engine's loop unless it is abandoned."""
        work.stage = Stage.QUEUED
        self._place(work).submit(work)

    def expect(self, work: Work) -> bool:
        """Keep a place for work that will soon be let go or abandoned; false when there is none."""
        expected = self._place(work).expect()
        if expected:
            work.stage = Stage.QUEUED
        return expected

    def let_go(self, work: Work) -> None:
        """Queue work that was expected. Any thread may do so."""
        self._place(work).let_go(work)

    def release_slot(self, work: Work) -> None:
        """The body of ``work`` begins to wait for another run."""
        self._place(work).release_slot(work)

    async def reacquire_slot(self, work: Work) -> None:
        """Return when the body of ``work`` may go on."""
        await self._place(work).reacquire_slot(work)

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
        return self._place(work).abandon(work, even_running=even_running)

    def interrupt(self, work: Work) -> None:
        """Cancel a coroutine that runs, so that it ends soon; its outcome counts. A thread cannot
        be interrupted.
        """
        if work.is_async:
            self._coroutines.interrupt(work)

    def running(self) -> Iterator[Work]:
        """The work that runs right now."""
        for work in [*self._threads.running.values(), *self._coroutines.running]:
            if work.stage is Stage.RUNNING:
                yield work

    @property
    def is_starting(self) -> bool:
        """Whether work that has a slot has not begun yet. Its thread may be late, or another body
        may block its loop.
        """
        return self._threads.is_starting or self._coroutines.is_starting

    @property
    def backlog(self) -> int:
        """How many pieces of work wait for a slot."""
        return self._threads.backlog + self._coroutines.backlog

    @property
    def abandoned(self) -> int:
        """How many bodies go on running although they were given up."""
        return self._threads.abandoned + self._coroutines.abandoned

    def close(self) -> None:
        """Let the threads and the loop end; running bodies are not waited for."""
        self._threads.close()
        self._coroutines.close()

    def _place(self, work: Work) -> BodyThreads | BodyLoop:
        return self._coroutines if work.is_async else self._threads
