"""Operations that run the past ticks of a period, or preview them, and that run a schedule now.

Page by page, each a commit of its own: after an error or a crash the call can be made again, since
no tick runs twice. Decides nothing about ticks, and never changes a schedule's next tick.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from uuid import UUID

from cloaca_core.engine.calls.call import unchanged
from cloaca_core.engine.calls.orders import asker
from cloaca_core.errors import ScheduleError
from cloaca_core.features.schedules.records import ScheduleRow
from cloaca_core.features.schedules.results import Backfill
from cloaca_core.features.schedules.tick_rows import TICKS_PER_COMMIT, timing_of
from cloaca_core.features.schedules.timing.back_fill import BackFill, back_fill, check_period
from cloaca_core.features.steering.noted_acts import NotedActs
from cloaca_core.values.arguments import text, whole
from cloaca_core.values.error_prefixes import prefixed
from cloaca_core.values.states import TickOutcome
from cloaca_core.values.text import is_storable
from cloaca_core.values.times.instants import SECOND, Instant, read_instant, to_datetime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cloaca_core.engine.calls.call import Call, CallerOf
    from cloaca_core.features.schedules.operations.schedule_engine import ScheduleEngine
    from cloaca_core.features.schedules.part import ScheduleStore
    from cloaca_core.features.schedules.schedule_loop import ScheduleLoop
    from cloaca_core.features.schedules.timing.timing import Timing
    from cloaca_core.store.acts import ActRow

DEFAULT_LIMIT: Final = 1_000
_TIME: Final = "%Y-%m-%d %H:%M:%S"
_PREFIX: Final = "Failed to back-fill schedule: "
_RUN_PREFIX: Final = "Failed to run schedule: "


@dataclass(frozen=True, slots=True)
class Filled:
    """The outcome of a back-fill. A preview has no ``runs``; else there is one for each tick."""

    schedule_id: str
    ticks: tuple[Instant, ...] = ()
    runs: tuple[str, ...] = ()
    already: int = 0
    left: int = 0


class BackfillSpec(NamedTuple):
    """The arguments of a back-fill. ``schedule`` is an id or a name."""

    schedule: str
    start: datetime | str
    end: datetime | str
    limit: int | None = None
    by: str | None = None


class RunBackfill(BackfillSpec):
    """Run the ticks that have no run."""

    __slots__ = ()

    def call(self, caller: CallerOf[ScheduleEngine, object]) -> Call[Backfill]:
        """See ``Operation``."""
        who = asker(self.by)

        async def answer(engine: ScheduleEngine) -> Filled:
            return await _filling(engine, who).run(self)

        return caller.act(answer, _result)


class PreviewBackfill(BackfillSpec):
    """Tell which ticks ``RunBackfill`` would run now."""

    __slots__ = ()

    def call(self, caller: CallerOf[ScheduleEngine, object]) -> Call[Backfill]:
        """See ``Operation``."""
        who = asker(self.by)

        async def answer(engine: ScheduleEngine) -> Filled:
            return await _filling(engine, who).preview(self)

        return caller.act(answer, _result)


class RunSchedule(NamedTuple):
    """Make a run of a schedule at once, as if it ticked now; returns the id of the run.
    ``schedule`` is an id or a name.
    """

    schedule: str
    by: str | None = None

    def call(self, caller: CallerOf[ScheduleEngine, object]) -> Call[str]:
        """See ``Operation``."""
        who = asker(self.by)

        async def answer(engine: ScheduleEngine) -> str:
            return await _filling(engine, who).run_now(self.schedule)

        return caller.act(answer, unchanged)


def _filling(engine: ScheduleEngine, by: str) -> BackFilling:
    acts = NotedActs(engine.store, engine.ids, by)
    return BackFilling(engine.store, acts, engine.schedule_loop)


def _result(filled: Filled) -> Backfill:
    """A back-fill as its caller sees it."""
    times = tuple([to_datetime(tick).isoformat() for tick in filled.ticks])
    return Backfill(filled.schedule_id, times, filled.runs, filled.already, filled.left)


_Fill: TypeAlias = Callable[[ScheduleRow, BackFill], Awaitable[Filled]]


class BackFilling:
    """Runs past ticks, or previews them. Belongs to the engine's loop."""

    def __init__(self, store: ScheduleStore, acts: NotedActs, schedules: ScheduleLoop) -> None:
        self._store = store
        self._acts = acts
        self._schedules = schedules

    async def preview(self, spec: BackfillSpec) -> Filled:
        """Tell which ticks ``run`` would run now."""
        return await self._all(spec, _previewed)

    async def run(self, spec: BackfillSpec) -> Filled:
        """Make the runs of the period's ticks that have none; the act is noted before the first
        run, if there is any.
        """
        noted = False

        async def make(row: ScheduleRow, page: BackFill) -> Filled:
            nonlocal noted
            if page.ticks and not noted:
                await self._store.note_on_schedule(row.id, self._act(row, spec))
                noted = True
            return await self._make(row, page)

        return await self._all(spec, make)

    async def run_now(self, schedule: str) -> str:
        """Make the run of a tick at this instant, whether or not the schedule is enabled; or at the
        next free one, so that requests at one instant make a run each, beside that of a tick.
        """
        with prefixed(_RUN_PREFIX):
            row, now = await self._known(schedule), await self._store.now()
            act = self._acts.row("run_schedule", row.name or row.id, row.workflow)
            await self._store.note_on_schedule(row.id, act)
            own = now if now % SECOND else now + 1  # the schedule ticks at whole seconds
            while True:
                sent = await self._schedules.back_fill(row, [own], now, TickOutcome.REQUESTED)
                if not (found := await self._store.find_ticks(row.id, [own])):
                    raise _deleted(row)
                if found[0].run_id == sent[own]:
                    return sent[own]
                own += 1

    def _act(self, row: ScheduleRow, spec: BackfillSpec) -> ActRow:
        start = to_datetime(read_instant("start", spec.start))
        end = to_datetime(read_instant("end", spec.end))
        about = f"{row.name or row.id}: {start:{_TIME}} to {end:{_TIME}} UTC"
        return self._acts.row("backfill_schedule", about, row.workflow)

    async def _all(self, spec: BackfillSpec, fill: _Fill) -> Filled:
        with prefixed(_PREFIX):
            row = await self._known(spec.schedule)
            total = Filled(row.id)
            limit = whole("limit", DEFAULT_LIMIT if spec.limit is None else spec.limit)
            for ticks in await self._pages(row, spec):
                page = await self._decided(row, ticks, limit - len(total.ticks))
                total = _sum(total, await fill(row, page))
        return total

    async def _known(self, schedule: object) -> ScheduleRow:
        schedule = text("schedule", schedule)
        row = None
        if is_storable(schedule):
            if (schedule_id := _as_id(schedule)) is not None:
                row = await self._store.get_schedule(schedule_id)
            row = row or await self._store.get_schedule_named(schedule)
        if row is None:
            raise ScheduleError(
                f"Record not found: no schedule has the id or the name {schedule!r:.100}"
            )
        return row

    async def _pages(self, row: ScheduleRow, spec: BackfillSpec) -> Iterator[Sequence[Instant]]:
        timing = timing_of(row)
        start, end = read_instant("start", spec.start), read_instant("end", spec.end)
        check_period(timing, start, end, await self._store.now())
        return _paged(timing, start, end)

    async def _decided(self, row: ScheduleRow, ticks: Sequence[Instant], limit: int) -> BackFill:
        found = await self._store.find_ticks(row.id, ticks)
        fired = [each.tick for each in found if each.run_id is not None]
        if row.pruned_until is not None:  # those that were forgotten
            fired += [tick for tick in ticks if tick <= row.pruned_until]
        return back_fill(ticks, fired=fired, limit=limit)

    async def _make(self, row: ScheduleRow, page: BackFill) -> Filled:
        if not page.ticks:
            return await _previewed(row, page)
        sent = await self._schedules.back_fill(row, page.ticks, await self._store.now())
        found = await self._store.find_ticks(row.id, page.ticks)
        if not found and await self._store.get_schedule(row.id) is None:
            raise _deleted(row)
        ours = [each for each in found if each.run_id == sent[each.tick]]
        return Filled(
            row.id,
            ticks=tuple([each.tick for each in ours]),
            runs=tuple([sent[each.tick] for each in ours]),
            already=page.already + len(found) - len(ours),
            left=page.left,
        )


def _deleted(row: ScheduleRow) -> ScheduleError:
    return ScheduleError(f"Record not found: schedule {row.id} has been deleted meanwhile")


def _paged(timing: Timing, start: Instant, end: Instant) -> Iterator[Sequence[Instant]]:
    after = start - 1
    while ticks := timing.between(after, end - 1, TICKS_PER_COMMIT):
        yield ticks
        after = ticks[-1]


async def _previewed(row: ScheduleRow, page: BackFill) -> Filled:
    return Filled(row.id, page.ticks, (), page.already, page.left)


def _sum(first: Filled, second: Filled) -> Filled:
    return Filled(
        first.schedule_id,
        first.ticks + second.ticks,
        first.runs + second.runs,
        first.already + second.already,
        first.left + second.left,
    )


def _as_id(schedule: str) -> str | None:
    try:
        return str(UUID(schedule))
    except ValueError:
        return None
