"""Items of maps that wait for places as one: all of a map that need the same (see ``together``).

A group stands in line with one waiter, whatever the number of its items. Each of its places lets
the next item begin, which holds the place from then on as any other body does. As its run leaves
memory, the group stays in line; the places that it gets meanwhile come with the run to its next
owner, and go to the next items that need the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from cloaca_core.features.limits.in_line import key_of_unit, unit_of_key
from cloaca_core.features.limits.records import Grant, Unit, Waiter
from cloaca_core.run.items.units import TASK

if TYPE_CHECKING:
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.features.limits.desk.place_desk import PlaceDesk
    from cloaca_core.features.limits.in_line import InLineUnits
    from cloaca_core.features.limits.past import AdoptedPlaces
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.values.limits.needs import Needs
    from cloaca_core.values.times.clock import Clock
    from cloaca_core.values.times.instants import Instant

    EnterItems: TypeAlias = Callable[
        [ActiveRun, int, Needs, int, Callable[[int], int | None], Callable[[], None]], None
    ]
    AdoptItems: TypeAlias = Callable[
        [ActiveRun, int, Callable[[Needs], int | None]], Collection[int]
    ]


class GroupWait(NamedTuple):
    """A group that waits here. ``choose`` and ``denied`` as in ``LimitPort.enter_items``."""

    run: ActiveRun
    waiter: Waiter
    choose: Callable[[int], int | None]
    denied: Callable[[], None]


class LimitedGroups:
    """Belongs to the engine's loop. ``_waiting`` are the groups that wait here. ``_had`` has, for
    each group of a run here, the numbers of all places that it has had, so that old news about
    those cannot be taken for new ones. ``_placed`` are places of items that are about to begin.
    """

    def __init__(
        self,
        kernel: Orchestrator,
        runner_id: RunnerId,
        clock: Clock,
        adopted: AdoptedPlaces,
        in_line: InLineUnits,
        desk: PlaceDesk,
    ) -> None:
        self._kernel = kernel
        self._runner_id = runner_id
        self._clock = clock
        self._adopted = adopted
        self._in_line = in_line
        self._desk = desk
        self._waiting: dict[Unit, GroupWait] = {}
        self._had: dict[ActiveRun, dict[Unit, set[int]]] = {}
        self._placed: dict[Unit, Grant] = {}

    # -- begin -------------------------------------------------------------------------------

    def enter(
        self,
        run: ActiveRun,
        unit: int,
        needs: Needs,
        units: int,
        choose: Callable[[int], int | None],
        denied: Callable[[], None],
    ) -> None:
        """See ``LimitPort.enter_items``."""
        key = key_of_unit(run, unit)
        since = self._adopted.take_since(run, key) or self._clock.wall()
        waiter = Waiter(*key, self._runner_id.current, -run.row.priority, since, units, needs)
        self._had.setdefault(run, {}).setdefault(key, set())
        self._waiting[key] = GroupWait(run, waiter, choose, denied)
        self._in_line.discard(run, key)
        self._desk.ask(key, [name for name, _ in needs])

    def adopt(
        self, run: ActiveRun, task: int, choose: Callable[[Needs], int | None]
    ) -> Collection[int]:
        """See ``LimitPort.adopt_items``."""
        task_id = run.graph.tasks[task].id
        for grant in self._adopted.take_items(run, task_id):
            self._has(run, grant)
            self._begin(run, choose(grant.needs), grant)
        return [unit_of_key(run, key) for key in self._adopted.items_in_line(run, task_id)]

    def deny(self, unit: Unit) -> ActiveRun | None:
        """A group has asked, and waits. Returns its run; None if it does not wait any more."""
        if (wait := self._waiting.get(unit)) is None:
            return None
        self._kernel.guarded(wait.run, wait.denied)
        return wait.run

    def accept(self, grant: Grant) -> None:
        """A group has got places, for one of its items. It may be that it does not wait any more:
        what is about to leave with its run keeps them.
        """
        key = (grant.run_id, grant.task_id, grant.item)
        wait = self._waiting.get(key)
        if wait is None and self._in_line.is_late(grant):
            return
        if wait is None or grant.needs != wait.waiter.needs:
            self._desk.give_back(grant)
            return
        if not self._has(wait.run, grant):
            return  # an item has had these before, and they are on their way back
        if (units := wait.waiter.units - 1) > 0:
            self._waiting[key] = wait._replace(waiter=wait.waiter._replace(units=units))
        else:
            self.withdraw(key)
        self._kernel.guarded(wait.run, self._begin_next, wait, units, grant)

    def _has(self, run: ActiveRun, grant: Grant) -> bool:
        """Note places of a group; whether they are new."""
        key = (grant.run_id, grant.task_id, grant.item)
        had = self._had.setdefault(run, {}).setdefault(key, set())
        is_new = grant.number not in had
        had.add(grant.number)
        return is_new

    def _begin_next(self, wait: GroupWait, more: int, grant: Grant) -> None:
        self._begin(wait.run, wait.choose(more), grant)

    def _begin(self, run: ActiveRun, unit: int | None, grant: Grant) -> None:
        if unit is None:
            self._desk.give_back(grant)
            return
        self._placed[own := key_of_unit(run, unit)] = grant
        try:
            self._kernel.control.launcher.launch(run, [unit])
        finally:
            if self._placed.pop(own, None) is not None:  # the item does not begin now
                self._desk.give_back(grant)

    def take_places(self, unit: Unit) -> Grant | None:
        """The places of an item that begins as the next of its group."""
        return self._placed.pop(unit, None) if self._placed else None

    # -- the desk ----------------------------------------------------------------------------

    def waiter(self, unit: Unit) -> Waiter | None:
        """The waiter of a group; None if it does not wait here."""
        wait = self._waiting.get(unit)
        return None if wait is None else wait.waiter

    def names(self) -> Collection[str]:
        """The limits for which groups wait."""
        return {name for each in self._waiting.values() for name, _ in each.waiter.needs}

    def run_of(self, unit: Unit) -> ActiveRun | None:
        """The run of a group that waits here."""
        wait = self._waiting.get(unit)
        return None if wait is None else wait.run

    # -- leave -------------------------------------------------------------------------------

    def denied(self, run: ActiveRun, denied: Mapping[int, Instant]) -> Mapping[int, Instant]:
        """The units that are known to wait, and since when: of groups the map, if all that wait of
        it are known to.
        """
        if not (keys := self._keys(run)):
            return denied
        found = {unit: since for unit, since in denied.items() if unit >= 0}
        unknown: set[int] = set()
        for key in keys:
            since = denied.get(unit := unit_of_key(run, key))
            task = unit & TASK
            if since is None:
                unknown.add(task)
            else:
                found[task] = max(since, found.get(task, 0))
        return {unit: since for unit, since in found.items() if unit not in unknown}

    def take(
        self, run: ActiveRun, kept: Collection[Unit], held: Collection[Unit]
    ) -> tuple[set[int], dict[Unit, Needs]]:
        """No group of the run waits here any more. Returns the maps of those that did, and which
        of those to be ``kept`` stay in line. A group does not whose items have places that are
        ``held`` here: they would leave with the run.
        """
        tasks: set[int] = set()
        staying: dict[Unit, Needs] = {}
        for key in self._keys(run):
            tasks.add(unit_of_key(run, key) & TASK)
            if key in kept and key not in held:
                staying[key] = self._waiting.pop(key).waiter.needs
            else:
                self.withdraw(key)
                self._desk.leave(key)
        return tasks, staying

    def withdraw(self, unit: Unit) -> bool:
        """A group does not wait any more; whether it did."""
        if (wait := self._waiting.pop(unit, None)) is None:
            return False
        self._in_line.discard(wait.run, unit)
        return True

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or is not ours any more."""
        self._had.pop(run, None)

    def _keys(self, run: ActiveRun) -> list[Unit]:
        return [key for key in self._had.get(run, ()) if self.run_of(key) is run]
