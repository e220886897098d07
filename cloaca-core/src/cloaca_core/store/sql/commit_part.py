"""What a feature does in the transaction of a batch: its ids to lock, its statements by stage.

The order of the stages is correctness, and the kernel's: a part gives ids and never a statement
that locks, so that all transactions lock in one order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar

from cloaca_core.store.batch import Batch, Decided
from cloaca_core.store.sql.base import Queries
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row

GUARD: Final = ("runner_id", "fence")
"""What the statement of a fenced row takes beside its fields."""

Steps: TypeAlias = dict[str, Step]
"""Statements in their order, each under a name by which its answer is found."""

Array: TypeAlias = Callable[[Collection[str | int]], object]
"""Makes a parameter of a list; see ``Dialect.array``."""


class Locks(NamedTuple):
    """The ids of rows that take turns, in the order in which all transactions lock them."""

    schedules: Collection[str] = ()
    triggers: Collection[str] = ()
    runs: Collection[str] = ()


class OfRun(Protocol):
    """A row of a run of the batch."""

    @property
    def run_id(self) -> str:
        """The run."""

    def __iter__(self) -> Iterator[object]:
        """Its fields."""


F = TypeVar("F", bound=OfRun)
R = TypeVar("R", bound=Row)


class CommitPart:
    """The part of one feature, asked only for a batch with rows of features or with ends of runs
    of schedules. A stage that a part does not override is not asked.
    """

    def __init__(self, queries: Queries, array: Array) -> None:
        self._queries = queries
        self._array = array

    def locks(self, batch: Batch) -> Locks:
        """What is locked before anything is looked at."""
        raise NotImplementedError

    def insert(self, batch: Batch) -> Steps:
        """Rows that make runs; before the new runs of the batch."""
        raise NotImplementedError

    def begin(self, batch: Batch) -> Steps:
        """What comes with new runs; right after those, and only with them."""
        raise NotImplementedError

    def fence(self, batch: Batch) -> Steps:
        """What is written of fenced runs before their attempts."""
        raise NotImplementedError

    def record(self, batch: Batch) -> Steps:
        """What is written after attempts, before runs end or have other owners."""
        raise NotImplementedError

    def end(self, batch: Batch) -> Steps:
        """What is written after the ends of runs."""
        raise NotImplementedError

    def succession(self, batch: Batch) -> Steps:
        """What follows from all others; last of all."""
        raise NotImplementedError

    def answer(
        self, batch: Batch, answers: Mapping[str, Sequence[Row]], current: Collection[str]
    ) -> Decided:
        """The rows of which the answers say that they count; ``current`` are the runs that are
        still this runner's.
        """
        raise NotImplementedError


class Stages:
    """Who is asked at each stage, in the order of the parts."""

    def __init__(self, parts: Iterable[CommitPart] = ()) -> None:
        parts = list(parts)
        self.locks: Sequence[Callable[[Batch], Locks]] = _asked(parts, "locks")
        self.insert: Sequence[Callable[[Batch], Steps]] = _asked(parts, "insert")
        self.begin: Sequence[Callable[[Batch], Steps]] = _asked(parts, "begin")
        self.fence: Sequence[Callable[[Batch], Steps]] = _asked(parts, "fence")
        self.record: Sequence[Callable[[Batch], Steps]] = _asked(parts, "record")
        self.end: Sequence[Callable[[Batch], Steps]] = _asked(parts, "end")
        self.succession: Sequence[Callable[[Batch], Steps]] = _asked(parts, "succession")
        self.answer: Sequence[
            Callable[[Batch, Mapping[str, Sequence[Row]], Collection[str]], Decided]
        ] = _asked(parts, "answer")

    def answers(
        self, batch: Batch, answers: Mapping[str, Sequence[Row]], current: Collection[str]
    ) -> Decided:
        """The rows of features of which the answers say that they count."""
        found = [answer(batch, answers, current) for answer in self.answer]
        return {kind: rows for each in found for kind, rows in each.items()}


def _asked(parts: Iterable[CommitPart], stage: str) -> Any:  # typed where it is kept
    """The methods of the parts that have this stage."""
    unasked = getattr(CommitPart, stage)
    return [getattr(part, stage) for part in parts if getattr(type(part), stage) is not unasked]


def steps_at(stage: Iterable[Callable[[Batch], Steps]], batch: Batch) -> Steps:
    """The statements of one stage."""
    steps: Steps = {}
    for of in stage:
        steps |= of(batch)
    return steps


def guarded(batch: Batch, rows: Iterable[F], bind: Callable[[Row], Row]) -> list[Row]:
    """The parameters of rows that count if their runs are still this runner's."""
    runner, fences = batch.runner_id, batch.fences
    return [bind((*row, runner, fences[row.run_id])) for row in rows]


def last_of_each(rows: Iterable[R], key: int) -> Iterable[R]:
    """The last of the rows that begin with the same key: one statement writes a row but once."""
    return {row[:key]: row for row in rows}.values()
