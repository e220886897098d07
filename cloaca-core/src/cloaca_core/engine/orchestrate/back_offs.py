"""The attempts that wait for their time here, each with its timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.runtime.store_clock import seconds_early
from cloaca_core.values.times.instants import SECOND

if TYPE_CHECKING:
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.values.times.clock import Clock

_NONE: Final[Mapping[int, Resume]] = {}


class BackOffs:
    """Belongs to the engine's loop. ``is_due`` is called with each attempt whose time has come.
    ``waiting`` has the runs of which attempts wait, each with them and their timers.
    """

    def __init__(self, clock: Clock, is_due: Callable[[ActiveRun, int, Resume], None]) -> None:
        self._clock = clock
        self._is_due = is_due
        self._loop = asyncio.get_running_loop()
        self.waiting: dict[ActiveRun, dict[int, tuple[asyncio.TimerHandle, Resume]]] = {}

    def add(self, run: ActiveRun, task: int, resume: Resume, delay: float) -> None:
        """An attempt of a task is to wait for so many seconds."""
        due_at = self._clock.wall() + round(delay * SECOND)
        self._wait(run, task, resume._replace(retry_at=due_at), delay)

    def _wait(self, run: ActiveRun, task: int, resume: Resume, delay: float) -> None:
        timer = self._loop.call_later(delay, self._time_is_up, run, task, resume)
        self.waiting.setdefault(run, {})[task] = (timer, resume)

    def _time_is_up(self, run: ActiveRun, task: int, resume: Resume) -> None:
        assert resume.retry_at is not None
        if early := seconds_early(self._clock, resume.retry_at):
            self._wait(run, task, resume, early)
            return
        waiting = self.waiting[run]
        del waiting[task]
        if not waiting:
            del self.waiting[run]
        self._is_due(run, task, resume._replace(retry_at=None))

    def due(self, run: ActiveRun) -> dict[int, int]:
        """When the attempts of this run are due that wait for their time: instants by task."""
        waiting = self.waiting.get(run)
        if not waiting:
            return {}
        return {
            task: due.retry_at for task, (_, due) in waiting.items() if due.retry_at is not None
        }

    def take(self, run: ActiveRun) -> Mapping[int, Resume]:
        """The attempts of this run wait here no longer; returns them by task."""
        waiting = self.waiting.pop(run, None)
        if waiting is None:
            return _NONE
        for timer, _ in waiting.values():
            timer.cancel()
        return {task: resume for task, (_, resume) in waiting.items()}
