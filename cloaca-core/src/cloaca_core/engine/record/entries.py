"""Entries of the journal: rows that count together or not at all, each with its listener."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from cloaca_core.errors import StoreError
from cloaca_core.run.rows import AttemptRow, Exhausted, NewRun, Park, RunEnd
from cloaca_core.run.watcher import Watcher
from cloaca_core.store.batch import (
    NO_ROWS,
    ROW_BYTES,
    Batch,
    Committed,
    Kind,
    Rows,
    weight_of,
)

R = TypeVar("R")


class Draft:
    """A batch while entries put their rows into it."""

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
        """The rows of a kind of which entries take some back, under keys of their choice."""
        return self._by_key.setdefault(kind, {})

    def batch(self, runner_id: str) -> Batch:
        """The batch that is sent."""
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
    """Exactly one of ``settled`` and ``refused`` is called, on the engine's loop, unless the
    journal drops the entry because it ``is_of_run`` and the run is not ours any more.

    ``weight`` is about how many bytes it holds, ``keys`` how many of its rows may be held back.
    """

    __slots__ = ()

    weight: int
    keys: int = 0
    is_of_run: bool = False
    """Whether it records progress of a run of ours; other entries ask for more work."""
    landed: Callable[[Committed], None] | None = None
    """Called when the batch is durable and ``settled`` is on its way, by an entry that awaits this.
    On any thread, so it must not use the loop; raises nothing.
    """

    @abstractmethod
    def add_to(self, draft: Draft) -> None:
        """Put its rows into a batch."""

    @abstractmethod
    def settled(self, committed: Committed) -> None:
        """The batch is durable; ``committed`` has the outcome of its rows."""

    @abstractmethod
    def refused(self, error: StoreError) -> None:
        """The database will not take it; nothing was written."""


class Submitting(Protocol):
    """Is told the outcome of a submission."""

    def accepted(self, entry: SubmissionEntry, committed: Committed) -> None:
        """Its runs are durable, or held back."""

    def refused(self, entry: SubmissionEntry, error: StoreError) -> None:
        """None of its runs is durable."""


@dataclass(slots=True, eq=False)
class SubmissionEntry(Entry):
    """New runs, accepted or refused together, and what features write ``beside`` them."""

    rows: Sequence[NewRun]
    listener: Submitting
    beside: Rows = field(default_factory=lambda: NO_ROWS)
    weight: int = field(init=False)
    keys: int = field(init=False)

    def __post_init__(self) -> None:
        self.weight = sum([ROW_BYTES + len(row.input) for row in self.rows])
        if self.beside:
            self.weight += weight_of(self.beside)
        self.keys = sum([row.may_be_held for row in self.rows])

    def add_to(self, draft: Draft) -> None:
        draft.new_runs.extend(self.rows)
        if self.beside:
            draft.put_all(self.beside)

    def settled(self, committed: Committed) -> None:
        self.listener.accepted(self, committed)

    def refused(self, error: StoreError) -> None:
        self.listener.refused(self, error)


@dataclass(slots=True, eq=False)
class Decision(Entry):
    """The decision of a loop. ``told`` is called when it is durable, or was too late because others
    decided the same: before a caller that awaits ``done`` goes on, and also without such a caller.
    """

    told: Callable[[], None]
    weight: int = field(init=False)
    done: asyncio.Future[None] = field(init=False)

    def __post_init__(self) -> None:
        self.done = asyncio.get_running_loop().create_future()

    def tell(self, watcher: Watcher, now: int) -> None:
        """Tell one who watches the engine of what is durable at ``now``, in µs since 1970."""

    def settled(self, _: Committed) -> None:
        self.told()
        if not self.done.done():
            self.done.set_result(None)

    def refused(self, error: StoreError) -> None:
        if not self.done.done():
            self.done.set_exception(error)
