"""Entries of the journal, and the batches made of them. The rows of an entry count together or not
at all; a listener receives the outcome.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import StoreError, StoreFullError, StoreUnavailableError
from cloaca_core.run.rows import AttemptRow, Exhausted, NewRun, Park, RunEnd
from cloaca_core.run.watcher import Watcher
from cloaca_core.store.batch import (
    NO_ROWS,
    Batch,
    Committed,
    Kind,
    Rows,
    weight_of,
)

if TYPE_CHECKING:
    from cloaca_core.store.runs import OnCommit

R = TypeVar("R")
T = TypeVar("T")

MAX_BATCH_ENTRIES: Final = 5_000
MAX_BATCH_BYTES: Final = 16 << 20


class Draft:
    """A batch while entries add their rows to it."""

    __slots__ = (
        "_by_key",
        "_rows",
        "attempts",
        "ends",
        "exhausted",
        "fences",
        "new_runs",
        "parks",
    )

    # By hand: a dataclass would call a factory for each of them, at each commit.
    def __init__(self, fences: dict[str, int] | None = None) -> None:
        self.new_runs: list[NewRun] = []
        self.attempts: list[AttemptRow] = []
        self.ends: list[RunEnd] = []
        self.fences: dict[str, int] = {} if fences is None else fences
        self.parks: list[Park] = []
        self.exhausted: list[Exhausted] = []
        self._rows: dict[Kind[Any], list[Any]] = {}
        self._by_key: dict[Kind[Any], dict[Any, Any]] = {}

    def put(self, kind: Kind[R], rows: Sequence[R]) -> None:
        """Add rows of a feature."""
        if rows:
            self._rows.setdefault(kind, []).extend(rows)

    def put_all(self, rows: Rows) -> None:
        """Add rows of several kinds."""
        for kind, each in rows.items():
            self.put(kind, each)

    def by_key(self, kind: Kind[R]) -> dict[Any, R]:
        """The rows of a kind, under keys of their entries, which may take some of them back."""
        return self._by_key.setdefault(kind, {})

    def batch(self, runner_id: str) -> Batch:
        """The batch for the store."""
        return Batch(
            runner_id,
            self.new_runs,
            self.attempts,
            self.ends,
            self.fences,
            self.parks,
            self.exhausted,
            self._of_features() if self._by_key else self._rows or NO_ROWS,
        )

    def _of_features(self) -> Rows:
        by_key = {kind: list(rows.values()) for kind, rows in self._by_key.items() if rows}
        return by_key | self._rows


class Entry(ABC):
    """Rows that count together or not at all. Exactly one of ``settled`` and ``refused`` is called,
    on the engine's loop, unless the journal drops the entry because it ``is_of_run`` and this
    runner no longer owns the run.

    ``weight`` is its approximate size in bytes, ``keys`` the number of its rows that may be held
    back.
    """

    __slots__ = ()

    weight: int
    keys: int = 0
    is_of_run: bool = False
    """Whether it records progress of a run of ours. Other entries ask for more work."""
    on_commit: Callable[[Committed], None] | None = None
    """Called when the batch is durable, before ``settled``. It may run on any thread, so it must
    not use the loop; it must not raise.
    """

    @abstractmethod
    def add_to(self, draft: Draft) -> None:
        """Add its rows to a batch."""

    @abstractmethod
    def settled(self, committed: Committed) -> None:
        """The batch is durable; ``committed`` has the outcome of its rows."""

    @abstractmethod
    def refused(self, error: StoreError) -> None:
        """The database refuses it; nothing was written."""

    def apart(self) -> Sequence[Entry]:
        """Entries for its rows that count each by itself, if it is refused; none if they count
        together.
        """
        return ()


class SubmissionEntry(Entry):
    """New runs, accepted or refused together, and the rows of features that count with them
    (``beside``). When it is settled its runs are durable, or held back.
    """

    __slots__ = ("beside", "keys", "rows", "weight")

    def __init__(self, rows: Sequence[NewRun], beside: Rows = NO_ROWS) -> None:
        self.rows: Sequence[NewRun] = rows
        self.beside: Rows = beside
        self.weight: int = weight_of(beside) if beside else 0
        self.keys: int = 0
        for row in rows:
            self.weight += row.weight
            self.keys += row.may_be_held

    def add_to(self, draft: Draft) -> None:
        draft.new_runs.extend(self.rows)
        if self.beside:
            draft.put_all(self.beside)


@dataclass(slots=True, eq=False)
class Decision(Entry):
    """The decision of a loop. ``then`` is called when it is durable, or came too late because
    another runner decided the same. It is called before a caller that awaits ``done`` continues,
    and also without such a caller.
    """

    then: Callable[[], None]
    weight: int = field(init=False)
    done: asyncio.Future[None] = field(init=False)

    def __post_init__(self) -> None:
        self.done = asyncio.get_running_loop().create_future()

    def tell(self, watcher: Watcher, now: int) -> None:
        """Report to a watcher the facts that are durable at ``now``, in µs since 1970."""

    def settled(self, _: Committed) -> None:
        self.then()
        if not self.done.done():
            self.done.set_result(None)

    def refused(self, error: StoreError) -> None:
        if not self.done.done():
            self.done.set_exception(error)


# -- batches -----------------------------------------------------------------------------------


class Rider(Protocol):
    """Rows of a feature that no body waits for, written with any commit. They count if their run
    has this epoch.
    """

    @property
    def run_id(self) -> str:
        """Their run."""

    @property
    def epoch(self) -> int:
        """The epoch of the owner for whom they were made."""

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
    """The first and the second half."""
    middle = len(many) // 2
    return many[:middle], many[middle:]


def batch_of(
    runner_id: str,
    entries: Iterable[Entry],
    marks: Sequence[AttemptRow] = (),
    riders: Iterable[Rider] = (),
) -> Batch:
    """The batch of these entries, written by this runner. Marks and riders are added: no body waits
    for those.
    """
    draft = Draft(fences={row.run_id: row.epoch for row in marks})
    for entry in entries:
        entry.add_to(draft)
    draft.attempts.extend(marks)  # last: they are the newest
    for each in riders:
        if draft.fences.setdefault(each.run_id, each.epoch) == each.epoch:
            draft.put_all(each.rows)
    return draft.batch(runner_id)


def commit_callback(entries: Iterable[Entry]) -> OnCommit | None:
    """A callback for the committing thread, by which entries with ``on_commit`` need no hop to the
    loop. None without such entries.
    """
    awaiting = [entry.on_commit for entry in entries if entry.on_commit is not None]
    return partial(_call_each, awaiting) if awaiting else None


def _call_each(awaiting: Iterable[OnCommit], committed: Committed) -> None:
    """Call ``on_commit`` of each entry; on any thread."""
    if failpoints.watches:
        failpoints.hit("journal.after_commit")
    for on_commit in awaiting:
        on_commit(committed)


def lasts(error: StoreError) -> bool:
    """Whether the error will last for a while, so that no more work should be accepted."""
    return isinstance(error, StoreFullError) or not isinstance(error, StoreUnavailableError)


def adds_work(batch: Batch) -> bool:
    """Whether the batch makes new runs or decisions, not only records about existing runs."""
    return bool(batch.new_runs) or any(kind.adds_work for kind in batch.rows)
