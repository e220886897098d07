"""The part of the store contract that is about triggers, as plain Python over dicts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from model.memory_acts import MemoryActs

from cloaca_core.features.triggers.records import TURNS, EventRow, NewEvent, TriggerRow
from cloaca_core.run.rows import NewRun, RunRow
from cloaca_core.store.acts import ActRow
from cloaca_core.store.batch import Batch


class MemoryTriggers(MemoryActs):
    """Part of ``MemoryStore``, which has the runs."""

    def __init__(self) -> None:
        self.runs: dict[str, RunRow] = {}
        self.triggers: dict[str, TriggerRow] = {}
        self.events: dict[str, NewEvent] = {}

    def note_event(self, event: NewEvent) -> bool:
        """Write an event if it may make a run; true if it has, also when it is sent again."""
        if event.id not in self.events and self._counts(event):
            self.events[event.id] = event
        return event.id in self.events

    def _counts(self, event: NewEvent) -> bool:
        row = self.triggers.get(event.trigger_id)
        if row is None or not row.enabled or event.generation not in (None, row.generation):
            return False
        others = [each for each in self.events.values() if each.trigger_id == row.id]
        if event.event_key is not None and event.event_key in {e.event_key for e in others}:
            return False
        alike = [
            each
            for each in others
            if (each.context_hash, each.workflow) == (event.context_hash, event.workflow)
        ]
        return bool(event.allow_concurrent) or not any(self._is_active(each) for each in alike)

    def _is_active(self, event: NewEvent) -> bool:
        run = self.runs.get(event.run_id)
        return run is not None and run.ended_at is None

    def turn(self, batch: Batch) -> None:
        """Let cron triggers go on."""
        for poll in batch.of(TURNS):
            self._take(poll)

    def _take(self, poll: TriggerRow) -> bool:
        row = self.triggers.get(poll.id)
        if row is None or not row.enabled or row.generation != poll.generation:
            return False
        self.triggers[row.id] = row._replace(
            last_poll_at=poll.last_poll_at,
            next_poll_at=poll.next_poll_at,
            generation=row.generation + 1,
            failed_polls=row.failed_polls + (row.last_error is not None),
        )
        return True

    async def note_poll(
        self, trigger_id: str, generation: int, error: str | None, now: int
    ) -> None:
        row = self.triggers.get(trigger_id)
        if row is None or row.generation != generation:
            return
        if error is None:
            self.triggers[row.id] = row._replace(
                last_error=None, failing_since=None, failed_polls=0, error_at=None
            )
            return
        self.triggers[row.id] = row._replace(
            last_error=error,
            failing_since=now if row.failing_since is None else row.failing_since,
            failed_polls=1 if row.last_error is None else row.failed_polls,
            error_at=now,
        )

    async def add_trigger(self, trigger: TriggerRow) -> bool:
        if await self.triggers_named([trigger.name]):
            return False
        self.triggers[trigger.id] = trigger
        return True

    async def change_trigger(self, trigger: TriggerRow, act: ActRow | None = None) -> bool:
        row = self.triggers.get(trigger.id)
        if row is None or row.generation != trigger.generation:
            return False
        self.note_act(act)
        self.triggers[row.id] = trigger._replace(
            name=row.name,
            last_poll_at=row.last_poll_at,
            created_at=row.created_at,
            generation=row.generation + 1,
            last_error=row.last_error,
            failing_since=row.failing_since,
            failed_polls=row.failed_polls,
            error_at=row.error_at,
        )
        return True

    async def take_polls(self, polls: Sequence[TriggerRow]) -> set[str]:
        return {poll.id for poll in polls if self._take(poll)}

    async def triggers_named(self, names: Collection[str]) -> list[TriggerRow]:
        return [row for row in self.triggers.values() if row.name in names]

    async def list_triggers(
        self, *, enabled_only: bool, limit: int, offset: int
    ) -> list[TriggerRow]:
        rows = [row for row in self.triggers.values() if row.enabled or not enabled_only]
        return sorted(rows, key=lambda row: row.name)[offset : offset + limit]

    async def failing_triggers(self, limit: int) -> list[TriggerRow]:
        rows = [row for row in self.triggers.values() if row.enabled and row.last_error is not None]
        return sorted(rows, key=lambda row: (row.failing_since or 0, row.name))[:limit]

    async def known_events(self, trigger_id: str, keys: Collection[str]) -> set[str]:
        mine = [each for each in self.events.values() if each.trigger_id == trigger_id]
        return {each.event_key for each in mine if each.event_key is not None} & set(keys)

    async def list_events(self, trigger_id: str, *, limit: int, offset: int) -> list[EventRow]:
        mine = [
            each
            for each in self.events.values()
            if each.trigger_id == trigger_id and each.run_id in self.runs
        ]
        mine.sort(key=lambda each: (each.created_at, each.id), reverse=True)
        return [self._row(each) for each in mine[offset : offset + limit]]

    def _row(self, event: NewEvent) -> EventRow:
        run = self.runs.get(event.run_id)
        return EventRow(
            id=event.id,
            trigger_id=event.trigger_id,
            context_hash=event.context_hash,
            run_id=event.run_id,
            created_at=event.created_at,
            ended_at=None if run is None else run.ended_at,
        )


def run_of_event(event: NewEvent) -> NewRun:
    """The run of an event, without an owner."""
    return NewRun(
        id=event.run_id,
        workflow=event.workflow,
        version=event.version,
        input=event.input,
        tags="{}",
        idempotency_key=None,
        parent_id=None,
        owner=None,
        created_at=event.created_at,
    )
