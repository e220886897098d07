"""Whether the runs of a database stand still, so that it can be copied."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import RunsInFlightError
from cloaca_core.records.runs import RunFilter, RunRow
from cloaca_core.records.states import RunStatus
from cloaca_core.records.steering import Act
from cloaca_core.values.ids import RunIds

if TYPE_CHECKING:
    from cloaca_core.store.protocol import Store

UNENDED: Final = (
    RunStatus.PENDING,
    RunStatus.RUNNING,
    RunStatus.WAITING,
    RunStatus.PAUSED,
    RunStatus.CANCELLING,
)
_PAGE: Final = 1000
_REASON: Final = "the database is being copied"


async def refuse_in_flight(store: Store) -> None:
    """Raise ``RunsInFlightError`` if any run has not ended."""
    if found := await store.count_runs(RunFilter(statuses=UNENDED)):
        raise RunsInFlightError(
            f"{found} run{'' if found == 1 else 's'} of the source have not ended: let them end, "
            "or copy with paused=True, which pauses their workflows in both databases",
            runs=found,
        )


async def refuse_held(store: Store) -> None:
    """Raise ``RunsInFlightError`` if runners hold runs."""
    rows = [row async for row in _unended(store) if row.owner is not None]
    if rows:
        owners = ", ".join(sorted({str(row.owner) for row in rows}))
        raise RunsInFlightError(
            f"{len(rows)} run{'' if len(rows) == 1 else 's'} of the source are held by runners "
            f"({owners}): stop them. If their processes have died, open a runner once, which takes "
            "the runs over",
            runs=len(rows),
        )


async def pause_workflows(store: Store) -> list[str]:
    """Pause every workflow that has runs which have not ended, or schedules; those that were not
    paused before.
    """
    workflows = {row.workflow async for row in _unended(store)}
    workflows |= set(await _scheduled(store))
    ids, now = RunIds(), await store.now()
    paused: list[str] = []
    for workflow in sorted(workflows):
        act = Act(ids.next(), "cloaca db copy", _REASON, _REASON, now)
        if await store.pause_workflow(workflow, act, None):
            paused.append(workflow)
    return paused


async def _scheduled(store: Store) -> list[str]:
    found: list[str] = []
    while rows := await store.list_schedules(enabled_only=True, limit=_PAGE, offset=len(found)):
        found += [row.workflow for row in rows]
    return found


async def _unended(store: Store) -> AsyncIterator[RunRow]:
    """The runs that have not ended, newest first."""
    before: str | None = None
    while rows := await store.list_runs(RunFilter(statuses=UNENDED, before=before, limit=_PAGE)):
        for row in rows:
            yield row
        before = rows[-1].id
