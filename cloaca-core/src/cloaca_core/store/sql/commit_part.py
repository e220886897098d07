"""The part of a feature in transactions that write or end runs: ids to lock, statements by stage.

The order of the stages is correctness, and belongs to the kernel: a part gives ids, and no
statement that locks runs, so that all transactions lock in one order.
"""

from __future__ import annotations

from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Set as AbstractSet,
)
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from cloaca_core.store.batch import Batch, Decided, Kind, Rows
from cloaca_core.store.sql.base import Queries
from cloaca_core.store.sql.dialect import Step, Then
from cloaca_core.store.sql.queries import Row, Statement

GUARD: Final = ("runner_id", "fence")
"""The values that the statement of a fenced row takes beside its fields."""

Steps: TypeAlias = dict[str, Step]
"""Statements in their order, each under the name by which its answer is found."""

Array: TypeAlias = Callable[[Collection[str | int]], object]
"""Makes a parameter of a list; see ``Dialect.array``."""


class Locks(NamedTuple):
    """The ids of rows on which runners take turns: the feature's own rows, which its ``lock``
    locks, and runs, which the kernel locks after the rows of all features.
    """

    own: Collection[str] = ()
    runs: Collection[str] = ()


class OfRun(Protocol):
    """A row of a run of the batch."""

    @property
    def run_id(self) -> str:
        """The run."""

    def __iter__(self) -> Iterator[object]:
        """Its fields."""


F = TypeVar("F", bound=OfRun)
R = TypeVar("R")


Locking: TypeAlias = Callable[[Batch], Locks]
Writing: TypeAlias = Callable[[Batch], Steps]
Deciding: TypeAlias = Callable[[Batch, Sequence[str]], "Ending | None"]
"""Makes the end of a batch's transaction from the batch and the names of its statements; None if
nothing is to be decided.
"""
Answering: TypeAlias = Callable[[Batch, Mapping[str, Sequence[Row]], Collection[str]], Decided]


class Ending(Protocol):
    """The end of the transaction of a batch, see ``Dialect.write``."""

    @property
    def then(self) -> Then:
        """Makes its steps."""

    def decided(self) -> Decided:
        """The rows that count, once the transaction is committed."""


@dataclass(frozen=True, slots=True)
class CommitPart:
    """One feature's statements, by stage. It is not called at a stage for which it has none."""

    kinds: AbstractSet[Kind[Any]]
    """It is called for a batch with rows of one of these kinds."""
    after_ends: bool = False
    """Whether it is also called for a batch with ends of runs behind which others may wait."""
    lock: Statement | None = None
    """Locks rows of the feature's own by their ``ids``, in the order of the parts."""
    locks: Locking | None = None
    """Locks, taken before anything is read."""
    insert: Writing | None = None
    """Rows that make runs; before the new runs of the batch."""
    begin: Writing | None = None
    """Statements for new runs: right after their inserts, and only with them."""
    fence: Writing | None = None
    """Statements about fenced runs, before their attempts."""
    record: Writing | None = None
    """Statements after attempts, before runs end or get other owners."""
    end: Writing | None = None
    """Statements after the ends of runs."""
    succession: Writing | None = None
    """Statements that depend on all others; last of all."""
    decide: Deciding | None = None
    """Makes the end of the transaction, which depends on rows that it has locked; after all
    statements. Called for a batch with rows of its kinds.
    """
    answer: Answering | None = None
    """Reads the answers: the rows that count, given the answers and the runs that this runner still
    owns.
    """
    dropped: Sequence[Statement] = ()
    """In a transaction that cancels runs: after the runs without an owner have ended."""
    ended: Sequence[Statement] = ()
    """In a transaction that ends runs without their owners: after ``dropped``, by their ``ids``."""
    lock_of: Sequence[Statement] = ()
    """In a transaction that ends runs without their owners, or begins ended runs again: locks by
    their ``ids``, after those of schedules.
    """
    lock_of_owned: Sequence[Statement] = ()
    """In a transaction in which runners give runs up: locks, after those of schedules."""
    cancelled: Sequence[Statement] = ()
    """In a transaction in which runners give runs up: before the runs end that must be cancelled,
    which ``mark_cancelled`` has named.
    """


class Commits(Protocol):
    """Writes rows of one feature, in statements of one store."""

    def part(self) -> CommitPart:
        """Its statements, by stage."""


MakePart: TypeAlias = Callable[[Queries, Array], Commits]


class LastRows(Generic[F]):
    """The part of a feature whose rows have one kind and one statement, at the stage *record*. Of
    rows with the same ``key`` the last is written, if this runner still owns its run.
    """

    def __init__(
        self,
        kind: Kind[F],
        statement: Statement,
        fields: Sequence[str],
        key: Callable[[F], object],
    ) -> None:
        self._kind = kind
        self._statement = statement
        self._bind = statement.binder((*fields, *GUARD))
        self._key = key

    def part(self) -> CommitPart:
        """See ``Commits``."""
        return CommitPart(kinds=frozenset((self._kind,)), record=self._record)

    def _record(self, batch: Batch) -> Steps:
        if not (found := batch.of(self._kind)):
            return {}
        rows = guarded(batch, last_of_each(found, self._key), self._bind)
        return {self._kind.name: Step(self._statement, rows=rows)}


class Stages:
    """The functions to call at each stage, in the order of the parts."""

    def __init__(self, parts: Sequence[CommitPart] = ()) -> None:
        self._parts = parts
        self._asked: dict[tuple[AbstractSet[Kind[Any]], bool], Stages] = {}
        self.locks: Sequence[tuple[Statement | None, Locking]] = [
            (each.lock, each.locks) for each in parts if each.locks
        ]
        self.insert: Sequence[Writing] = [each.insert for each in parts if each.insert]
        self.begin: Sequence[Writing] = [each.begin for each in parts if each.begin]
        self.fence: Sequence[Writing] = [each.fence for each in parts if each.fence]
        self.record: Sequence[Writing] = [each.record for each in parts if each.record]
        self.end: Sequence[Writing] = [each.end for each in parts if each.end]
        self.succession: Sequence[Writing] = [each.succession for each in parts if each.succession]
        self.decide: Sequence[Deciding] = [each.decide for each in parts if each.decide]
        self._answer: Sequence[Answering] = [each.answer for each in parts if each.answer]
        self.dropped: Sequence[Statement] = [one for each in parts for one in each.dropped]
        self.ended: Sequence[Statement] = [one for each in parts for one in each.ended]
        self.lock_of: Sequence[Statement] = [one for each in parts for one in each.lock_of]
        self.lock_of_owned: Sequence[Statement] = [
            one for each in parts for one in each.lock_of_owned
        ]
        self.cancelled: Sequence[Statement] = [one for each in parts for one in each.cancelled]

    def asked(self, rows: Rows, *, ends: bool = False) -> Stages:
        """The parts to call for a batch with these rows of features, and with ``ends`` of runs
        behind which others may wait. Cached: few combinations occur.
        """
        key = (frozenset(rows), ends)
        if (found := self._asked.get(key)) is None:
            found = self._asked[key] = Stages(self._parts_for(*key))
        return found

    def _parts_for(self, kinds: AbstractSet[Kind[Any]], ends: bool) -> list[CommitPart]:
        known = frozenset[Kind[Any]]().union(*[each.kinds for each in self._parts])
        if kinds - known:
            raise LookupError(f"no feature of this store writes rows of {kinds - known}")
        return [each for each in self._parts if each.kinds & kinds or (ends and each.after_ends)]

    def answers(
        self, batch: Batch, answers: Mapping[str, Sequence[Row]], current: Collection[str]
    ) -> Decided:
        """The rows of features that count by the answers."""
        found = [answer(batch, answers, current) for answer in self._answer]
        return {kind: rows for each in found for kind, rows in each.items()}


def steps_at(stage: Iterable[Writing], batch: Batch) -> Steps:
    """The statements of one stage."""
    steps: Steps = {}
    for of in stage:
        steps |= of(batch)
    return steps


def guarded(batch: Batch, rows: Iterable[F], bind: Callable[[Row], Row]) -> list[Row]:
    """The parameters of rows that count if this runner still owns their runs."""
    runner, fences = batch.runner_id, batch.fences
    return [bind((*row, runner, fences[row.run_id])) for row in rows]


def last_of_each(rows: Iterable[R], key: Callable[[R], object]) -> Iterable[R]:
    """Of rows with the same key, only the last: a statement can write a row only once."""
    return {key(row): row for row in rows}.values()
