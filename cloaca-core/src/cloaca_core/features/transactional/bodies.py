"""Makes the attempts of transactional tasks, and holds what they share. Made with the first of
them: a program without such tasks loads nothing of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import inf
from typing import TYPE_CHECKING, Any, Final

from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import DefinitionError, StoreError
from cloaca_core.features.transactional.attempt import TransactionalAttempt
from cloaca_core.logs import SafeLogger
from cloaca_core.values.times.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.execute.attempt import AttemptTools
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.engine.execute.work import Work
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.store.protocol import KernelStore
    from cloaca_core.store.transactions import Recording, Transactions
    from cloaca_core.values.map_items import Item
    from cloaca_core.values.payloads.json_values import JsonValue

log = SafeLogger("cloaca.engine")

PLACE: Final = "transactions"
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
PART_OF_LEASE: Final = 3
"""A body that keeps all others from writing takes this part of a lease at most: the heartbeat comes
after it.
"""


class TransactionalBodies:
    """``place`` is where sync bodies run, on threads of their own; coroutines share the loop of all
    others, and ``room`` bounds them. ``longest`` is the time limit of a body, in seconds. Made on
    the engine's loop; any thread may call the rest.
    """

    def __init__(
        self,
        store: KernelStore,
        executor: Executor,
        runner_id: RunnerId,
        config: DefaultRunnerConfig,
    ) -> None:
        self.transactions: Transactions = opened(store)
        self._store = store
        self._runner_id = runner_id
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._most = config.max_transactional
        self._room: asyncio.Semaphore | None = None
        self.place: str = executor.add_threads(PLACE, config.max_transactional)
        alone = self.transactions.excludes_writers
        self.longest: float = config.lease_seconds / PART_OF_LEASE if alone else inf

    def attempt(
        self,
        owner: ActiveRun,
        index: int,
        given: dict[str, JsonValue],
        resume: Resume,
        tools: AttemptTools,
        item: Item | None = None,
    ) -> TransactionalAttempt:
        """Make an attempt."""
        return TransactionalAttempt(self, owner, index, given, resume, tools, item)

    def seal(self, attempt: Work) -> bool:
        """Keep the attempt from being given up: its success is about to be committed. False if it
        was given up.
        """
        return self._executor.seal(attempt)

    def recording(self, row: AttemptRow) -> Recording:
        """The statements that record a success."""
        recording = self._store.recording(self._runner_id.current, row)
        if not failpoints.watches:
            return recording

        def counts(answers: Sequence[Sequence[Any]]) -> bool:
            found = recording.counts(answers)
            failpoints.hit("transaction.before_commit")
            return found

        return recording._replace(counts=counts)

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """A place among the coroutines that may have a transaction. On their loop."""
        if self._room is None:
            self._room = asyncio.Semaphore(self._most)
        async with self._room:
            yield

    def is_recorded(self, row: AttemptRow) -> bool:
        """Ask the database, until it answers, whether a success counts whose commit was not
        answered. Blocks.
        """
        return asyncio.run_coroutine_threadsafe(self._ask(row), self._loop).result()

    async def is_recorded_awaited(self, row: AttemptRow) -> bool:
        """As ``is_recorded``, on another loop."""
        asking = asyncio.run_coroutine_threadsafe(self._ask(row), self._loop)
        return await asyncio.wrap_future(asking)

    async def _ask(self, row: AttemptRow) -> bool:
        """On the engine's loop."""
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            try:
                return await self._store.is_recorded(self._runner_id.current, row)
            except StoreError as error:
                log.warning(
                    "run %s task %s: a commit was not answered, asking again in %.2f s: %s",
                    row.run_id,
                    row.task_id,
                    backoff.pause,
                    error,
                    extra={"run_id": row.run_id, "task_id": row.task_id},
                )
            await backoff.wait()


def opened(store: KernelStore) -> Transactions:
    """The transactions of a store; ``DefinitionError`` if it has none."""
    transactions = store.transactions
    refusal = "this backend has none" if transactions is None else transactions.refusal
    if transactions is None or refusal is not None:
        raise DefinitionError(f"a transactional task needs a transaction of its own: {refusal}")
    return transactions


def refuse_without_transactions(store: KernelStore, workflows: Iterable[Workflow]) -> None:
    """Raise ``DefinitionError`` if a workflow has a transactional task and the store no
    transactions.
    """
    for workflow in workflows:
        for task in workflow.tasks:
            if task.transactional:
                try:
                    opened(store)
                except DefinitionError as error:
                    raise DefinitionError(
                        f"task {task.id!r} of {workflow.name!r}: {error}"
                    ) from None
