"""The contract between the engine and a database: domain operations, no SQL.

Everything here but the outbox runs on the engine's loop. Each operation is one transaction. Any of
them may raise ``StoreUnavailableError`` (transient: the caller decides how long to retry) or
another ``StoreError`` (final). After an error the transaction happened either as a whole or not at
all, and every write may be repeated.

Ownership: a run belongs to the runner in its ``owner`` column under its ``epoch``, which grows by
one each time the owner changes. A run without an owner that has not ended is *claimable*, unless it
waits *behind* another run of its schedule or for its time (``due_at``), or it or its workflow is
paused.

Steering: a request to cancel, pause or resume a run is a column of its row (see ``SteeringStore``).
The store itself changes a run without an owner at once. The owner of any other run reads the
request in ``news`` and in the answer of each commit, and carries it out; if the owner gives the run
up or dies, the store does.

Follow-ups: each operation that ends a run inserts the runs that its workflow submits then (see
``FollowUpStore``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

from cloaca_core.store.changes import Change
from cloaca_core.store.outbox import Outbox
from cloaca_core.store.runners import RunnerStore
from cloaca_core.store.runs import RunStore
from cloaca_core.values.times.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from cloaca_core.store.transactions import Transactions

CHANGE_TRIES: Final = 10
"""Tries of ``change_schedule`` or ``change_trigger`` while concurrent changes win."""


class KernelStore(RunStore, RunnerStore, Protocol):
    """One open database, with the operations of the kernel. Made by ``Backend.open``; not usable
    after ``close``. Each feature adds a part, ``features/*/part.py``; ``assembly/store.py`` has
    them all.
    """

    async def close(self) -> None:
        """Close all connections and threads. Safe to call twice."""

    def together(self) -> Self:
        """This store for several reads. Reads that are awaited at the same time, as with
        ``asyncio.gather``, are one transaction and see one snapshot. Only operations that only read
        may be called.
        """

    @property
    def outbox(self) -> Outbox | None:
        """Writes runs in users' transactions; None where that is impossible."""

    @property
    def transactions(self) -> Transactions | None:
        """Opens transactions for bodies; None where that is impossible."""

    @property
    def writable(self) -> bool:
        """False if it was opened read-only: each write raises ``StoreReadOnlyError``."""

    @property
    def most_keys(self) -> int | None:
        """The approximate number of new runs that ``may_be_held`` in one batch: each takes a lock,
        and the database has a limited number. None: any number.
        """

    async def now(self) -> int:
        """The time by the clock of ticks, in µs since 1970; touches no table.

        A SQLite store uses its machine's clock, a PostgreSQL store the database's.
        """

    def wall(self) -> int:
        """The approximate answer of ``now``, without a request to the database."""

    # -- wake-ups ----------------------------------------------------------------------------

    async def wait_changed(self) -> Change:
        """Return the kind of change when another process may have changed the database.

        May return for no reason, and costs an idle database no statement that touches a table. A
        store that cannot tell the kind returns ``ANYTHING``. A store that polls finds each change
        within a second, or within ``StoreOptions.poll_interval`` if that is longer. A store that
        is notified misses no change of runners (a lease taken, runs released); it finds another
        change after half a minute if the process that made it died before it sent the message.
        """

    def set_watched(self, *, watched: bool) -> None:
        """Tell the store whether a caller watches runs here. Then ``wait_changed`` also reports
        steps of other runners' runs, each within a quarter of a second; for that it may return more
        often.
        """

    def set_contended(self, *, contended: bool) -> None:
        """Tell the store whether other live runners use this database, so that a busy writer makes
        room.
        """

    def on_connected(self, connected: Callable[[], None]) -> None:
        """Call ``connected`` on the loop each time that a connection to a server has opened: an
        operation that failed without one may be retried. A store without a server never calls it.
        """


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How to open a store; times in seconds.

    ``poll_interval`` is the first time between two polls of ``wait_changed``, in a store that is
    not notified; it grows to a second. ``pool_size`` bounds the connections of a store that has
    several; ``schema`` holds the tables, in a database with schemas. ``clock`` is for times that
    the database does not give. A ``shared`` store is useful only if other programs can open the
    database too; otherwise it is refused with ``StoreOpenError``. A ``read_only`` store only reads,
    as with ``mode=ro`` in the URL. In an ``inline`` store, for a database in memory, no
    operation waits: each runs on the caller's thread, which has nothing else to do meanwhile.
    """

    connect_timeout: float = 5.0
    poll_interval: float = 0.1
    pool_size: int = 10
    schema: str | None = None
    clock: Clock = SYSTEM_CLOCK
    shared: bool = False
    read_only: bool = False
    inline: bool = False


class Backend(Protocol):
    """The object that a backend wheel exports as ``BACKEND``."""

    @property
    def name(self) -> str:
        """``"sqlite"``, ``"postgres"`` or a third party's own."""

    @property
    def schemes(self) -> Sequence[str]:
        """The URL schemes that it opens, without ``:``. SQLite also gets URLs without a scheme."""

    @property
    def version(self) -> str:
        """The version that must equal the core's."""

    @property
    def unusable_reason(self) -> str | None:
        """The reason why it cannot work here; None if it can."""

    def check_url(self, url: str) -> None:
        """Refuse a malformed URL with ``StoreOpenError`` (no I/O); never echoes a password."""

    async def open(self, url: str, options: StoreOptions) -> KernelStore:
        """Open and migrate the database. Raises ``StoreOpenError``, with the ``reason``, or
        ``StoreError`` if it cannot. In read-only mode, a database whose tables are missing or of an
        earlier version raises a ``StoreReadOnlyError`` that ``is_unmade``.
        """
