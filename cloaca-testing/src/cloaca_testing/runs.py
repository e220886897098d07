"""A run as a test sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloaca_testing.driver import despite_kills

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloaca_core.client.handles import RunHandle
    from cloaca_core.views.results import RunInfo
    from cloaca_core.views.task_results import TaskResult


class HarnessRun:
    """A run of a harness: reads its state from the database whenever it is asked.

    ``handle`` can do what any handle can: cancel, pause, retry, explain and so on.
    """

    __slots__ = ("__weakref__", "_input_of", "_last", "handle")

    def __init__(self, handle: RunHandle, input_of: Callable[[str], dict[str, Any]]) -> None:
        self.handle: RunHandle = handle
        self._input_of = input_of
        self._last: _Seen | None = None

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.handle.id

    @property
    def workflow(self) -> str:
        """The short name of its workflow."""
        return self._seen().info.workflow_name

    @property
    def status(self) -> str:
        """A ``RunStatus``: Completed, Failed, Waiting for the next attempt of a task, and so on.

        It is typed as text since it changes: after one assertion about a ``Literal``, type checkers
        would refuse the next one.
        """
        return self._seen().info.status

    @property
    def error(self) -> str | None:
        """Why the run did not complete, or None."""
        return self._seen().info.error_message

    @property
    def tasks(self) -> dict[str, TaskResult]:
        """The state of each task, by id, in definition order."""
        return dict(self._seen().tasks)

    @property
    def context(self) -> dict[str, Any]:
        """The final context; before the end, the keys that tasks have set so far."""
        return dict(self._seen().context)

    @property
    def input(self) -> dict[str, Any]:
        """The context that it was submitted with."""
        return dict(self._seen().input)

    def keep(self) -> None:
        """Remember the state as it is now: the harness closes."""
        self._last = self._seen()

    def _seen(self) -> _Seen:
        return self._last or despite_kills(lambda: _Seen(self.handle, self._input_of))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HarnessRun) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<run of {self.workflow!r}: {self}>"

    def __str__(self) -> str:
        seen = self._seen()
        tasks = ", ".join(f"{name} {result.status}" for name, result in seen.tasks.items())
        error = f"; {seen.info.error_message}" if seen.info.error_message else ""
        return f"{seen.info.status} ({tasks}){error}"


class _Seen:
    """The state of a run at one moment."""

    __slots__ = ("context", "info", "input", "tasks")

    def __init__(self, handle: RunHandle, input_of: Callable[[str], dict[str, Any]]) -> None:
        self.input: Mapping[str, Any] = input_of(handle.id)
        self.info: RunInfo = handle.info()
        self.tasks: Mapping[str, TaskResult] = handle.tasks()
        self.context: Mapping[str, Any]
        if self.info.ended_at is not None:
            self.context = handle.result().final_context.to_dict()
        else:
            self.context = {k: v for set_ in handle.outputs().values() for k, v in set_.items()}
