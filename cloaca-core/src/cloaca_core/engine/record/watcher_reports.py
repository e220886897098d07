"""Reports commits to watchers of the engine. Does nothing unless there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVarTuple

from cloaca_core.engine.record.entries import Decision, Entry
from cloaca_core.engine.record.run_entry import RunEntry
from cloaca_core.logs import SafeLogger
from cloaca_core.run.watcher import Recorded
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import RunEnd
    from cloaca_core.run.watcher import EndedWait, Watcher
    from cloaca_core.store.batch import Committed

log = SafeLogger("cloaca.engine")

Ts = TypeVarTuple("Ts")


def report_adoption(watchers: Iterable[Watcher], run: ActiveRun) -> None:
    """This runner owns the run from now on."""
    for watcher in watchers:
        _safely(watcher.adopted, run)


def report_commit(
    watchers: Iterable[Watcher],
    entries: Sequence[Entry],
    committed: Committed,
    seconds: float,
    now: int,
) -> None:
    """A batch of these entries is durable, and none of them is settled yet. ``now`` is in µs."""
    facts = [fact for entry in entries if (fact := _fact(entry, committed)) is not None]
    for watcher in watchers:
        _safely(watcher.committed, seconds)
        for fact in facts:
            if isinstance(fact, Recorded):
                _safely(watcher.recorded, fact)
            else:
                _safely(fact.tell, watcher, now)


def _safely(tell: Callable[[*Ts], None], *facts: *Ts) -> None:
    """Call a watcher. If it raises, continue: the run must not suffer for it."""
    try:
        tell(*facts)
    except Exception:
        log.exception("metrics or traces were not told of a fact")


def _fact(entry: Entry, committed: Committed) -> Recorded | Decision | None:
    """The fact to report of an entry; None if nothing of it was written, or of interest."""
    if isinstance(entry, RunEntry):
        return _recorded(entry, committed) if entry.run.id in committed.current else None
    return entry if isinstance(entry, Decision) else None


def _recorded(entry: RunEntry, committed: Committed) -> Recorded | None:
    end = entry.end
    waits: list[EndedWait] = []
    if end is not None and committed.stop_requests.get(entry.run.id) == RunStatus.CANCELLED:
        end = _as_cancelled(end)
    for each in entry.beside:
        waits += each.ended_waits(entry.run, entry.attempts)
    if not entry.attempts and not waits and end is None:
        return None
    return Recorded(entry.run, entry.attempts, waits, end)


def _as_cancelled(end: RunEnd) -> RunEnd:
    """The end as it was written, of a run that was to be cancelled."""
    return end if end.status == RunStatus.CANCELLED else end._replace(status=RunStatus.CANCELLED)
