"""Tasks, items of maps and bodies that wait for places of limits here, and the places that bodies
of this runner hold.

Who gets a place is decided in the database, with which ``desk`` speaks. This module begins what has
got its places, and says when places go back. Nothing waits in a slot or in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.definition.limits.needs import needs_of
from cloaca_core.errors import LimitKeyError
from cloaca_core.features.limits.begin.held_places import HeldPlaces
from cloaca_core.features.limits.begin.refused import refuse
from cloaca_core.features.limits.begin.turns import Turns
from cloaca_core.features.limits.desk.place_desk import PlaceDesk
from cloaca_core.features.limits.in_line import (
    InLineUnits,
    key_of_unit,
    unit_of_key,
)
from cloaca_core.features.limits.limited_groups import LimitedGroups
from cloaca_core.features.limits.limited_runs import LimitedRuns
from cloaca_core.features.limits.records import (
    THE_RUN,
    Grant,
    Need,
    Unit,
    Waiter,
)
from cloaca_core.run.items.units import TASK
from cloaca_core.run.life import State
from cloaca_core.run.restore import FRESH
from cloaca_core.run.rows import THE_TASK
from cloaca_core.values.missing import MISSING

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.limits.limited_groups import AdoptItems, EnterItems
    from cloaca_core.features.limits.part import LimitStore
    from cloaca_core.features.limits.past import AdoptedPlaces
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.store.batch import Committed
    from cloaca_core.values.limits.needs import Needs
    from cloaca_core.values.times.clock import Clock


class Waits(NamedTuple):
    """A waiter of this runner. ``begin`` is called with its places. ``last`` is the number of the
    places that it had before, so that old news about those cannot be taken for new ones.
    """

    run: ActiveRun
    waiter: Waiter
    begin: Callable[[Grant], None]
    resume: Resume | None
    last: int


class LimitedUnits:
    """A ``LimitPort``, whose ``desk`` speaks with the database. Belongs to the engine's loop.

    ``_waiting`` are the waiters, ``_bodies`` those of them that are bodies which continue with
    their places. ``_groups`` are the items of maps that wait as one, ``_runs`` the runs that wait
    as a whole. ``_turns`` say when a body may ask. ``_adopted`` has what was read with claimed
    runs, ``_in_line`` the waiters that may leave with their runs. ``_held`` are the places of
    attempts. ``_of_run`` has the units of each run that have waited here, with the numbers of their
    last places. A run of which all waits stays for ``evict_after`` seconds.
    """

    def __init__(
        self,
        store: LimitStore,
        kernel: Orchestrator,
        runner_id: RunnerId,
        clock: Clock,
        subjects: Subjects,
        record: Callable[[], Awaitable[None]],
        limits: Callable[[], Collection[str]],
        adopted: AdoptedPlaces,
        evict_after: float,
        executor: Executor,
    ) -> None:
        self._kernel = kernel
        self._runner_id = runner_id
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Unit, Waits] = {}
        self._of_run: dict[ActiveRun, dict[Unit, int]] = {}
        self._bodies: dict[Attempt, tuple[Unit, asyncio.Future[None]]] = {}
        self._in_line = InLineUnits()
        self._adopted = adopted
        self._evict_after = evict_after
        self.desk: PlaceDesk = PlaceDesk(store, self, runner_id, clock, subjects, record, limits)
        self._held = HeldPlaces(self.desk.give_back)
        self._turns = Turns(executor, clock, self.desk.ask)
        self._runs: LimitedRuns = LimitedRuns(kernel, runner_id, adopted, self.desk)
        self._groups = LimitedGroups(kernel, runner_id, clock, adopted, self._in_line, self.desk)
        self.given: Callable[[Committed], None] = self.desk.given
        self.enter_items: EnterItems = self._groups.enter
        self.adopt_items: AdoptItems = self._groups.adopt
        self.without_held: Callable[[ActiveRun, Needs], Needs] = self._runs.without_held
        self.above: Callable[[Mapping[ActiveRun, Collection[Need]]], None] = self._runs.above
        self.admits: Callable[[ActiveRun], bool] = self._runs.admits
        self.has_place: Callable[[ActiveRun], bool] = self._runs.has_place
        self.is_denied: Callable[[ActiveRun], bool] = self._runs.is_denied
        self.leaves: Callable[[ActiveRun], Sequence[Beside]] = self._in_line.rows
        self.left: Callable[[ActiveRun], None] = self._in_line.left
        self.recorded: Callable[[ActiveRun, Iterable[Beside]], None] = self._held.recorded
        self.abandon: Callable[[ActiveRun], None] = self._held.abandon
        self.are_coming: Callable[[Grant], bool] = adopted.are_coming

    # -- begin -------------------------------------------------------------------------------

    def enter(self, run: ActiveRun, unit: int, resume: Resume) -> None:
        """See ``LimitPort``."""
        key = key_of_unit(run, unit)
        if (grant := self._groups.take_places(key)) is not None:
            self._begin(run, unit, resume, grant)
            return
        try:
            needs = self._needs(run, unit)
        except LimitKeyError as error:
            refuse(self._kernel, run, unit, resume, error, self._clock.wall())
            return
        if not needs:
            self._begin(run, unit, resume, None)
            return
        if (grant := self._adopted.take(run, key)) is not None:
            if grant.needs == needs:
                self._begin(run, unit, resume, grant)
                return
            self.desk.give_back(grant)
        usual = self._clock.wall() if run.latest else run.row.claimable_at
        since = self._adopted.since(run, key) or usual
        self._ask(run, unit, needs, since, partial(self._begin, run, unit, resume), resume)

    def _needs(self, run: ActiveRun, unit: int) -> Needs:
        task, given = run.graph.tasks[unit & TASK], run.plan.contexts.given(unit & TASK)
        item = MISSING if unit <= TASK else self._kernel.control.ports.maps.item(run, unit)[0].value
        return self._runs.without_held(run, needs_of(task.id, task.limits, given, item))

    def _begin(self, run: ActiveRun, unit: int, resume: Resume, grant: Grant | None) -> None:
        attempts = self._kernel.attempts
        run.life.ready(())  # it may have waited without a place of ``max_active_runs``
        if attempts.draining:
            if grant is not None:
                self.desk.give_back(grant)
            return
        try:
            attempt = self._kernel.control.launcher.limited(run, unit, resume)
        except BaseException:
            if grant is not None:
                self.desk.give_back(grant)
            raise
        if grant is not None:
            self._held.put(attempt, grant)
        attempts.start(attempt)

    def _ask(
        self,
        run: ActiveRun,
        unit: int,
        needs: Needs,
        since: int,
        begin: Callable[[Grant], None],
        resume: Resume | None = None,
    ) -> Unit:
        key = key_of_unit(run, unit)
        waiter = Waiter(*key, self._runner_id.current, -run.row.priority, since, 1, needs)
        last = self._of_run.setdefault(run, {}).setdefault(key, 0)
        self._waiting[key] = Waits(run, waiter, begin, resume, last)
        self._in_line.discard(run, key)
        lacks = self._adopted.may_lack(run)
        if resume is None or lacks:
            self.desk.ask(key, [name for name, _ in needs], lacks=lacks)
        else:
            self._turns.enter(run, waiter)
        return key

    def check(self, run: ActiveRun) -> None:
        """See ``LimitPort``."""
        if self._in_line.denied(run) or self._runs.is_denied(run):
            review = self._kernel.review
            self._kernel.guarded(run, review, run)
            if run.life.state is State.IDLE:
                self._loop.call_later(self._evict_after, self._kernel.guarded, run, review, run)

    # -- bodies that wait ----------------------------------------------------------------------

    async def take_again(self, attempt: Attempt) -> None:
        """See ``LimitPort``."""
        run, unit = attempt.owner, attempt.index
        is_over = attempt.abandoned or run.cancelled or not self._kernel.runs.has(attempt)
        if is_over or attempt in self._held or not (needs := self._needs(run, unit)):
            return
        has_places: asyncio.Future[None] = self._loop.create_future()
        begin = partial(self._continue, attempt, has_places)
        key = self._ask(run, unit, needs, self._clock.wall(), begin)
        self._bodies[attempt] = key, has_places
        try:
            await has_places
        finally:
            self._bodies.pop(attempt, None)

    def is_unplaced(self, attempt: Attempt) -> bool:
        """See ``LimitPort``."""
        return attempt in self._bodies

    def interrupt(self, attempt: Attempt) -> None:
        """See ``LimitPort``."""
        if (found := self._bodies.pop(attempt, None)) is not None:
            key, has_places = found
            self._withdraw(attempt.owner, key)
            if not has_places.done():
                has_places.set_result(None)

    def _continue(self, attempt: Attempt, has_places: asyncio.Future[None], grant: Grant) -> None:
        if has_places.done():
            self.desk.give_back(grant)
            return
        self._held.put(attempt, grant)
        has_places.set_result(None)

    # -- end ---------------------------------------------------------------------------------

    def ended(self, attempt: Attempt) -> Sequence[Beside]:
        """See ``LimitPort``. Another thread of its body may still wait for the places."""
        self.interrupt(attempt)
        return self._held.ended(attempt)

    def over(self, run: ActiveRun) -> Sequence[Beside]:
        """See ``LimitPort``."""
        grant = self._runs.over(run)
        return () if grant is None else self._held.goes(run, grant)

    def give_up(self, attempt: Attempt) -> None:
        """See ``LimitPort``."""
        self.interrupt(attempt)
        self._held.give_up(attempt)

    # -- take back ---------------------------------------------------------------------------

    def take(self, run: ActiveRun) -> Mapping[int, Resume]:
        """See ``LimitPort``."""
        found: dict[int, Resume] = {}
        kept = dict(self._runs.take(run, self.desk.leave))
        denied = self._in_line.denied(run) if run.life.state is State.LEAVING else ()
        for key in self._of_run.get(run, ()):
            waits = self._waiting.get(key)
            if waits is not None and waits.run is run and waits.resume is not None:
                found[unit_of_key(run, key)] = waits.resume
                if key in denied:
                    kept[key] = self._waiting.pop(key).waiter.needs
                    self._turns.leave(key)
        self.take_units(run, found)
        held = self._held.units() if denied else set()
        maps, staying = self._groups.take(run, denied, held)
        self._in_line.keep(run, kept | staying)
        return found | dict.fromkeys(maps, FRESH)

    def take_units(self, run: ActiveRun, units: Collection[int]) -> list[int]:
        """See ``LimitPort``."""
        return [unit for unit in units if self._withdraw(run, key_of_unit(run, unit))]

    def forget(self, run: ActiveRun) -> None:
        """See ``LimitPort``."""
        self.take(run)
        units, late = self._in_line.forget(run)
        for key in units:
            if key not in self._waiting:  # else the run is here again, and waits there
                self.desk.leave(key)
        for grant in (*late, *self._adopted.forget(run)):
            if grant.task_id != THE_RUN:
                self.desk.give_back(grant)
        self._of_run.pop(run, None)
        self._groups.forget(run)
        self.desk.forget_run()

    def _withdraw(self, run: ActiveRun, key: Unit) -> bool:
        if (waits := self._waiting.get(key)) is not None:
            if waits.run is not run:
                return False  # the run has left, and a later claim of it waits
            del self._waiting[key]
            self._turns.leave(key)
            self._in_line.discard(run, key)
        elif self._groups.run_of(key) is not run or not self._groups.withdraw(key):
            return False
        self.desk.leave(key)
        return True

    def denied(self, run: ActiveRun) -> Mapping[int, int]:
        """See ``LimitPort``."""
        return self._groups.denied(run, self._in_line.denied_units(run))

    # -- the desk ----------------------------------------------------------------------------

    def waiter(self, unit: Unit) -> Waiter | None:
        """See ``Waiting``."""
        if (waits := self._waiting.get(unit)) is not None:
            return waits.waiter
        return self._groups.waiter(unit) or self._runs.waiter(unit)

    def names(self) -> Collection[str]:
        """See ``Waiting``."""
        names = {name for each in self._waiting.values() for name, _ in each.waiter.needs}
        return names.union(self._groups.names(), self._runs.names())

    def deny(self, units: Collection[Unit]) -> None:
        """See ``Waiting``. A run whose ready units all wait leaves memory, at once or later."""
        now = self._clock.wall()
        runs: dict[ActiveRun, None] = {}
        for unit in units:
            if (run := self._runs.deny(unit)) is not None:
                runs[run] = None
            elif (run := self._groups.deny(unit)) is not None:
                runs[run] = None
                self._in_line.deny(run, unit, now)
            elif (waits := self._waiting.get(unit)) is not None and waits.resume is not None:
                runs[waits.run] = None
                self._turns.denied(waits.waiter)
                self._in_line.deny(waits.run, unit, now)
        for run in runs:
            self.check(run)

    def known(self) -> Collection[tuple[str, int]]:
        """See ``Waiting``."""
        of_runs = {(each.name, each.number) for each in self._runs.places()}
        return of_runs | self._held.known()

    def accept(self, grant: Grant) -> None:
        """See ``Waiting``. It may be that nothing waits for these places any more."""
        key = (grant.run_id, grant.task_id, grant.item)
        if grant.task_id == THE_RUN:
            self._runs.accept(grant)
            return
        if grant.item < THE_TASK:
            self._groups.accept(grant)
            return
        waits = self._waiting.get(key)
        if waits is None or grant.needs != waits.waiter.needs:
            if waits is not None or not self._in_line.is_late(grant):
                self.desk.give_back(grant)
            return
        if grant.number <= waits.last:
            return  # it had these before, and they are on their way back
        self._in_line.discard(waits.run, key)
        self._of_run[waits.run][key] = grant.number
        if waits.resume is not None and not self._turns.takes_slot(waits.run, waits.waiter):
            self._waiting[key] = waits._replace(last=grant.number)
            self.desk.give_back(grant)
            return
        del self._waiting[key]
        self._kernel.guarded(waits.run, waits.begin, grant)
        self._turns.leave(key)

    def awaits_turn(self, run: ActiveRun) -> bool:
        """See ``LimitPort``."""
        units = [unit for unit in self._of_run.get(run, ()) if unit in self._waiting]
        return bool(units) and all(map(self._turns.awaits, units))
