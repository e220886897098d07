"""An attempt whose body runs in a transaction, together with the record of its success.

The record is written at once, on the connection of the body: on SQLite the journal's batch waits
for the lock that this transaction holds. The outcome is handed on only when the commit was
answered. The journal then writes the same row again, with what follows from it: a row in a final
state is not changed, so whichever of the two writes comes first counts.
"""

from __future__ import annotations

import contextvars
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.handles.task_handle import TaskHandle
from cloaca_core.engine.execute.attempt import Attempt, await_body, call_body
from cloaca_core.engine.execute.outcome import Outcome, Raised, Succeeded, outcome_of, raised
from cloaca_core.engine.record import attempt_rows
from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.transactional.refusals import RefusedCalls
from cloaca_core.store.transactions import CommitUnknownError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from cloaca_core.engine.execute.attempt import AttemptTools
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.store.transactions import (
        AwaitedTransaction,
        BodyTransaction,
        Recording,
        Transactions,
    )
    from cloaca_core.values.map_items import Item
    from cloaca_core.values.payloads.json_values import JsonValue

PAUSE: Final = 1.0
"""Seconds before an attempt after one for which the database had no transaction, or lost it."""


class Bodies(Protocol):
    """What the attempts of one engine share: see ``TransactionalBodies``."""

    transactions: Transactions
    place: str
    longest: float

    def seal(self, attempt: Attempt) -> bool:
        """Keep the attempt from being given up; False if it was."""

    def recording(self, row: AttemptRow) -> Recording:
        """The statements that record a success."""

    def room(self) -> AbstractAsyncContextManager[None]:
        """A place among the coroutines that may have a transaction."""

    def is_recorded(self, row: AttemptRow) -> bool:
        """Whether a success counts whose commit was not answered. Blocks."""

    async def is_recorded_awaited(self, row: AttemptRow) -> bool:
        """As ``is_recorded``, on a loop."""


class TransactionalAttempt(Attempt):
    """Its time counts from the begin of its transaction. ``record`` is the row of its success, once
    the transaction has committed.
    """

    __slots__ = ("_bodies", "_transaction", "record")

    def __init__(
        self,
        bodies: Bodies,
        owner: ActiveRun,
        index: int,
        given: dict[str, JsonValue],
        resume: Resume,
        tools: AttemptTools,
        item: Item | None = None,
    ) -> None:
        super().__init__(owner, index, given, resume, tools, item)
        self._bodies = bodies
        self._transaction: BodyTransaction | AwaitedTransaction | None = None
        self.record: AttemptRow | None = None
        self.timeout = min(self.timeout, bodies.longest)
        if not self.is_async:
            self.place = bodies.place

    @property
    def connection(self) -> Any:
        """The transaction of the body."""
        assert self._transaction is not None, "the body runs in it"
        return self._transaction.connection

    def arguments(self) -> tuple[object, ...]:
        """The arguments that the body is called with."""
        calls = RefusedCalls(self.task.id, self.tools.handles.body_calls(self))
        handle = AsyncTaskHandle if self.is_async else TaskHandle
        return (self.context, handle(self, calls))

    def given_up(self) -> None:
        """Roll back, also if the body does not end: its transaction holds locks."""
        if (transaction := self._transaction) is not None:
            transaction.end_now()

    # -- on a thread -------------------------------------------------------------------------

    def run(self) -> None:
        """Call the body in its transaction, on this thread."""
        self._begin()
        self.clock.pause()
        self._come_to(contextvars.copy_context().run(self._within))
        self._end()

    def _within(self) -> Outcome:
        try:
            transaction = self._bodies.transactions.begin()
        except BaseException as error:  # noqa: BLE001 - the driver's, or a stop of the thread
            return self._not_begun(error)
        self._enter(transaction)
        outcome = call_body(self)
        self.clock.pause()
        if not isinstance(outcome, Succeeded) or not self._bodies.seal(self):
            transaction.roll_back()
            return outcome
        return self._commit(transaction, outcome)

    def _commit(self, transaction: BodyTransaction, outcome: Succeeded) -> Outcome:
        try:
            row = self._success(outcome)
            counts = transaction.commit(self._bodies.recording(row))
        except CommitUnknownError as error:
            return self._settled(outcome, row, error, self._bodies.is_recorded(row))
        except BaseException as error:  # noqa: BLE001 - whatever the driver raises, nothing counts
            return self._failed(error)
        return self._recorded(outcome, row, counts=counts)

    # -- on the loop of the coroutines -------------------------------------------------------

    async def run_async(self) -> None:
        """Await the body in its transaction."""
        self._begin()
        self.clock.pause()
        try:
            self._come_to(await self._within_awaited())
        finally:
            self._end()

    async def _within_awaited(self) -> Outcome:
        async with self._bodies.room():
            try:
                transaction = await self._bodies.transactions.begin_awaited()
            except Exception as error:  # noqa: BLE001 - the driver's
                return self._not_begun(error)
            self._enter(transaction)
            is_open = True
            try:
                outcome = await await_body(self)
                self.clock.pause()
                if isinstance(outcome, Succeeded) and self._bodies.seal(self):
                    is_open = False
                    return await self._commit_awaited(transaction, outcome)
                return outcome
            finally:
                if is_open:
                    await transaction.roll_back()

    async def _commit_awaited(self, transaction: AwaitedTransaction, outcome: Succeeded) -> Outcome:
        try:
            row = self._success(outcome)
            counts = await transaction.commit(self._bodies.recording(row))
        except CommitUnknownError as error:
            is_recorded = await self._bodies.is_recorded_awaited(row)
            return self._settled(outcome, row, error, is_recorded)
        except Exception as error:  # noqa: BLE001 - whatever the driver raises, nothing counts
            return self._failed(error)
        return self._recorded(outcome, row, counts=counts)

    # -- outcomes ----------------------------------------------------------------------------

    def _enter(self, transaction: BodyTransaction | AwaitedTransaction) -> None:
        """The transaction is open. An attempt that was given up meanwhile had none to end."""
        self._transaction = transaction
        if self.abandoned:
            transaction.end_now()
        self.clock.restart(0.0)

    def _success(self, outcome: Succeeded) -> AttemptRow:
        return attempt_rows.completed(self, outcome, self.tools.clock.wall())

    def _recorded(self, outcome: Succeeded, row: AttemptRow, *, counts: bool) -> Outcome:
        """The commit was answered. If it does not count, the run is not ours any more, which the
        journal will hear of.
        """
        if failpoints.watches:
            failpoints.hit("transaction.after_commit")
        if counts:
            self.record = row
            return outcome
        return self._again(StoreUnavailableError("this runner does not own the run any more"))

    def _settled(
        self, outcome: Succeeded, row: AttemptRow, error: Exception, is_recorded: bool
    ) -> Outcome:
        """The commit was not answered, and the database was asked."""
        if is_recorded:
            self.record = row
            return outcome
        return self._again(error)

    def _not_begun(self, error: BaseException) -> Outcome:
        if isinstance(error, StoreUnavailableError):
            return self._again(error)
        return outcome_of(self, error)

    def _failed(self, error: BaseException) -> Outcome:
        """The body has returned, but nothing was committed."""
        return self._not_begun(error)

    def _again(self, error: BaseException) -> Raised:
        """The outcome of an attempt that uses up none of the task's: the database was away."""
        shown = replace(raised(error, again=True, redact=self.redact), traceback="")
        return replace(shown, after=PAUSE, counts=False)
