"""Submits the runs that a body asks for through its handle.

The façade of the program does it, by the calls that the program makes itself; the engine only says
for which attempt.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol

from cloaca_core._engine.execute.steps import AttemptSteps
from cloaca_core.errors import RunnerUsageError

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import Attempt
    from cloaca_core.definition.child_calls import ChildOptions
    from cloaca_core.definition.inputs import ContextLike


class Front(Protocol):
    """Submits runs for bodies of one engine. Any thread or loop of a body may call it."""

    def submit(self, attempt: Attempt, name: str, context: ContextLike, of: ChildOptions) -> Any:
        """The handle of a new run."""

    async def submit_async(
        self, attempt: Attempt, name: str, context: ContextLike, of: ChildOptions
    ) -> Any:
        """The same on a loop."""

    def submit_many(
        self, attempt: Attempt, name: str, contexts: Iterable[ContextLike], of: ChildOptions
    ) -> Any:
        """The handles of new runs."""

    async def submit_many_async(
        self, attempt: Attempt, name: str, contexts: Iterable[ContextLike], of: ChildOptions
    ) -> Any:
        """The same on a loop."""

    def database(self) -> concurrent.futures.Future[str | None]:
        """The identity of this engine's database; None if no other program can open it."""


class Children:
    """Knows who submits runs for the bodies of an engine: ``front``, once its program has opened
    it.
    """

    def __init__(self) -> None:
        self.front: Front | None = None

    def opened(self) -> Front:
        """Returns ``front``; an engine without a façade has none."""
        if self.front is None:
            raise RunnerUsageError("no runner was opened for this engine: it submits nothing")
        return self.front


NO_CHILDREN: Final = Children()


class AttemptChildren(AttemptSteps):
    """The runs that one attempt submits."""

    _children: Children

    def submit(self, workflow_name: str, context: ContextLike, options: ChildOptions) -> Any:
        """See ``ChildMaker``."""
        self._refuse_ended(is_async=False)
        return self._children.opened().submit(self._attempt, workflow_name, context, options)

    async def submit_async(
        self, workflow_name: str, context: ContextLike, options: ChildOptions
    ) -> Any:
        """See ``ChildMaker``."""
        self._refuse_ended(is_async=True)
        front = self._children.opened()
        return await front.submit_async(self._attempt, workflow_name, context, options)

    def submit_many(
        self, workflow_name: str, contexts: Iterable[ContextLike], options: ChildOptions
    ) -> Any:
        """See ``ChildMaker``."""
        self._refuse_ended(is_async=False)
        return self._children.opened().submit_many(self._attempt, workflow_name, contexts, options)

    async def submit_many_async(
        self, workflow_name: str, contexts: Iterable[ContextLike], options: ChildOptions
    ) -> Any:
        """See ``ChildMaker``."""
        self._refuse_ended(is_async=True)
        front = self._children.opened()
        return await front.submit_many_async(self._attempt, workflow_name, contexts, options)
