"""The contract between the engine and a database: domain operations, no SQL.

Everything here but the outbox runs on the engine's loop. Each operation is one transaction. Any
of them may raise ``StoreUnavailableError`` (transient: the caller decides how long to try again)
or another ``StoreError`` (final); after a raise the transaction either happened as a whole or not
at all, and every write may be sent again.

Ownership: a run belongs to the runner in its ``owner`` column under its ``epoch``, which grows by
one each time the owner changes. A run without an owner that has not ended is *claimable*, unless
it waits *behind* another run of its schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

from cloaca_core.records.batch import Batch, Committed, Waiting
from cloaca_core.records.runners import RunnerRow
from cloaca_core.records.runs import AttemptRow, NewRun, RunFilter, RunRow
from cloaca_core.records.schedules import ScheduleRow, TickRow
from cloaca_core.records.triggers import EventRow, TriggerRow
from cloaca_core.store.changes import Change
from cloaca_core.store.outbox import Outbox
from cloaca_core.values.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from cloaca_core.store.tenants import TenantConfig, TenantCredentials

CHANGE_TRIES: Final = 10
"""Tries of ``retime_schedule`` or ``change_trigger`` while concurrent changes are faster."""

Landed: TypeAlias = Callable[[Committed], None]
"""Called with the result of a batch as soon as it is durable."""


class RunStore(Protocol):
    """Runs: recorded, claimed, read."""

    # -- record ------------------------------------------------------------------------------

    async def commit(self, batch: Batch, landed: Landed | None = None) -> Committed:
        """Write the records of a batch, all or nothing.

        New runs: inserted with epoch 1 and status Running when ``owner`` names a runner that is
        registered and not fenced, else without owner, epoch 0, status Pending. A run id that is
        already there changes nothing (the batch is sent again). If another run has the (workflow,
        idempotency_key), nothing is inserted, and ``existing`` names that run.

        A commit never waits for a transaction in which a user writes runs (see ``Outbox``): such
        a transaction may stay open for hours, and the batch holds the records of every run of this
        runner. If an uncommitted run has the key of a new one, the new one is left out and named in
        ``held``; ``insert_when_free`` waits for it. A store may also hold back a run whose key is
        not being written, but never one whose key is taken, nor one whose ``may_be_held`` is false:
        the body of its parent waits for it. A commit may wait for other batches, which take
        moments. In a database where one transaction writes at a time, every writer waits for a
        user's transaction, so nothing is held back.

        Attempts and ends: recorded only for runs that the runner owns under the epoch of
        ``fences``, which are locked first and named in ``current``. An attempt row replaces an
        earlier row of the same attempt unless that one is final; an end changes nothing on a run
        that has ended, and frees the runs that wait behind it. A concurrent claim or takeover of
        the same run waits, or this transaction sees it.

        Firings and their ticks: written only if the schedule, which is locked first, is enabled and
        still has the generation that the decision was based on. A tick that is there already stays;
        the run of a tick is inserted, without an owner, only with the tick that names it; then the
        schedule goes on, generation + 1. So of any number of runners that decide one tick, one
        makes its run, also when a batch is sent again. A back-filled tick, without a generation,
        needs only the schedule's row, enabled or not, and changes nothing in it but the generation
        (+ 1) of an enabled schedule that has not reached that tick; the overlap policy does not
        count its run. A run that is put behind one which has ended waits for nothing; a concurrent
        end of that one comes first, or frees the waiting run. If the schedule is there and earlier
        runs of it, of the same workflow, have not ended, the run waits behind the newest of those
        instead, now and whenever the run that it waits for ends.

        Cancellations: only with the tick that names their ``tick_run``. A run that has not ended
        before or by this batch becomes Cancelled, also one of another runner: no owner, epoch + 1,
        its input as final context. Concurrent writes of its owner come first or are refused.

        Events: written only if their trigger, which is locked first, is enabled and in the
        generation that they name, if they name one. An event is not written if another event of the
        trigger has its key; nor, without ``allow_concurrent``, while a run of the trigger with the
        same workflow and context hash has not ended, earlier events of this batch included. The run
        is inserted, without an owner, only with its event. Then ``turns`` go on as in
        ``take_polls``.

        ``landed`` is called once with the result before this returns: as soon as the store knows
        that the batch is durable, on any thread. Attempts that wait for the batch begin by it,
        without a hop to the engine's loop. It is quick and never raises.

        Raises ``StoreDataError`` when the database refuses a value; nothing was written.
        """

    async def insert_when_free(self, run: NewRun) -> str:
        """Insert one run that has a key, without an owner, even if it names one; returns its id, or
        that of the run that has the key.

        While another transaction writes a run with that key, wait for its end: if it commits, its
        run is the result, else this one is inserted. Commits do not wait meanwhile, other calls of
        this operation wait some seconds at most, and all of them together need one connection. A
        cancelled call has inserted the run or never will. Sent again it changes nothing.
        """

    # -- claim -------------------------------------------------------------------------------

    async def claim(
        self, runner_id: str, workflows: Collection[str], limit: int, now: int
    ) -> list[RunRow]:
        """Make up to ``limit`` claimable runs of these workflows this runner's own, oldest first.

        Eligible: no owner, not ended. Effect: owner set, epoch + 1, status Running, started_at
        ``now`` unless it was set. No run is ever given to two concurrent callers. Nothing is
        claimed for a runner that is fenced or not registered.
        """

    async def has_claimable(self, workflows: Collection[str]) -> bool:
        """True when ``claim`` would find a run now. Only reads."""

    async def load_attempts(self, run_ids: Collection[str]) -> list[AttemptRow]:
        """All attempts of these runs, ordered by run, task and attempt."""

    # -- observe -----------------------------------------------------------------------------

    async def get_run(self, run_id: str) -> RunRow | None:
        """The run, or None when there is none of this id."""

    async def list_runs(self, wanted: RunFilter) -> list[RunRow]:
        """The runs that match, newest first, with empty ``input`` and ``final_context``."""

    async def ended(self, run_ids: Collection[str]) -> list[RunRow]:
        """Those of these runs that have ended."""

    async def list_waiting(self, runner_id: str, most: int) -> Waiting:
        """Work that waits for a runner with its workflow, by workflow and kind, in any order.

        Eligible: claimable runs, and enabled schedules with a tick to come or due, of workflows of
        which no runner that is registered and not fenced owns a run that has not ended. At most
        ``most`` of each are counted; ``first_run`` is the run of the least id. ``other_runners``
        counts those that are registered and not fenced, beside ``runner_id``. Only reads; may
        include work that a concurrent caller takes meanwhile.
        """


class RunnerStore(Protocol):
    """Runners: their leases, and the release and takeover of their runs."""

    def lease_clock(self) -> int:
        """The time by the clock of ``lease_until``, in µs (cheap, no statement).

        A SQLite store uses the time since boot (all its users share a machine), a PostgreSQL
        store the database's clock.
        """

    @property
    def lease_ends_with_boot(self) -> bool:
        """True when the lease clock begins again with each boot of the machine, so that a lease
        that was taken before the last boot is over, although it may end in the future.
        """

    async def register(self, runner: RunnerRow) -> None:
        """Add this runner, with beat 0 and ``fenced`` false. Sent again it changes nothing;
        ``StoreOpenError`` when another runner, of this process or not, has the id.
        """

    async def beat(self, runner_id: str, lease_until: int) -> bool:
        """Renew the lease and count the beat; false when the runner was fenced or removed."""

    async def release(self, runner_id: str, held: Collection[str]) -> int:
        """Give up this runner's runs except ``held``: no owner, epoch + 1, claimable by any runner.
        Returns how many runs that were.

        An orderly end of ownership: no crash is counted. The caller need not know which runs it
        owns: those of its transactions that are still open are included.
        """

    async def unregister(self, runner_id: str) -> None:
        """Remove this runner; the runs that it still owns become claimable as by ``release``."""

    async def runners(self) -> list[RunnerRow]:
        """Every registered runner, fenced ones included, oldest first."""

    async def fence(self, runner_id: str, seen_beat: int) -> bool:
        """Declare a runner dead, if its beat is still ``seen_beat``; true when it is fenced now.

        From then on it can claim and record nothing; a concurrent beat either comes first (and
        this returns false) or finds itself fenced.
        """

    async def take_over(self, runner_id: str, limit: int) -> int:
        """Make up to ``limit`` runs of a *fenced* runner claimable; returns how many.

        Effect on each run: no owner, epoch + 1, recoveries + 1; on its attempts that carry the
        old epoch and are Running: crashes + 1. When none is left the runner's row is removed and
        the result is 0. Two concurrent callers never count one crash twice.
        """


class ScheduleStore(Protocol):
    """Cron schedules and their ticks, which ``RunStore.commit`` decides."""

    async def now(self) -> int:
        """The time by the clock of ticks, in µs since 1970; touches no table.

        A SQLite store uses its machine's, a PostgreSQL store the database's.
        """

    async def put_schedule(self, schedule: ScheduleRow) -> str:
        """Add a schedule, or change the one of its name; returns its id.

        A changed one keeps its id, whether it is enabled, its last tick and creation. If
        expression, zone and dates are the same, it also keeps its decided ticks; with another
        jitter it is due at the new row's ``created_at`` at the latest. Its generation grows by one.
        Of two concurrent callers with one name the second changes the first one's schedule.
        """

    async def get_schedule(self, schedule_id: str) -> ScheduleRow | None:
        """The schedule, or None when there is none of this id."""

    async def get_schedule_named(self, name: str) -> ScheduleRow | None:
        """The schedule of this name, or None."""

    async def list_schedules(
        self, *, enabled_only: bool, limit: int, offset: int
    ) -> list[ScheduleRow]:
        """Schedules by workflow, then by id."""

    async def retime_schedule(self, schedule: ScheduleRow) -> bool:
        """Replace expression, zone, enabled, ``decided_until``, ``next_tick``, ``due_at`` and
        ``updated_at``; generation + 1. False, and nothing is done, when the schedule is not in the
        generation of ``schedule`` any more: a concurrent change or firing was faster.
        """

    async def delete_schedule(self, schedule_id: str) -> None:
        """Remove it, if it is there. Its ticks and runs stay."""

    async def next_due(self, workflows: Collection[str]) -> int | None:
        """When the first enabled schedule of these workflows is due, in past or future."""

    async def due_schedules(
        self, workflows: Collection[str], now: int, limit: int
    ) -> list[ScheduleRow]:
        """Up to ``limit`` enabled schedules of these workflows that are due at ``now``, those that
        have been for longest first. Concurrent callers get the same ones: ``commit`` decides.
        """

    async def schedules_ahead(
        self, workflows: Collection[str], now: int, edge: int, limit: int
    ) -> list[tuple[ScheduleRow, int | None]]:
        """Up to ``limit`` enabled schedules of these workflows that were decided until later than
        ``edge``, in the order of their ids. Each with the newest of its ticks that was decided
        (whether it has a run or not) and is not later than ``now``.
        """

    async def list_under_way(self, schedule_ids: Collection[str]) -> dict[str, list[str]]:
        """Ids of the runs of each of these schedules that have not ended, in the order of their
        ticks; a schedule without such runs is left out. Those of another workflow, which the
        schedule had before, do not count.
        """

    async def list_ticks(self, schedule_id: str, *, limit: int, offset: int) -> list[TickRow]:
        """Ticks of a schedule, deleted or not, that were decided, newest first."""

    async def find_ticks(self, schedule_id: str, ticks: Collection[int]) -> list[TickRow]:
        """Those of these ticks of a schedule that were decided, oldest first."""

    async def count_ticks(self, since: int) -> tuple[int, int]:
        """Count all ticks since an instant: those with a run, and those dropped or skipped."""


class TriggerStore(Protocol):
    """Event triggers and their events, which ``RunStore.commit`` writes."""

    async def add_trigger(self, trigger: TriggerRow) -> bool:
        """Add a trigger that has not been polled; false, and nothing is done, when there is one of
        its name: of two concurrent callers one adds it.
        """

    async def change_trigger(self, trigger: TriggerRow) -> bool:
        """Replace all but id, name, ``last_poll_at`` and creation; generation + 1. False, and
        nothing is done, when the trigger is not in the generation of ``trigger`` any more: a
        concurrent change or poll was faster.
        """

    async def take_polls(self, polls: Sequence[TriggerRow]) -> set[str]:
        """Move triggers on to these ``last_poll_at`` and ``next_poll_at``, generation + 1, each if
        it is enabled and in the generation given. The ids of those that were: of any number of
        concurrent callers one gets a poll.
        """

    async def triggers_named(self, names: Collection[str]) -> list[TriggerRow]:
        """Those triggers of these names that are there, in any order."""

    async def list_triggers(
        self, *, enabled_only: bool, limit: int, offset: int
    ) -> list[TriggerRow]:
        """Triggers by name."""

    async def known_events(self, trigger_id: str, keys: Collection[str]) -> set[str]:
        """Which of these keys events of this trigger have."""

    async def list_events(self, trigger_id: str, *, limit: int, offset: int) -> list[EventRow]:
        """Events of a trigger that made runs, newest first."""


class Store(RunStore, RunnerStore, ScheduleStore, TriggerStore, Protocol):
    """One open database. Made by ``Backend.open``; not usable after ``close``."""

    async def close(self) -> None:
        """Close all connections and threads. Safe to call twice."""

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

    def set_contended(self, *, contended: bool) -> None:
        """Say whether other live runners use this database, so that a busy writer makes room."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How to open a store, times in seconds.

    ``poll_interval`` is the first time between two polls of ``wait_changed``, in a store that is
    not notified; it grows to a second. ``pool_size`` bounds the connections of a store that has
    several; ``schema`` holds the tables, in a database with schemas. ``clock`` is for times that
    the database does not give.
    """

    connect_timeout: float = 5.0
    poll_interval: float = 0.1
    pool_size: int = 10
    schema: str | None = None
    clock: Clock = SYSTEM_CLOCK


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
        """Open and migrate the database. ``StoreOpenError`` or ``StoreError`` when it cannot."""


@runtime_checkable
class TenantBackend(Backend, Protocol):
    """A backend that keeps tenants apart in one database, each in a schema of its own.

    Both methods block, and raise ``StoreError``, or ``TenantError`` for a schema or role of that
    name which is not a tenant's; after a raise nothing has changed, but a tenant's sessions may
    have been ended. No tenant can hold up an operation on another one.
    """

    def create_tenant(self, url: str, config: TenantConfig) -> TenantCredentials:
        """Make the schema, or bring it up to date, and a role that reaches it and nothing else."""

    def remove_tenant(self, url: str, schema_name: str, username: str) -> None:
        """Remove both, whichever of them is there, and end the sessions of the role before."""
