"""Submits runs for bodies, through their handles, as the runner would."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloaca_core.client.handles import RunHandle
from cloaca_core.engine.calls.waiting import refuse_blocking_call
from cloaca_core.engine.execute.current_work import CURRENT_WORK
from cloaca_core.features.child_runs.operations import EndOfChild
from cloaca_core.features.maps.operations import ItemPages
from cloaca_core.operations.submissions import BeginChild, Submit, SubmitMany, telling_accepted
from cloaca_core.views.results import PipelineResult

if TYPE_CHECKING:
    from cloaca_core.assembly.caller import Caller
    from cloaca_core.client.async_handles import AsyncRunHandle
    from cloaca_core.definition.context import Context
    from cloaca_core.definition.handles.child_calls import BegunChild, ChildCall
    from cloaca_core.definition.submission import Submission, Submissions
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.run.rows import RunRow


class BodyChildren:
    """Makes the calls of bodies by the operations of their runner. Any thread may call, a thread
    that a body has started included: the handle says which body it is.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def submit(self, attempt: Attempt, asked: Submission) -> RunHandle:
        """Accept a run and return."""
        with _calling(attempt):
            return RunHandle(self._caller, *Submit(*asked).call(self._caller).wait())

    async def submit_async(self, attempt: Attempt, asked: Submission) -> AsyncRunHandle:
        """The same, awaited."""
        from cloaca_core.client.async_handles import AsyncRunHandle  # few clients serve such bodies

        with _calling(attempt):
            return AsyncRunHandle(self._caller, *await Submit(*asked).call(self._caller))

    def submit_many(self, attempt: Attempt, asked: Submissions) -> list[RunHandle]:
        """Accept many runs and return."""
        refuse_blocking_call()
        handles: list[RunHandle] = []
        with _calling(attempt), telling_accepted(handles):
            for page in SubmitMany(*asked).pages_of_body(self._caller):
                handles += [RunHandle(self._caller, *each) for each in page.wait()]
        return handles

    def results(self, attempt: Attempt, task: str) -> ItemPages:
        """The items of a map of its run, for ``for`` and for ``async for``."""
        return ItemPages(self._caller, attempt.run_id, task)

    async def submit_many_async(self, attempt: Attempt, asked: Submissions) -> list[AsyncRunHandle]:
        """The same, awaited."""
        from cloaca_core.client.async_handles import AsyncRunHandle

        handles: list[AsyncRunHandle] = []
        with _calling(attempt), telling_accepted(handles):
            for page in SubmitMany(*asked).pages_of_body(self._caller):
                handles += [AsyncRunHandle(self._caller, *each) for each in await page]
        return handles

    def begin_child(self, attempt: Attempt, asked: ChildCall) -> BegunChild:
        """Start a child run, or find it."""
        with _calling(attempt):
            return BeginChild(asked).call(self._caller).wait()

    async def begin_child_async(self, attempt: Attempt, asked: ChildCall) -> BegunChild:
        """The same, awaited."""
        with _calling(attempt):
            return await BeginChild(asked).call(self._caller)

    def child_result(self, attempt: Attempt, run_id: str, number: int) -> Context:
        """The final context of a child that has ended."""
        with _calling(attempt):
            return _final_context(EndOfChild(run_id, number).call(self._caller).wait())

    async def child_result_async(self, attempt: Attempt, run_id: str, number: int) -> Context:
        """The same, awaited."""
        with _calling(attempt):
            return _final_context(await EndOfChild(run_id, number).call(self._caller))

    def database(self) -> concurrent.futures.Future[str | None]:
        """The identity of the database."""
        return self._caller.host.database()


def _final_context(row: RunRow) -> Context:
    """The context with which a run has ended; an error if it has not completed."""
    result = PipelineResult(row, ())
    result.raise_for_status()
    return result.final_context


@contextmanager
def _calling(attempt: Attempt) -> Iterator[None]:
    """Within the block, calls of this thread count as calls of this body."""
    token = CURRENT_WORK.set(attempt)
    try:
        yield
    finally:
        CURRENT_WORK.reset(token)
