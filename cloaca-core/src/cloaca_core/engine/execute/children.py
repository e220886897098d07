"""Submits the runs that bodies ask for: through the façade of the program, by the calls that the
program itself makes. The engine only adds the attempt.
"""

from __future__ import annotations

import concurrent.futures
from typing import TYPE_CHECKING, Any, Final, Protocol

from cloaca_core.errors import RunnerUsageError

if TYPE_CHECKING:
    from cloaca_core.definition.context import Context
    from cloaca_core.definition.handles.child_calls import BegunChild, ChildCall
    from cloaca_core.definition.submission import Submission, Submissions
    from cloaca_core.engine.execute.attempt import Attempt


class Front(Protocol):
    """Submits runs for bodies of one engine. Any thread or loop of a body may call it."""

    def submit(self, attempt: Attempt, asked: Submission) -> Any:
        """The handle of a new run."""

    async def submit_async(self, attempt: Attempt, asked: Submission) -> Any:
        """As ``submit``, on a loop."""

    def submit_many(self, attempt: Attempt, asked: Submissions) -> Any:
        """The handles of new runs."""

    def results(self, attempt: Attempt, task: str) -> Any:
        """The items of a map of its run."""

    async def submit_many_async(self, attempt: Attempt, asked: Submissions) -> Any:
        """As ``submit_many``, on a loop."""

    def begin_child(self, attempt: Attempt, asked: ChildCall) -> BegunChild:
        """Start a child run, or find the one that this call of the body has started."""

    async def begin_child_async(self, attempt: Attempt, asked: ChildCall) -> BegunChild:
        """The same on a loop."""

    def child_result(self, attempt: Attempt, run_id: str, number: int) -> Context:
        """The final context of a child whose round ``number`` has ended; an error if it failed."""

    async def child_result_async(self, attempt: Attempt, run_id: str, number: int) -> Context:
        """The same on a loop."""

    def database(self) -> concurrent.futures.Future[str | None]:
        """The identity of this engine's database; None if no other program can open it."""


class Children:
    """Holds the ``front`` that submits runs for the bodies of an engine, once its program has
    opened it.
    """

    def __init__(self) -> None:
        self.front: Front | None = None

    def opened(self) -> Front:
        """Returns ``front``. An engine without a façade has none."""
        if self.front is None:
            raise RunnerUsageError("no runner was opened for this engine: it submits nothing")
        return self.front


NO_CHILDREN: Final = Children()
