"""What claimed runs have of limits: places that were given while no runner had them, the places of
the runs themselves, and how long what waits has waited.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from cloaca_core.run.rows import THE_TASK

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from cloaca_core.engine.orchestrate.adoption import PastRows
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.features.limits.part import LimitStore
    from cloaca_core.features.limits.records import Adopted, Grant, Unit
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.values.times.instants import Instant


class AdoptedPlaces:
    """By run. Belongs to the engine's loop.

    ``_coming`` are the claimed runs whose places are being read, until each is put here. Some may
    never be: a run that was claimed last and released again. This runner has no such run, and reads
    the next claimed runs before it has one of them again. ``_read`` are the runs whose places were
    asked for, as long as they have not resumed; of those in ``_lacking`` an earlier answer was
    lost, and another one does not name the places of bodies again.
    """

    def __init__(self) -> None:
        self._runs: dict[ActiveRun, Adopted] = {}
        self._coming: set[str] = set()
        self._read: set[str] = set()
        self._lacking: set[str] = set()

    def read(self, run_ids: Collection[str]) -> None:
        """The places of these claimed runs are about to be read."""
        self._lacking |= self._read.intersection(run_ids)
        self._read.update(run_ids)

    def resumes(self, run: ActiveRun, _: Instant | None) -> None:
        """What was read with the run has reached it."""
        self._read.discard(run.id)

    def may_lack(self, run: ActiveRun) -> bool:
        """Whether the run may have places that no answer has named; says so once."""
        if run.id not in self._lacking:
            return False
        self._lacking.discard(run.id)
        return True

    def expect(self, run_ids: Iterable[str]) -> None:
        """The places of these claimed runs are being read, or were, and no others."""
        self._coming = set(run_ids)

    def are_coming(self, grant: Grant) -> bool:
        """Whether places are those of a claimed run, and no unit of it has taken them yet."""
        if grant.run_id in self._coming:
            return True
        here = chain.from_iterable(each.grants for each in self._runs.values())
        return any(each[:2] == grant[:2] for each in here)

    def put(self, adopted: Adopted, run: ActiveRun, _: Instant | None) -> None:
        """A run is about to resume."""
        self._runs[run] = adopted
        self._coming.discard(run.id)

    def take(self, run: ActiveRun, unit: Unit) -> Grant | None:
        """The places that a unit of the run has; it has them once."""
        if (adopted := self._runs.get(run)) is None:
            return None
        for grant in adopted.grants:
            if (grant.run_id, grant.task_id, grant.item) == unit:
                adopted.grants.remove(grant)
                return grant
        return None

    def take_items(self, run: ActiveRun, task_id: str) -> list[Grant]:
        """The places that items of a map have got together; they have them once."""
        if (adopted := self._runs.get(run)) is None:
            return []
        found = [
            each for each in adopted.grants if each.task_id == task_id and each.item < THE_TASK
        ]
        for each in found:
            adopted.grants.remove(each)
        return found

    def items_in_line(self, run: ActiveRun, task_id: str) -> list[Unit]:
        """Items of a map that wait in line together, and have not been asked for here."""
        adopted = self._runs.get(run)
        waiting = () if adopted is None else adopted.waiting
        return [unit for unit in waiting if unit[1] == task_id and unit[2] < THE_TASK]

    def take_since(self, run: ActiveRun, unit: Unit) -> Instant | None:
        """Since when a unit of the run has waited in line, when it is asked for the first time."""
        adopted = self._runs.get(run)
        return None if adopted is None else adopted.waiting.pop(unit, None)

    def since(self, run: ActiveRun, unit: Unit) -> Instant | None:
        """Since when a unit of the run has waited in line; None if it has not."""
        adopted = self._runs.get(run)
        return None if adopted is None else adopted.waiting.get(unit)

    def forget(self, run: ActiveRun) -> list[Grant]:
        """The run is over, or belongs to another runner. Returns its places that were not used."""
        adopted = self._runs.pop(run, None)
        return [] if adopted is None else adopted.grants


async def read_places(
    store: LimitStore, runner_id: RunnerId, places: AdoptedPlaces, past: Mapping[str, PastRows]
) -> None:
    """Read the places of claimed runs whose workflows have limits. See ``ReadPast``."""
    limited = [run_id for run_id, rows in past.items() if _has_limits(rows)]
    places.expect(limited)
    if not limited:
        return
    places.read(limited)
    for run_id in limited:
        past[run_id].adopt.append(places.resumes)
    found = await store.adopt_places(runner_id.current, limited)
    places.expect(found)  # a run that has none may get some before its claim has been dealt with
    for run_id, adopted in found.items():
        past[run_id].adopt.append(partial(places.put, adopted))


def _has_limits(rows: PastRows) -> bool:
    workflow = rows.workflow
    return workflow is not None and bool(
        workflow.limits or any(task.limits for task in workflow.tasks)
    )
