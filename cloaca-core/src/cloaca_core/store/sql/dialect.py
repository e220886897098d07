"""The contract of a dialect: the differences between databases, as one object of the backend.

A transaction is a fixed list of steps with no decision between them, so that a dialect can run it
in one hop to its thread or in one pipeline to its server. A transaction whose last steps depend on
rows that it has locked ends with a ``Then``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, Self, TypeAlias

from cloaca_core.store.changes import Change
from cloaca_core.store.sql.queries import Row, Statement, Wording


class Step(NamedTuple):
    """One statement of a transaction: once with ``params``, or once for each of ``rows``.

    A step with ``rows`` returns no rows: drivers have no result for each. A dialect may run it as
    one statement, whose parameters are then the columns of the rows.
    """

    statement: Statement
    params: Row = ()
    rows: Sequence[Row] | None = None

    @classmethod
    def of(cls, statement: Statement, known: Mapping[str, object]) -> Self:
        """The statement with the known values that it takes."""
        return cls(statement, tuple([known[name] for name in statement.parameters]))


def steps_of(statements: Iterable[Statement], known: Mapping[str, object]) -> list[Step]:
    """A step for each statement, with the values that it takes."""
    return [Step.of(each, known) for each in statements]


Answers: TypeAlias = list[list[Row]]
"""The rows of each step of a transaction."""


class More(NamedTuple):
    """Further steps of a transaction. After the ``last`` ones it is committed."""

    steps: Sequence[Step]
    last: bool = False


Then: TypeAlias = Callable[[int, Answers], Generator[More, Answers, None]]
"""The end of a transaction: called with the database's clock, in µs, and the answers of the steps
before. It yields more steps and is sent their answers, up to the last ones. Pure: a transaction
that must be repeated calls it again. Any thread may call it.
"""


class Dialect(Protocol):
    """An open, migrated database as ``SqlStore`` uses it.

    Translates the driver's errors to ``StoreError`` once, with ``from``.
    """

    @property
    def wording(self) -> Wording:
        """The SQL that stands for parameters."""

    @property
    def sql_package(self) -> str:
        """The package with the ``.sql`` files of statements that this database words in its own
        way. The files have the names of the core's files.
        """

    @property
    def writable(self) -> bool:
        """See ``Store.writable``."""

    @property
    def most_keys(self) -> int | None:
        """See ``Store.most_keys``."""

    def array(self, values: Collection[str | int]) -> object:
        """A list of texts or of numbers as one parameter, which ``wording`` unpacks."""

    async def write(
        self,
        steps: Sequence[Step],
        *,
        urgent: bool = False,
        on_commit: Callable[[Answers], None] | None = None,
        then: Then | None = None,
    ) -> Answers:
        """Run the steps in one transaction that excludes other writers of the same rows, and then
        the steps that ``then`` yields. Returns the answers of ``steps``.

        After a raise nothing was written, except that a lost connection may leave the outcome
        unknown; then the same steps may be run again. An ``urgent`` transaction, of few rows,
        waits for as few others as the database allows. ``on_commit`` is called once with
        the answers, on any thread, as soon as they are known to be durable. It is not called for a
        transaction that is going to raise.
        """

    async def write_apart(self, steps: Sequence[Step], key: str) -> Answers:
        """As ``write``, for a transaction that may have to wait for a user's transaction, which
        writes a run with this key, a ``pair``; see ``RunStore.insert_when_free``.
        """

    async def read(self, steps: Sequence[Step]) -> Answers:
        """Run steps that only read, on one snapshot; sees every write that has returned."""

    def lease_clock(self) -> int:
        """See ``Store.lease_clock``."""

    @property
    def lease_ends_with_boot(self) -> bool:
        """See ``Store.lease_ends_with_boot``."""

    async def now(self) -> int:
        """See ``Store.now``."""

    def wall(self) -> int:
        """See ``Store.wall``."""

    async def identity(self) -> str | None:
        """See ``Transfer.identity``."""

    async def give_back(self, limit: int) -> int | None:
        """See ``Store.give_back``."""

    async def wait_changed(self) -> Change:
        """See ``Store.wait_changed``."""

    def set_watched(self, *, watched: bool) -> None:
        """See ``Store.set_watched``."""

    def set_contended(self, *, contended: bool) -> None:
        """See ``Store.set_contended``."""

    def on_connected(self, connected: Callable[[], None]) -> None:
        """See ``Store.on_connected``."""

    async def close(self) -> None:
        """See ``Store.close``."""
