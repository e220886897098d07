"""Event triggers and their events in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cloaca_core.features.triggers.records import EventRow, TriggerRow
from cloaca_core.store.acts import ActRow
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.base import Queries, SqlPart, Statements, of_act
from cloaca_core.store.sql.dialect import Dialect, Step, steps_of
from cloaca_core.store.sql.queries import Row, Statement


class TriggerQueries(
    Statements,
    file="triggers.sql",
    news={
        "add_trigger": Change.ANYTHING,
        "change_trigger": Change.ANYTHING,
        "insert_event_run": Change.RUNS,
    },
):
    """Triggers, and the events that they find."""

    lock_triggers: Statement
    insert_event: Statement
    insert_event_run: Statement
    take_poll: Statement
    note_poll_error: Statement
    clear_poll_error: Statement
    add_trigger: Statement
    note_trigger_act: Statement
    change_trigger: Statement
    triggers_named: Statement
    list_triggers: Statement
    failing_triggers: Statement
    known_events: Statement
    list_events: Statement


class SqlTriggers(SqlPart):
    """The operations on triggers. Contracts: see ``TriggerStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._triggers = queries.of(TriggerQueries)

    async def add_trigger(self, trigger: TriggerRow) -> bool:
        return await self._put_trigger([self._triggers.add_trigger], trigger, {})

    async def change_trigger(self, trigger: TriggerRow, act: ActRow | None = None) -> bool:
        q = self._triggers
        if act is None:
            return await self._put_trigger([q.change_trigger], trigger, {})
        noted = {"ids": self._dialect.array([trigger.id]), **of_act(act)}
        statements = [q.lock_triggers, q.note_trigger_act, q.change_trigger]
        return await self._put_trigger(statements, trigger, noted)

    async def _put_trigger(
        self, statements: Sequence[Statement], trigger: TriggerRow, more: Mapping[str, object]
    ) -> bool:
        """Whether the last of these statements has put it."""
        known = trigger._asdict() | {
            "allow_concurrent": int(trigger.allow_concurrent),
            "enabled": int(trigger.enabled),
        }
        *_, put = await self._dialect.write(steps_of(statements, {**known, **more}))
        return bool(put)

    async def take_polls(self, polls: Sequence[TriggerRow]) -> set[str]:
        take = self._triggers.take_poll
        row = take.binder(TriggerRow._fields)
        in_order = sorted(polls, key=lambda poll: poll.id)  # in which triggers are locked
        taken = await self._dialect.write([Step(take, row(poll)) for poll in in_order])
        return {trigger_id for rows in taken for (trigger_id,) in rows}

    async def note_poll(
        self, trigger_id: str, generation: int, error: str | None, now: int
    ) -> None:
        q, known = self._triggers, {"id": trigger_id, "generation": generation}
        if error is None:
            await self._write(q.clear_poll_error, **known)
        else:
            await self._write(q.note_poll_error, **known, error=error, now=now)

    async def triggers_named(self, names: Collection[str]) -> list[TriggerRow]:
        rows = await self._read(self._triggers.triggers_named, names=self._dialect.array(names))
        return list(map(_trigger, rows))

    async def list_triggers(
        self, *, enabled_only: bool, limit: int, offset: int
    ) -> list[TriggerRow]:
        rows = await self._read(
            self._triggers.list_triggers,
            enabled_only=int(enabled_only),
            limit=limit,
            offset=offset,
        )
        return list(map(_trigger, rows))

    async def failing_triggers(self, limit: int) -> list[TriggerRow]:
        return list(map(_trigger, await self._read(self._triggers.failing_triggers, limit=limit)))

    async def known_events(self, trigger_id: str, keys: Collection[str]) -> set[str]:
        given = self._dialect.array(keys)
        rows = await self._read(self._triggers.known_events, trigger_id=trigger_id, keys=given)
        return {key for (key,) in rows}

    async def list_events(self, trigger_id: str, *, limit: int, offset: int) -> list[EventRow]:
        rows = await self._read(
            self._triggers.list_events, trigger_id=trigger_id, limit=limit, offset=offset
        )
        return list(map(EventRow._make, rows))


def _trigger(row: Row) -> TriggerRow:
    trigger = TriggerRow._make(row)
    return trigger._replace(
        allow_concurrent=bool(trigger.allow_concurrent), enabled=bool(trigger.enabled)
    )
