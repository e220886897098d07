"""Makes runs when triggers fire: each event and its run in one journal transaction.

An event with a known key is not written again; whether any other may make a run is decided in that
transaction, where other runners' events are seen. Polls nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_core.definition.context import input_text, items_of
from cloaca_core.engine.record.entries import Decision
from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import ContextError
from cloaca_core.features.triggers.event_context import (
    context_hash,
    fired_items,
    run_context,
    tick_context,
    tick_key,
)
from cloaca_core.features.triggers.records import EVENTS, TURNS, NewEvent, TriggerRow
from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.triggers.result import TriggerResult
    from cloaca_core.engine.record.entries import Draft
    from cloaca_core.engine.record.journal import Journal
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.triggers.part import TriggerStore
    from cloaca_core.features.triggers.trigger_times import Ticked
    from cloaca_core.values.ids import RunIds
    from cloaca_core.values.payloads.json_values import JsonValue

log = SafeLogger("cloaca.triggers")

EVENTS_PER_COMMIT: Final = 500


class EventWriter:
    """Belongs to the engine's loop. From ``closing`` on nothing is fired any more. An input is at
    most ``max_bytes`` long.
    """

    def __init__(
        self,
        store: TriggerStore,
        journal: Journal,
        registry: Registry,
        ids: RunIds,
        subjects: Subjects,
        *,
        max_bytes: int,
    ) -> None:
        self.closing = False
        self._store = store
        self._journal = journal
        self._registry = registry
        self._ids = ids
        self._subjects = subjects
        self._max_bytes = max_bytes
        self._known: dict[str, set[str]] = {}

    async def fire(self, row: TriggerRow, results: Sequence[TriggerResult]) -> list[ContextError]:
        """Write the events of one poll, and return when they are durable. Returns the errors of
        results that no run can begin with.
        """
        fresh = await self._fresh(row.id, [each for each in results if each.fires])
        if not fresh:
            return []
        now = await self._store.now()
        events, refused = self._events_of(row, fresh, now)
        for start in range(0, len(events), EVENTS_PER_COMMIT):
            await self._write(events[start : start + EVENTS_PER_COMMIT], [])
        return refused

    async def tick(self, decided: Sequence[Ticked], now: int) -> None:
        """Write ticks of cron triggers, and when each trigger ticks next. Returns when that is
        durable.
        """
        events = []
        for each in decided:
            row, empty = each.row, context_hash({})
            for due in each.ticks:
                context, key = tick_context(row, due, now), tick_key(due.tick)
                events.append(self._event(row, row.generation, key, empty, context, now))
            if each.lost:
                ids = {"trigger": row.name}
                log.info("trigger %r: %d tick(s) dropped", row.name, each.lost, extra=ids)
        await self._write(events, [each.row for each in decided])

    async def _fresh(self, trigger_id: str, fired: list[TriggerResult]) -> list[TriggerResult]:
        """The results not known to have their run. Remembers only keys of the last poll."""
        keys = {each.idempotency_key for each in fired if each.idempotency_key is not None}
        known = self._known.pop(trigger_id, set()) & keys
        if asked := keys - known:
            known |= await self._store.known_events(trigger_id, asked)
        if known:
            self._known[trigger_id] = known
        return [each for each in fired if each.idempotency_key not in known]

    def _events_of(
        self, row: TriggerRow, results: Sequence[TriggerResult], now: int
    ) -> tuple[list[NewEvent], list[ContextError]]:
        """The events of these results, and the errors of results that cannot be events."""
        events: list[NewEvent] = []
        refused: list[ContextError] = []
        for each in results:
            fired = fired_items(each)
            context, digest = run_context(fired, row.name, now), context_hash(fired)
            try:
                events.append(self._event(row, None, each.idempotency_key, digest, context, now))
            except ContextError as error:
                refused.append(error)
        return events, refused

    def _event(
        self,
        row: TriggerRow,
        generation: int | None,
        key: str | None,
        digest: str,
        context: Mapping[str, JsonValue],
        now: int,
    ) -> NewEvent:
        assert row.workflow is not None
        workflow, items = self._registry.get(row.workflow), items_of(context)
        if generation is None and workflow is not None and workflow.input is not None:
            workflow.input.check(items)  # of a tick the run is refused, so that people see it
        return NewEvent(
            id=self._ids.next(),
            trigger_id=row.id,
            generation=generation,
            event_key=key,
            context_hash=digest,
            allow_concurrent=int(row.allow_concurrent),
            run_id=self._ids.next(),
            workflow=row.workflow,
            version="" if workflow is None else workflow.version,
            input=input_text(items, self._max_bytes),
            created_at=now,
        )

    async def _write(self, events: Sequence[NewEvent], turns: Sequence[TriggerRow]) -> None:
        if not self._journal.has_room():
            await self._journal.room()
        if self.closing:
            for name in {event.trigger_id for event in events}:
                log.info("trigger %s fired too late: the runner is shutting down", name)
            return

        def told() -> None:
            failpoints.hit("trigger.after_commit")
            self._subjects.claimable.publish()

        failpoints.hit("trigger.before_commit")
        await self._journal.decide(EventEntry(told, events, turns))


@dataclass(slots=True, eq=False)
class EventEntry(Decision):
    """The events of triggers, and the rows of triggers that ticked."""

    events: Sequence[NewEvent] = ()
    turns: Sequence[TriggerRow] = ()

    def __post_init__(self) -> None:
        Decision.__post_init__(self)
        self.weight = EVENTS.weight(self.events) + TURNS.weight(self.turns)

    def add_to(self, draft: Draft) -> None:
        draft.put(EVENTS, self.events)
        draft.put(TURNS, self.turns)
