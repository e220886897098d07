"""Finds the reason why a run takes no message, and makes the error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.definition.waits.kinds import REJECT
from cloaca_core.errors import (
    AlreadyDecidedError,
    ApprovalRejectedError,
    CloacaError,
    ConfigError,
    EventTimeoutError,
    MailboxFullError,
    RunStateError,
    TaskNotFoundError,
    no_run,
    takes_no_message,
)
from cloaca_core.features.waits.decisions import Decided, decided_in
from cloaca_core.run.restore import change_from_json
from cloaca_core.values.namespace import short_name
from cloaca_core.values.payloads.json_values import encode
from cloaca_core.values.states import TaskStatus
from cloaca_core.values.times.instants import instant_text
from cloaca_core.values.waits import APPROVAL

if TYPE_CHECKING:
    from cloaca_core.engine.observe.run_reader import RunReader
    from cloaca_core.features.maps.names import ItemAt
    from cloaca_core.features.waits.part import WaitStore
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.store.messages import MessageRow, NewMessage, Sent

_LOOKED_AT: Final = 1_000
"""The number of messages of a run that are searched for the decision of a body."""
_MAY_BE_OPEN: Final = ("Running", "Waiting", "Paused")
_TIME_OVER: Final = EventTimeoutError.__name__
"""Type of the error with which an approval fails whose time ended without a decision."""
_REJECTED: Final = ApprovalRejectedError.__name__
"""Type of the error with which a rejected approval fails."""


class Subject(NamedTuple):
    """What a person decides: the approvals of this name, or that of an ``item`` of a map."""

    run_id: str
    name: str
    item: ItemAt | None = None

    def is_of(self, wait: WaitRow) -> bool:
        """Whether this wait is one of them."""
        if (wait.kind, wait.name) != (APPROVAL, self.name):
            return False
        return self.item is None or (wait.task_id, wait.item) == self.item[:2]

    def names(self, message: MessageRow) -> bool:
        """Whether this message decides one of them."""
        if (message.kind, message.name) != (APPROVAL, self.name):
            return False
        return self.item is None or (message.for_task, message.for_item) == self.item[:2]

    def __str__(self) -> str:
        of = "" if self.item is None else f" of {self.item.name}"
        return f"{self.name!r}{of} of run {self.run_id}"


class MessageRefusals:
    """Belongs to the engine's loop. ``most`` is the largest number of unread messages of a run."""

    def __init__(self, store: WaitStore, reader: RunReader, most: int) -> None:
        self._store = store
        self._reader = reader
        self._most = most

    def of(self, message: NewMessage, sent: Sent) -> CloacaError:
        """The error for an event that the store has refused."""
        if sent.refusal == "full":
            return _full(message.run_id, self._most)
        return takes_no_message(message.run_id, sent.status)

    async def of_refused(self, subject: Subject, sent: Sent) -> CloacaError:
        """The error for a decision that the store has refused, though it was found open."""
        if sent.refusal == "full":
            return _full(subject.run_id, self._most)
        if sent.refusal == "ended":
            return await self._too_late(subject, sent.status)
        decided = await self._decided(subject)
        if decided is None and sent.refusal == "not_open":
            return _not_open(subject, sent.status)
        return _decided_already(subject, sent.status, decided or Decided())

    async def of_decision(self, subject: Subject, wait: WaitRow | None) -> CloacaError:
        """The error for a decision without an open approval. ``wait`` is an approval whose time is
        over.
        """
        run_id, task_id, _ = subject
        if (row := await self._store.get_run(run_id)) is None:
            return no_run(run_id)
        if row.ended_at is not None:
            return await self._too_late(subject, row.status)
        if wait is not None:
            over = Decided(at=instant_text(wait.due_at))
            return _decided_already(subject, row.status, over)
        if (decided := await self._decided(subject)) is not None:
            return _decided_already(subject, row.status, decided)
        tasks = await self._reader.task_ids(row)
        if tasks and task_id not in tasks and subject.item is None:
            message = (
                f"run {run_id} of {short_name(row.workflow)} has no task {task_id!r}, and none of "
                "its bodies asks for an approval of that name now"
            )
            return TaskNotFoundError(message, task_id=task_id)
        return _not_open(subject, row.status)

    async def of_wrong_decision(self, subject: Subject, wrong: ConfigError) -> CloacaError:
        """The error for a decision that is not offered; it may be too late as well."""
        decided = await self._decided(subject)
        row = await self._store.get_run(subject.run_id)
        if decided is None or row is None:
            return wrong
        return _decided_already(subject, row.status, decided)

    async def _too_late(self, subject: Subject, status: str) -> RunStateError:
        """The error for a decision about a run that has ended. It is the same whether or not the
        run ended soon after an earlier decision: that need not matter to the second person.
        """
        if (decided := await self._decided(subject)) is None:
            return takes_no_message(subject.run_id, status)
        return _decided_already(subject, status, decided)

    async def _decided(self, subject: Subject) -> Decided | None:
        """The earlier decision: from a message that the run has not read, or from the record of the
        task. None for a task without one.
        """
        run_id, task_id, _ = subject
        for message in await self._store.messages([run_id]):
            if subject.names(message):
                return decided_in(message.payload)
        if subject.item is not None:
            return await self._decided_in_a_body(subject)
        _, attempts = await self._reader.current_attempts(run_id)
        its = [each for each in attempts if each.task_id == task_id]
        latest = max(its, key=lambda each: each.attempt, default=None)
        if latest is not None:
            return _decided_by(latest)
        return await self._decided_in_a_body(subject)

    async def _decided_in_a_body(self, subject: Subject) -> Decided | None:
        """The last such decision that the body of a task has received."""
        its = filter(subject.names, await self._store.sent(subject.run_id, _LOOKED_AT))
        taken = [each for each in its if each.taken_by not in (None, subject.name)]
        return decided_in(taken[-1].payload) if taken else None


def _decided_by(row: AttemptRow) -> Decided | None:
    """Who has decided an approval that ended with this record; None if it is of another task."""
    if row.status == TaskStatus.FAILED and row.error_type in (_TIME_OVER, _REJECTED):
        choice = REJECT if row.error_type == _REJECTED else ""
        return Decided(at=instant_text(row.ended_at), choice=choice)
    change = change_from_json(row.change or "{}")
    decided = decided_in(encode(change.set.get(row.task_id)))
    return decided if decided.choice and decided.at is not None else None


def _full(run_id: str, most: int) -> MailboxFullError:
    return MailboxFullError(
        f"run {run_id} has {most:,} unread messages: it takes no more before it has read some",
        run_id=run_id,
        limit=most,
    )


def _decided_already(subject: Subject, status: str, decided: Decided) -> AlreadyDecidedError:
    by, at = decided.by, decided.at
    if at is not None and not decided.choice:
        message = f"the time of {subject} is over, since {at}"
    else:
        message = f"{subject} is decided already" + (f", by {by} at {at}" if by else "")
    return AlreadyDecidedError(
        message, run_id=subject.run_id, status=str(status), task_id=subject.name, by=by, at=at
    )


def _not_open(subject: Subject, status: str) -> RunStateError:
    return RunStateError(
        f"{subject}, which is {status}, waits for no decision",
        run_id=subject.run_id,
        status=str(status),
        accepted=_MAY_BE_OPEN,
    )
