"""Reads how the work in a database stands, by operations that every store has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.recover.liveness import Liveness
from cloaca_core.engine.recover.process_identity import this_process
from cloaca_core.run.rows import RunFilter, RunRow
from cloaca_core.store.runner_rows import RunnerRow, Sharing, claims_from
from cloaca_core.values.limits.settings import LimitChanges, LimitSettings
from cloaca_core.values.states import RunStatus
from cloaca_tools.doctor.facts import (
    LIMITED_LONG,
    LONG,
    OVERDUE,
    Late,
    SeenLimit,
    SeenQueue,
    SeenRunner,
    Work,
)

if TYPE_CHECKING:
    from cloaca_core.assembly.store import Store

MOST: Final = 1000
"""So many rows of a kind are looked at."""
_OWNED: Final = (RunStatus.RUNNING, RunStatus.CANCELLING, RunStatus.PAUSED)


async def read_work(store: Store, here: int) -> Work:
    """Read it, in a few short queries; ``here`` is the wall clock of this computer, in µs."""
    now, liveness = await store.now(), Liveness(store, this_process())
    before = await store.runners()
    owned = await _owned(store)
    registered = await store.runners()
    return Work(
        now=now,
        here=here,
        runners=[_seen(liveness, each, owned[each.id]) for each in registered],
        ownerless=_of_unknown(owned, [*before, *registered]),
        waiting=(await store.list_waiting("", MOST, liveness.gone(registered))).rows,
        late_triggers=await _late_triggers(store, now),
        failing_triggers=await store.failing_triggers(MOST),
        cancelling=await _cancelling(store, now),
        overdue=await _overdue(store, now),
        forgotten=await _forgotten(store, now),
        paused_workflows=sorted(await store.paused_workflows()),
        upkeep=await store.upkeep(),
        has_runs=bool(await store.list_runs(RunFilter(limit=1))),
        unserved_queues=await _unserved_queues(store, registered, liveness),
        limits=await _limits(store, now),
    )


async def _unserved_queues(
    store: Store, registered: Sequence[RunnerRow], liveness: Liveness
) -> list[SeenQueue]:
    """The queues in which runs wait that no living runner serves. Without any living runner, that
    is what is wrong.
    """
    living = [each for each in registered if liveness.is_alive(each)]
    if all(each.queues is None for each in living):
        return []
    return [
        SeenQueue(each.name, each.waiting, each.oldest)
        for each in await store.queue_loads(MOST)
        if each.oldest is not None and not any(claims_from(row, each.name) for row in living)
    ]


async def _limits(store: Store, now: int) -> list[SeenLimit]:
    """The limits that have no places, or for which something has waited long."""
    found: list[SeenLimit] = []
    for row, load in await store.limit_loads(MOST):
        settings = LimitSettings.read(row.content).changed_by(LimitChanges.read(row.changes))
        is_stopped = settings.total == 0
        is_late = load.oldest is not None and load.oldest + LIMITED_LONG < now
        if not (is_stopped or is_late):
            continue
        look = await store.look_at_limit(row.name, None, 1) if is_late else None
        key = look.keys[0][0] if look and look.keys and look.keys[0][1].waiting else None
        found.append(
            SeenLimit(row.name, is_stopped, load.waiting, load.oldest, key, row.changed_by)
        )
    return found


# -- runners -------------------------------------------------------------------------------------


async def _owned(store: Store) -> Counter[str]:
    """How many runs each runner owns."""
    rows = await store.list_runs(RunFilter(statuses=_OWNED, limit=MOST))
    return Counter(row.owner for row in rows if row.owner is not None)


def _of_unknown(owned: Counter[str], registered: Sequence[RunnerRow]) -> Mapping[str, int]:
    """The runs of runners that were registered neither before nor after they were listed."""
    known = {each.id for each in registered}
    return {owner: runs for owner, runs in owned.items() if owner not in known}


def _seen(liveness: Liveness, row: RunnerRow, owned: int) -> SeenRunner:
    sharing = Sharing.of(row.sharing)
    return SeenRunner(
        row.id,
        owned,
        row.fenced,
        process_ended=liveness.has_ended(row),
        lease_over=liveness.lease_left(row) <= 0,
        draining_since=row.draining_since,
        backlog=sharing.backlog,
        asks=bool(sharing.asked),
    )


# -- runs and triggers that are late -------------------------------------------------------------


async def _late_triggers(store: Store, now: int) -> list[str]:
    rows = await store.list_triggers(enabled_only=True, limit=MOST, offset=0)
    return [
        row.name
        for row in rows
        if row.workflow is not None
        and row.next_poll_at is not None
        and row.next_poll_at + OVERDUE < now
    ]


async def _cancelling(store: Store, now: int) -> list[Late]:
    """Runs that should have been Cancelled by now."""
    late: list[Late] = []
    for row in await store.list_runs(RunFilter(statuses=(RunStatus.CANCELLING,), limit=MOST)):
        recorded = await store.recorded_run(row.id, 1)
        deadline = None if recorded is None else recorded.holds.cancel_at
        if deadline is not None and deadline + OVERDUE < now:
            late.append(Late(row.id, row.workflow, deadline))
    return late


async def _overdue(store: Store, now: int) -> list[Late]:
    """Runs that wait for an instant that has passed."""
    waiting = RunFilter(statuses=(RunStatus.WAITING, RunStatus.PENDING), limit=MOST)
    rows = await store.list_runs(waiting)
    due = [(row, row.due_at) for row in rows if row.due_at is not None]
    return [Late(row.id, row.workflow, at) for row, at in due if at + OVERDUE < now]


async def _forgotten(store: Store, now: int) -> list[Late]:
    """Runs that were made long ago, and wait for an event, a person or a resume."""
    old = RunFilter(statuses=(RunStatus.WAITING, RunStatus.PAUSED), until=now - LONG, limit=MOST)
    return [_made(row) for row in await store.list_runs(old) if not _comes_due(row, now)]


def _made(row: RunRow) -> Late:
    return Late(row.id, row.workflow, row.created_at)


def _comes_due(row: RunRow, now: int) -> bool:
    """Whether the run goes on by itself, within as long again."""
    return row.due_at is not None and row.due_at < now + LONG
