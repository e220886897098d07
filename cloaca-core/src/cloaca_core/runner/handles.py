"""Handles to wait for a run and to read its state: one that blocks, one that is awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.runner.results import PipelineResult, RunEvent, TaskResult
from cloaca_core.values.option_names import RunStatus

if TYPE_CHECKING:
    from cloaca_core.runner.calls.runs import RunCalls


class _Run:
    """The common part of both: handles are equal when the run is the same."""

    __slots__ = ("_calls", "_id")

    def __init__(self, calls: RunCalls, run_id: str) -> None:
        self._calls = calls
        self._id = run_id

    @property
    def id(self) -> str:
        """The id of the run."""
        return self._id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Run) and other._id == self._id

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self._id!r})"


class RunHandle(_Run):
    """A submitted run: waits for its end, and reads its state."""

    __slots__ = ()

    def status(self) -> RunStatus:
        """Pending, Running, Completed, Failed or Cancelled."""
        return self._calls.status(self._id).wait()

    def result(self, timeout: float | None = None) -> PipelineResult:
        """Wait for the end and return the result, also of a run that failed.

        ``timeout`` in seconds ends only the wait, with ``PipelineTimeoutError``.
        """
        return self._calls.result(self._id, timeout).wait()

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the end; after ``timeout`` seconds ``PipelineTimeoutError``."""
        self._calls.end(self._id, timeout).wait()

    def tasks(self) -> dict[str, TaskResult]:
        """The state of each task, by id, in definition order where the workflow is known."""
        return self._calls.tasks(self._id).wait()

    def events(self) -> list[RunEvent]:
        """The events so far, in the order of time."""
        return self._calls.events(self._id).wait()


class AsyncRunHandle(_Run):
    """The same for an ``AsyncRunner``: every call is awaited."""

    __slots__ = ()

    async def status(self) -> RunStatus:
        """Pending, Running, Completed, Failed or Cancelled."""
        return await self._calls.status(self._id)

    async def result(self, timeout: float | None = None) -> PipelineResult:
        """Wait for the end and return the result; see ``RunHandle.result``."""
        return await self._calls.result(self._id, timeout)

    async def wait(self, timeout: float | None = None) -> None:
        """Wait for the end; after ``timeout`` seconds ``PipelineTimeoutError``."""
        await self._calls.end(self._id, timeout)

    async def tasks(self) -> dict[str, TaskResult]:
        """The state of each task, by id, in definition order where the workflow is known."""
        return await self._calls.tasks(self._id)

    async def events(self) -> list[RunEvent]:
        """The events so far, in the order of time."""
        return await self._calls.events(self._id)
