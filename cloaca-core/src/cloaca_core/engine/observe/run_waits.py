"""Waits for the end of a run. A body that waits releases its slot meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cloaca_core.errors import RunnerUsageError

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import AttemptWork
    from cloaca_core.engine.observe.completion import Completion, Ended
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.engine.orchestrate.waiting_bodies import WaitingBodies
    from cloaca_core.engine.submit.request import Request
    from cloaca_core.engine.submit.submitter import Submitter

DEEPEST: Final = 1_000
"""The most runs that may wait for one another: as many as Python's calls may be deep."""


class RunWaits:
    """Belongs to the engine's loop."""

    def __init__(
        self,
        runs: ActiveRuns,
        submitter: Submitter,
        completion: Completion,
        waiting_bodies: WaitingBodies,
    ) -> None:
        self._runs = runs
        self._submitter = submitter
        self._completion = completion
        self._waiting_bodies = waiting_bodies

    async def execute(
        self,
        request: Request,
        waiting: AttemptWork | None,
        accepted: Callable[[str], None],
    ) -> Ended:
        """Submit one run and wait for its end. ``waiting`` is the body that does so, if any.
        ``accepted`` is called with the run's id as soon as it is durable.
        """
        if waiting is not None and self._runs.owns(waiting.attempt):
            request = replace(request, by_right=True)
            _refuse_endless(request)
        async with self._away(waiting):
            return await self._unless_cancelled(waiting, self._submit_and_wait(request, accepted))

    async def wait(self, run_id: str, waiting: AttemptWork | None) -> Ended:
        """Wait for the end of a run, on this runner or another."""
        if waiting is not None and waiting.attempt.owner.id == run_id:
            raise RunnerUsageError(
                f"a body of run {run_id} would wait for itself: the run ends after its bodies"
            )
        async with self._away(waiting):
            return await self._unless_cancelled(waiting, self._completion.of(run_id))

    async def _unless_cancelled(
        self, work: AttemptWork | None, end: Coroutine[Any, Any, Ended]
    ) -> Ended:
        """Wait for an end on behalf of a body. Raises ``BodyCancelled`` once its own run is being
        cancelled.
        """
        if work is None or not self._runs.owns(work.attempt):
            return await end
        waiting = asyncio.create_task(end)
        with self._waiting_bodies.interruption(work) as interrupt:
            try:
                either: list[asyncio.Future[Any]] = [waiting, interrupt]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    await interrupt  # raises
                return await waiting
            finally:
                waiting.cancel()

    @asynccontextmanager
    async def _away(self, work: AttemptWork | None) -> AsyncIterator[None]:
        """Release the slot of ``work`` within the block, and take it again after it. Abandoned work
        has released its slot already; a slot of another engine is not released here.

        Taking the slot again is not cancelled with the wait: the count of slots would be wrong.
        """
        if work is None or work.abandoned or not self._runs.owns(work.attempt):
            yield
            return
        self._waiting_bodies.release_slot(work)
        try:
            yield
        finally:
            await asyncio.shield(asyncio.create_task(self._waiting_bodies.reacquire_slot(work)))

    async def _submit_and_wait(self, request: Request, accepted: Callable[[str], None]) -> Ended:
        (run_id,) = await self._submitter.submit(request)
        accepted(run_id)
        return await self._completion.of(run_id)


def _refuse_endless(request: Request) -> None:
    """Refuse a run that executes itself without end: each waiting run holds a thread."""
    if request.depth > DEEPEST:
        raise RunnerUsageError(
            f"{DEEPEST} runs wait for one another already: does "
            f"{request.definition.namespace} execute itself without end?"
        )
