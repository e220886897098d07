"""The part of the store contract about waits and messages, as plain Python over dicts.

A message that has no number yet has number 0.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from cloaca_core.errors import StoreDataError
from cloaca_core.features.steering.records import NewFork
from cloaca_core.features.waits.records import (
    CLOSED,
    TIMEOUTS,
    WAITS,
    OpenApprovalRow,
    WaitRow,
    WaitTimeout,
    key_of_wait,
)
from cloaca_core.run.rows import THE_TASK, AttemptRow, RunRow
from cloaca_core.store.batch import Batch
from cloaca_core.store.messages import MESSAGES, MessageRow, NewMessage, Sent
from cloaca_core.values.states import TaskStatus
from cloaca_core.values.waits import APPROVAL, EVENT, RUN

_FINAL: Final = {
    TaskStatus.COMPLETED,
    TaskStatus.FAILED,
    TaskStatus.SKIPPED,
    TaskStatus.CANCELLED,
}


def refuse_unstorable(*rows: tuple[object, ...]) -> None:
    """Raise if a text of these rows has no form in UTF-8."""
    try:
        for row in rows:
            "".join([text for text in row if isinstance(text, str)]).encode()
    except UnicodeEncodeError as error:
        raise StoreDataError("a value cannot be stored") from error


def is_for(message: NewMessage | MessageRow, wait: WaitRow) -> bool:
    """Whether the message may end the wait."""
    if (message.kind, message.name) != (wait.kind, wait.name):
        return False
    return message.for_task is None or (message.for_task, message.for_item) == (
        wait.task_id,
        wait.item,
    )


def _to(message: NewMessage | MessageRow) -> tuple[object, ...]:
    """To whom it is sent, and about what."""
    return message.kind, message.name, message.for_task, message.for_item


class MemoryWaits:
    """Part of ``MemoryStore``, which has the runs and knows how they are steered."""

    def __init__(self) -> None:
        self.runs: dict[str, RunRow] = {}
        self.attempts: dict[tuple[str, str, int, int], AttemptRow] = {}
        self.restarted: dict[tuple[str, str, int], tuple[int, int]] = {}
        self.open_waits: dict[tuple[str, str, int, str, str, int], WaitRow] = {}
        self.mailbox: dict[tuple[str, str], MessageRow] = {}

    def make_claimable(self, run: RunRow, now: int) -> None:
        """Let a run without an owner be claimed that waits for an instant."""
        raise NotImplementedError

    def is_cancelled(self, run: RunRow) -> bool:
        """Whether a run is being cancelled, or was."""
        raise NotImplementedError

    def note_message(self, message: NewMessage) -> None:
        """Note that a message was sent, and by whom."""
        raise NotImplementedError

    # -- owners ------------------------------------------------------------------------------

    def messages_to(self, run_ids: Collection[str]) -> dict[str, int]:
        """How many messages were sent to these runs, as a commit answers it."""
        counts = {run_id: self.runs[run_id].messages for run_id in run_ids}
        return {run_id: count for run_id, count in counts.items() if count}

    def note_waits(self, batch: Batch, current: Collection[str]) -> frozenset[WaitTimeout]:
        """Write the waits of runs that are the runner's own; which timeouts are decided."""
        for ended in batch.of(CLOSED):
            if ended.run_id in current:
                if ended.message is not None:
                    self._mark_read(ended.run_id, ended.task_id, ended.message)
                self.open_waits.pop(key_of_wait(ended), None)
        decided = {
            each for each in batch.of(TIMEOUTS) if each.run_id in current and self._ends(each)
        }
        for wait in batch.of(WAITS):
            if wait.run_id in current:
                self.open_waits[key_of_wait(wait)] = wait
        return frozenset(decided)

    def _mark_read(self, run_id: str, task_id: str, message_id: str) -> None:
        """A message without a number gets that of the next message."""
        message = self.mailbox.get((run_id, message_id))
        if message is not None and message.taken_by is None:
            number = message.number or self.runs[run_id].messages + 1
            taken = message._replace(taken_by=task_id, number=number)
            self.mailbox[run_id, message_id] = taken

    def _ends(self, timeout: WaitTimeout) -> bool:
        """Decide that the time of a wait is over; whether it is."""
        wait = self.open_waits.get(key_of_wait(timeout))
        if wait is None:
            return False
        run_id = timeout.run_id
        is_late = any(message.number == 0 for message in self._messages(run_id))
        if self.runs[run_id].messages <= timeout.seen and not is_late:
            self.open_waits[key_of_wait(timeout)] = wait = wait._replace(timed_out=1)
        return bool(wait.timed_out)

    def bring(self, batch: Batch) -> None:
        """Insert the messages that come with new runs."""
        for message in batch.of(MESSAGES):
            self.bring_first(message)

    def bring_first(self, message: NewMessage) -> None:
        """Insert a message that comes with a new run."""
        run = self.runs.get(message.run_id)
        if run is not None and run.messages == 0:
            self._add(message, 1)
            self.runs[run.id] = run._replace(messages=1)

    # -- messages ----------------------------------------------------------------------------

    async def send(self, message: NewMessage, most: int) -> Sent | None:
        refuse_unstorable(message)
        if message.run_id not in self.runs:
            return None
        await self.number_messages([message.run_id], message.sent_at)
        run = self.runs[message.run_id]
        if (earlier := self._earlier(message)) is not None:
            return Sent(run.status, earlier.number, changed=False)
        if refusal := self._refusal(run, message, most):
            return Sent(run.status, None, changed=False, refusal=refusal)
        self._add(message, run.messages + 1)
        self.note_message(message)
        self._count(run.id, message.sent_at)
        return Sent(self.runs[run.id].status, run.messages + 1, changed=True)

    def add_unnumbered(self, message: NewMessage) -> None:
        """Write a message as a user's transaction does."""
        self._add(message, 0)
        self.note_message(message)

    async def number_messages(self, run_ids: Collection[str], now: int) -> None:
        for run_id in sorted(set(run_ids)):
            for message in sorted(self._messages(run_id), key=lambda each: each.id):
                if message.number == 0:
                    del self.mailbox[run_id, message.id]
                    if self._with_key(message) is None:
                        unread = [each for each in self._messages(run_id) if not each.taken_by]
                        number = 1 + max(
                            [self.runs[run_id].messages, *[each.number for each in unread]]
                        )
                        self.mailbox[run_id, message.id] = message._replace(number=number)
            if run_id in self.runs:
                self._count(run_id, now)

    def _add(self, new: NewMessage, number: int) -> None:
        self.mailbox[new.run_id, new.id] = MessageRow(
            run_id=new.run_id,
            number=number,
            id=new.id,
            kind=new.kind,
            name=new.name,
            payload=new.payload,
            dedupe_key=new.dedupe_key,
            sent_by=new.sent_by,
            sent_at=new.sent_at,
            taken_by=None,
            for_task=new.for_task,
            for_item=new.for_item,
        )

    def _count(self, run_id: str, now: int) -> None:
        """Count the messages to a run, and let it be claimed if it waits for one that is new."""
        run = self.runs[run_id]
        come = [
            each
            for each in self._messages(run_id)
            if each.number > run.messages and each.taken_by is None
        ]
        waits = [wait for wait in self._waits(run_id) if not wait.timed_out]
        if any(is_for(message, wait) for message in come for wait in waits):
            self.make_claimable(run, now)
        last = max([run.messages, *[message.number for message in come]])
        self.runs[run_id] = self.runs[run_id]._replace(messages=last)

    def _earlier(self, new: NewMessage) -> MessageRow | None:
        """The same message, or one with its key."""
        return self.mailbox.get((new.run_id, new.id)) or self._with_key(new)

    def _with_key(self, of: NewMessage | MessageRow) -> MessageRow | None:
        its = (of.kind, of.name, of.dedupe_key)
        found = [
            message
            for message in self._messages(of.run_id)
            if of.dedupe_key is not None and (message.kind, message.name, message.dedupe_key) == its
        ]
        return max(found, key=lambda message: message.number, default=None)

    def _refusal(self, run: RunRow, new: NewMessage, most: int) -> str:
        if run.ended_at is not None:
            return "ended"
        if new.kind == APPROVAL and (closed := self._why_closed(new)):
            return closed
        unread = [
            each for each in self._messages(run.id) if each.taken_by is None and each.kind != RUN
        ]
        return "full" if run.messages >= most and len(unread) >= most else ""

    def _why_closed(self, new: NewMessage) -> str:
        """Why the decision is not open; "" if it is. One without a task is about none."""
        asked: list[WaitRow] = []
        unread: list[MessageRow] = []
        if new.for_task is not None:
            asked = [wait for wait in self._waits(new.run_id) if is_for(new, wait)]
            messages = self._messages(new.run_id)
            unread = [each for each in messages if each.taken_by is None and _to(each) == _to(new)]
        if len(unread) < sum(not wait.timed_out for wait in asked):
            return ""
        if unread or asked:
            return "decided"
        return "decided" if self._is_over(new.run_id, new.name) else "not_open"

    def _is_over(self, run_id: str, task_id: str) -> bool:
        """Whether the latest attempt of a task is final."""
        rows = [
            row
            for key, row in sorted(self.attempts.items())
            if key[:3] == (run_id, task_id, THE_TASK)
        ]
        if not rows or rows[-1].status not in _FINAL or rows[-1].retry_at is not None:
            return False
        firsts = [key[2] for key in self.restarted if key[:2] == (run_id, task_id)]
        return max(firsts, default=0) <= rows[-1].attempt

    def _is_undecided(self, wait: WaitRow) -> bool:
        """Whether no unread decision is for this wait."""
        return not self._is_answered(wait)

    def _is_answered(self, wait: WaitRow) -> bool:
        """Whether an unread message is for this wait; the first waits of a name come first."""
        if wait.timed_out or wait.kind not in (APPROVAL, EVENT):
            return False
        messages = self._messages(wait.run_id)
        unread = [each for each in messages if each.taken_by is None and is_for(each, wait)]
        earlier = [
            other
            for other in self._waits(wait.run_id)
            if not other.timed_out
            and key_of_wait(other)[:-1] == key_of_wait(wait)[:-1]
            and other.number < wait.number
        ]
        return len(unread) > len(earlier)

    # -- reading -----------------------------------------------------------------------------

    def _waits(self, run_id: str) -> list[WaitRow]:
        return [wait for key, wait in sorted(self.open_waits.items()) if key[0] == run_id]

    def _messages(self, run_id: str) -> list[MessageRow]:
        found = [message for key, message in self.mailbox.items() if key[0] == run_id]
        return sorted(found, key=lambda each: (each.number == 0, each.number, each.id))

    async def waits(self, run_ids: Collection[str]) -> list[WaitRow]:
        under_way = [each.id for each in self.runs.values() if each.ended_at is None]
        return [
            wait._replace(answered=int(self._is_answered(wait)))
            for run_id in sorted(set(run_ids) & set(under_way))
            for wait in self._waits(run_id)
        ]

    async def messages(self, run_ids: Collection[str], after: int = 0) -> list[MessageRow]:
        return [
            message
            for run_id in sorted(set(run_ids))
            for message in self._messages(run_id)
            if message.taken_by is None and message.number > after
        ]

    async def sent(self, run_id: str, limit: int) -> list[MessageRow]:
        return self._messages(run_id)[:limit]

    async def open_approvals(
        self, limit: int, workflow: str | None = None
    ) -> list[OpenApprovalRow]:
        rows = []
        for wait in sorted(self.open_waits.values(), key=lambda wait: wait.number):
            run = self.runs.get(wait.run_id)
            if run is None or run.ended_at is not None or self.is_cancelled(run):
                continue
            if wait.kind == APPROVAL and not wait.timed_out and self._is_undecided(wait):
                rows.append(
                    OpenApprovalRow(
                        run_id=run.id,
                        workflow=run.workflow,
                        task_id=wait.task_id,
                        name=wait.name,
                        opened_at=wait.opened_at,
                        due_at=wait.due_at,
                        detail=wait.detail,
                        run_status=run.status,
                        tags=run.tags,
                        item=wait.item,
                    )
                )
        wanted = [row for row in rows if workflow in (None, row.workflow)]
        by_age = sorted(
            wanted, key=lambda row: (row.opened_at, row.run_id, row.task_id, row.item, row.name)
        )
        return by_age[:limit]

    def mail_of(self, runner_id: str) -> dict[str, int]:
        """Runs of a runner that have unread messages, and how many were sent to each."""
        return {
            run.id: run.messages
            for run in self.runs.values()
            if run.owner == runner_id
            and run.ended_at is None
            and any(each.number and each.taken_by is None for each in self._messages(run.id))
        }

    def unnumbered(self) -> list[str]:
        """Runs that have messages without a number."""
        return sorted({message.run_id for message in self.mailbox.values() if not message.number})

    # -- rounds, forks -----------------------------------------------------------------------

    def forget_waits(self, run_id: str) -> None:
        """Forget what a run waits for: its tasks begin anew, or it was cancelled."""
        for key in [key for key in self.open_waits if key[0] == run_id]:
            del self.open_waits[key]

    def copy_messages(self, new: NewFork) -> None:
        """Give a fork the messages of its source, read if tasks have taken them that it keeps; not
        the ends of children, which it has not.
        """
        for message in self._messages(new.source_id):
            if message.number and message.kind != RUN:
                taken_by = message.taken_by if message.taken_by in new.kept else None
                self.mailbox[new.id, message.id] = message._replace(
                    run_id=new.id, taken_by=taken_by
                )
