"""Resolves requests for runs before they are submitted: finds their workflows by name, and records
definitions that other programs need to execute or follow the runs.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from cloaca_core.definition.registry import Unregistered
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
from cloaca_core.engine.record.journal import FIRST_PAUSE, LONGEST_PAUSE
from cloaca_core.errors import StoreFullError, StoreUnavailableError
from cloaca_core.features.definitions.recorded_definitions import checked
from cloaca_core.logs import SafeLogger
from cloaca_core.values.times.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cloaca_core.assembly.parts import Parts
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.submit.request import Request
    from cloaca_core.store.outbox import Outbox

log = SafeLogger("cloaca.engine")

T = TypeVar("T")


class Resolver:
    """Belongs to the engine's loop. ``database`` returns the identity of the database;
    ``check_open`` raises once the engine shuts down.
    """

    def __init__(
        self,
        parts: Parts,
        database: Callable[[], Awaitable[str | None]],
        check_open: Callable[[], None],
    ) -> None:
        self._base = parts.base
        self._store = parts.store
        self._recorder = parts.recorder
        self._definitions = parts.definitions
        self._queues = parts.queues
        self._queue_watch = parts.queue_watch
        self._database = database
        self._check_open = check_open

    async def resolve(self, request: Request) -> Request:
        """The request with a workflow in place of a name. First the version by which a client
        submits, and the workflows that follow its runs, are recorded: other runners may run and end
        a run as soon as it is submitted.
        """
        if request.parent is not None and request.parent.owner.home is not self._base.runs:
            await self._compare(request.parent)
        workflow = request.workflow
        if self._base.works:
            if request.followed is not None and self._store.writable:
                with suppress(StoreUnavailableError):  # it tries again, beside this
                    await self._recorder.record()
        elif isinstance(workflow, Workflow) and self._store.writable:
            with suppress(StoreUnavailableError):  # the next submission tries again
                await self._recorder.record_unknown(workflow)
        if isinstance(workflow, Unregistered):
            workflow = await self.find(workflow)
            # Other runners execute its runs: none of the inputs is needed here.
            request = checked(replace(request, workflow=workflow, data=()))
        if request.start.queue is not None and self._store.writable:
            await self._answered(partial(self._queues.note, request), "no run is submitted")
        await self._warn_of_queues(request)
        return request

    async def ready_to_go(self, request: Request, outbox: Outbox) -> Request:
        """The request with a workflow in place of a name, for its submitter to write. Its queue is
        noted, unless the outbox does that, and warned of if no living runner serves it.
        """
        resolved = await self._definitions.resolved(request)
        if not outbox.notes_queues:
            await self._queues.note(resolved)
        await self._warn_of_queues(resolved)
        return resolved

    async def _warn_of_queues(self, request: Request) -> None:
        """Warn of queues that no living runner serves, if the submission or its workflow names
        any.
        """
        if request.start.queue is not None or request.definition.queues:
            await self._queue_watch.submits(request.queues)

    async def find(self, wanted: Unregistered) -> RecordedWorkflow:
        """The recorded workflow of a name. Waits for the database, like the submission of its
        runs.
        """
        what = f"workflow {wanted.name} is not found"
        return await self._answered(lambda: self._definitions.find(wanted), what)

    async def _compare(self, parent: Attempt) -> None:
        """Find out whether another engine uses the same database: a body of its runs calls this
        client.
        """
        home, runs = parent.owner.home, self._base.runs
        if not isinstance(home, ActiveRuns) or home in runs.beside:
            return
        if (front := home.children.front) is not None:
            what = "whether a body has submitted a child is not known"
            theirs = await self._answered(lambda: asyncio.wrap_future(front.database()), what)
            ours = await self._answered(self._database, what)
            runs.beside[home] = theirs is not None and theirs == ours

    async def _answered(self, ask: Callable[[], Awaitable[T]], what: str) -> T:
        """The answer of the database. Retries as long as it cannot be reached, and logs that
        ``what`` is delayed.
        """
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            self._check_open()
            try:
                return await ask()
            except StoreFullError:
                raise
            except StoreUnavailableError as error:
                log.warning("%s, trying again in %.2f s: %s", what, backoff.pause, error)
                await backoff.wait()
