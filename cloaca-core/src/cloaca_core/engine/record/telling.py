"""Tells those who watch the engine of a commit. Nothing of it is done unless there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVarTuple

from cloaca_core.engine.record.entries import Entry, FiringEntry
from cloaca_core.engine.record.run_entry import RunEntry
from cloaca_core.features.waits.open_waits import WaitKey
from cloaca_core.logs import SafeLogger
from cloaca_core.run.watcher import EndedWait, Recorded
from cloaca_core.values.states import RunStatus
from cloaca_core.values.waits import APPROVAL, EVENT, SLEEP

if TYPE_CHECKING:
    from cloaca_core.features.waits.records import ClosedWait
    from cloaca_core.features.waits.wait_rows import WaitRows
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import AttemptRow, RunEnd
    from cloaca_core.run.watcher import Watcher
    from cloaca_core.store.batch import Committed

log = SafeLogger("cloaca.engine")

Ts = TypeVarTuple("Ts")


def tell_of_adoption(watchers: Iterable[Watcher], run: ActiveRun) -> None:
    """A run is ours from now on."""
    for watcher in watchers:
        _safely(watcher.adopted, run)


def tell_of_commit(
    watchers: Iterable[Watcher],
    entries: Sequence[Entry],
    committed: Committed,
    seconds: float,
    now: int,
) -> None:
    """A batch of these entries is durable; none of them has been told so. ``now`` is in µs."""
    facts = [fact for entry in entries if (fact := _fact(entry, committed)) is not None]
    for watcher in watchers:
        _safely(watcher.committed, seconds)
        for fact in facts:
            if isinstance(fact, Recorded):
                _safely(watcher.recorded, fact)
            else:
                _safely(watcher.ticked, fact.ticks, now)


def _safely(tell: Callable[[*Ts], None], *facts: *Ts) -> None:
    """Tell, and go on if the one who is told raises: the run must not suffer for it."""
    try:
        tell(*facts)
    except Exception:
        log.exception("metrics or traces were not told of a fact")


def _fact(entry: Entry, committed: Committed) -> Recorded | FiringEntry | None:
    """What is told of an entry; None if nothing of it was written, or is of interest."""
    if isinstance(entry, RunEntry):
        return _recorded(entry, committed) if entry.run.id in committed.current else None
    return entry if isinstance(entry, FiringEntry) and entry.ticks else None


def _recorded(entry: RunEntry, committed: Committed) -> Recorded | None:
    end, waits = entry.end, []
    if end is not None and committed.wishes.get(entry.run.id) == RunStatus.CANCELLED:
        end = _as_cancelled(end)
    if entry.waits is not None:
        waits = _ended_waits(entry.run, entry.attempts, entry.waits)
    if not entry.attempts and not waits and end is None:
        return None
    return Recorded(entry.run, entry.attempts, waits, end)


def _as_cancelled(end: RunEnd) -> RunEnd:
    """The end as it was written, of a run that was to be cancelled."""
    return end if end.status == RunStatus.CANCELLED else end._replace(status=RunStatus.CANCELLED)


def _ended_waits(run: ActiveRun, attempts: Sequence[AttemptRow], rows: WaitRows) -> list[EndedWait]:
    """The waits that have come to their end, by a message or by time; not those that are closed
    because their task has ended.
    """
    found = [_of_node(row, rows.closed) for row in attempts]
    found += [_of_body(run, place, rows) for place in range(len(rows.memos))]
    return [each for each in found if each is not None]


def _of_node(row: AttemptRow, closed: Sequence[ClosedWait]) -> EndedWait | None:
    for each in closed:
        if each.task_id == row.task_id and each.number == 0 and row.ended_at is not None:
            opened_at = row.ended_at if row.started_at is None else row.started_at
            by_message = each.message is not None
            return EndedWait(
                row.task_id,
                row.attempt,
                each.kind,
                each.name,
                0,
                opened_at,
                row.ended_at,
                by_message,
            )
    return None


def _of_body(run: ActiveRun, place: int, rows: WaitRows) -> EndedWait | None:
    memo, task = rows.memos[place], run.graph.position.get(rows.memos[place].task_id)
    if run.waits is None or task is None or memo.kind not in (SLEEP, EVENT, APPROVAL):
        return None
    wait = run.waits.get(WaitKey(task, memo.number, memo.kind, memo.name))
    if wait is None:
        return None
    by_message = any(
        each.message is not None and each.number == memo.number and each.name == memo.name
        for each in rows.closed
    )
    return EndedWait(
        memo.task_id,
        memo.attempt,
        memo.kind,
        memo.name,
        memo.number,
        wait.row.opened_at,
        memo.created_at,
        by_message,
    )
