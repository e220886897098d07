"""Runs: the contract of recording, claiming and reading them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Protocol, TypeAlias

from cloaca_core.run.rows import (
    AttemptRow,
    NewRun,
    RestartRow,
    RoundRow,
    RunFilter,
    RunRow,
    Unserved,
    WaitingRow,
)
from cloaca_core.store.batch import NO_ROWS, Batch, Committed, Rows, Waiting

if TYPE_CHECKING:
    from cloaca_core.store.transactions import Recording

OnCommit: TypeAlias = Callable[[Committed], None]
"""Called with the result of a batch as soon as it is durable."""


class RunStore(Protocol):
    """Runs: recorded, claimed, read."""

    # -- record ------------------------------------------------------------------------------

    async def commit(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        """Write the records of a batch, all or nothing.

        New runs are inserted with epoch 1 and status Running if ``owner`` names a runner that is
        registered and not fenced, they do not wait for their time and their workflow is not paused;
        otherwise without owner, epoch 0, status Pending. A child of a run that is paused with its
        children, and has not ended, is Paused until the same instant, without an owner (epoch 2 if
        it was to have one). A child of a run that is being cancelled, or was, is not inserted, and
        ``refused`` names it. Acts on the parent come first or see the child. A run id that exists
        already changes nothing (the batch is repeated). If another run has the (workflow,
        idempotency_key), nothing is inserted, and ``existing`` names that run.

        A commit never waits for a transaction in which a user writes runs (see ``Outbox``): such a
        transaction may stay open for hours, and the batch has the records of every run of this
        runner. If an uncommitted run has the key of a new run, the new run is left out and named in
        ``held``; ``insert_when_free`` waits for the key. A store may also hold back a run whose key
        is not being written, but never a run whose key is taken, nor a run whose ``may_be_held`` is
        false: the body of its parent waits for it. A commit may wait for other batches, which take
        moments. In a database where one transaction writes at a time, every writer waits for a
        user's transaction, so nothing is held back.

        Attempts and ends are recorded only for runs that the runner owns under the epoch of
        ``fences``; these are locked first and named in ``current``. An attempt row replaces an
        earlier row of the same attempt unless that row is final. An end changes nothing on a run
        that has ended, and frees the runs that wait behind it. A concurrent claim or takeover of
        the same run waits, or this transaction sees it. The end of a run that must be cancelled is
        written as Cancelled, with its input for a final context.

        A park gives its run back, epoch + 1. The run is then Paused; or Waiting until it is due; or
        claimable at once, if the park has no instant and the run is no longer paused, or if more
        messages were sent to it than its owner has seen. A park that names a queue moves the run
        there. A park does nothing to a run that must be cancelled. With ``rests`` the run rests
        until a claim, unless it is paused or claimable at once; the time that it ``rested`` before
        counts in any case. An exhausted run is Paused until it is resumed. That is recorded as an
        act with an id, so a repeated batch does not pause it again. A batch that is repeated after
        its parks were written finds their runs without owner, so they are not in ``current``.

        Rows of features, by ``Kind``: see the contract of each feature's part
        (``features/*/part.py``).

        ``on_commit`` is called once with the result before this returns, on any thread: as soon as
        the store knows that the batch is durable. Attempts that wait for the batch begin in it,
        without a hop to the engine's loop. It is quick and never raises.

        Raises ``StoreDataError`` if the database refuses a value; nothing was written.
        """

    async def insert_when_free(self, run: NewRun, rows: Rows = NO_ROWS) -> str:
        """Insert one run that has a key, without an owner even if it names one, with the first rows
        of features. Returns its id, or the id of the run that has the key, which does not get those
        rows.

        While another transaction writes a run with that key, wait for its end. If it commits, its
        run is the result, otherwise this run is inserted. Commits do not wait meanwhile, other
        calls of this operation wait some seconds at most, and all of them together need one
        connection. A cancelled call has inserted the run or never will. Repeating it changes
        nothing. It does not look at the parent: see ``stopped_with_parents``.
        """

    def recording(self, runner_id: str, row: AttemptRow) -> Recording:
        """The statements of a ``commit`` of one attempt, for the transaction of its body."""

    async def is_recorded(self, runner_id: str, row: AttemptRow) -> bool:
        """Whether this success counts: its row is final, of this epoch. Waits for a transaction
        that may be writing it, by the lock of its run.
        """

    # -- claim -------------------------------------------------------------------------------

    async def claim(
        self,
        runner_id: str,
        workflows: Collection[str],
        limit: int,
        now: int,
        aged: int = 0,
        queues: Collection[str] | None = None,
    ) -> list[RunRow]:
        """Make up to ``limit`` claimable runs of these workflows, in these queues, this runner's
        own. Without ``queues`` in all: in the usual queue, and in each that was noted for the
        workflow.

        First ``aged`` of the runs that have been claimable for longest, then those with the highest
        priority, of equal ones those that became claimable first, then by id. Runs that this runner
        has released (``release_unserved``) are left out. Effect: owner set, epoch + 1, status
        Running, started_at ``now``, by ``wall``, unless it was set. If the run rests, the time
        until it became claimable counts in ``stood_still``, and moves its deadline by as much. No
        run is ever given to two concurrent callers. Nothing is claimed for a runner that is fenced
        or not registered. The answer is in the order of ids. A run that has not begun by its
        ``start_by`` is not claimed, and may take a place of this claim from others.

        A store may pass over runs that by their rows have been claimable for longer than a second,
        if none was left then. This and ``has_claimable`` find them again: at once if they have
        become claimable since by an operation that this store was notified of, otherwise after some
        seconds, when ``wait_changed`` returns.
        """

    async def set_ran_version(self, runner_id: str, run_ids: Collection[str], version: str) -> None:
        """Write the version of their workflow by which these runs run from now on. The version that
        they were submitted with, or that their round was planned by, is written as None. Runs that
        this runner does not own, or that have ended, are not changed; nor is any once the runner is
        fenced.
        """

    async def release_unserved(self, runner_id: str, runs: Collection[Unserved]) -> set[str]:
        """Give back claimed runs for which this runner lacks tasks, and record that. Returns the
        ids of those that it has released, now or before.

        Effect on each run that it owns under this epoch: no owner, epoch + 1, status, start and
        ``came_due`` as before the claim, or Paused if that was requested meanwhile. A run that must
        be cancelled, or has ended, is not changed; nor is any once the runner is fenced. This
        runner does not claim the run until ``forget_unserved``, or until the run is restarted;
        every other runner may. The records are deleted with the run, and when the runner is
        unregistered or removed; records about ended runs are deleted when the runner releases
        others.
        """

    async def released_unserved(self, runner_id: str) -> list[WaitingRow]:
        """The claimable runs that this runner has released, by workflow: the first id, and the
        instant at which the oldest was made. Only reads.
        """

    async def forget_unserved(self, runner_id: str, workflows: Collection[str]) -> None:
        """Let this runner claim runs of these workflows again that it has released."""

    async def has_claimable(
        self,
        runner_id: str,
        workflows: Collection[str],
        queues: Collection[str] | None = None,
    ) -> bool:
        """Whether a ``claim`` of this runner, if it is registered, would find a run now. Only
        reads.
        """

    async def note_queue(self, workflow: str, name: str) -> None:
        """Note that runs of the workflow may be in this queue. Those that a definition names are
        noted with its record. Other processes hear of it.
        """

    async def next_due_run(self, workflows: Collection[str]) -> int | None:
        """The earliest instant at which a run of these workflows that waits for its time comes due,
        paused runs included. Only reads.
        """

    async def make_due_claimable(self, workflows: Collection[str], now: int, limit: int) -> int:
        """Make up to ``limit`` runs of these workflows claimable whose time has come. Returns their
        number.

        The runs that came due first are first, then by id. They are claimable since then, unless
        they or their workflow are paused. Concurrent callers share them.
        """

    async def make_claimable_after_set_back(
        self, workflows: Collection[str], now: int, limit: int
    ) -> int:
        """Make up to ``limit`` runs of these workflows claimable that wait for their time and were
        parked later than ``now`` (Paused ones once they are resumed). The clock was set back since,
        and they would wait too long by it. Returns their number.
        """

    async def load_attempts(self, run_ids: Collection[str]) -> list[AttemptRow]:
        """All attempts of the tasks of these runs, ordered by run, task and attempt. Those of
        items of maps are left out.
        """

    async def outcomes(self, run_ids: Collection[str]) -> list[AttemptRow]:
        """As ``load_attempts``, without changes and tracebacks: those are None. Only reads."""

    async def restarts(self, run_ids: Collection[str]) -> list[RestartRow]:
        """The tasks of these runs that were restarted, by run, task and attempt. Only reads."""

    async def rounds(self, run_id: str) -> list[RoundRow]:
        """The ends of the earlier rounds of a run, oldest first. Only reads."""

    # -- observe -----------------------------------------------------------------------------

    async def get_run(self, run_id: str) -> RunRow | None:
        """The run; None if there is none with this id."""

    async def list_runs(self, wanted: RunFilter) -> list[RunRow]:
        """The runs that match, newest first, with empty ``input`` and ``final_context``."""

    async def count_runs(self, wanted: RunFilter) -> int:
        """The number of runs that match, up to ``limit`` of each status. Only reads."""

    async def ended(self, run_ids: Collection[str]) -> list[RunRow]:
        """The runs among these that have ended."""

    async def list_waiting(self, runner_id: str, most: int, gone: Collection[str] = ()) -> Waiting:
        """Work that waits for a runner with its workflow, by workflow and kind, in any order.

        Eligible: claimable runs, and enabled schedules with a tick to come or due (also of a paused
        workflow), of workflows of which no live runner owns a run that has not ended. A runner is
        live if it is registered, not fenced and not among the ``gone``. At most ``most`` of each
        are counted; ``first_run`` is the run that is claimed first of the first queue by name.
        ``other_runners`` counts the live runners beside ``runner_id``. Only reads; may include work
        that a concurrent caller takes meanwhile.
        """
