"""A batch of the journal, its result, and work that waits for a runner."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from cloaca_core.run.rows import (
    ROW_BYTES,
    AttemptRow,
    Exhausted,
    NewRun,
    Park,
    RunEnd,
    WaitingRow,
)

R = TypeVar("R")


def _without_texts(_: object) -> int:
    return 0


class Kind(Generic[R]):
    """A kind of rows that a feature adds to batches. The kernel writes them without knowing their
    meaning.

    ``texts`` returns the number of bytes of a row's texts. A kind that ``adds_work`` makes runs or
    decisions: while the database takes no more work, a batch with such rows is refused.
    """

    __slots__ = ("_texts", "adds_work", "name")

    def __init__(
        self, name: str, texts: Callable[[R], int] = _without_texts, *, adds_work: bool = False
    ) -> None:
        self.name: Final = name
        self.adds_work: Final = adds_work
        self._texts = texts

    def __repr__(self) -> str:
        return f"Kind({self.name!r})"

    def weight(self, rows: Iterable[R]) -> int:
        """The approximate number of bytes of these rows, in memory and on their way to the
        database.
        """
        return sum([ROW_BYTES + self._texts(row) for row in rows])

    def rows(self, rows: Sequence[R]) -> "Rows":
        """These rows in the form in which rows of several kinds are passed on."""
        return {self: rows} if rows else NO_ROWS


Rows: TypeAlias = Mapping[Kind[Any], Sequence[Any]]
"""Rows of features, by kind. None of the lists is empty."""

NO_ROWS: Final[Rows] = MappingProxyType({})

Decided: TypeAlias = Mapping[Kind[Any], frozenset[Any]]
"""Rows of features that count by the decision of a commit, by kind. No set is empty."""

NONE_DECIDED: Final[Decided] = MappingProxyType({})


def weight_of(rows: Rows) -> int:
    """The approximate number of bytes of rows of several kinds."""
    return sum([kind.weight(each) for kind, each in rows.items()])


class Waiting(NamedTuple):
    """Waiting work by workflow, and the number of other live runners."""

    rows: list[WaitingRow]
    other_runners: int


class Batch(NamedTuple):
    """The records of one journal transaction, all of one runner.

    ``fences`` maps each run of ``attempts``, ``ends``, ``parks`` and ``exhausted`` to the epoch of
    its owner; runs of ``new_runs`` are not in it. ``rows`` are the rows of features; the
    ``records`` of a feature say which of its rows belong to runs in ``fences``.
    """

    runner_id: str
    new_runs: list[NewRun]
    attempts: list[AttemptRow]
    ends: list[RunEnd]
    fences: dict[str, int]
    parks: Sequence[Park] = ()
    exhausted: Sequence[Exhausted] = ()
    rows: Rows = NO_ROWS

    def of(self, kind: Kind[R]) -> Sequence[R]:
        """The rows of this kind."""
        return self.rows.get(kind, ())


class Committed(NamedTuple):
    """The result of writing a batch.

    * ``owned``: ids of ``new_runs`` that were sent with this runner as owner and are its own from
      their insert. A run that was inserted without an owner, and claimed before it was sent again,
      is reported by the claim.
    * ``existing``: for a new run whose (workflow, idempotency_key) was taken, the id of the run
      that has it.
    * ``current``: the runs of ``fences`` that this runner still owns under that epoch; nothing was
      recorded for the others.
    * ``held``: ids of new runs that were not written, because another open transaction may be
      writing a run with their key.
    * ``stop_requests``: the runs in ``current`` that must be cancelled or paused, with that status.
      The records of such a run count, but it starts nothing more; the end of a run that must be
      cancelled was written as Cancelled.
    * ``replaced``: the runs in ``current`` whose keys were replaced, and how often.
    * ``orphans``: new runs that were not written, since the tree of their parent was pruned.
    * ``refused``: new runs whose parent is being cancelled, or was. They were not written; if an
      earlier call wrote them, they are cancelled as its children.
    * ``messages``: the runs in ``current`` that have messages, and how many had a number by then.
    * ``decided``: the rows of features that count, where the database decides that.
    """

    owned: frozenset[str]
    existing: dict[str, str]
    current: frozenset[str]
    held: frozenset[str] = frozenset()
    stop_requests: Mapping[str, str] = MappingProxyType({})
    replaced: Mapping[str, int] = MappingProxyType({})
    orphans: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    messages: Mapping[str, int] = MappingProxyType({})
    decided: Decided = NONE_DECIDED

    def of(self, kind: Kind[R]) -> frozenset[R]:
        """The rows of this kind that count by the decision of the database."""
        return self.decided.get(kind, frozenset())
