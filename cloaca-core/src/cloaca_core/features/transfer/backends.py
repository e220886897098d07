"""Optional abilities of a backend, for tools: examination, queries, backups, copies of tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from cloaca_core.store.protocol import Backend, StoreOptions

if TYPE_CHECKING:
    from cloaca_core.features.transfer.examination import Examiner
    from cloaca_core.features.transfer.old_work import OldWork


class Rows(NamedTuple):
    """``rows`` have the driver's values, in the order of ``columns``; of a longer answer they are
    the first, and ``more`` is true.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    more: bool


class Bounds(NamedTuple):
    """How many rows are read at most, and how many seconds the statement has."""

    rows: int
    seconds: float


@runtime_checkable
class ExaminedBackend(Backend, Protocol):
    """A backend whose databases can be examined."""

    async def examine(self, url: str, options: StoreOptions) -> Examiner:
        """Connect to an existing database, and change nothing. ``StoreOpenError`` or ``StoreError``
        when it cannot, or when another program made it.
        """


@runtime_checkable
class QueriedBackend(Backend, Protocol):
    """A backend that takes statements of a person's own."""

    async def query(self, url: str, options: StoreOptions, sql: str, bounds: Bounds) -> Rows:
        """Execute one statement that reads, in a database that is opened read-only. Whatever the
        statement is, nothing is written, and it reaches no other database or file. Raises
        ``StoreError`` if it is refused, ``StoreUnavailableError`` if it takes too long.
        """


@runtime_checkable
class BackupBackend(Backend, Protocol):
    """A backend that writes backups of its databases itself."""

    async def back_up(self, url: str, path: str) -> None:
        """Write the database as of one moment into a file that is not there yet, and check it. No
        runner waits for it. After a raise there is no such file.
        """


@runtime_checkable
class OldBackend(Backend, Protocol):
    """A backend that reads what cloaca 0.2 and 0.12 have written to databases of its kind."""

    async def read_old(self, url: str, options: StoreOptions) -> OldWork:
        """Open such a database to be read. ``TransferError`` if it is none."""
