"""Decides whether claimed runs are resumed by another version of their workflow than before.

With the version policy "fail" a run that has begun is not, unless the tasks are the same. The
version that a run is resumed by is written into its row. ``UnservedRuns`` has already released the
runs that are for other runners.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cloaca_core.definition.version_change import (
    Fingerprints,
    VersionChange,
    compared,
    fingerprints,
)
from cloaca_core.engine.orchestrate.adoption import NO_PAST, PastRows
from cloaca_core.run.reasons import Reason, version_changed
from cloaca_core.run.restore import has_begun

if TYPE_CHECKING:
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.store.protocol import KernelStore


class EarlierVersions(Protocol):
    """Knows versions of workflows that are not registered here."""

    async def fingerprints(self, workflow: str, version: str) -> Fingerprints | None:
        """The fingerprints of the tasks of a version; None when they are not known."""


class Checked(NamedTuple):
    """A claimed run, and the reason if it cannot be resumed."""

    row: RunRow
    refusal: Reason | None = None


class VersionCheck:
    """Belongs to the engine's loop. Of a version that ``earlier`` does not know, the tasks that a
    run has begun under it are all that is known.
    """

    def __init__(
        self,
        store: KernelStore,
        registry: Registry,
        runner_id: RunnerId,
        earlier: EarlierVersions,
    ) -> None:
        self._store = store
        self._registry = registry
        self._runner_id = runner_id
        self._earlier = earlier

    async def of(self, rows: Sequence[RunRow], past: Mapping[str, PastRows]) -> list[Checked]:
        """The claimed runs, each with the version that it is resumed by. Nearly all are unchanged,
        which takes no statement.
        """
        versions = {(row.workflow, row.version, row.ran_version) for row in rows}
        if all(self._is_here(*each) for each in versions):
            return [Checked(row) for row in rows]
        read: dict[tuple[str, str], Fingerprints | None] = {}
        checked = [await self._checked(row, past.get(row.id, NO_PAST), read) for row in rows]
        await self._note([c.row for c, row in zip(checked, rows, strict=True) if c.row is not row])
        return checked

    def _is_here(self, workflow: str, version: str, ran_version: str | None) -> bool:
        """Whether the version registered here is the version that such runs used, or are going to
        use.
        """
        registered = self._registry.get(workflow)
        known = version if ran_version is None else ran_version
        return registered is None or known in ("", registered.version)

    async def _checked(
        self, row: RunRow, past: PastRows, read: dict[tuple[str, str], Fingerprints | None]
    ) -> Checked:
        """The claimed run with its result; ``read`` has the versions that were read for other
        runs.
        """
        workflow = self._registry.get(row.workflow)
        if workflow is None or self._is_here(row.workflow, row.version, row.ran_version):
            return Checked(row)
        if workflow.version_policy == "fail" and has_begun(row, past.attempts):
            change = await self._change(workflow, row, past.attempts, read)
            if change != VersionChange():  # else only what describes the tasks has changed
                return Checked(row, version_changed(row.runs_by, workflow.version, change))
        here = workflow.version
        return Checked(row._replace(ran_version=None if here == row.version else here))

    async def _change(
        self,
        workflow: Workflow,
        row: RunRow,
        attempts: Collection[AttemptRow],
        read: dict[tuple[str, str], Fingerprints | None],
    ) -> VersionChange | None:
        """The tasks that differ; None when no task is known to."""
        key = (row.workflow, row.runs_by)
        if key not in read:
            read[key] = await self._earlier.fingerprints(*key)
        if (earlier := read[key]) is not None:
            return compared(earlier, fingerprints(workflow))
        known = {task.id for task in workflow.tasks}
        gone = dict.fromkeys(each.task_id for each in attempts if each.task_id not in known)
        return VersionChange(removed=tuple(gone)) if gone else None

    async def _note(self, begun: Sequence[RunRow]) -> None:
        for version in sorted({row.runs_by for row in begun}):
            ids = [row.id for row in begun if row.runs_by == version]
            await self._store.set_ran_version(self._runner_id.current, ids, version)
