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

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

from cloaca_core.records.batch import Batch, Committed, Waiting
from cloaca_core.records.definitions import DefinitionName, DefinitionRow
from cloaca_core.records.follow_ups import FollowUpRow, WhenEndedRow
from cloaca_core.records.runners import RunnerRow
from cloaca_core.records.runs import AttemptRow, NewRun, RunFilter, RunRow
from cloaca_core.records.schedules import ScheduleRow, TickRow
from cloaca_core.records.standing import Standing
from cloaca_core.records.steering import (
    Act,
    Acted,
    ActRow,
    ChildRow,
    ForkRow,
    NewFork,
    News,
    Parent,
    Reopening,
    ReplacementRow,
    RestartRow,
    RoundRow,
    Stray,
)
from cloaca_core.records.triggers import EventRow, TriggerRow
from cloaca_core.records.upkeep import DoomedRun, KeptWorkflow, Shift, Upkeep, Weight
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
        registered and not fenced, they do not wait for their time and their workflow is not paused,
        else without owner, epoch 0, status Pending. A child of a run that is paused with its
        children, and has not ended, is Paused until the same instant, without an owner (epoch 2 if
        it was to have one). A child of a run that is to be cancelled, or was, is not inserted, and
        ``refused`` names it. Acts on the parent come first or see the child. A run id that is
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
        the same run waits, or this transaction sees it. The end of a run that is to be cancelled is
        written as Cancelled, with its input for a final context. A park gives its run back, epoch +
        1, which is then Paused, or Waiting until it is due, or (without an instant, if it is paused
        no more) claimable at once; it does nothing to a run that is to be cancelled. An exhausted
        run is Paused, until it is resumed, and that is noted as an act by its id: so the batch,
        sent again, does not pause it again. A batch that is sent again after its parks were written
        finds their runs without owner, so not in ``current``. A follow-up is inserted if its run
        has ended as the follow-up's ``status``.

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
        cancelled call has inserted the run or never will. Sent again it changes nothing. It looks
        at no parent: see ``strays``.
        """

    # -- claim -------------------------------------------------------------------------------

    async def claim(
        self, runner_id: str, workflows: Collection[str], limit: int, now: int, aged: int = 0
    ) -> list[RunRow]:
        """Make up to ``limit`` claimable runs of these workflows this runner's own.

        First ``aged`` of those that have been claimable for longest, then those of the highest
        priority, and of equal ones those that became claimable first, then by id. Effect: owner
        set, epoch + 1, status Running, started_at ``now`` unless it was set. No run is ever given
        to two concurrent callers. Nothing is claimed for a runner that is fenced or not registered.
        The answer is in the order of ids. A run that has not begun by its ``start_by`` is left, and
        may keep a place of this claim from others.
        """

    async def set_version(self, runner_id: str, run_ids: Collection[str], version: str) -> None:
        """Note under which version of their workflow these runs begin. Runs that this runner does
        not own, or that have ended, are not changed; nor is any once the runner is fenced.
        """

    async def has_claimable(self, workflows: Collection[str]) -> bool:
        """True when ``claim`` would find a run now. Only reads."""

    async def next_due_run(self, workflows: Collection[str]) -> int | None:
        """When the first run of these workflows comes due that waits for its time, also one that is
        paused. Only reads.
        """

    async def make_due_claimable(self, workflows: Collection[str], now: int, limit: int) -> int:
        """Note of up to ``limit`` runs of these workflows that their time has come; how many.

        Those that came due first are first, then by id. They are claimable since then, unless they
        or their workflow are paused. Concurrent callers share them.
        """

    async def make_claimable_after_set_back(
        self, workflows: Collection[str], now: int, limit: int
    ) -> int:
        """Let up to ``limit`` Waiting runs of these workflows be claimed that were parked later
        than ``now``: the clock was set back since, and would keep them for as long. How many it
        were.
        """

    async def load_attempts(self, run_ids: Collection[str]) -> list[AttemptRow]:
        """All attempts of these runs, ordered by run, task and attempt."""

    async def outcomes(self, run_ids: Collection[str]) -> list[AttemptRow]:
        """As ``load_attempts``, without changes and tracebacks: those are None. Only reads."""

    # -- observe -----------------------------------------------------------------------------

    async def get_run(self, run_id: str) -> RunRow | None:
        """The run, or None when there is none of this id."""

    async def list_runs(self, wanted: RunFilter) -> list[RunRow]:
        """The runs that match, newest first, with empty ``input`` and ``final_context``."""

    async def count_runs(self, wanted: RunFilter) -> int:
        """How many runs match, up to ``limit`` of each status. Only reads."""

    async def ended(self, run_ids: Collection[str]) -> list[RunRow]:
        """Those of these runs that have ended."""

    async def list_waiting(self, runner_id: str, most: int) -> Waiting:
        """Work that waits for a runner with its workflow, by workflow and kind, in any order.

        Eligible: claimable runs, and enabled schedules with a tick to come or due (also of a paused
        workflow), of workflows of which no runner that is registered and not fenced owns a run that
        has not ended. At most ``most`` of each are counted; ``first_run`` is the run that is
        claimed first. ``other_runners`` counts those that are registered and not fenced, beside
        ``runner_id``. Only reads; may include work that a concurrent caller takes meanwhile.
        """

    async def standing(self, run_id: str, most: int) -> Standing | None:
        """How a run stands, all of it as of one instant; None when there is none of this id.

        Attempts are ordered by task and attempt, restarts by task and first attempt, children by
        id, runners oldest first, fenced ones included. At most ``most`` children are read, and at
        most ``most`` runs counted, of each runner and ahead of this one. Only reads.
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
        Those that are to be cancelled are Cancelled instead. Returns how many became claimable.

        An orderly end of ownership: no crash is counted. The caller need not know which runs it
        owns: those of its transactions that are still open are included.
        """

    async def unregister(self, runner_id: str) -> None:
        """Remove this runner; what it still owns is given up as by ``release``."""

    async def runners(self) -> list[RunnerRow]:
        """Every registered runner, fenced ones included, oldest first."""

    async def fence(self, runner_id: str, seen_beat: int) -> bool:
        """Declare a runner dead, if its beat is still ``seen_beat``; true when it is fenced now.

        From then on it can claim and record nothing; a concurrent beat either comes first (and
        this returns false) or finds itself fenced.
        """

    async def take_over(self, runner_id: str, limit: int) -> int:
        """End all runs of a *fenced* runner that are to be cancelled, and make up to ``limit``
        others claimable; returns how many in all.

        Effect on each run: no owner, epoch + 1, recoveries + 1; on its attempts that carry the
        old epoch and are Running: crashes + 1. When none is left the runner's row is removed and
        the result is 0. Two concurrent callers never count one crash twice.
        """


class SteeringStore(Protocol):
    """Wishes about runs.

    An act is noted once for each run, under the id that its caller made; sent again it changes
    nothing. Answers have no entry for a run that is not there. Of two concurrent acts on one run
    the second sees the first; of an act and a commit of the owner as well.
    """

    async def cancel(
        self,
        run_ids: Collection[str],
        act: Act,
        deadline: int,
        *,
        children: bool,
        parent_id: str | None = None,
    ) -> dict[str, Acted]:
        """Cancel runs.

        One without an owner that has not ended is Cancelled now: its input is the final context,
        ``act.because`` its error, epoch + 1, and what waits behind it may start. One with an owner
        is Cancelling, and its owner is to end it by ``deadline``; an earlier deadline holds, and a
        second act changes nothing else. With ``children``, ``News.parents`` has the run as long as
        children of it are under way. With ``parent_id``, nothing is done once that run is not among
        those parents any more: then its next round may have begun.
        """

    async def not_begun(self, now: int, limit: int) -> list[str]:
        """Up to ``limit`` runs that have not begun by their ``start_by``, which is ``now`` or
        earlier, those first that were to begin first. Only reads.
        """

    async def expire(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        """Cancel those of these runs that have not begun by their ``start_by``, which is
        ``act.now`` or earlier; the others are not in the answer. Of a claim and this one wins.
        """

    async def pause(
        self, run_ids: Collection[str], act: Act, until: int | None, *, children: bool
    ) -> dict[str, Acted]:
        """Pause runs that have not ended, are not paused and not to be cancelled: no runner claims
        them, and an owner starts nothing more of them and parks them. ``until`` is an instant.

        With ``children``, ``News.parents`` has the run as long as children of it are out of step,
        and ``commit`` inserts children of it as Paused.
        """

    async def resume(
        self, run_ids: Collection[str], act: Act, content: str | None = None
    ) -> dict[str, Acted]:
        """Let paused runs go on, with their owner or, without one, once they are claimed.

        One without an owner is Pending if it has not started, Waiting if it is not due, else
        Running; it is claimable since then, in the order of claims. Children of one that was paused
        with them are to go on: ``News.parents`` has it. One that was paused with its parent is not
        paused again by the same pause of its parent. ``content``, a JSON object, is kept for each
        run that this changes, as its newest replacement of keys; the epoch of one without an owner
        is then 1 higher.
        """

    async def replacements(self, run_ids: Collection[str]) -> list[ReplacementRow]:
        """The keys of these runs that were replaced, by run, oldest first. Only reads."""

    async def end_pauses(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        """The same for those of these runs whose pause has an end that has come by ``act.now``. A
        run that was paused anew since it was read stays paused. The act is noted only where it
        has changed the run: each runner does this when the time has come.
        """

    async def retry(
        self,
        runs: Collection[Reopening],
        act: Act,
        *,
        children: bool = False,
        time_limit: int | None = None,
    ) -> dict[str, Acted]:
        """Begin the next rounds of those of these runs that have Failed or were Cancelled and are
        still in the round that their caller has seen, unless children of them are still to be
        cancelled (``ended_parents``).

        How the round ended is kept in ``rounds``. The run is Pending as if it were new: no owner,
        epoch + 1, no recoveries, no end; its attempts stay, and so does its time limit unless
        another one is given. ``first_attempts`` are noted in ``restarts``, and with each whether
        the failed ``children`` were begun again. Of two callers that saw one round, one opens the
        next.
        """

    async def fork(self, new: NewFork, act: Act) -> str | None:
        """Make a run of another one, whose workflow, input, priority and time limit it has. The id
        of the run that stands for it: its own, or that of the run that has its key; None if there
        is no such source.

        It has no owner and begins with the results of the ``kept`` tasks of the source, and with
        its replacements of keys, as they are now. The act is noted at the source. Sent again it
        changes nothing.
        """

    async def forks(self, run_ids: Collection[str]) -> list[ForkRow]:
        """Of which runs those of these were made that were made of others, in the order of time;
        the last row of a run is its own, those before it came with the results. Only reads.
        """

    async def restarts(self, run_ids: Collection[str]) -> list[RestartRow]:
        """The tasks of these runs that were restarted, by run, task and attempt. Only reads."""

    async def rounds(self, run_id: str) -> list[RoundRow]:
        """How the earlier rounds of a run have ended, oldest first. Only reads."""

    async def children(self, parent_ids: Collection[str]) -> list[ChildRow]:
        """The runs that these have submitted, without detached ones, in the order of the parents'
        ids, then of theirs. Only reads.
        """

    async def pause_workflow(self, workflow: str, act: Act, until: int | None) -> bool:
        """Have no run of this workflow claimed; false if that was so already. Runs keep their
        states and owners, new ones are inserted without owner. A claim or commit that is under way
        may still take some.
        """

    async def resume_workflow(self, workflow: str, act: Act) -> bool:
        """Let runs of this workflow be claimed again; false if it was not paused."""

    async def end_pause_of_workflow(self, workflow: str, act: Act) -> bool:
        """The same if its pause has an end that has come by ``act.now``; else it is not noted."""

    async def paused_workflows(self) -> dict[str, int | None]:
        """Workflows that are paused, and until when. Only reads."""

    async def news(self, runner_id: str, workflows: Collection[str], limit: int) -> News:
        """The work of steering. Only reads.

        ``wishes``: what is asked of runs that this runner owns, in the order of their ids.
        ``replaced``: those of its runs whose keys were replaced, and how often.
        ``parents``: up to ``limit`` runs whose children are to be cancelled, those of the earliest
        deadline first; one that has not ended only if children of it are under way: it may still
        submit some. Then those whose children are to be paused or resumed, without a deadline; a
        paused one with an owner only if children are out of step. ``next_timer``: when the first
        run of these workflows comes due that waits for its time, the first pause of any run or
        workflow ends, or the first run expires that has not begun.
        """

    async def ended_parents(self, run_ids: Collection[str]) -> list[Parent]:
        """Those of these runs that have ended and whose children are still to be cancelled, by
        their ids. Only reads.
        """

    async def children_under_way(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        """Up to ``limit`` (parent, child) of runs that these have submitted, and that have not
        ended, are not detached and not to be cancelled, in the order of the ids. Only reads.
        """

    async def children_out_of_step(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        """Up to ``limit`` (parent, child) of runs that these have submitted, that have not ended,
        are not detached and not to be cancelled, in the order of the ids. Only reads.

        Of a run that is paused with its children: those that are not paused on their own, and to
        which this pause has not come yet. Of any other: those that are paused with it still.
        """

    async def bring_into_step(self, parent_id: str, child_ids: Collection[str], act: Act) -> None:
        """Pause those of these children of a run that are out of step, with their own children and
        until the same instant, or resume them, as the run itself is. The others stay as they are.
        """

    async def strays(self, run_ids: Collection[str]) -> list[Stray]:
        """Those of these runs, without detached ones, whose parent is to be cancelled or was, by
        their ids. Only reads.
        """

    async def pauses_over(self, now: int, limit: int) -> list[str]:
        """Up to ``limit`` paused runs whose pause ends by ``now``, those first that end first."""

    async def forget_children(self, parent_ids: Collection[str]) -> None:
        """Note that the children of these runs are being cancelled, unless there are more of them
        under way, or the run has not ended. And that they are paused or go on as the runs do,
        unless some are out of step, or the run is paused and has an owner: its bodies may submit
        some.
        """

    async def acts(self, run_id: str | None, limit: int) -> list[ActRow]:
        """The acts on one run, or (None) on any run or workflow, newest first."""


class ScheduleStore(Protocol):
    """Cron schedules and their ticks, which ``RunStore.commit`` decides."""

    async def now(self) -> int:
        """The time by the clock of ticks, in µs since 1970; touches no table.

        A SQLite store uses its machine's, a PostgreSQL store the database's.
        """

    def wall(self) -> int:
        """About what ``now`` would answer, without asking the database."""

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


class DefinitionStore(Protocol):
    """Definitions that runners have registered, for programs that lack their code.

    A version of a workflow is recorded once. The newest version is the one that was registered
    last, which may be an older one that came back.
    """

    async def record_definitions(
        self, definitions: Collection[DefinitionRow], when_ended: Collection[WhenEndedRow] = ()
    ) -> None:
        """Record definitions, each of another workflow, as the newest of their workflows, and what
        follows the ends of their runs.

        One that is recorded already keeps its content, and becomes the newest again; if it is that,
        nothing is written. Of concurrent callers with different versions of one workflow the
        version of one of them is the newest afterwards.
        """

    async def newest_definitions(self, workflows: Collection[str]) -> list[DefinitionName]:
        """The newest versions of those of these workflows that are recorded, by workflow."""

    async def definitions_named(self, name: str) -> list[DefinitionName]:
        """The newest version of each workflow that has this full name, that ends in it, or whose
        builder was given it; by workflow.
        """

    async def list_definitions(self) -> list[DefinitionName]:
        """The newest version of each workflow, by workflow."""

    async def get_definition(self, workflow: str, version: str) -> DefinitionRow | None:
        """One version of a workflow, or None when no runner has recorded it."""


class FollowUpStore(Protocol):
    """Runs that follow the ends of others.

    One is inserted by the transaction that ends a run, for each ``WhenEndedRow`` of the state in
    which it ends, once in each round of the run, also if that transaction is sent again. It has no
    owner, no parent, no tags and priority 0, and is claimable since the end. Its input is the
    row's content with the run's id, its state and its error; its version is the newest that is
    recorded, or empty.

    The rows are those of ``Batch.follow_ups`` for the ends of a commit. All else that ends a run
    (``cancel``, ``expire``, the cancellations of a commit, ``release``, ``unregister``,
    ``take_over``) goes by those of the newest recorded version of its workflow.
    """

    async def follow_ups(self, run_ids: Collection[str]) -> list[FollowUpRow]:
        """The runs that follow ends of these runs, and those of these runs that follow others; by
        id.
        """


class UpkeepStore(Protocol):
    """Deletes trees of runs that have ended long ago. A tree is a run without a parent, or one that
    is detached from it, and all runs below it, up to those that are detached.

    A tree that is hidden is seen by no other operation, but for ``load_attempts`` and ``ended``,
    and nothing is done to its runs; a run whose parent is in it is not inserted (see
    ``Committed.orphans``). Its idempotency keys are free: ``commit`` holds back a run with one of
    them, and ``insert_when_free`` inserts it.

    Each operation with a ``Shift`` does nothing, and answers None, if another holder prunes.
    """

    async def upkeep(self) -> Upkeep:
        """The notes about pruning. Only reads."""

    async def take_upkeep(self, shift: Shift, now: int, due: int, latest: int) -> bool:
        """Begin to prune, if that was due by ``due``, and no other holder does so, or it has not
        renewed its shift in time. An instant after ``latest`` is one before the clock was set back,
        and counts as past. Of concurrent callers one begins.
        """

    async def leave_upkeep(self, holder: str, due_at: int) -> None:
        """Prune no more; it is due at ``due_at``. Nothing is done if another holder prunes."""

    async def kept_workflows(self) -> list[KeptWorkflow]:
        """The workflows that have runs or schedules, and how long runs are kept by the newest
        recorded version. Only reads.
        """

    async def expired_trees(
        self, workflow: str, before: int, after: str, newest: str, limit: int
    ) -> list[str]:
        """Up to ``limit`` roots, of this workflow, of trees that are not hidden and all of whose
        runs have ended before ``before``: the first in the order of ids, after ``after`` and before
        ``newest``. Only reads.
        """

    async def weigh_trees(self, root_ids: Collection[str]) -> Weight:
        """How many runs and rows these trees have. Only reads."""

    async def hide_trees(
        self, shift: Shift, root_ids: Collection[str], before: int, now: int
    ) -> int | None:
        """Hide those of these trees all of whose runs have ended before ``before``; how many. Of a
        retry, a fork or a submission in a tree and this one wins, and the other sees it.
        """

    async def doomed_runs(self, limit: int, most: int) -> list[DoomedRun]:
        """Up to ``limit`` runs of hidden trees, a root only when it is the last of its tree. Rows
        are counted up to ``most`` of each kind. Only reads.
        """

    async def erase_runs(self, shift: Shift, run_ids: Collection[str]) -> int | None:
        """Delete all rows of these runs, which ``doomed_runs`` has answered; how many.

        The ticks that made them are forgotten, and no tick of their schedules up to those gets a
        run (again). An event with a key stays, without being listed; one without goes.
        """

    async def trim_run(self, shift: Shift, run_id: str, limit: int) -> int | None:
        """Delete up to ``limit`` rows of each kind of a run that ``doomed_runs`` has answered; how
        many.
        """

    async def ticking_schedules(self, workflow: str) -> list[str]:
        """The ids of the schedules of a workflow. Only reads."""

    async def deleted_schedules(self) -> list[str]:
        """The ids of schedules that are gone and have ticks left. Only reads."""

    async def erase_ticks(
        self, shift: Shift, schedule_id: str, before: int, limit: int
    ) -> int | None:
        """Forget up to ``limit`` ticks of a schedule that were decided before ``before`` and have
        no run (any more), oldest first, and up to as many counts of dropped ones; how many. No tick
        up to those gets a run (again).
        """

    async def give_back(self, limit: int) -> int | None:
        """Give free space of the database back to the system, at most ``limit`` pages; how many
        bytes that was, 0 when there is no more to give, None where the database does so by itself
        or cannot.
        """


class Store(
    RunStore,
    RunnerStore,
    ScheduleStore,
    TriggerStore,
    SteeringStore,
    DefinitionStore,
    FollowUpStore,
    UpkeepStore,
    Protocol,
):
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
    the database does not give. A ``shared`` store is of use only if other programs can open the
    database too: one that they cannot is refused with ``StoreOpenError``.
    """

    connect_timeout: float = 5.0
    poll_interval: float = 0.1
    pool_size: int = 10
    schema: str | None = None
    clock: Clock = SYSTEM_CLOCK
    shared: bool = False


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
