"""The contract between the engine and a database: domain operations, no SQL.

Everything here but the outbox runs on the engine's loop. Each operation is one transaction. Any
of them may raise ``StoreUnavailableError`` (transient: the caller decides how long to try again)
or another ``StoreError`` (final); after a raise the transaction either happened as a whole or not
at all, and every write may be sent again.

Ownership: a run belongs to the runner in its ``owner`` column under its ``epoch``, which grows by
one each time the owner changes. A run without an owner that has not ended is *claimable*, unless
something holds it back: it waits *behind* another run of its schedule, for its time (``due_at``),
or it or its workflow is paused.

Wishes: what people ask of a run (see ``SteeringStore``) is noted on its row. A run without an owner
is brought to the state at once. The owner of any other is told by ``news`` and by the answer of
each commit, and brings it there; if it gives the run up or dies, the store does.

Follow-ups: each operation that ends a run inserts the runs that its workflow asks for then (see
``FollowUpStore``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from cloaca_core.store.changes import Change
from cloaca_core.store.outbox import Outbox
from cloaca_core.store.protocols.children import ChildStore
from cloaca_core.store.protocols.definitions import DefinitionStore
from cloaca_core.store.protocols.follow_ups import FollowUpStore
from cloaca_core.store.protocols.gauges import GaugeStore
from cloaca_core.store.protocols.memos import MemoStore
from cloaca_core.store.protocols.paused_workflows import PausedWorkflowStore
from cloaca_core.store.protocols.reruns import RerunStore
from cloaca_core.store.protocols.runners import RunnerStore
from cloaca_core.store.protocols.runs import Landed, RunStore
from cloaca_core.store.protocols.schedules import ScheduleStore
from cloaca_core.store.protocols.search import SearchStore
from cloaca_core.store.protocols.steering import SteeringStore
from cloaca_core.store.protocols.task_logs import TaskLogStore
from cloaca_core.store.protocols.triggers import TriggerStore
from cloaca_core.store.protocols.upkeep import UpkeepStore
from cloaca_core.store.protocols.waits import WaitStore
from cloaca_core.values.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:  # of tools, which few programs use
    from cloaca_core.records.answers import Bounds, Rows
    from cloaca_core.store.protocols.examination import Examiner
    from cloaca_core.store.protocols.old_work import OldWork
    from cloaca_core.store.protocols.transfer import Transfer
    from cloaca_core.store.tenants import TenantConfig, TenantCredentials, TenantInfo

__all__ = [
    "Backend",
    "BackupBackend",
    "CHANGE_TRIES",
    "ChildStore",
    "DefinitionStore",
    "ExaminedBackend",
    "FollowUpStore",
    "GaugeStore",
    "Landed",
    "MemoStore",
    "OldBackend",
    "PausedWorkflowStore",
    "RerunStore",
    "RunStore",
    "RunnerStore",
    "ScheduleStore",
    "SearchStore",
    "SteeringStore",
    "Store",
    "StoreOptions",
    "TaskLogStore",
    "TenantBackend",
    "TransferStore",
    "TriggerStore",
    "UpkeepStore",
    "WaitStore",
]

CHANGE_TRIES: Final = 10
"""Tries of ``retime_schedule`` or ``change_trigger`` while concurrent changes are faster."""


class Store(
    RunStore,
    RunnerStore,
    ScheduleStore,
    TriggerStore,
    SteeringStore,
    PausedWorkflowStore,
    ChildStore,
    RerunStore,
    DefinitionStore,
    FollowUpStore,
    GaugeStore,
    MemoStore,
    SearchStore,
    TaskLogStore,
    UpkeepStore,
    WaitStore,
    Protocol,
):
    """One open database. Made by ``Backend.open``; not usable after ``close``."""

    async def close(self) -> None:
        """Close all connections and threads. Safe to call twice."""

    def together(self) -> Store:
        """This store for a look that takes several operations. Those that are awaited at the same
        time, as with ``asyncio.gather``, are one transaction and see one snapshot. Only operations
        that only read may be called.
        """

    @property
    def outbox(self) -> Outbox | None:
        """Writes runs in users' transactions; None where that is impossible."""

    @property
    def writable(self) -> bool:
        """False when it was opened to read only: each write raises ``StoreReadOnlyError``."""

    @property
    def most_keys(self) -> int | None:
        """About how many new runs that ``may_be_held`` the engine puts into one batch, since each
        takes a lock, of which the database has a bounded number. None: any number.
        """

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
        """Say whether a caller watches runs here: then ``wait_changed`` also reports steps of
        runs of others, each within a quarter of a second; for that it may return more often.
        """

    def set_contended(self, *, contended: bool) -> None:
        """Say whether other live runners use this database, so that a busy writer makes room."""

    def on_connected(self, connected: Callable[[], None]) -> None:
        """Have this called on the loop each time that a connection to a server has opened: what
        failed without one may be tried again. A store without a server never calls it.
        """


@runtime_checkable
class TransferStore(Store, Protocol):
    """A store whose tables can be copied as a whole."""

    def transfer(self) -> Transfer:
        """Reads and writes its tables, as long as the store is open."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How to open a store, times in seconds.

    ``poll_interval`` is the first time between two polls of ``wait_changed``, in a store that is
    not notified; it grows to a second. ``pool_size`` bounds the connections of a store that has
    several; ``schema`` holds the tables, in a database with schemas. ``clock`` is for times that
    the database does not give. A ``shared`` store is of use only if other programs can open the
    database too: one that they cannot is refused with ``StoreOpenError``. One that is ``read_only``
    is opened to be looked at, as with ``mode=ro`` in the URL.
    """

    connect_timeout: float = 5.0
    poll_interval: float = 0.1
    pool_size: int = 10
    schema: str | None = None
    clock: Clock = SYSTEM_CLOCK
    shared: bool = False
    read_only: bool = False


class Backend(Protocol):
    """The object that a backend wheel exports as ``BACKEND``."""

    @property
    def name(self) -> str:
        """``"sqlite"``, ``"postgres"`` or a third party's own."""

    @property
    def schemes(self) -> Sequence[str]:
        """The URL schemes that it opens, without ``:``. SQLite also gets URLs without one."""

    @property
    def version(self) -> str:
        """The version that must equal the core's."""

    @property
    def unusable_reason(self) -> str | None:
        """Why it cannot work here, or None when it can."""

    def check_url(self, url: str) -> None:
        """Refuse a malformed URL with ``StoreOpenError`` (no I/O); never echoes a password."""

    async def open(self, url: str, options: StoreOptions) -> Store:
        """Open and migrate the database. ``StoreOpenError``, with the ``reason``, or ``StoreError``
        when it cannot. One that is looked at, and whose tables are missing or of an earlier
        version, is a ``StoreReadOnlyError`` that ``is_unmade``.
        """


@runtime_checkable
class ExaminedBackend(Backend, Protocol):
    """A backend whose databases can be examined."""

    async def examine(self, url: str, options: StoreOptions) -> Examiner:
        """Connect to a database that is there, and change nothing. ``StoreOpenError`` or
        ``StoreError`` when it cannot, or when another program made it.
        """


@runtime_checkable
class QueriedBackend(Backend, Protocol):
    """A backend that takes statements of a person's own."""

    async def query(self, url: str, options: StoreOptions, sql: str, bounds: Bounds) -> Rows:
        """Execute one statement that reads, in a database that is opened to be looked at: whatever
        the statement is, nothing is written, and no other database or file is reached by it.
        ``StoreError`` when it is refused, ``StoreUnavailableError`` when it takes too long.
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


@runtime_checkable
class TenantBackend(Backend, Protocol):
    """A backend that keeps tenants apart in one database, each in a schema of its own.

    All methods block, and raise ``StoreError``, or ``TenantError`` for a schema or role of that
    name which is not a tenant's; after a raise nothing has changed, but a tenant's sessions may
    have been ended. No tenant can hold up an operation on another one.
    """

    def create_tenant(self, url: str, config: TenantConfig) -> TenantCredentials:
        """Make the schema, or bring it up to date, and a role that reaches it and nothing else."""

    def list_tenants(self, url: str) -> list[TenantInfo]:
        """The tenants of the database, by the names of their schemas."""

    def remove_tenant(self, url: str, schema_name: str, username: str) -> None:
        """Remove both, whichever of them is there, and end the sessions of the role before."""
