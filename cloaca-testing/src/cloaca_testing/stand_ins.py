"""Functions that stand in for bodies in a test; counts calls of bodies and keeps their errors."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from cloaca_core.definition.callables import is_async_callable
from cloaca_core.definition.task import HANDLE_NAMES
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.execute.work import COROUTINES, THREADS
from cloaca_core.errors import BodySignal, BodySuspended, ConfigError, ConfigTypeError

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.values.node import TaskFunction


OF_BODIES: Final = (BodySignal, SystemExit, GeneratorExit, asyncio.CancelledError)
"""Errors that are no ``Exception`` and yet the engine's to deal with; ``EngineKilled`` is one."""


_Place: TypeAlias = tuple[str, str]
"""A run, and a task or an item of it."""


class TaskKey(NamedTuple):
    """A task: the full name of its workflow, and its id."""

    workflow: str
    task: str


def alone(workflow: Workflow, task: str) -> Workflow:
    """A workflow of the same name that has only this task, which depends on nothing and is tried
    once.
    """
    (found,) = (each for each in workflow.tasks if each.id == task)
    retry = dataclasses.replace(found.retry, max_attempts=1)
    only = dataclasses.replace(found, dependencies=(), rule=None, retry=retry)
    return Workflow(namespace=workflow.namespace, name=workflow.name, tasks=[only])


class _Function(NamedTuple):
    call: TaskFunction
    wants_handle: bool
    parameters: tuple[str, ...] = ()


class _Failure:
    """Calls that are to raise ``error``."""

    def __init__(self, error: BaseException | type[BaseException], times: int) -> None:
        self.error = error
        self.left = times


class StandIns:
    """Of one harness. ``calls`` counts how often the body of each task of each run has begun, and
    ``begun`` all of them; ``errors`` has the last error of each, the newest last. ``by_name``
    counts as ``calls`` does, with each item of a map by its own name.
    """

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.by_name: Counter[tuple[str, str]] = Counter()
        self.begun: int = 0
        self.errors: dict[tuple[str, str], BaseException] = {}
        self._interruption: BaseException | None = None
        self._functions: dict[TaskKey, _Function] = {}
        self._failures: dict[TaskKey, list[_Failure]] = {}

    def replace(self, key: TaskKey, function: TaskFunction, *, wants_handle: bool) -> None:
        """Call this function in place of the body."""
        self._functions[key] = _Function(function, wants_handle)

    def replace_of_items(
        self, key: TaskKey, function: TaskFunction, parameters: tuple[str, ...]
    ) -> None:
        """Call this function in place of the body of a map, with these parameters by name."""
        wants_handle = not HANDLE_NAMES.isdisjoint(parameters)
        self._functions[key] = _Function(function, wants_handle, parameters)

    def fail(self, key: TaskKey, error: BaseException | type[BaseException], times: int) -> None:
        """Raise this error in the next calls of the body. ``ConfigError`` for a value that cannot
        be raised, and for fewer calls than one.
        """
        is_error = isinstance(error, BaseException)
        if not (is_error or (isinstance(error, type) and issubclass(error, BaseException))):
            raise ConfigTypeError(f"error must be an exception, got {error!r:.80}", field="error")
        if times < 1:
            raise ConfigError(f"times counts from 1, got {times}", field="times")
        self._failures.setdefault(key, []).append(_Failure(error, times))

    def raise_interruption(self) -> None:
        """Raise the error with which a body was broken off because the test is: Ctrl-C, a time
        limit, or ``pytest.skip`` and ``pytest.fail``.
        """
        if (error := self._interruption) is not None:
            self._interruption = None
            raise error

    def apply(self, attempt: Attempt) -> None:
        """Give the attempt, before it begins, the function that it is to call, and a retry policy
        without jitter: a test is to do the same each time.
        """
        task = attempt.task
        key = TaskKey(attempt.owner.row.workflow, task.id)
        mapped = task.map
        if (other := self._functions.get(key)) is None:
            function, wants_handle = task.function, task.wants_handle
        else:
            function, wants_handle = other.call, other.wants_handle
            if mapped is not None:
                mapped = dataclasses.replace(mapped, parameters=other.parameters)
        is_async = is_async_callable(function)
        place, name = (attempt.run_id, task.id), (attempt.run_id, attempt.name)
        watched = self._watched_async if is_async else self._watched
        attempt.task = dataclasses.replace(
            task,
            map=mapped,
            function=watched(key, (place, name), function),
            retry=dataclasses.replace(task.retry, with_jitter=False),
            is_async=is_async,
            wants_handle=wants_handle,
        )
        if is_async != task.is_async:  # a line is of one place, where its other items wait
            attempt.line = None
        attempt.is_async = is_async
        attempt.place = COROUTINES if is_async else THREADS

    def _count(self, place: _Place, name: _Place) -> None:
        self.calls[place] += 1
        self.by_name[name] += 1
        self.begun += 1

    def _watched(
        self, key: TaskKey, places: tuple[_Place, _Place], function: TaskFunction
    ) -> TaskFunction:
        def call(*arguments: Any, **of_item: Any) -> Any:
            self._count(*places)
            try:
                self._raise_failure(key)
                return function(*arguments, **of_item)
            except BaseException as error:
                self._note(places[0], error)
                raise

        return cast("TaskFunction", call)

    def _watched_async(
        self, key: TaskKey, places: tuple[_Place, _Place], function: TaskFunction
    ) -> TaskFunction:
        async def call(*arguments: Any, **of_item: Any) -> Any:
            self._count(*places)
            try:
                self._raise_failure(key)
                body = cast("Callable[..., Awaitable[Any]]", function)
                return await body(*arguments, **of_item)
            except BaseException as error:
                self._note(places[0], error)
                raise

        return cast("TaskFunction", call)

    def _raise_failure(self, key: TaskKey) -> None:
        for failure in self._failures.get(key, ()):
            if failure.left > 0:
                failure.left -= 1
                raise failure.error

    def _note(self, place: _Place, error: BaseException) -> None:
        if isinstance(error, BodySuspended):  # it has left in a wait: no error
            return
        if not isinstance(error, (Exception, *OF_BODIES)):
            self._interruption = error
        self.errors.pop(place, None)
        self.errors[place] = error
