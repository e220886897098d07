"""Rows of triggers in a batch: events that were found, each with its run, and polls."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from cloaca_core.features.triggers.records import EVENTS, TURNS, NewEvent, TriggerRow
from cloaca_core.features.triggers.sql import TriggerQueries
from cloaca_core.store.sql.commit_part import Array, CommitPart, Locks, Steps
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.payloads import Payloads

if TYPE_CHECKING:
    from cloaca_core.store.batch import Batch
    from cloaca_core.store.sql.base import Queries

_RUN_ID: Final[Callable[[NewEvent], str]] = attrgetter("run_id")


class TriggerCommit:
    """Runners that have polled one trigger take turns by its row."""

    def __init__(self, queries: Queries, _: Array) -> None:
        self._payloads = Payloads(queries.payloads)
        self._q = q = queries.of(TriggerQueries)
        self._event_row = q.insert_event.binder(NewEvent._fields)
        self._event_run_row = q.insert_event_run.binder(NewEvent._fields)
        self._poll_row = q.take_poll.binder(TriggerRow._fields)

    def part(self) -> CommitPart:
        return CommitPart(
            kinds=frozenset((EVENTS, TURNS)),
            lock=self._q.lock_triggers,
            locks=self._locks,
            insert=self._insert,
        )

    def _locks(self, batch: Batch) -> Locks:
        of_events = {each.trigger_id for each in batch.of(EVENTS)}
        return Locks(of_events | {each.id for each in batch.of(TURNS)})

    def _insert(self, batch: Batch) -> Steps:
        """One step for each: whether an event counts depends on those before it."""
        q = self._q
        steps: Steps = {}
        events, inputs = self._payloads.split_inputs(batch.of(EVENTS), _RUN_ID)
        for event in events:
            steps[f"event {event.id}"] = Step(q.insert_event, self._event_row(event))
            run = self._event_run_row(event)
            steps[f"run of event {event.id}"] = Step(q.insert_event_run, run)
        if inputs is not None:
            steps["event_inputs"] = inputs
        for turn in batch.of(TURNS):
            steps[f"turn of {turn.id}"] = Step(q.take_poll, self._poll_row(turn))
        return steps
