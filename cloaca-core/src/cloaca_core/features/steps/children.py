"""Submits the runs that a body asks for through its handle, by the façade of its program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloaca_core.features.steps.steps import AttemptSteps

if TYPE_CHECKING:
    from cloaca_core.definition.submission import Submission, Submissions
    from cloaca_core.engine.execute.children import Children


class AttemptChildren(AttemptSteps):
    """The runs that one attempt submits."""

    _children: Children

    def submit(self, asked: Submission) -> Any:
        """See ``ChildMaker``."""
        self._refuse_ended(is_async=False)
        return self._children.opened().submit(self._attempt, asked)

    async def submit_async(self, asked: Submission) -> Any:
        """See ``ChildMaker``."""
        self._refuse_ended(is_async=True)
        return await self._children.opened().submit_async(self._attempt, asked)

    def submit_many(self, asked: Submissions) -> Any:
        """See ``ChildMaker``."""
        self._refuse_ended(is_async=False)
        return self._children.opened().submit_many(self._attempt, asked)

    def results(self, task: str) -> Any:
        """See ``ChildMaker``."""
        self._refuse_ended(is_async=self._attempt.is_async)
        return self._children.opened().results(self._attempt, task)

    async def submit_many_async(self, asked: Submissions) -> Any:
        """See ``ChildMaker``."""
        self._refuse_ended(is_async=True)
        return await self._children.opened().submit_many_async(self._attempt, asked)
