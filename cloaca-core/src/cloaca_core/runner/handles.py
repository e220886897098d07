"""What a submitter holds of a run: to wait for it and to look at it, sync and async."""

from __future__ import annotations

import concurrent.futures
from typing import TYPE_CHECKING

from cloaca_core._engine.engine import Engine
from cloaca_core.runner.results import (
    PipelineResult,
    RunEvent,
    TaskResult,
    run_events,
    run_status_name,
    task_results,
)
from cloaca_core.runner.waiting import (
    awaited,
    checked_timeout,
    current_work,
    refuse_blocking_call,
    wait_for,
)
from cloaca_core.values.option_names import RunStatus

if TYPE_CHECKING:
    from cloaca_core._engine.observe.waiters import Ended
    from cloaca_core.runner.host import EngineHost


class _Run:
    """What both kinds of run handle are: equal when the run is the same."""

    __slots__ = ("_host", "_id")

    def __init__(self, host: EngineHost, run_id: str) -> None:
        self._host = host
        self._id = run_id

    @property
    def id(self) -> str:
        """The id of the run."""
        return self._id

    def _known_end(self) -> Ended | None:
        """The end of the run while it is still at hand, which spares a hop to the loop."""
        return self._host.engine.recent.get(self._id)

    def _is_known_to_have_ended(self) -> bool:
        return self._id in self._host.engine.recent

    def _asked_end(self) -> concurrent.futures.Future[Ended]:
        return self._host.send(Engine.wait, self._id, current_work())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Run) and other._id == self._id

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self._id!r})"


async def _tasks(engine: Engine, run_id: str) -> dict[str, TaskResult]:
    """Where each task of a run stands; runs on the engine's loop."""
    row, attempts = await engine.attempts(run_id)
    return task_results(attempts, await engine.task_ids(row), run_ended_at=row.ended_at)


class RunHandle(_Run):
    """A run that was submitted, for waiting and looking."""

    __slots__ = ()

    def status(self) -> RunStatus:
        """Pending, Running, Completed, Failed or Cancelled."""
        refuse_blocking_call()
        return run_status_name(wait_for(self._host.send(Engine.get_run, self._id)))

    def result(self, timeout: float | None = None) -> PipelineResult:
        """Wait for the end and return the result, also of a run that failed.

        ``timeout`` in seconds ends only the wait, with ``PipelineTimeoutError``.
        """
        refuse_blocking_call()
        seconds = checked_timeout(timeout)
        if (end := self._known_end()) is None:
            end = wait_for(self._asked_end(), seconds, (self._id,))
        return PipelineResult(*end)

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the end; after ``timeout`` seconds ``PipelineTimeoutError``."""
        refuse_blocking_call()
        seconds = checked_timeout(timeout)
        if not self._is_known_to_have_ended():
            wait_for(self._asked_end(), seconds, (self._id,))

    def tasks(self) -> dict[str, TaskResult]:
        """Where each task stands, by id, in definition order where the workflow is known."""
        refuse_blocking_call()
        return wait_for(self._host.send(_tasks, self._id))

    def events(self) -> list[RunEvent]:
        """What has happened so far, in the order of time."""
        refuse_blocking_call()
        return run_events(*wait_for(self._host.send(Engine.attempts, self._id)))


class AsyncRunHandle(_Run):
    """The same for an ``AsyncRunner``: every call is awaited."""

    __slots__ = ()

    async def status(self) -> RunStatus:
        """Pending, Running, Completed, Failed or Cancelled."""
        return run_status_name(await awaited(self._host.send(Engine.get_run, self._id)))

    async def result(self, timeout: float | None = None) -> PipelineResult:
        """Wait for the end and return the result; see ``RunHandle.result``."""
        seconds = checked_timeout(timeout)
        if (end := self._known_end()) is None:
            end = await awaited(self._asked_end(), seconds, (self._id,))
        return PipelineResult(*end)

    async def wait(self, timeout: float | None = None) -> None:
        """Wait for the end; after ``timeout`` seconds ``PipelineTimeoutError``."""
        seconds = checked_timeout(timeout)
        if not self._is_known_to_have_ended():
            await awaited(self._asked_end(), seconds, (self._id,))

    async def tasks(self) -> dict[str, TaskResult]:
        """Where each task stands, by id, in definition order where the workflow is known."""
        return await awaited(self._host.send(_tasks, self._id))

    async def events(self) -> list[RunEvent]:
        """What has happened so far, in the order of time."""
        return run_events(*await awaited(self._host.send(Engine.attempts, self._id)))
