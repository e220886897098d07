"""Leaves claimed runs to other runners whose workflow, as it is registered here, lacks their tasks.

A retry or a fork is planned by one version of the workflow. A runner with another version may lack
a task that is to run; the run would end without it. Any other run goes on by the ids of its tasks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from cloaca_core._engine.orchestrate.adoption import NO_PAST, PastRows
from cloaca_core._engine.plan.graph import plan_graph
from cloaca_core._engine.plan.restore import has_begun, restore
from cloaca_core.logs import SafeLogger
from cloaca_core.records.runs import Unserved

if TYPE_CHECKING:
    from cloaca_core._engine.recover.runner_id import RunnerId
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.registry import Registry
    from cloaca_core.records.runs import RunRow
    from cloaca_core.store.protocol import Store

log = SafeLogger("cloaca.engine")


class KnownVersions(Protocol):
    """Knows versions of workflows that are not registered here."""

    async def version(self, workflow: str, version: str) -> RecordedWorkflow | None:
        """One version of a workflow; None when no runner has recorded it."""


class UnservedRuns:
    """Belongs to the engine's loop. ``runs_left`` is called when runs were left."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        runner_id: RunnerId,
        recorded: KnownVersions,
        runs_left: Callable[[], None],
    ) -> None:
        self._store = store
        self._registry = registry
        self._runner_id = runner_id
        self._recorded = recorded
        self._runs_left = runs_left
        self._left_under: dict[str, str] = {}

    def any_left(self) -> bool:
        """Whether runs were left, under a version that is registered still or has just changed."""
        return bool(self._left_under)

    async def leave(self, rows: Sequence[RunRow], past: Mapping[str, PastRows]) -> set[str]:
        """Give back those of these claimed runs that lack a task here; their ids. Nearly always
        there are none, which takes no statement.
        """
        lacking: dict[str, list[str]] = {}
        for row in rows:
            if row.round == 1 and row.id not in past:
                continue  # begun here for the first time
            if tasks := await self._lacking(row, past.get(row.id, NO_PAST)):
                lacking[row.id] = tasks
        if lacking:
            found = [row for row in rows if row.id in lacking]
            left = await self._store.leave_unserved(
                self._runner_id.current,
                [_unserved(row, lacking[row.id], past.get(row.id, NO_PAST)) for row in found],
            )
            for row in found:
                if row.id in left:
                    self._note(row, lacking[row.id])
            self._runs_left()
        return set(lacking)

    async def claim_again(self) -> None:
        """Let runs be claimed again that were left under versions which are registered no more."""
        changed = [
            workflow
            for workflow, version in self._left_under.items()
            if self._version_here(workflow) not in (None, version)
        ]
        if changed:
            await self._store.forget_unserved(self._runner_id.current, changed)
            for workflow in changed:
                del self._left_under[workflow]

    def _version_here(self, workflow: str) -> str | None:
        registered = self._registry.get(workflow)
        return None if registered is None else registered.version

    async def _lacking(self, row: RunRow, past: PastRows) -> list[str]:
        """The tasks that are to run, by the version that the run was planned by, and that the one
        which is registered here lacks.
        """
        here = self._registry.get(row.workflow)
        if here is None or row.version == here.version or not (row.round > 1 or past.forks):
            return []
        planned = await self._recorded.version(row.workflow, row.version)
        if planned is None:
            return []
        known = {task.id for task in here.tasks}
        gone = [task.id for task in planned.tasks if task.id not in known]
        return _unended(planned, gone, past) if gone else []

    def _note(self, row: RunRow, tasks: Collection[str]) -> None:
        version = self._version_here(row.workflow)
        if version is not None:
            self._left_under[row.workflow] = version
        log.warning(
            "run %s is left to another runner: it was planned by version %s of workflow %s, and "
            "version %s, which is registered here, lacks %s",
            row.id,
            row.version,
            row.workflow,
            version,
            ", ".join(tasks),
            extra={"run_id": row.id, "workflow": row.workflow},
        )


def _unended(planned: RecordedWorkflow, tasks: Sequence[str], past: PastRows) -> list[str]:
    """Those of these tasks that have no result, of which no content is looked at."""
    graph = plan_graph(planned)
    attempts = [each._replace(change=None) for each in past.attempts]
    ended = restore(graph, attempts, past.restarts).known
    return [task for task in tasks if graph.position[task] not in ended]


def _unserved(row: RunRow, tasks: Sequence[str], past: PastRows) -> Unserved:
    own = [each for each in past.attempts if each.epoch]  # results that a fork copies have none
    return Unserved(row.id, row.epoch, json.dumps(tasks), int(has_begun(row, own)))
