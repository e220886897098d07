"""Inserts runs outside of the journal: those whose idempotency key is being written by a user's
transaction, and those with a singleton key.

The journal does not wait for such a key, as the records of all runs go through it. Each submit
waits here by itself until that transaction ends, its caller gives up, or the runner is shut down.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cloaca_core.engine.record.journal import FIRST_PAUSE, LONGEST_PAUSE
from cloaca_core.errors import CloacaError, StoreFullError, StoreUnavailableError
from cloaca_core.logs import SafeLogger
from cloaca_core.store.batch import NO_ROWS
from cloaca_core.values.times.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cloaca_core.run.rows import NewRun
    from cloaca_core.store.batch import Rows
    from cloaca_core.store.protocol import KernelStore

A = TypeVar("A")

log = SafeLogger("cloaca.engine")

OUTAGE_OVER_S: Final = 30.0
"""Seconds without a failed try after which the next failure counts as a new outage."""


class HeldKeys:
    """Belongs to the engine's loop."""

    def __init__(self, store: KernelStore) -> None:
        self._store = store
        self._waiting: set[asyncio.Task[Any]] = set()
        self._failure: CloacaError | None = None
        self._failed_at: float | None = None

    def __len__(self) -> int:
        """How many submits wait."""
        return len(self._waiting)

    async def insert(self, row: NewRun, rows: Rows = NO_ROWS) -> str:
        """Insert the run, with rows of features, once no transaction writes its key. Returns the id
        of the run that has the key.
        """
        ids = {"run_id": row.id, "workflow": row.workflow}
        log.info("submit of %s waits: a transaction writes its key", row.workflow, extra=ids)
        return await self.until_written(lambda: self._store.insert_when_free(row, rows))

    async def until_written(self, write: Callable[[], Coroutine[None, None, A]]) -> A:
        """Insert a run outside of the journal: the answer of ``write``, which may be repeated."""
        if self._failure is not None:
            raise self._failure
        inserting = asyncio.create_task(self._written(write))
        self._waiting.add(inserting)
        try:
            return await inserting
        except asyncio.CancelledError:
            if self._failure is not None:
                raise self._failure from None
            raise
        finally:
            self._waiting.discard(inserting)

    def fail_all(self, failure: CloacaError) -> None:
        """The runner ends: all waiting submits raise this."""
        self._failure = failure
        for each in self._waiting:
            each.cancel()

    async def _written(self, write: Callable[[], Coroutine[None, None, A]]) -> A:
        """Retry while the database is busy, as the journal does. A second insert is harmless."""
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            try:
                answer = await write()
            except StoreFullError:
                raise
            except StoreUnavailableError as error:
                self._tell(error)
            else:
                self._failed_at = None
                return answer
            await backoff.wait()

    def _tell(self, error: StoreUnavailableError) -> None:
        """Warn once per outage: every waiting submit fails, again and again."""
        now = asyncio.get_running_loop().time()
        if self._failed_at is None or now - self._failed_at > OUTAGE_OVER_S:
            log.warning("submits that wait for a key fail and are tried again: %s", error)
        self._failed_at = now
