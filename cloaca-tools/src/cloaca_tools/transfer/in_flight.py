"""Whether the runs of a database stand still, so that it can be copied."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.recover.liveness import Liveness
from cloaca_core.engine.recover.process_identity import this_process
from cloaca_core.errors import RunsInFlightError, TransferError
from cloaca_core.features.steering.records import Act
from cloaca_core.run.rows import RunFilter, RunRow
from cloaca_core.values.ids import RunIds
from cloaca_core.values.states import RunStatus
from cloaca_core.values.times.instants import instant_text

if TYPE_CHECKING:
    from cloaca_core.assembly.store import Store
    from cloaca_core.features.schedules.records import ScheduleRow

UNENDED: Final = (
    RunStatus.PENDING,
    RunStatus.RUNNING,
    RunStatus.WAITING,
    RunStatus.PAUSED,
    RunStatus.CANCELLING,
)
_PAGE: Final = 1000
_ASKED_BY: Final = "cloaca db copy"
_REASON: Final = "the database is being copied"
_REFUSED: Final = "the copy of the database was refused"


@dataclass(frozen=True, slots=True)
class Pauses:
    """``workflows`` are paused for a copy, by name; of them ``made`` were paused by this call, the
    others by a copy that was broken off.
    """

    workflows: tuple[str, ...] = ()
    made: tuple[str, ...] = ()


async def refuse_in_flight(store: Store) -> None:
    """Raise ``RunsInFlightError`` if any run has not ended."""
    if found := await store.count_runs(RunFilter(statuses=UNENDED)):
        have, them = ("has", "it") if found == 1 else ("have", "them")
        raise RunsInFlightError(
            f"{found} run{'' if found == 1 else 's'} of the source {have} not ended: let {them} "
            "end, or copy with paused=True, which pauses their workflows in both databases",
            runs=found,
        )


async def refuse_held(store: Store) -> None:
    """Raise ``RunsInFlightError`` if runners hold runs."""
    rows = [row async for row in _unended(store) if row.owner is not None]
    if rows:
        owners = ", ".join(sorted({str(row.owner) for row in rows}))
        raise RunsInFlightError(
            f"{len(rows)} run{' of the source is' if len(rows) == 1 else 's of the source are'} "
            f"held by runners ({owners}): stop them. If their processes have died, open a runner "
            "once, which takes over what they hold",
            runs=len(rows),
        )


async def refuse_alive(store: Store) -> None:
    """Raise ``TransferError`` if a runner of the source is alive: what it writes during the copy or
    later would be in one database only.
    """
    if alive := await living_runners(store):
        raise TransferError(
            f"runners of the source are alive: {', '.join(alive)}. Stop them first; allow_runners "
            "copies nevertheless"
        )


async def living_runners(store: Store) -> list[str]:
    """The ids of the runners that count as alive, idle ones too, oldest first."""
    return Liveness(store, this_process()).alive(await store.runners())


async def firing_schedules(store: Store) -> list[str]:
    """The names, else the ids, of schedules that are enabled and whose workflows are not paused."""
    paused = await store.paused_workflows()
    rows = await _enabled(store)
    return sorted([row.name or row.id for row in rows if row.workflow not in paused])


async def refuse_ending_pauses(store: Store) -> None:
    """Raise ``TransferError`` if a workflow that is to be paused is paused until an instant: then
    its runs would start in both databases.
    """
    workflows, before = await _to_be_paused(store), await store.paused_workflows()
    _refuse_ending({name: before[name] for name in workflows & before.keys()})


async def unpaused(store: Store) -> list[str]:
    """The full names of the workflows that a copy would pause, in alphabetical order."""
    return sorted(await _to_be_paused(store) - (await store.paused_workflows()).keys())


async def pause_workflows(store: Store) -> Pauses:
    """Pause every workflow that has runs which have not ended, or schedules.

    One that is paused is left alone: to pause it again would be noted as an act, and the beginning
    of a copy would not be one of this source any more. ``TransferError`` as of
    ``refuse_ending_pauses``, before anything is paused.
    """
    await refuse_ending_pauses(store)
    ids, now = RunIds(), await store.now()
    earlier = await _paused_for_a_copy(store)
    made: list[str] = []
    for workflow in await unpaused(store):
        act = Act(ids.next(), _ASKED_BY, _REASON, _REASON, now)
        if await store.pause_workflow(workflow, act, None):
            made.append(workflow)
    return Pauses(tuple(sorted(earlier.union(made))), tuple(made))


async def resume_workflows(store: Store, workflows: Iterable[str]) -> None:
    """Let these workflows go on, but for those that a person has paused or resumed meanwhile."""
    ids, now = RunIds(), await store.now()
    for workflow in sorted(await _paused_for_a_copy(store) & set(workflows)):
        await store.resume_workflow(workflow, Act(ids.next(), _ASKED_BY, _REFUSED, _REFUSED, now))


async def _to_be_paused(store: Store) -> set[str]:
    """The workflows that have runs which have not ended, or schedules, paused ones as well."""
    workflows = {row.workflow async for row in _unended(store)}
    return workflows | {row.workflow for row in await _enabled(store)}


def _refuse_ending(paused: Mapping[str, int | None]) -> None:
    ending = [
        f"{name} until {instant_text(end)}" for name, end in paused.items() if end is not None
    ]
    if ending:
        raise TransferError(
            f"workflows of the source are paused until an instant ({', '.join(sorted(ending))}): "
            "both databases would start their runs then. Resume them, which lets the copy pause "
            "them without an end"
        )


async def _paused_for_a_copy(store: Store) -> set[str]:
    """The workflows that a copy has paused."""
    return {each.workflow for each in await store.pauses() if each.asked_by == _ASKED_BY}


async def _enabled(store: Store) -> list[ScheduleRow]:
    found: list[ScheduleRow] = []
    while rows := await store.list_schedules(enabled_only=True, limit=_PAGE, offset=len(found)):
        found += rows
    return found


async def _unended(store: Store) -> AsyncIterator[RunRow]:
    """The runs that have not ended, newest first."""
    before: str | None = None
    while rows := await store.list_runs(RunFilter(statuses=UNENDED, before=before, limit=_PAGE)):
        for row in rows:
            yield row
        before = rows[-1].id
