"""Submits runs for bodies that ask for them through their handles, as the runner does for them."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloaca_core._engine.execute.current_work import CURRENT_WORK
from cloaca_core.runner.async_handles import AsyncRunHandle
from cloaca_core.runner.calls.runs import telling_accepted
from cloaca_core.runner.calls.start_options import StartOptions
from cloaca_core.runner.handles import RunHandle
from cloaca_core.runner.waiting import refuse_blocking_call

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import Attempt
    from cloaca_core.definition.child_calls import ChildOptions
    from cloaca_core.definition.inputs import ContextLike
    from cloaca_core.runner.calls.call import Call
    from cloaca_core.runner.calls.runs import RunCalls


class BodyChildren:
    """Makes the calls of bodies with those of their runner. Any thread may call, also one that a
    body has started: the handle says which body it is.
    """

    def __init__(self, runs: RunCalls) -> None:
        self._runs = runs

    def submit(
        self, attempt: Attempt, name: str, context: ContextLike, of: ChildOptions
    ) -> RunHandle:
        """Accept a run and go on."""
        with _calling(attempt):
            return RunHandle(self._runs, *self._one(name, context, of).wait())

    async def submit_async(
        self, attempt: Attempt, name: str, context: ContextLike, of: ChildOptions
    ) -> AsyncRunHandle:
        """The same, awaited."""
        with _calling(attempt):
            return AsyncRunHandle(self._runs, *await self._one(name, context, of))

    def submit_many(
        self, attempt: Attempt, name: str, contexts: Iterable[ContextLike], of: ChildOptions
    ) -> list[RunHandle]:
        """Accept many runs and go on."""
        refuse_blocking_call()
        handles: list[RunHandle] = []
        with _calling(attempt), telling_accepted(handles):
            for page in self._many(name, contexts, of):
                handles += [RunHandle(self._runs, *each) for each in page.wait()]
        return handles

    async def submit_many_async(
        self, attempt: Attempt, name: str, contexts: Iterable[ContextLike], of: ChildOptions
    ) -> list[AsyncRunHandle]:
        """The same, awaited."""
        handles: list[AsyncRunHandle] = []
        with _calling(attempt), telling_accepted(handles):
            for page in self._many(name, contexts, of):
                handles += [AsyncRunHandle(self._runs, *each) for each in await page]
        return handles

    def database(self) -> concurrent.futures.Future[str | None]:
        """The identity of the database."""
        return self._runs.database()

    def _one(self, name: str, context: ContextLike, of: ChildOptions) -> Call[tuple[str, bool]]:
        return self._runs.submit(
            name,
            context,
            of.idempotency_key,
            of.tags,
            of.time_limit,
            _start(of),
            of.failed_policy,
            of.send,
            of.by,
        )

    def _many(
        self, name: str, contexts: Iterable[ContextLike], of: ChildOptions
    ) -> Iterator[Call[list[tuple[str, bool]]]]:
        return self._runs.submit_each(name, contexts, of.tags, of.time_limit, _start(of))


@contextmanager
def _calling(attempt: Attempt) -> Iterator[None]:
    """Within the block, calls of this thread count as calls of this body."""
    token = CURRENT_WORK.set(attempt)
    try:
        yield
    finally:
        CURRENT_WORK.reset(token)


def _start(of: ChildOptions) -> StartOptions:
    return StartOptions(of.priority, of.run_at, of.delay, of.start_by, of.detached)
