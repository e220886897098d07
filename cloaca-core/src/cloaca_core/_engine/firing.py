"""Makes the runs of cron schedules when they are due.

Sleeps until then and asks nobody meanwhile. What becomes of a tick is decided in ``schedules``; the
journal writes the decision, the runs and how the schedule goes on in one transaction, which counts
only if nobody else has decided the same. So nothing here needs to know of other runners, and what
a crash cuts off before its commit is due again.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from cloaca_core._engine import faults
from cloaca_core._engine.alarm import Alarm
from cloaca_core._engine.journal import Decided
from cloaca_core._engine.overlapping import meet_in_turn
from cloaca_core.json_values import JsonValue, decode, encode
from cloaca_core.schedules.catch_up import Decision, DueTick, catch_up_policy, decide
from cloaca_core.schedules.cron import CronExpression
from cloaca_core.schedules.instants import SECOND, Instant, to_datetime
from cloaca_core.schedules.timing import Timing
from cloaca_core.store.records import Cancellation, Firing, NewTick, ScheduleRow
from cloaca_core.store.states import TickOutcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from cloaca_core._engine.ids import RunIds
    from cloaca_core._engine.journal import Journal
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.registry import Registry
    from cloaca_core.store.protocol import Store

log = logging.getLogger("cloaca.schedules")

SCHEDULES_PER_COMMIT: Final = 1_000
"""In smaller commits the runs of the first ones take the time that the last ones wait for."""
TICKS_PER_COMMIT: Final = 1_000
"""About; those of one schedule are never parted."""
LONGEST_SLEEP: Final = 60.0
"""Seconds: the clock that ticks are due by may be set while this sleeps on one that cannot."""
POSTPONED: Final = 60 * SECOND
"""After that a schedule is tried again that cannot be read here, such as for want of its zone."""


@dataclass(frozen=True, slots=True)
class Fired:
    """A decision as it is written."""

    firing: Firing
    ticks: tuple[NewTick, ...] = ()
    cancelled: tuple[Cancellation, ...] = ()


class ScheduleLoop:
    """Belongs to the engine's loop. ``made`` is called when runs have become claimable,
    ``cancelled`` when runs may have ended that somebody owned or waits for.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        registry: Registry,
        config: DefaultRunnerConfig,
        ids: RunIds,
        made: Callable[[], None],
        cancelled: Callable[[], Awaitable[None]],
    ) -> None:
        self.closing = False
        self._store = store
        self._journal = journal
        self._registry = registry
        self._config = config
        self._ids = ids
        self._made = made
        self._cancelled = cancelled
        self._untold = False
        self._alarm = Alarm()
        self._deciding = asyncio.Lock()

    def look(self) -> None:
        """A schedule may be due sooner than was known."""
        self._alarm.ring()

    async def turn(self) -> None:
        """Fire what is due, then sleep until something is."""
        await self._alarm.turn(self.fire_due)

    async def fire_due(self) -> float | None:
        """Fire some of what is due; seconds until it is worth looking again, None for never."""
        await self._tell()  # an earlier turn may have failed in between
        workflows = self._registry.namespaces()
        if self.closing or not workflows:
            return None
        due_at = await self._store.next_due(workflows)
        if due_at is None:
            return None
        now = await self._store.now()
        if due_at > now:
            longest = min(self._config.cron_poll_interval_seconds, LONGEST_SLEEP)
            return min((due_at - now) / SECOND, longest)
        async with self._deciding:
            await self._fire_of(workflows, now)
        await self._tell()
        return 0.0

    async def _fire_of(self, workflows: Sequence[str], now: int) -> None:
        due = await self._store.due_schedules(workflows, now, SCHEDULES_PER_COMMIT)
        under_way = await self._under_way(due)
        fired = self._fire_some(due, under_way, now)
        for place, (row, each) in enumerate(zip(due, fired, strict=False)):
            if ahead := await self._ahead(row, each):
                fired[place] = self._fire(row, under_way.get(row.id, ()), now, ahead)
        if fired:
            await self._write(fired)

    async def _under_way(self, due: Sequence[ScheduleRow]) -> Mapping[str, Sequence[str]]:
        """The runs that ticks of these schedules meet. Asked for after the schedules: whatever
        makes more of them meanwhile has these decided anew.
        """
        asking = [row.id for row in due if row.overlap_policy != "allow"]
        return await self._store.list_under_way(asking) if asking else {}

    async def _ahead(self, row: ScheduleRow, fired: Fired) -> frozenset[Instant]:
        """Those of its ticks that have their runs already, by a back-fill: the ones after them
        would meet runs that are never made.
        """
        if row.overlap_policy == "allow" or len(fired.ticks) < 2:
            return frozenset()
        found = await self._store.find_ticks(row.id, [each.tick for each in fired.ticks])
        return frozenset(each.tick for each in found)

    async def _tell(self) -> None:
        if self._untold:
            await self._cancelled()
            self._untold = False

    async def back_fill(
        self, row: ScheduleRow, ticks: Sequence[Instant], now: int
    ) -> dict[Instant, str]:
        """Make the runs of ticks that have none, wherever the schedule stands; the run of each,
        which is there unless somebody else was faster or the schedule has been deleted.
        """
        runs = {tick: self._ids.next() for tick in ticks}
        filled = [
            self._tick(row, DueTick(tick, recovered=True), now)._replace(
                generation=None, outcome=TickOutcome.BACKFILLED, run_id=run_id
            )
            for tick, run_id in runs.items()
        ]
        async with self._deciding:
            await self._commit([], filled)
        return runs

    def _fire_some(
        self, due: Sequence[ScheduleRow], under_way: Mapping[str, Sequence[str]], now: int
    ) -> list[Fired]:
        """Decide these, as far as the ticks fit into one commit; the others stay due."""
        fired: list[Fired] = []
        ticks = 0
        for row in due:
            fired.append(self._fire(row, under_way.get(row.id, ()), now))
            ticks += len(fired[-1].ticks)
            if ticks >= TICKS_PER_COMMIT:
                break
        return fired

    async def _write(self, fired: Sequence[Fired]) -> None:
        firings = [each.firing for each in fired]
        ticks = [tick for each in fired for tick in each.ticks]
        await self._commit(firings, ticks, [gone for each in fired for gone in each.cancelled])

    async def _commit(
        self,
        firings: Sequence[Firing],
        ticks: Sequence[NewTick],
        cancelled: Sequence[Cancellation] = (),
    ) -> None:
        def told() -> None:
            faults.hit("schedule.after_commit")
            self._untold = self._untold or bool(cancelled)
            self._made()

        faults.hit("schedule.before_commit")
        decided = Decided(told, firings=firings, ticks=ticks, cancellations=cancelled)
        await self._journal.decide(decided)

    def _fire(
        self,
        row: ScheduleRow,
        under_way: Sequence[str],
        now: int,
        ahead: Collection[Instant] = (),
    ) -> Fired:
        try:
            return self._decided(row, under_way, now, ahead)
        except Exception:  # one schedule that cannot be read must not stop the others
            ids = {"schedule_id": row.id, "workflow": row.workflow}
            log.exception("schedule %s cannot be fired here", row.id, extra=ids)
            return Fired(_unchanged(row, now)._replace(due_at=now + POSTPONED))

    def _decided(
        self, row: ScheduleRow, under_way: Sequence[str], now: int, ahead: Collection[Instant]
    ) -> Fired:
        timing = timing_of(row)
        decision = self._decision(row, timing, now)
        if decision.lost:
            ids = {"schedule_id": row.id, "workflow": row.workflow}
            log.info("schedule %s: %d missed tick(s) dropped", row.id, decision.lost, extra=ids)
        ticks = [self._tick(row, each, now) for each in decision.run if each.tick not in ahead]
        met = meet_in_turn(row, ticks, under_way)
        firing = _firing(row, timing, decision, met.last_tick, now)
        return Fired(firing, met.ticks, met.cancelled)

    def _decision(self, row: ScheduleRow, timing: Timing, now: int) -> Decision:
        config = self._config
        return decide(
            timing,
            catch_up_policy(row.catchup_policy) if config.cron_enable_recovery else "skip",
            cursor=row.decided_until,
            now=now,
            most=config.cron_max_catchup_executions,
        )

    def _tick(self, row: ScheduleRow, due: DueTick, now: int) -> NewTick:
        workflow = self._registry.get(row.workflow)
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
        )


def timing_of(row: ScheduleRow) -> Timing:
    """When this schedule ticks."""
    cron = _cron(row.cron_expression, row.timezone)
    return Timing(row.id, cron, row.jitter_seconds, row.start_date, row.end_date)


@lru_cache(maxsize=4096)
def _cron(expression: str, timezone: str) -> CronExpression:
    """Read once: that takes longer than to find the next tick."""
    return CronExpression(expression, timezone)


def tick_name(schedule_id: str, tick: int) -> str:
    """What a tick is called where it has to be told from every other."""
    return f"{schedule_id}@{to_datetime(tick).isoformat()}"


def _firing(
    row: ScheduleRow, timing: Timing, decision: Decision, last_tick: int | None, now: int
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


def _unchanged(row: ScheduleRow, now: int) -> Firing:
    return Firing(
        row.id, row.generation, row.decided_until, row.next_tick, row.due_at, None, 0, now
    )


def _input(row: ScheduleRow, due: DueTick) -> str:
    """The context that the run of a tick begins with: its parameters, and which tick it is."""
    scheduled: dict[str, JsonValue] = {
        "scheduled_time": to_datetime(due.tick).isoformat(),
        "schedule_id": row.id,
        "schedule_timezone": row.timezone,
        "schedule_expression": row.cron_expression,
    }
    if due.recovered:
        scheduled["is_recovery"] = True
        scheduled["recovery_attempt"] = 1
        scheduled["original_execution_id"] = tick_name(row.id, due.tick)
    return encode(cast("dict[str, JsonValue]", decode(row.params)) | scheduled)
