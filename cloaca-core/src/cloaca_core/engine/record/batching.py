"""Puts journal entries into batches, and knows which errors of the database last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from cloaca_core.engine.record.entries import Draft, Entry
from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import StoreError, StoreFullError, StoreUnavailableError

if TYPE_CHECKING:
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.store.batch import Batch, Committed, Rows
    from cloaca_core.store.runs import Landed

T = TypeVar("T")

MAX_BATCH_ENTRIES: Final = 5_000
MAX_BATCH_BYTES: Final = 16 << 20


class Rider(Protocol):
    """Rows of features that no body waits for: they count if their run has this epoch."""

    @property
    def run_id(self) -> str:
        """Their run."""

    @property
    def epoch(self) -> int:
        """That of the owner for whom they were made."""

    @property
    def rows(self) -> Rows:
        """The rows."""


def fitting(inbox: Iterable[Entry], most_keys: float) -> tuple[list[Entry], int]:
    """The oldest entries that fit into one batch, and their weight; at least one."""
    entries: list[Entry] = []
    weight = keys = 0
    for entry in inbox:
        if len(entries) >= MAX_BATCH_ENTRIES or weight >= MAX_BATCH_BYTES or keys >= most_keys:
            break
        entries.append(entry)
        weight += entry.weight
        keys += entry.keys
    return entries, weight


def halves(many: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """Both halves, in their order."""
    middle = len(many) // 2
    return many[:middle], many[middle:]


def batch_of(
    runner_id: str,
    entries: Iterable[Entry],
    marks: Sequence[AttemptRow] = (),
    riders: Iterable[Rider] = (),
) -> Batch:
    """The batch of these entries, written by this runner; marks and riders come with them: no body
    waits for those.
    """
    draft = Draft(fences={row.run_id: row.epoch for row in marks})
    for entry in entries:
        entry.add_to(draft)
    draft.attempts.extend(marks)  # last: they are the newest
    for each in riders:
        if draft.fences.setdefault(each.run_id, each.epoch) == each.epoch:
            draft.put_all(each.rows)
    return draft.batch(runner_id)


def landing(entries: Iterable[Entry]) -> Landed | None:
    """The callback on the committing thread, so that entries which await the commit need no hop to
    the loop. None without such entries.
    """
    awaiting = [entry.landed for entry in entries if entry.landed is not None]
    return partial(_landed, awaiting) if awaiting else None


def _landed(awaiting: Iterable[Landed], committed: Committed) -> None:
    """Tell the entries that await the commit; on any thread."""
    if failpoints.watches:
        failpoints.hit("journal.after_commit")
    for landed in awaiting:
        landed(committed)


def lasts(error: StoreError) -> bool:
    """True when the error will not go away soon, so that no more work should be accepted."""
    return isinstance(error, StoreFullError) or not isinstance(error, StoreUnavailableError)


def adds_work(batch: Batch) -> bool:
    """Whether the batch makes new runs or decisions, not only records about existing runs."""
    return bool(batch.new_runs) or any(kind.adds_work for kind in batch.rows)
