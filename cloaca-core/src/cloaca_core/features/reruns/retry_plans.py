"""Plans the retries of many runs: their attempts are read together, without their payloads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from cloaca_core.errors import CloacaError, TaskNotFoundError
from cloaca_core.features.reruns.newest_definitions import (
    Definition,
    NewestDefinitions,
    unknown_workflow,
)
from cloaca_core.run.rerun import Rerun, rerun
from cloaca_core.run.rows import AttemptRow, RestartRow
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from cloaca_core.features.reruns.part import RerunStore
    from cloaca_core.features.steering.records import ChildRow
    from cloaca_core.run.rows import RunRow
    from cloaca_core.values.queue_names import PlannedQueue

RETRIED: Final = (RunStatus.FAILED, RunStatus.CANCELLED)
"""The states of runs that can be begun again."""
READ_AT_ONCE: Final = 100
"""Runs whose attempts one statement reads: a run may have thousands."""


class Ended(NamedTuple):
    """A run that can be begun again, as it was seen."""

    run_id: str
    workflow: str
    status: str
    round: int

    @classmethod
    def of(cls, row: RunRow | ChildRow) -> Ended:
        """The part of the row that a retry rests on."""
        return cls(row.id, row.workflow, row.status, row.round)


class Planned(NamedTuple):
    """A run, and the tasks of it that run again, by this ``version`` of its workflow. ``queue`` is
    None if no task names one.
    """

    run: Ended
    rerun: Rerun
    version: str
    queue: PlannedQueue | None


Plan: TypeAlias = Planned | CloacaError
"""A plan, or the error by which the retry of a run is refused."""
_Row = TypeVar("_Row", AttemptRow, RestartRow)


class RetryPlans:
    """Belongs to the engine's loop. Only reads."""

    def __init__(self, store: RerunStore, definitions: NewestDefinitions) -> None:
        self._store = store
        self._definitions = definitions

    async def of(
        self, runs: Sequence[Ended], tasks: Collection[str] | None, maps: Collection[str] = ()
    ) -> dict[str, Plan]:
        """The plan of each of these runs, by id. ``tasks`` are the tasks that were chosen, ``maps``
        those of which items were.
        """
        names = dict.fromkeys([run.workflow for run in runs])
        definitions = {name: await self._definitions.find(name) for name in names}
        plans: dict[str, Plan] = {}
        for first in range(0, len(runs), READ_AT_ONCE):
            some = runs[first : first + READ_AT_ONCE]
            attempts = _by_run(await self._store.outcomes([run.run_id for run in some]))
            again = [run.run_id for run in some if run.round > 1]
            restarts = _by_run(await self._store.restarts(again) if again else [])
            for run in some:
                definition = definitions[run.workflow]
                rows, history = attempts.get(run.run_id, []), restarts.get(run.run_id, [])
                plans[run.run_id] = _plan(run, definition, rows, history, tasks, maps)
        return plans


def _plan(
    run: Ended,
    definition: Definition | None,
    attempts: Sequence[AttemptRow],
    restarts: Sequence[RestartRow],
    tasks: Collection[str] | None,
    maps: Collection[str],
) -> Plan:
    if definition is None:
        return unknown_workflow(run.run_id, run.workflow, "planned")
    try:
        definition.check_tasks(run.run_id, [*(tasks or ()), *maps])
    except TaskNotFoundError as error:
        return error
    again = rerun(definition.graph, attempts, restarts, tasks, maps)
    return Planned(run, again, definition.version, definition.queue_after(again))


def _by_run(rows: Iterable[_Row]) -> dict[str, list[_Row]]:
    found: dict[str, list[_Row]] = {}
    for row in rows:
        found.setdefault(row.run_id, []).append(row)
    return found
