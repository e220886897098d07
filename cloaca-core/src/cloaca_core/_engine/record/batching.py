"""Puts journal entries into batches, and refuses them when the database takes none."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from cloaca_core._engine.record.entries import Draft, Entry
from cloaca_core._engine.runtime import failpoints
from cloaca_core.errors import StoreError, StoreFullError, StoreUnavailableError
from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from cloaca_core._engine.record.riders import Riders
    from cloaca_core.records.batch import Batch, Committed
    from cloaca_core.store.protocol import Landed

log = SafeLogger("cloaca.journal")

MAX_BATCH_ENTRIES: Final = 5_000
MAX_BATCH_BYTES: Final = 16 << 20


def take(inbox: deque[Entry], most_keys: float) -> tuple[list[Entry], int]:
    """Take the oldest entries that fit into one batch; those, and their weight."""
    entries: list[Entry] = []
    weight = keys = 0
    while (
        inbox and len(entries) < MAX_BATCH_ENTRIES and weight < MAX_BATCH_BYTES and keys < most_keys
    ):
        entry = inbox.popleft()
        entries.append(entry)
        weight += entry.weight
        keys += entry.keys
    return entries, weight


def batch_of(runner_id: str, entries: Iterable[Entry], riders: Riders) -> Batch:
    """The batch of these entries, written by this runner."""
    draft = Draft(fences={row.run_id: row.epoch for row in riders.marks})
    for entry in entries:
        entry.add_to(draft)
    draft.attempts.extend(riders.marks)  # last: they are the newest
    for each in riders.lines:
        if draft.fences.setdefault(each.run_id, each.epoch) == each.epoch:
            draft.lines.extend(each.chunks)
            draft.old_lines.extend(each.old)
            if each.progress is not None:
                draft.progress.append(each.progress)
    return draft.batch(runner_id)


def landing(entries: Iterable[Entry]) -> Landed | None:
    """The callback on the committing thread, so that entries which await the commit need no hop to
    the loop. None without such entries.
    """
    awaiting = [entry.landed for entry in entries if entry.landed is not None]
    return partial(_landed, awaiting) if awaiting else None


def _landed(awaiting: Iterable[Landed], committed: Committed) -> None:
    """Tell the entries that await the commit; on any thread."""
    failpoints.hit("journal.after_commit")
    for landed in awaiting:
        landed(committed)


def lasts(error: StoreError) -> bool:
    """True when the error will not go away soon, so that no more work should be accepted."""
    return isinstance(error, StoreFullError) or not isinstance(error, StoreUnavailableError)


def adds_work(batch: Batch) -> bool:
    """Whether the batch makes new runs or decisions, not only records about existing runs."""
    return any((batch.new_runs, batch.firings, batch.ticks, batch.events, batch.turns))


def refuse_new_work(entries: Iterable[Entry], error: StoreError) -> list[Entry]:
    """Refuse entries that would add work; returns the others, which record work that is done."""
    kept: list[Entry] = []
    for entry in list(entries):
        if entry.is_of_run:
            kept.append(entry)
        else:
            refuse(entry, error)
    return kept


def refuse(entry: Entry, error: StoreError) -> None:
    """Tell an entry that it is refused; an error in handling that must not reach the others."""
    try:
        entry.refused(error)
    except Exception:
        log.exception("acting on a refused record failed")


def settle(entry: Entry, committed: Committed) -> None:
    """Tell an entry that it is durable; an error in handling that must not reach the others."""
    try:
        entry.settled(committed)
    except Exception:
        log.exception("acting on a committed record failed")
