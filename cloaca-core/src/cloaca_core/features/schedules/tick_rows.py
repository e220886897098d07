"""Makes the rows that fire schedules which are due.

``schedules`` decides which ticks run; the guards of the transaction that writes the rows decide
whether they count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from cloaca_core.definition.cron.expression import cron_expression
from cloaca_core.definition.queues import first_queue
from cloaca_core.features.schedules.records import Cancellation, Firing, NewTick, ScheduleRow
from cloaca_core.features.schedules.tick_context import tick_items
from cloaca_core.features.schedules.tick_overlap import meet_in_turn
from cloaca_core.features.schedules.timing.catch_up import (
    Decision,
    DueTick,
    catch_up_policy,
    decide,
)
from cloaca_core.features.schedules.timing.timing import Timing
from cloaca_core.logs import SafeLogger
from cloaca_core.values.payloads.json_values import JsonValue, decode, encode
from cloaca_core.values.states import TickOutcome
from cloaca_core.values.times.instants import SECOND, Instant

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.values.ids import RunIds

log = SafeLogger("cloaca.schedules")

TICKS_PER_COMMIT: Final = 1_000
"""Roughly: the ticks of one schedule stay together."""
POSTPONED: Final = 60 * SECOND
"""How long until a schedule is tried again that cannot be read here, as its zone is missing."""


@dataclass(frozen=True, slots=True)
class Fired:
    """A decision as it is written."""

    firing: Firing
    ticks: tuple[NewTick, ...] = ()
    cancelled: tuple[Cancellation, ...] = ()


class TickRows:
    """Makes the rows, for runs of the workflows in ``registry``."""

    def __init__(self, registry: Registry, config: DefaultRunnerConfig, ids: RunIds) -> None:
        self._registry = registry
        self._config = config
        self._ids = ids

    def fire_some(
        self, due: Sequence[ScheduleRow], under_way: Mapping[str, Sequence[str]], now: Instant
    ) -> list[Fired]:
        """Decide these schedules, as far as the ticks fit into one commit; the others stay due."""
        fired: list[Fired] = []
        ticks = 0
        for row in due:
            fired.append(self.fire(row, under_way.get(row.id, ()), now))
            ticks += len(fired[-1].ticks)
            if ticks >= TICKS_PER_COMMIT:
                break
        return fired

    def fire(
        self,
        row: ScheduleRow,
        under_way: Sequence[str],
        now: Instant,
        has_run: Collection[Instant] = (),
    ) -> Fired:
        """Decide one schedule with these runs under way; ticks that have a run get no other."""
        try:
            return self._decided(row, under_way, now, has_run)
        except Exception:  # one schedule that cannot be read must not stop the others
            ids = {"schedule_id": row.id, "workflow": row.workflow}
            log.exception("schedule %s cannot be fired here", row.id, extra=ids)
            return Fired(_unchanged(row, now)._replace(due_at=now + POSTPONED))

    def renumbered(self, fired: Sequence[Fired]) -> list[Fired]:
        """Decisions in which no run waits or is cancelled, with new run ids: runs are listed by
        their ids, and these are newer than runs submitted since the decision.
        """
        return [
            replace(
                each, ticks=tuple([tick._replace(run_id=self._ids.next()) for tick in each.ticks])
            )
            for each in fired
        ]

    def filled(
        self,
        row: ScheduleRow,
        ticks: Sequence[Instant],
        now: Instant,
        outcome: TickOutcome = TickOutcome.BACKFILLED,
    ) -> dict[Instant, NewTick]:
        """Ticks that a person requests, also before or after the schedule's cursor."""
        is_past = outcome == TickOutcome.BACKFILLED
        return {
            tick: self._tick(row, DueTick(tick, recovered=is_past), now)._replace(
                generation=None, outcome=outcome
            )
            for tick in ticks
        }

    def _decided(
        self, row: ScheduleRow, under_way: Sequence[str], now: Instant, has_run: Collection[Instant]
    ) -> Fired:
        timing = timing_of(row)
        decision = self._decision(row, timing, now)
        if decision.lost:
            ids = {"schedule_id": row.id, "workflow": row.workflow}
            log.info("schedule %s: %d missed tick(s) dropped", row.id, decision.lost, extra=ids)
        ticks = [self._tick(row, each, now) for each in decision.run if each.tick not in has_run]
        grace = round(self._config.shutdown_grace_seconds * SECOND)
        met = meet_in_turn(row, ticks, under_way, grace)
        firing = _firing(row, timing, decision, met.last_tick, now)
        return Fired(firing, met.ticks, met.cancelled)

    def _decision(self, row: ScheduleRow, timing: Timing, now: Instant) -> Decision:
        config = self._config
        return decide(
            timing,
            catch_up_policy(row.catchup_policy) if config.cron_enable_recovery else "skip",
            cursor=row.decided_until,
            now=now,
            most=config.cron_max_catchup_executions,
        )

    def _tick(self, row: ScheduleRow, due: DueTick, now: Instant) -> NewTick:
        workflow = self._registry.get(row.workflow)
        queue = row.queue
        if workflow is not None and queue is not None:
            queue = first_queue(workflow, queue)
        return NewTick(
            schedule_id=row.id,
            generation=row.generation,
            tick=due.tick,
            outcome=TickOutcome.RECOVERED if due.recovered else TickOutcome.FIRED,
            run_id=self._ids.next(),
            workflow=row.workflow,
            version="" if workflow is None else workflow.version,
            input=_input(row, due),
            created_at=now,
            time_limit=row.time_limit,
            queue=queue,
            asked_queue=row.queue,
        )


def timing_of(row: ScheduleRow) -> Timing:
    """The times at which this schedule ticks."""
    cron = cron_expression(row.cron_expression, row.timezone)
    return Timing(row.id, cron, row.jitter_seconds, row.start_date, row.end_date)


def _firing(
    row: ScheduleRow, timing: Timing, decision: Decision, last_tick: Instant | None, now: Instant
) -> Firing:
    return Firing(
        schedule_id=row.id,
        generation=row.generation,
        decided_until=decision.cursor,
        next_tick=timing.next_tick(decision.cursor),
        due_at=decision.wake_at,
        last_tick=last_tick,
        lost=decision.lost,
        decided_at=now,
    )


def _unchanged(row: ScheduleRow, now: Instant) -> Firing:
    return Firing(
        row.id, row.generation, row.decided_until, row.next_tick, row.due_at, None, 0, now
    )


def _input(row: ScheduleRow, due: DueTick) -> str:
    """The context that the run of a tick begins with: its parameters, and which tick it is."""
    params = cast("dict[str, JsonValue]", decode(row.params))
    return encode(params | tick_items(row.id, row.cron_expression, row.timezone, due))
