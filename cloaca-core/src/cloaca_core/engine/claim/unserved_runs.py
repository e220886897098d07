"""Releases claimed runs to other runners, if the version of the workflow that is registered here
does not fit.

A run is submitted by one version of its workflow; a retry or a fork is planned by one. A runner
with another version may lack a task that must run, and the run would end without it. Such a runner
releases the run, and does not claim it again. If its version is newer than the run, the task was
taken out of the workflow on purpose, and the run goes on without it. With the version policy "fail"
only runners of the run's own version start it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cloaca_core.definition.version_change import fingerprints
from cloaca_core.engine.orchestrate.adoption import NO_PAST, PastRows
from cloaca_core.logs import SafeLogger
from cloaca_core.run.graph import plan_graph
from cloaca_core.run.restore import has_begun, restore
from cloaca_core.run.rows import Unserved

if TYPE_CHECKING:
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.store.protocol import KernelStore

log = SafeLogger("cloaca.engine")


class KnownVersions(Protocol):
    """Finds the records of versions that are not registered here."""

    async def version(self, workflow: str, version: str) -> RecordedWorkflow | None:
        """One version of a workflow; None when no runner has recorded it."""


class _Other(NamedTuple):
    """A version other than the one registered ``here``: its record, if there is one, and the tasks
    of it that are ``gone`` here. ``here_since`` is the instant at which the version here was first
    recorded, None if it is not. ``has_same_tasks`` is true if the two versions differ only in their
    descriptions.
    """

    here: Workflow
    recorded: RecordedWorkflow | None
    gone: Sequence[str]
    here_since: int | None
    has_same_tasks: bool


class UnservedRuns:
    """Belongs to the engine's loop."""

    def __init__(
        self,
        store: KernelStore,
        registry: Registry,
        runner_id: RunnerId,
        recorded: KnownVersions,
        subjects: Subjects,
    ) -> None:
        self._store = store
        self._registry = registry
        self._runner_id = runner_id
        self._recorded = recorded
        self._subjects = subjects
        self._released_under: dict[str, str] = {}
        self._said: set[tuple[str, str, str]] = set()

    def has_released(self) -> bool:
        """Whether runs were released because of a version that is still registered, or has just
        changed.
        """
        return bool(self._released_under)

    def serves(self) -> list[str]:
        """The workflows of this runner of which it releases no runs: other runners may give it
        theirs.
        """
        return [each for each in self._registry.namespaces() if each not in self._released_under]

    async def release(self, rows: Sequence[RunRow], past: Mapping[str, PastRows]) -> set[str]:
        """Release the claimed runs that do not fit the version registered here. Returns their ids.
        Nearly always there are none, which takes no statement.
        """
        misfits = await self._misfits(rows, past)
        if misfits:
            found = [row for row in rows if row.id in misfits]
            left = await self._store.release_unserved(
                self._runner_id.current,
                [_unserved(row, misfits[row.id], past.get(row.id, NO_PAST)) for row in found],
            )
            for row in found:
                if row.id in left:
                    self._note(row, misfits[row.id])
            self._subjects.unserved.publish()
        return set(misfits)

    async def fitting(self, rows: Sequence[RunRow], past: Mapping[str, PastRows]) -> list[str]:
        """The runs, of those that wait for a runner, that this runner would not release. ``serves``
        leaves out the workflows of the others from now on.
        """
        misfits = await self._misfits(rows, past)
        return [row.id for row in rows if row.id not in misfits]

    async def _misfits(
        self, rows: Sequence[RunRow], past: Mapping[str, PastRows]
    ) -> dict[str, list[str]]:
        """The runs that do not fit the version registered here, with the tasks that it lacks."""
        others = await self._others({(row.workflow, row.version) for row in rows})
        misfits: dict[str, list[str]] = {}
        for row in rows if others else ():
            if (other := others.get((row.workflow, row.version))) is not None:
                tasks = _lacking(other, row, past.get(row.id, NO_PAST))
                if tasks is not None:
                    misfits[row.id] = tasks
                    # Before the write that releases it: it is left also if an error comes after.
                    if (version := self._version_here(row.workflow)) is not None:
                        self._released_under[row.workflow] = version
        return misfits

    async def claim_again(self) -> None:
        """Allow this runner to claim runs again that it released because of versions no longer
        registered.
        """
        changed = [
            workflow
            for workflow, version in self._released_under.items()
            if self._version_here(workflow) not in (None, version)
        ]
        if changed:
            await self._store.forget_unserved(self._runner_id.current, changed)
            for workflow in changed:
                del self._released_under[workflow]

    def _version_here(self, workflow: str) -> str | None:
        registered = self._registry.get(workflow)
        return None if registered is None else registered.version

    async def _others(self, versions: Collection[tuple[str, str]]) -> dict[tuple[str, str], _Other]:
        """Compare the versions that are not registered here with the registered ones."""
        others = {}
        for workflow, version in versions:
            here = self._registry.get(workflow)
            if here is not None and version not in ("", here.version):
                others[workflow, version] = await self._compared(here, version)
        return others

    async def _compared(self, here: Workflow, version: str) -> _Other:
        recorded = await self._recorded.version(here.namespace, version)
        if recorded is None:
            return _Other(here, None, (), None, has_same_tasks=False)
        known = {task.id for task in here.tasks}
        gone = [task.id for task in recorded.tasks if task.id not in known]
        own = await self._recorded.version(here.namespace, here.version) if gone else None
        same = here.version_policy == "fail" and recorded.fingerprints == fingerprints(here)
        since = None if own is None else own.recorded_at
        return _Other(here, recorded, gone, since, has_same_tasks=same)

    def _note(self, row: RunRow, tasks: Collection[str]) -> None:
        """Warn of the first run of a version only; any number may follow until another runner
        comes.
        """
        version = self._version_here(row.workflow)
        if version is None:
            return
        said = (row.workflow, row.version, version)
        tell = log.info if said in self._said else log.warning
        self._said.add(said)
        tell(
            "run %s is left to another runner: it is of version %s of workflow %s, and version %s, "
            "which is registered here, %s",
            row.id,
            row.version,
            row.workflow,
            version,
            f"lacks {', '.join(tasks)}" if tasks else 'has version_policy("fail")',
            extra={"run_id": row.id, "workflow": row.workflow},
        )


def _lacking(other: _Other, row: RunRow, past: PastRows) -> list[str] | None:
    """The tasks because of which a run is released, an empty list if it is released for its version
    alone; None if it is resumed here. With the policy "fail", ``VersionCheck`` decides about a run
    that has begun.
    """
    is_planned = row.round > 1 or bool(past.forks)
    is_strict = other.here.version_policy == "fail"
    counts = is_planned or not (is_strict or _is_newer(other, row))
    if counts and (tasks := _unended(other, past)):
        return tasks
    if not is_strict or other.has_same_tasks or has_begun(row, _own(past)):
        return None
    return []


def _is_newer(other: _Other, row: RunRow) -> bool:
    """Whether the version registered here was recorded after the run was submitted."""
    return other.here_since is None or row.created_at < other.here_since


def _unended(other: _Other, past: PastRows) -> list[str]:
    """The tasks that are gone here and have no result. The contents of results are not read."""
    if other.recorded is None or not other.gone:
        return []
    graph = plan_graph(other.recorded)
    attempts = [each._replace(change=None) for each in past.attempts]
    ended = restore(graph, attempts, past.restarts).known
    return [task for task in other.gone if graph.position[task] not in ended]


def _own(past: PastRows) -> list[AttemptRow]:
    """The attempts of a run without the results that a fork copies, which have no epoch."""
    return [each for each in past.attempts if each.epoch]


def _unserved(row: RunRow, tasks: Sequence[str], past: PastRows) -> Unserved:
    return Unserved(row.id, row.epoch, json.dumps(tasks), int(has_begun(row, _own(past))))
