"""Runs that wait for a place as a whole, and runs that have one.

A run of a workflow with limits is inserted and claimed like another one. Before anything of it
begins, its runner asks for its place. If the answer is no, the run is given back: it is Pending,
waits in line without a runner, and takes no place of ``max_active_runs``. The grant makes it
claimable, and the next runner finds the place with the run (``past``). The place is given back
with the commit that ends the run, whichever runner has it then; a run that ends without an owner
loses it at the next ``tend_places``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from cloaca_core.definition.limits.keys import key_of
from cloaca_core.errors import LimitKeyError
from cloaca_core.features.limits.records import ALL_KEYS, THE_RUN, Grant, Need, Unit, Waiter
from cloaca_core.run.life import State
from cloaca_core.run.reasons import Reason
from cloaca_core.values.states import ReasonCode

if TYPE_CHECKING:
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.features.limits.desk.place_desk import PlaceDesk
    from cloaca_core.features.limits.past import AdoptedPlaces
    from cloaca_core.run.active_run import ActiveRun


class LimitedRuns:
    """``_waiting`` has the runs here that have no place yet, ``_placed`` the places of the others,
    None where a run needs no place. ``_above`` are the places of the runs above a run. Of the runs
    in ``_denied`` the database knows that they wait. Belongs to the engine's loop.
    """

    def __init__(
        self, kernel: Orchestrator, runner_id: RunnerId, adopted: AdoptedPlaces, desk: PlaceDesk
    ) -> None:
        self._kernel = kernel
        self._runner_id = runner_id
        self._adopted = adopted
        self._desk = desk
        self._waiting: dict[Unit, tuple[ActiveRun, Waiter]] = {}
        self._denied: set[Unit] = set()
        self._placed: WeakKeyDictionary[ActiveRun, Grant | None] = WeakKeyDictionary()
        self._above: WeakKeyDictionary[ActiveRun, frozenset[Need]] = WeakKeyDictionary()

    def admits(self, run: ActiveRun) -> bool:
        """Whether a run may begin: it has its place, or needs none. Otherwise ask for it, unless
        the runner shuts down. A run with a parent first asks for the places of the runs above it.
        """
        if run in self._placed:
            return True
        if run.row.parent_id is not None and run not in self._above:
            self._desk.look_above(run)
            return False
        if not run.graph.limits:
            return True
        if (grant := self._adopted.take(run, unit_of(run))) is not None:
            self._placed[run] = grant
            return True
        if not self._kernel.attempts.draining:
            return self._is_free(run)
        return False

    def has_place(self, run: ActiveRun) -> bool:
        """Whether it has begun, or may begin."""
        return run in self._placed

    def _is_free(self, run: ActiveRun) -> bool:
        """Ask for the place of a run; whether it needs none, as a run above it has it."""
        try:
            needs = self.without_held(run, _needs(run))
        except LimitKeyError as error:
            self._kernel.control.fail(run, Reason(ReasonCode.LIMIT_KEY, str(error)))
            return False
        if not needs:
            self._placed[run] = None
            return True
        unit = unit_of(run)
        since = self._adopted.since(run, unit) or run.row.claimable_at
        waiter = Waiter(*unit, self._runner_id.current, -run.row.priority, since, 1, needs)
        self._waiting[unit] = run, waiter
        self._desk.ask(unit, [name for name, _ in needs])
        return False

    def above(self, found: Mapping[ActiveRun, Collection[Need]]) -> None:
        """These are the places of the runs above these runs."""
        for run, needs in found.items():
            self._above[run] = frozenset(needs)
            if run.life.may_begin:
                self._kernel.guarded(run, self._kernel.adopt, run)

    def without_held(self, run: ActiveRun, needs: Sequence[Need]) -> tuple[Need, ...]:
        """The needs of which neither the run nor a run above it has a place: limits count trees."""
        grant = self._placed.get(run)
        held = self._above.get(run, frozenset()).union(() if grant is None else grant.needs)
        return tuple([need for need in needs if need not in held])

    # -- the desk ----------------------------------------------------------------------------

    def waiter(self, unit: Unit) -> Waiter | None:
        """The waiter of a run; None if it does not wait here."""
        waits = self._waiting.get(unit)
        return None if waits is None else waits[1]

    def names(self) -> Collection[str]:
        """The limits for which runs wait."""
        return {name for _, waiter in self._waiting.values() for name, _ in waiter.needs}

    def deny(self, unit: Unit) -> ActiveRun | None:
        """A run has asked, and waits in line. Returns it; None if it does not wait here."""
        if (waits := self._waiting.get(unit)) is None:
            return None
        self._denied.add(unit)
        return waits[0]

    def is_denied(self, run: ActiveRun) -> bool:
        """Whether a run waits in line, and may leave."""
        return unit_of(run) in self._denied

    def places(self) -> Collection[Grant]:
        """The places of the runs here."""
        return [grant for grant in self._placed.values() if grant is not None]

    def accept(self, grant: Grant) -> None:
        """A run has got its place. The place of a run that does not wait here stays with the run:
        its next runner finds it. A run has one place.
        """
        unit = (grant.run_id, THE_RUN, -1)
        if (waits := self._waiting.pop(unit, None)) is not None:
            run, _ = waits
            self._denied.discard(unit)
            self._placed[run] = grant
            self._kernel.guarded(run, self._kernel.adopt, run)
        elif (own := self._place_of(grant.run_id)) is not None and own != grant:
            self._desk.give_back(grant)

    def _place_of(self, run_id: str) -> Grant | None:
        run = self._kernel.runs.get(run_id)
        return None if run is None else self._placed.get(run)

    # -- leave and end -----------------------------------------------------------------------

    def take(
        self, run: ActiveRun, leave: Callable[[Unit], None]
    ) -> Mapping[Unit, tuple[Need, ...]]:
        """The run does not wait here any more. Returns what it waits for, if it is to wait without
        a runner.
        """
        unit = unit_of(run)
        waits = self._waiting.get(unit)
        if waits is None or waits[0] is not run or run.life.may_begin:  # it stays
            return {}
        _, waiter = self._waiting.pop(unit)
        is_denied = unit in self._denied
        self._denied.discard(unit)
        if is_denied and run.life.state is State.LEAVING:
            return {unit: waiter.needs}
        leave(unit)
        return {}

    def over(self, run: ActiveRun) -> Grant | None:
        """The end of a run is about to be written. Returns its place."""
        return self._placed.pop(run, None) or self._adopted.take(run, unit_of(run))


def unit_of(run: ActiveRun) -> Unit:
    """The run as a whole, as something that waits for places."""
    return run.id, THE_RUN, -1


def _needs(run: ActiveRun) -> tuple[Need, ...]:
    given = run.plan.contexts.input
    found = [(use.name, key_of(use, None, given)) for use in run.graph.limits]
    return tuple([(name, ALL_KEYS if key is None else key) for name, key in found])
