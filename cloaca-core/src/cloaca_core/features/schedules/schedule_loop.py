"""Makes the runs of cron schedules when they are due.

Sleeps until shortly before, without reading the database. It then decides the ticks ahead, so that
at the due instant only the commit is left to do, however busy the process is. The journal writes
the decision, the runs and the schedule's next due time in one transaction, which counts only if no
other runner has decided the same and the schedule has not changed. So nothing here needs to know
of other runners, and ticks whose commit a crash prevented are due again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.engine.record.entries import Decision
from cloaca_core.engine.runtime import failpoints
from cloaca_core.engine.runtime.supervisor import Wakeup
from cloaca_core.features.schedules.records import CANCELLATIONS, FIRINGS, TICKS
from cloaca_core.features.schedules.timing.set_back import AHEAD, MOST_AHEAD
from cloaca_core.values.states import TickOutcome
from cloaca_core.values.times.instants import SECOND, Instant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.engine.record.entries import Draft
    from cloaca_core.engine.record.journal import Journal
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.schedules.cursor_correction import CursorCorrection
    from cloaca_core.features.schedules.part import ScheduleStore
    from cloaca_core.features.schedules.records import Cancellation, Firing, NewTick, ScheduleRow
    from cloaca_core.features.schedules.tick_rows import Fired, TickRows
    from cloaca_core.run.watcher import Watcher
    from cloaca_core.values.ids import RunIds

SCHEDULES_PER_COMMIT: Final = 1_000
"""With smaller commits, the runs of the first schedules would delay the ticks of the last ones."""
LEAD: Final = SECOND // 2
"""How far ahead ticks are decided. A decision counts for as long after the due time: if the host
slept or the clock was set, the tick may be a missed one, and is decided anew.
"""
LONGEST_SLEEP: Final = 60.0
"""Seconds. Ticks are due by the wall clock, which may be set; sleeping uses the monotonic clock."""


class Ahead(NamedTuple):
    """Decisions for an instant, made before it came."""

    due_at: Instant
    fired: Sequence[Fired]


_NOTHING: Final = Ahead(0, ())


class ScheduleLoop:
    """Belongs to the engine's loop. ``longest_sleep`` is in seconds; by a clock that is never set
    it may be infinite. ``submits`` is called with the queues that runs of ticks ask for.
    """

    def __init__(
        self,
        store: ScheduleStore,
        journal: Journal,
        registry: Registry,
        config: DefaultRunnerConfig,
        ids: RunIds,
        subjects: Subjects,
        submits: Callable[[Collection[str]], Awaitable[None]],
    ) -> None:
        self.closing = False
        self.submits = submits
        self._store = store
        self._journal = journal
        self._registry = registry
        self.longest_sleep: float = min(config.cron_poll_interval_seconds, LONGEST_SLEEP)
        self._config = config
        self._ids = ids
        self._subjects = subjects
        self._wakeup = Wakeup()
        self.wake: Callable[[], None] = self._wakeup.wake
        """A schedule may be due sooner than was known."""
        for each in (subjects.schedules, subjects.definitions, subjects.anything):
            each.subscribe(self.wake)
        self._deciding = asyncio.Lock()
        self._ahead = _NOTHING
        self._loop = asyncio.get_running_loop()
        self._seen: Instant = 0
        self._check_at = self._loop.time()
        self._had_any = False

    @cached_property
    def _rows(self) -> TickRows:
        # Here: it loads cron's fields and time zones, which most programs do not need.
        from cloaca_core.features.schedules.tick_rows import TickRows

        return TickRows(self._registry, self._config, self._ids)

    @cached_property
    def cursor_correction(self) -> CursorCorrection:
        """Corrects schedules; one object for all, since it remembers which ones it has logged."""
        # Here: as ``_rows``.
        from cloaca_core.features.schedules.cursor_correction import CursorCorrection

        return CursorCorrection(self._store)

    async def turn(self) -> None:
        """Fire due schedules, then sleep until shortly before the next."""
        await self._wakeup.turn(self.fire_due)

    async def fire_due(self) -> float | None:
        """Fire some due schedules; seconds until it is worth looking again, None for never."""
        workflows = self._registry.namespaces()
        if self.closing or not workflows:
            return None
        if await self._fire_ahead():
            return 0.0
        due_at = await self._store.next_due(workflows)
        if due_at is None:
            return await self._idle_seconds(workflows)
        self._had_any = True
        _ = self._rows  # made as soon as there is a schedule, and not at the instant it is due
        now = await self._store.now()
        if await self._has_set_back(workflows, now):
            return 0.0
        if due_at <= now:
            async with self._deciding:
                await self._fire_schedules(workflows, now)
            return 0.0
        if due_at > now + LEAD:
            return min((due_at - now - LEAD) / SECOND, self.longest_sleep)
        await self._decide_ahead(workflows, due_at)
        return max(0.0, (due_at - await self._store.now()) / SECOND)

    async def _idle_seconds(self, workflows: Sequence[str]) -> float | None:
        """Seconds to sleep when no schedule will ever be due: a clock that was ahead may have ended
        the existing ones. None where there never were any.
        """
        if self._loop.time() >= self._check_at:
            now = await self._store.now()
            if await self._has_set_back(workflows, now):
                return 0.0
            ended = await self._store.schedules_ahead(workflows, now, 0, 1)
            self._had_any = self._had_any or bool(ended)
        return max(0.0, self._check_at - self._loop.time()) if self._had_any else None

    async def _has_set_back(self, workflows: Sequence[str], now: Instant) -> bool:
        """Correct schedules whose ticks were decided by a clock that was ahead. Looks now and then,
        as that clock may be another runner's, and at once when our clock has been set back.
        """
        is_back, self._seen = now < self._seen, now
        if not is_back and self._loop.time() < self._check_at:
            return False
        self._check_at = self._loop.time() + LONGEST_SLEEP
        ahead = await self._store.schedules_ahead(workflows, now, now + AHEAD, MOST_AHEAD)
        return bool(ahead) and await self.cursor_correction.put_right(ahead, now)

    # -- before it is due --------------------------------------------------------------------

    async def _decide_ahead(self, workflows: Sequence[str], due_at: Instant) -> None:
        """Decide the ticks due by then, except ticks that depend on which runs have not ended at
        that time.
        """
        if self._ahead.due_at == due_at:
            return
        rows = await self._store.due_schedules(workflows, due_at, SCHEDULES_PER_COMMIT)
        alone = [row for row in rows if row.overlap_policy == "allow"]
        self._ahead = Ahead(due_at, self._rows.fire_some(alone, {}, due_at))

    async def _fire_ahead(self) -> bool:
        """Write the decisions for this instant; false when there are none."""
        due_at, fired = self._ahead
        if not fired or (late := await self._store.now() - due_at) < 0:
            return False
        self._ahead = _NOTHING
        if late > LEAD:
            return False
        async with self._deciding:
            await self._write(self._rows.renumbered(fired))
        return True

    # -- when it is due ----------------------------------------------------------------------

    async def _fire_schedules(self, workflows: Sequence[str], now: Instant) -> None:
        due = await self._store.due_schedules(workflows, now, SCHEDULES_PER_COMMIT)
        under_way = await self._under_way(due)
        fired = self._rows.fire_some(due, under_way, now)
        for place, (row, each) in enumerate(zip(due, fired, strict=False)):
            if filled := await self._filled(row, each):
                fired[place] = self._rows.fire(row, under_way.get(row.id, ()), now, filled)
        if fired:
            await self._write(fired)

    async def _under_way(self, due: Sequence[ScheduleRow]) -> Mapping[str, Sequence[str]]:
        """The runs of these schedules that are under way, which their ticks must respect. Read
        after the schedules: a change that adds runs meanwhile makes the decision about these
        schedules void.
        """
        asking = [row.id for row in due if row.overlap_policy != "allow"]
        return await self._store.list_under_way(asking) if asking else {}

    async def _filled(self, row: ScheduleRow, fired: Fired) -> frozenset[Instant]:
        """The ticks of a schedule that already have runs from a back-fill. Without them, later
        ticks would respect runs that are never made.
        """
        if row.overlap_policy == "allow" or len(fired.ticks) < 2:
            return frozenset()
        found = await self._store.find_ticks(row.id, [each.tick for each in fired.ticks])
        return frozenset(each.tick for each in found)

    async def back_fill(
        self,
        row: ScheduleRow,
        ticks: Sequence[Instant],
        now: Instant,
        outcome: TickOutcome = TickOutcome.BACKFILLED,
    ) -> dict[Instant, str]:
        """Make runs for ticks that have none, also before or after the schedule's cursor. Returns
        their ids; a run is missing if another caller was faster or the schedule has been deleted.
        """
        runs = self._rows.filled(row, ticks, now, outcome)
        async with self._deciding:
            await self._commit([], list(runs.values()))
        return {tick: str(made.run_id) for tick, made in runs.items()}

    # -- record ------------------------------------------------------------------------------

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
            failpoints.hit("schedule.after_commit")
            self._subjects.claimable.publish()
            if cancelled:
                self._subjects.ended_elsewhere.publish()

        failpoints.hit("schedule.before_commit")
        await self._journal.decide(FiringEntry(told, firings, ticks, cancelled))
        if asked := {tick.queue for tick in ticks if tick.queue is not None}:
            await self.submits(asked)


@dataclass(slots=True, eq=False)
class FiringEntry(Decision):
    """Due schedules: their ticks, the runs cancelled for those, and their next due times."""

    firings: Sequence[Firing] = ()
    ticks: Sequence[NewTick] = ()
    cancellations: Sequence[Cancellation] = ()

    def __post_init__(self) -> None:
        Decision.__post_init__(self)
        self.weight = (
            TICKS.weight(self.ticks)
            + FIRINGS.weight(self.firings)
            + CANCELLATIONS.weight(self.cancellations)
        )

    def add_to(self, draft: Draft) -> None:
        draft.put(FIRINGS, self.firings)
        draft.put(TICKS, self.ticks)
        draft.put(CANCELLATIONS, self.cancellations)

    def tell(self, watcher: Watcher, now: int) -> None:
        if self.ticks:
            watcher.ticked(self.ticks, now)
