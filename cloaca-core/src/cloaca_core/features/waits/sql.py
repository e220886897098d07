"""Waits and messages in SQL."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.waits.records import OpenApprovalRow, WaitRow
from cloaca_core.store.changes import Change
from cloaca_core.store.messages import MessageRow, NewMessage, Sent
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Dialect, steps_of
from cloaca_core.store.sql.queries import Statement


class WaitQueries(Statements, file="waits.sql", news={"count_messages": Change.ANYTHING}):
    """Waits and messages."""

    record_wait: Statement
    time_out_wait: Statement
    list_timed_out: Statement
    drop_waits: Statement
    drop_waits_of_cancelled: Statement
    take_message: Statement
    close_wait: Statement
    insert_first_message: Statement
    count_first_message: Statement
    insert_message: Statement
    note_message: Statement
    wake_waiting: Statement
    count_messages: Statement
    message_sent: Statement
    number_messages: Statement
    drop_repeated: Statement
    list_waits: Statement
    list_unread: Statement
    list_sent: Statement
    list_open_approvals: Statement


class SqlWaits(SqlPart):
    """The operations on waits and messages. Contracts: see ``WaitStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._waits = queries.of(WaitQueries)

    async def waits(self, run_ids: Collection[str]) -> list[WaitRow]:
        ids = self._dialect.array(run_ids)
        return list(map(WaitRow._make, await self._read(self._waits.list_waits, ids=ids)))

    async def messages(self, run_ids: Collection[str], after: int = 0) -> list[MessageRow]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._waits.list_unread, ids=ids, after=after)
        return list(map(MessageRow._make, rows))

    async def sent(self, run_id: str, limit: int) -> list[MessageRow]:
        rows = await self._read(self._waits.list_sent, run_id=run_id, limit=limit)
        return list(map(MessageRow._make, rows))

    async def send(self, message: NewMessage, most: int) -> Sent | None:
        q, lock = self._waits, self._runs.lock_steered
        known = {**message._asdict(), "ids": self._dialect.array([message.run_id])}
        known |= {"most": most, "now": message.sent_at}
        before = [lock, *self._numbering]
        add = [q.insert_message, q.note_message, q.wake_waiting, q.count_messages]
        answers = await self._dialect.write(steps_of([*before, *add, q.message_sent], known))
        inserted, found = answers[len(before)], answers[-1]
        if not found:
            return None
        ((status, number, refusal),) = found
        if number is None:
            return Sent(status, None, changed=False, refusal=refusal)
        return Sent(status, int(number), changed=bool(inserted))

    async def number_messages(self, run_ids: Collection[str], now: int) -> None:
        known = {"ids": self._dialect.array(run_ids), "now": now}
        lock = self._runs.lock_steered
        await self._dialect.write(steps_of([lock, *self._numbering], known))

    @property
    def _numbering(self) -> list[Statement]:
        """The statements that give numbers to the messages of locked runs."""
        q = self._waits
        return [q.number_messages, q.drop_repeated, q.wake_waiting, q.count_messages]

    async def open_approvals(
        self, limit: int, workflow: str | None = None
    ) -> list[OpenApprovalRow]:
        listing = self._waits.list_open_approvals
        rows = await self._read(listing, limit=limit, workflow=workflow)
        return list(map(OpenApprovalRow._make, rows))
