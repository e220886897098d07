"""Tasks of the loop that work for a run, and end with it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from cloaca_core.errors import CloacaError
from cloaca_core.run.life import State

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.run.active_run import ActiveRun


T = TypeVar("T")


class RunTasks:
    """Belongs to the engine's loop."""

    def __init__(self, kernel: Orchestrator) -> None:
        self._kernel = kernel
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[ActiveRun, set[asyncio.Task[object]]] = {}

    def keep(self, run: ActiveRun, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Keep a task of the loop until it has ended: the loop itself would not. An error that no
        caller expects ends the run.
        """
        task = self._loop.create_task(work)
        self._tasks.setdefault(run, set()).add(task)
        task.add_done_callback(partial(self._is_done, run))
        return task

    def _is_done(self, run: ActiveRun, task: asyncio.Task[object]) -> None:
        if (tasks := self._tasks.get(run)) is not None:
            tasks.discard(task)
            if not tasks:
                del self._tasks[run]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, CloacaError):
            return  # of a read: the nodes that wait for it fail
        if error is not None and run.life.state is not State.OVER:
            self._kernel.guarded(run, give_up, error)

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or this runner no longer owns it."""
        for task in self._tasks.pop(run, ()):
            task.cancel()


def give_up(error: BaseException) -> None:
    """The children of a run cannot be read, so it cannot go on."""
    raise error
